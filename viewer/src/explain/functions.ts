/** Activation functions of one value, in double precision. */
import { erf } from './erf'

/** A function's constants by name, as the recording has them in `attributes.extra`. */
export type Constants = Readonly<Record<string, unknown>>

type Function = (v: number, constant: (name: string, otherwise: number) => number, all: Constants) => number

/** "Hard_Swish", "HardSwish", "hard-swish" -> "hardswish": every framework writes them in its own way. */
export function plainName(name: string): string {
  return name.toLowerCase().replace(/[^a-z0-9]/g, '')
}

/** The function's value; null for a name that is not known. */
export function activated(name: string, v: number, constants: Constants): number | null {
  const known = FUNCTIONS[plainName(name)]
  if (!known) return null
  return known(v, (constant, otherwise) => numberOf(constants[constant]) ?? otherwise, constants)
}

export function isFunction(name: string): boolean {
  return plainName(name) in FUNCTIONS
}

/** The constants that a function takes and the recording has, for showing. */
export function constantsOf(name: string, constants: Constants): Record<string, number> | undefined {
  const found = (TAKEN[plainName(name)] ?? []).flatMap(constant => {
    const value = numberOf(constants[constant])
    return value === null ? [] : [[constant, value] as const]
  })
  return found.length > 0 ? Object.fromEntries(found) : undefined
}

function numberOf(value: unknown): number | null {
  return typeof value === 'number' ? value : null
}

const sigmoid = (v: number) => 1 / (1 + Math.exp(-v))
/** log(1 + e^v) without overflow. */
const softplus = (v: number) => Math.max(v, 0) + Math.log1p(Math.exp(-Math.abs(v)))
const elu = (v: number, alpha: number) => (v > 0 ? v : alpha * Math.expm1(v))
/** Math.min and Math.max keep NaN. */
const between = (v: number, low: number, high: number) => Math.min(Math.max(v, low), high)

/** Slope below the threshold and a ceiling, where the network has them. */
const relu: Function = (v, constant) => {
  const threshold = constant('threshold', 0)
  const bent = v > threshold || Number.isNaN(v) ? v : constant('negative_slope', 0) * (v - threshold)
  return Math.min(bent === 0 ? 0 : bent, constant('max_value', Number.POSITIVE_INFINITY))
}

/** GELU; some networks use a tanh in place of the error function (Hendrycks and Gimpel, 2016). */
const gelu: Function = (v, _, { approximate }) =>
  approximate === 'tanh' || approximate === true
    ? 0.5 * v * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (v + 0.044715 * v ** 3)))
    : 0.5 * v * (1 + erf(v / Math.SQRT2))

const clip: Function = (v, constant) =>
  between(v, constant('min', Number.NEGATIVE_INFINITY), constant('max', Number.POSITIVE_INFINITY))

const hardSwish: Function = v => v * between(v / 6 + 0.5, 0, 1)
const power: Function = (v, constant) => v ** constant('exponent', 2)
const negative: Function = v => -v
const silu: Function = v => v * sigmoid(v)
const same: Function = v => v

/** Halves go to the even neighbour, as in IEEE 754. */
const round: Function = v => (Math.abs(v % 1) === 0.5 ? 2 * Math.round(v / 2) : Math.round(v))

const FUNCTIONS: Readonly<Record<string, Function>> = {
  relu,
  relu6: v => between(v, 0, 6),
  relun1to1: v => between(v, -1, 1),
  leakyrelu: (v, constant) => (v < 0 ? constant('slope', 0.01) * v : v),
  sigmoid,
  logistic: sigmoid,
  tanh: Math.tanh,
  gelu,
  silu,
  swish: silu,
  quickgelu: v => v * sigmoid(1.702 * v),
  hardswish: hardSwish,
  hardsilu: hardSwish,
  hardsigmoid: (v, constant) => between(v * constant('alpha', 1 / 6) + constant('beta', 0.5), 0, 1),
  hardtanh: (v, constant) => between(v, constant('min', -1), constant('max', 1)),
  clip,
  clamp: clip,
  elu: (v, constant) => elu(v, constant('alpha', 1)),
  // Klambauer et al., "Self-Normalizing Neural Networks", 2017.
  selu: v => 1.0507009873554805 * elu(v, 1.6732632423543772),
  celu: (v, constant) => {
    const alpha = constant('alpha', 1)
    return v > 0 ? v : alpha * Math.expm1(v / alpha)
  },
  softplus: (v, constant) => softplus(constant('beta', 1) * v) / constant('beta', 1),
  softsign: v => v / (1 + Math.abs(v)),
  mish: v => v * Math.tanh(softplus(v)),
  logsigmoid: v => -softplus(-v),
  tanhshrink: v => v - Math.tanh(v),
  softshrink: (v, constant) => Math.sign(v) * Math.max(Math.abs(v) - constant('lambda', 0.5), 0),
  hardshrink: (v, constant) => (Math.abs(v) > constant('lambda', 0.5) ? v : 0),
  thresholdedrelu: (v, constant) => (v > constant('alpha', 1) ? v : 0),
  threshold: (v, constant) => (v > constant('threshold', 0) ? v : constant('value', 0)),
  exponential: Math.exp,
  exp: Math.exp,
  log: Math.log,
  sqrt: Math.sqrt,
  rsqrt: v => 1 / Math.sqrt(v),
  reciprocal: v => 1 / v,
  square: v => v * v,
  pow: power,
  power,
  abs: Math.abs,
  neg: negative,
  negative,
  sign: Math.sign,
  floor: Math.floor,
  ceil: Math.ceil,
  round,
  sin: Math.sin,
  cos: Math.cos,
  erf,
  linear: same,
  identity: same,
  dropout: same,
}

/** Constants by function: a layer's `extra` also holds other things under the same roof. */
const TAKEN: Readonly<Record<string, readonly string[]>> = {
  relu: ['threshold', 'negative_slope', 'max_value'],
  leakyrelu: ['slope'],
  hardsigmoid: ['alpha', 'beta'],
  hardtanh: ['min', 'max'],
  clip: ['min', 'max'],
  clamp: ['min', 'max'],
  elu: ['alpha'],
  celu: ['alpha'],
  softplus: ['beta'],
  softshrink: ['lambda'],
  hardshrink: ['lambda'],
  thresholdedrelu: ['alpha'],
  threshold: ['threshold', 'value'],
  pow: ['exponent'],
  power: ['exponent'],
}

/** Shifted by the largest input, so that nothing overflows. */
export function softmax(values: readonly number[]): number[] {
  const largest = values.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY)
  const powers = values.map(value => Math.exp(value - largest))
  const total = powers.reduce((a, b) => a + b, 0)
  return powers.map(power => power / total)
}

export function logSoftmax(values: readonly number[]): number[] {
  const largest = values.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY)
  const rest = Math.log(values.reduce((sum, value) => sum + Math.exp(value - largest), 0))
  return values.map(value => value - largest - rest)
}

/** What follows the sum: norms and activations, fused into a layer or layers of their own. */
import type { CalculationStep } from './calculation'
import { activated, type Constants, constantsOf, isFunction, logSoftmax, plainName, softmax } from './functions'
import { type CalculationInput, entryOf, hasRole, operationName, type Place, parameterOf, shapeOf } from './inputs'

/** Steps that hand the value on, where a network only runs: they are not listed. */
const IDENTITY = new Set(['dropout', 'flatten', 'reshape', 'identity', 'linear', 'output', 'bias'])
const ALONG_AN_AXIS: Readonly<Record<string, (values: readonly number[]) => number[]>> = {
  softmax,
  logsoftmax: logSoftmax,
}

/** Kinds that are named after their function. */
const OWN = new Set(['relu', 'leaky_relu', 'prelu', 'sigmoid', 'tanh', 'gelu', 'silu', 'batch_norm', 'softmax'])

/** The function that a layer is, by name; null for layers that are something else. */
export function ownFunction(input: CalculationInput): string | null {
  const { kind } = input.to
  if (OWN.has(kind)) return kind
  const name = operationName(input)
  const known = isFunction(name) || plainName(name) in ALONG_AN_AXIS
  return kind === 'activation' && known ? name : null
}

export interface Stepped {
  steps: CalculationStep[]
  value: number
  /** Steps that the recorded numbers are not enough for, in words. */
  missing: string[]
}

export type Step = CalculationStep & { unsure?: string }

/**
 * Applies the layer's own function and what is fused to the value before them. `before(place)` gives that value for
 * another place: softmax needs a whole axis of them. Throws NotLoaded.
 */
export function applySteps(input: CalculationInput, start: number, before: (place: Place) => number): Stepped {
  const own = ownFunction(input)
  const names = [...(own ? [own] : []), ...(input.to.layer.fused ?? [])].filter(name => !IDENTITY.has(plainName(name)))
  const here: Place = [input.map, input.y, input.x]
  const stepped: Stepped = { steps: [], value: start, missing: [] }
  for (const [i, name] of names.entries()) {
    const along = ALONG_AN_AXIS[plainName(name)]
    const step = along
      ? alongAxis(input, name, along, names.slice(0, i), before)
      : one(input, name, here, stepped.value)
    if (!step) {
      stepped.missing.push(words(name))
      continue
    }
    if (step.unsure) stepped.missing.push(step.unsure)
    delete step.unsure
    stepped.steps.push(step)
    stepped.value = step.value
  }
  return stepped
}

function words(name: string): string {
  return name.replaceAll('_', ' ').replace('relu', 'ReLU')
}

function alongAxis(
  input: CalculationInput,
  name: string,
  function_: (values: readonly number[]) => number[],
  earlier: string[],
  before: (place: Place) => number,
): Step {
  const { to } = input
  const { axis: ownAxis, extra } = to.layer.attributes ?? {}
  const fusedAxis = typeof extra?.softmax_axis === 'number' ? extra.softmax_axis : 0
  const axis = axisOf(input, ownFunction(input) === name ? ownAxis : fusedAxis)
  const here = [input.map, input.y, input.x]
  const inputs = Array.from({ length: [to.maps, to.rows, to.columns][axis] }, (_, at) => {
    const place = here.map((p, a) => (a === axis ? at : p)) as [number, number, number]
    return earlier.reduce((value, step) => one(input, step, place, value)?.value ?? value, before(place))
  })
  const outputs = function_(inputs)
  return { name, value: outputs[here[axis]], inputs, outputs, own: here[axis] }
}

/** One step on one value; null when the recorded numbers are not enough. */
function one(input: CalculationInput, name: string, place: Place, value: number): Step | null {
  const { slope, extra } = input.to.layer.attributes ?? {}
  const plain = plainName(name)
  if (plain === 'batchnorm') return batchNorm(input, place, value)
  if (plain === 'prelu') {
    if (!hasRole(input, 'alpha')) return null
    const { shape, data } = parameterOf(input, 'alpha')
    const alpha = data[entryOf(input, shape, place)]
    return { name, value: value >= 0 ? value : alpha * value, terms: { alpha } }
  }
  const constants: Constants = typeof slope === 'number' ? { slope, alpha: slope, ...extra } : (extra ?? {})
  if (plain === 'leakyrelu' && value < 0 && typeof slope !== 'number' && typeof extra?.slope !== 'number') return null
  const result = activated(name, value, constants)
  if (result === null) return null
  const terms = plain === 'leakyrelu' && value >= 0 ? undefined : constantsOf(name, constants)
  return terms ? { name, value: result, terms } : { name, value: result }
}

/** gamma · (value − mean) / √(variance + epsilon) + beta, with the running statistics: how a trained network runs. */
function batchNorm(input: CalculationInput, place: Place, value: number): Step | null {
  const { attributes } = input.to.layer
  const axis = input.to.kind === 'batch_norm' ? axisOf(input, attributes?.axis) : 0
  const own = (role: string) => {
    if (!hasRole(input, role)) return null
    const { data } = parameterOf(input, role)
    return data[data.length === 1 ? 0 : place[axis]]
  }
  const [mean, variance] = [own('mean'), own('variance')]
  if (mean === null || variance === null || attributes?.extra?.batch_statistics) return null
  // A norm may be built without a scale or without a shift.
  const [gamma, beta] = [own('gamma') ?? 1, own('beta') ?? 0]
  const recorded = attributes?.epsilon
  const epsilon = recorded ?? 1e-5
  const step: Step = {
    name: 'batch_norm',
    value: (gamma * (value - mean)) / Math.sqrt(variance + epsilon) + beta,
    terms: { gamma, beta, mean, variance, epsilon },
  }
  // Frameworks differ (1e-5, 1e-3): without the recorded one the result is close, not exact.
  if (typeof recorded !== 'number') step.unsure = 'epsilon of the batch norm'
  return step
}

/** An axis of the network's shape as an axis of maps, rows, columns: a sequence has one row. */
function axisOf(input: CalculationInput, given: number | null | undefined): number {
  const rank = shapeOf(input).length
  const axis = (given ?? 0) < 0 ? (given ?? 0) + rank : (given ?? 0)
  return rank === 2 && axis === 1 ? 2 : axis
}

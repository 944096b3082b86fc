/** What follows the sum: norms and activations, fused into a layer or layers of their own. */
import type { CalculationStep } from './calculation'
import { FUNCTIONS, geluTanh, softmax } from './functions'
import type { CalculationInput } from './inputs'

/** Steps that hand the value on, where a network only runs: they are not listed. */
const IDENTITY = new Set(['dropout', 'flatten', 'reshape', 'identity', 'output'])

/** A parameter that the recording has is not in memory yet: there is no calculation for now. */
export class NotLoaded extends Error {}

/** The steps' names: a layer's own function first, then what is fused into it. */
export function stepNames(input: CalculationInput): string[] {
  const { kind, layer } = input.to
  const own = OWN_FUNCTION.has(kind) ? [kind] : []
  return [...own, ...(layer.fused ?? [])].filter(name => !IDENTITY.has(name))
}

export const OWN_FUNCTION: ReadonlySet<string> = new Set([
  'relu',
  'leaky_relu',
  'prelu',
  'sigmoid',
  'tanh',
  'gelu',
  'silu',
  'batch_norm',
  'softmax',
])

export interface Stepped {
  steps: CalculationStep[]
  value: number
  /** Steps that the recorded numbers are not enough for, in words. */
  missing: string[]
}

/**
 * Applies the steps to the value before them. `before(map)` gives that value for another map at the same pixel: softmax
 * needs them all. Throws NotLoaded.
 */
export function applySteps(input: CalculationInput, start: number, before: (map: number) => number): Stepped {
  const names = stepNames(input)
  const stepped: Stepped = { steps: [], value: start, missing: [] }
  for (const [i, name] of names.entries()) {
    const step =
      name === 'softmax' ? softmaxStep(input, names.slice(0, i), before) : one(input, name, input.map, stepped.value)
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

type Step = CalculationStep & { unsure?: string }

function words(name: string): string {
  return name.replaceAll('_', ' ').replace('relu', 'ReLU')
}

function softmaxStep(input: CalculationInput, earlier: string[], before: (map: number) => number): Step {
  const inputs = Array.from({ length: input.to.maps }, (_, map) =>
    earlier.reduce((value, name) => one(input, name, map, value)?.value ?? value, before(map)),
  )
  const outputs = softmax(inputs)
  return { name: 'softmax', value: outputs[input.map], inputs, outputs }
}

/** One step on one value of a map; null when the recorded numbers are not enough. */
function one(input: CalculationInput, name: string, map: number, value: number): Step | null {
  const { attributes } = input.to.layer
  if (name === 'batch_norm') return batchNorm(input, map, value)
  if (name === 'leaky_relu') {
    const slope = attributes?.slope
    if (value >= 0) return { name, value }
    return typeof slope === 'number' ? { name, value: slope * value, terms: { slope } } : null
  }
  if (name === 'prelu') {
    const alpha = parameterOf(input, 'alpha', map)
    if (alpha === null) return null
    return { name, value: value >= 0 ? value : alpha * value, terms: { alpha } }
  }
  if (name === 'gelu' && attributes?.extra?.approximate === 'tanh') return { name, value: geluTanh(value) }
  const known = FUNCTIONS[name]
  return known ? { name, value: known(value) } : null
}

/** gamma · (value − mean) / √(variance + epsilon) + beta, with the running statistics: how a trained network runs. */
function batchNorm(input: CalculationInput, map: number, value: number): Step | null {
  const mean = parameterOf(input, 'mean', map)
  const variance = parameterOf(input, 'variance', map)
  if (mean === null || variance === null) return null
  // A norm may be built without a scale or without a shift.
  const gamma = parameterOf(input, 'gamma', map) ?? 1
  const beta = parameterOf(input, 'beta', map) ?? 0
  const recorded = input.to.layer.attributes?.epsilon
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

/** A map's own entry of a per-map parameter (a single entry counts for all); null where the layer has no such parameter. */
function parameterOf(input: CalculationInput, role: string, map: number): number | null {
  if (!input.to.layer.parameters?.some(parameter => parameter.role === role)) return null
  const tensor = input.parameter(role)
  if (!tensor) throw new NotLoaded()
  return tensor.data[tensor.data.length === 1 ? 0 : map]
}

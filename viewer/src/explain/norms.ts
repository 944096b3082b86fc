/** Norms over values of the sample itself: layer norm, group norm, and over neighbouring maps (LRN). */
import type { CalculationStep } from './calculation'
import {
  type CalculationInput,
  hasRole,
  type Operand,
  type Place,
  parameterOf,
  pixelIndex,
  placeIn,
  shapeOf,
} from './inputs'

type Step = CalculationStep & { unsure?: string }

export const SAMPLE_NORMS: ReadonlySet<string> = new Set(['layer_norm', 'group_norm', 'lrn'])

/** The step that makes the value out of the one at the same place of the input; null where its axes are not known. */
export function sampleNorm(input: CalculationInput, operand: Operand, place: Place, value: number): Step | null {
  if (input.to.kind === 'layer_norm') return layerNorm(input, operand, place, value)
  return input.to.kind === 'group_norm'
    ? groupNorm(input, operand, place, value)
    : responseNorm(input, operand, place, value)
}

/** Over the axes that `extra.axes` or `axis` names, or as many last ones as gamma has. */
function layerNorm(input: CalculationInput, operand: Operand, place: Place, value: number): Step | null {
  const rank = shapeOf(input).length
  const { axis, extra = {} } = input.to.layer.attributes ?? {}
  const named = Array.isArray(extra.axes) ? (extra.axes as number[]) : typeof axis === 'number' ? [axis] : null
  const gamma = hasRole(input, 'gamma') ? parameterOf(input, 'gamma').shape.length : null
  const last = gamma ?? (hasRole(input, 'beta') ? parameterOf(input, 'beta').shape.length : Number(extra.rank ?? rank))
  const axes = new Set(
    (named ?? Array.from({ length: last }, (_, i) => rank - last + i)).map(a => (a < 0 ? a + rank : a)),
  )
  const here = axesOf(place, rank)
  const over = operand.values.filter((_, position) =>
    axesOf(placeIn(operand, position), rank).every((p, a) => axes.has(a) || p === here[a]),
  )
  const sizes = shapeOf(input).map((size, a) => (axes.has(a) ? size : 1))
  const entry = here.reduce((at, p, a) => at * sizes[a] + (axes.has(a) ? p : 0), 0)
  return normalised(input, 'layer_norm', over, value, entry)
}

/** Over the maps of a group and all their pixels; gamma and beta are those of the map. */
function groupNorm(input: CalculationInput, operand: Operand, [map]: Place, value: number): Step {
  const maps = operand.maps / (input.to.layer.attributes?.groups ?? 1)
  const pixels = operand.rows * operand.columns
  const first = Math.floor(map / maps) * maps * pixels
  return normalised(input, 'group_norm', operand.values.subarray(first, first + maps * pixels), value, map)
}

/** Place along the axes that the network has: a sequence has one row, which is none. */
function axesOf(place: Place, rank: number): readonly number[] {
  return rank === 2 ? [place[0], place[2]] : place.slice(0, rank)
}

/** gamma · (value − mean) / √(variance + epsilon) + beta */
function normalised(input: CalculationInput, name: string, over: Float32Array, value: number, entry: number): Step {
  const mean = over.reduce((a, b) => a + b, 0) / over.length
  const variance = over.reduce((a, b) => a + (b - mean) ** 2, 0) / over.length
  const own = (role: string, otherwise: number) => {
    if (!hasRole(input, role)) return otherwise
    const { data } = parameterOf(input, role)
    return data[data.length === 1 ? 0 : entry]
  }
  const [gamma, beta] = [own('gamma', 1), own('beta', 0)]
  const recorded = input.to.layer.attributes?.epsilon
  const epsilon = recorded ?? 1e-5
  const step: Step = {
    name,
    value: (gamma * (value - mean)) / Math.sqrt(variance + epsilon) + beta,
    terms: { gamma, beta, mean, variance, epsilon },
  }
  if (typeof recorded !== 'number') step.unsure = `epsilon of the ${name.replace('_', ' ')}`
  return step
}

/** value / (bias + alpha · Σ squares) ^ beta over the maps nearby: Krizhevsky et al., 2012. */
function responseNorm(input: CalculationInput, operand: Operand, [map, y, x]: Place, value: number): Step | null {
  const { depth_radius: radius, bias, alpha, beta } = input.to.layer.attributes?.extra ?? {}
  if (![radius, bias, alpha, beta].every(number => typeof number === 'number')) return null
  const reach = radius as number
  let squares = 0
  for (let m = Math.max(0, map - reach); m <= Math.min(operand.maps - 1, map + reach); m++) {
    squares += operand.values[pixelIndex(operand, m, y, x)] ** 2
  }
  const terms = { bias: bias as number, alpha: alpha as number, squares, beta: beta as number }
  return { name: 'lrn', value: value / (terms.bias + terms.alpha * squares) ** terms.beta, terms }
}

/** Takes one recorded value apart into every term that makes it, in double precision on the recorded float32 values. */
import { agrees } from './agreement'
import type { Calculation } from './calculation'
import { plainName } from './functions'
import {
  type CalculationInput,
  hasRole,
  NotLoaded,
  type Operand,
  operandsOf,
  operationName,
  type Place,
  parameterOf,
  pixelIndex,
} from './inputs'
import { concatenated, joinedTerms, joinOf } from './joins'
import { blendedTerms, movedTerms, reducedTerms } from './moved'
import { sampleNorm } from './norms'
import { joined, type Terms, valuePart } from './parts'
import { pooled } from './pools'
import { applySteps, ownFunction, type Step } from './steps'
import { isReadable, unitOf, weightedParts, weightedSum } from './weights'

/**
 * Every term of the output value at (map, y, x); units of a vector are maps of one pixel. null where a tensor that it
 * needs is not loaded or an input is not recorded, where the place lies outside, and for layers that are not taken
 * apart. What the recording lacks is listed in `missing`, and the value is then what the recorded terms give.
 */
export function calculate(input: CalculationInput): Calculation | null {
  const { to, links, map, y, x } = input
  const outside = !(map >= 0 && map < to.maps && y >= 0 && y < to.rows && x >= 0 && x < to.columns)
  if (outside || links.length === 0) return null
  try {
    return takenApart(input, operandsOf(input))
  } catch (error) {
    if (error instanceof NotLoaded) return null
    throw error
  }
}

/** Whether everything is in memory and the layer is still none of those that are taken apart. */
export function isBeyond(input: CalculationInput): boolean {
  try {
    return termsOf(input, operandsOf(input), [input.map, input.y, input.x]) === null
  } catch (error) {
    if (error instanceof NotLoaded) return false
    throw error
  }
}

function takenApart(input: CalculationInput, operands: Operand[]): Calculation | null {
  const { to, map, y, x, checkpoint } = input
  const terms = termsOf(input, operands, [map, y, x])
  if (!terms) return null
  const missing = new Set(input.missing)
  const weighted = isWeighted(input)
  const bias = biasOf(input, [map, y, x])
  if (weighted && bias === null && !input.biases) missing.add('bias')
  const preActivation = terms.total + (bias ?? 0)
  const norm = normOf(input, operands, preActivation)
  const stepped = applySteps(input, norm?.value ?? preActivation, place => before(input, operands, place))
  for (const lack of [norm?.unsure, ...stepped.missing]) if (lack) missing.add(lack)
  const recorded = input.output(to.id)?.[pixelIndex(to, map, y, x)] ?? null
  const calculation: Calculation = {
    layer: to.id,
    map,
    y,
    x,
    checkpoint,
    operation: terms.operation,
    parts: terms.parts,
    bias,
    preActivation,
    steps: [...(norm ? [withoutDoubt(norm)] : []), ...stepped.steps],
    value: stepped.value,
    recorded,
    difference: recorded === null ? null : stepped.value - recorded,
    missing: [...missing],
  }
  const { rounded } = to.layer.attributes?.extra ?? {}
  if (typeof rounded === 'string' && !agrees(calculation)) calculation.missing.push(`rounding to ${rounded}`)
  return calculation
}

function withoutDoubt({ unsure: _, ...step }: Step): Step {
  return step
}

/** The parts of a value; null where the layer is none of those that are taken apart. */
function termsOf(input: CalculationInput, operands: Operand[], place: Place): Terms | null {
  const { to, links } = input
  const [first] = operands
  const [{ link }] = links
  if (!first || flattensMaps(input)) return null
  if (isWeighted(input)) {
    if (links[0].role === null && link === 'conv') throw new NotLoaded()
    if (link === 'dense' && !isReadable(input, operands)) return null
    return joined(weightedParts(input, first, place), 'sum')
  }
  if (link === 'pool') return pooled(links[0], to, first, place)
  if (to.kind === 'concat') return concatenated(input, operands, place)
  const join = joinOf(input)
  if (join) return joinedTerms(input, operands, place, join)
  if (ownFunction(input) || isSampleNorm(input)) return joined([valuePart(first, ...place)], 'same')
  if (to.kind === 'upsample' && first.values.length > 0) {
    return movedTerms(input, first, place) ?? blendedTerms(input, first, place)
  }
  const reduced = to.kind === 'other' && reducedTerms(input, first, place, plainName(operationName(input)))
  return reduced || movedTerms(input, first, place)
}

/** A recorded vector that an operation on maps was flattened to: which pixel a unit was is not recorded. */
function flattensMaps({ to, links }: CalculationInput): boolean {
  const flattened = (to.layer.fused ?? []).includes('flatten')
  return flattened && links[0].link !== 'dense' && links[0].inRows * links[0].inColumns > 1
}

function isWeighted({ links }: CalculationInput): boolean {
  return links[0].link === 'conv' || links[0].link === 'dense'
}

function isSampleNorm(input: CalculationInput): boolean {
  const { kind } = input.to
  return kind === 'layer_norm' || kind === 'group_norm' || (kind === 'other' && operationName(input) === 'tf.LRN')
}

function normOf(input: CalculationInput, [first]: Operand[], value: number): Step | null {
  return isSampleNorm(input) ? sampleNorm(input, first, [input.map, input.y, input.x], value) : null
}

/** The value at another place, before the steps. */
function before(input: CalculationInput, operands: Operand[], place: Place): number {
  if (isWeighted(input)) return weightedSum(input, operands[0], place) + (biasOf(input, place) ?? 0)
  return termsOf(input, operands, place)?.total ?? 0
}

/** null where the layer has none. */
function biasOf(input: CalculationInput, place: Place): number | null {
  if (!isWeighted(input) || !hasRole(input, 'bias')) return null
  return parameterOf(input, 'bias').data[unitOf(input, place)] ?? null
}

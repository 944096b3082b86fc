/** Layers that join values of the same place: of several inputs, of the layer's own parameters, of a constant. */
import type { CalculationPart } from './calculation'
import { plainName } from './functions'
import { type CalculationInput, entryOf, type Operand, operationName, type Place, parameterOf, shapeOf } from './inputs'
import { constantPart, joined, type Terms, valuePart } from './parts'

const JOINS: Readonly<Record<string, Terms['operation']>> = {
  add: 'sum',
  subtract: 'difference',
  multiply: 'product',
}

/** Joins without a kind of their own, by name. */
const NAMED: Readonly<Record<string, Terms['operation']>> = {
  divide: 'quotient',
  div: 'quotient',
  maximum: 'max',
  minimum: 'min',
  average: 'mean',
}

export function joinOf(input: CalculationInput): Terms['operation'] | null {
  const { kind } = input.to
  return JOINS[kind] ?? (kind === 'other' ? NAMED[plainName(operationName(input))] : undefined) ?? null
}

/** Inputs, then parameters, then the constant, below each other; turned round where the network has them so. */
export function joinedTerms(
  input: CalculationInput,
  operands: readonly Operand[],
  place: Place,
  operation: Terms['operation'],
): Terms {
  const { layer } = input.to
  const parts = operands.map(operand => atSamePlace(operand, place))
  for (const { role } of layer.parameters ?? []) {
    const { shape, data } = parameterOf(input, role)
    const at = entryBelow(input, shape, place)
    parts.push(constantPart(input, role, data[at], at))
  }
  const { constant, reverse } = layer.attributes?.extra ?? {}
  if (constant !== undefined && constant !== null) parts.push(constantOf(input, constant, place))
  if (reverse) parts.reverse()
  if (operation !== 'mean') return joined(parts, operation)
  const shares = parts.map(part => ({
    ...part,
    products: [[part.sum / parts.length]],
    sum: part.sum / parts.length,
  }))
  return joined(shares, operation)
}

/** Sizes of one stand for every place. */
function atSamePlace(operand: Operand, [map, y, x]: Place): CalculationPart {
  return valuePart(operand, operand.maps === 1 ? 0 : map, operand.rows === 1 ? 0 : y, operand.columns === 1 ? 0 : x)
}

/** A number, or nested lists of them. */
function constantOf(input: CalculationInput, constant: unknown, place: Place): CalculationPart {
  const shape: number[] = []
  for (let inner = constant; Array.isArray(inner); inner = inner[0]) shape.push(inner.length)
  const numbers = (Array.isArray(constant) ? constant.flat(Number.POSITIVE_INFINITY) : [constant]) as unknown[]
  const at = entryBelow(input, shape, place)
  return constantPart(input, 'constant', Number(numbers[at]), at)
}

/** An operand is laid below the output, last axes first, also where it has a single one. */
function entryBelow(input: CalculationInput, shape: readonly number[], place: Place): number {
  const filled = Array.from({ length: Math.max(0, shapeOf(input).length - shape.length) }, () => 1)
  return entryOf(input, [...filled, ...shape], place)
}

/** The value of the input to which the place belongs. */
export function concatenated(input: CalculationInput, operands: readonly Operand[], place: Place): Terms | null {
  if ((input.to.layer.parameters ?? []).length > 0) return null
  const rank = shapeOf(input).length
  const given = input.to.layer.attributes?.axis ?? 0
  const counted = given < 0 ? given + rank : given
  // A sequence's second axis is the columns of one row.
  const axis = rank === 2 && counted === 1 ? 2 : counted
  const own: [number, number, number] = [place[0], place[1], place[2]]
  for (const operand of operands) {
    const size = [operand.maps, operand.rows, operand.columns][axis]
    if (own[axis] < size) return joined([valuePart(operand, ...own)], 'same')
    own[axis] -= size
  }
  return null
}

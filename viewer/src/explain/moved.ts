/** Layers that move values (pad, crop, reshape, …) and those that blend neighbours (bilinear upsampling). */
import { moveOf, positionOf } from '../layout/moves'
import type { CalculationPart } from './calculation'
import { type CalculationInput, type Operand, type Place, pixelIndex, placeIn, shapeOf } from './inputs'
import { constantPart, emptyPart, joined, type Terms, weightedPart } from './parts'

/** The value that a moving layer puts there; null for other layers. */
export function movedTerms(input: CalculationInput, operand: Operand, place: Place): Terms | null {
  const { layer } = input.to
  const move = moveOf(layer, givenShape(input), shapeOf(input))
  if (!move) return null
  const position = move(pixelIndex(input.to, ...place))
  if (position === null) {
    const value = layer.attributes?.extra?.value
    return joined([constantPart(input, 'padding', typeof value === 'number' ? value : 0)], 'same')
  }
  const value = operand.values[position]
  const part: CalculationPart = {
    ...emptyPart(operand.from.id, ...operand.placeOf(position)),
    patch: [[value]],
    products: [[value]],
    sum: value,
  }
  return joined([part], 'same')
}

/** Shape of the first input, as the network has it. */
export function givenShape({ network, to }: CalculationInput): readonly number[] {
  const edge = to.layer.inputs?.[0]
  return network.layers.find(layer => layer.id === edge?.layer)?.output_shapes?.[edge?.output ?? 0] ?? []
}

/** Bilinear: up to four neighbours, weighted by how near they are. */
export function blendedTerms(input: CalculationInput, operand: Operand, [map, y, x]: Place): Terms | null {
  const { to } = input
  const extra = to.layer.attributes?.extra ?? {}
  if (!['bilinear', 'linear'].includes(String(extra.mode))) return null
  const rank = shapeOf(input).length
  const down = rank === 3 ? neighbours(y, operand.rows, to.rows, extra, 0) : [[0, 1] as const]
  const across = neighbours(x, operand.columns, to.columns, extra, rank === 3 ? 1 : 0)
  const patch = down.map(([row]) => across.map(([column]) => operand.values[pixelIndex(operand, map, row, column)]))
  const kernel = down.map(([, a]) => across.map(([, b]) => a * b))
  const first = operand.placeOf(pixelIndex(operand, map, down[0][0], across[0][0]))
  return joined([weightedPart(operand, first, patch, kernel)], 'sum')
}

/** One or two places along an axis, and their weights. */
function neighbours(
  place: number,
  size: number,
  length: number,
  extra: Record<string, unknown>,
  axis: number,
): (readonly [place: number, weight: number])[] {
  const at = Math.min(size - 1, Math.max(0, positionOf(place, size, length, 'half_pixel', extra, axis)))
  const low = Math.floor(at)
  const share = at - low
  if (share === 0 || low + 1 >= size) return [[low, 1]]
  return [
    [low, 1 - share],
    [low + 1, share],
  ]
}

/** Means, sums, largest and smallest values along some axes, named in `extra.axes`; null for other operations. */
export function reducedTerms(input: CalculationInput, operand: Operand, place: Place, name: string): Terms | null {
  const operation = REDUCTIONS[name]
  const shape = givenShape(input)
  const extra = input.to.layer.attributes?.extra ?? {}
  if (!operation || shape.length > 3) return null
  const given = Array.isArray(extra.axes) ? (extra.axes as number[]) : shape.map((_, axis) => axis).slice(1)
  const axes = new Set(given.map(axis => (axis < 0 ? axis + shape.length : axis)))
  const kept = keptPlaces(input, place, shape.length, axes, Boolean(extra.keepdims))
  const parts = new Map<number, CalculationPart>()
  let count = 0
  for (let position = 0; position < operand.values.length; position++) {
    const at = placeIn(operand, position)
    const own = shape.length === 2 ? [at[0], at[2]] : at
    if (own.slice(0, shape.length).some((p, axis) => !axes.has(axis) && p !== kept[axis])) continue
    const [map, row, column] = operand.placeOf(position)
    const part = parts.get(map) ?? emptyPart(operand.from.id, map, row, column)
    parts.set(map, part)
    const value = operand.values[position]
    part.patch[row - part.y] = [...(part.patch[row - part.y] ?? []), value]
    count++
  }
  const scale = operation === 'mean' ? 1 / count : 1
  return joined(
    [...parts.values()].map(part => {
      const products = part.patch.map(row => row.map(value => value! * scale))
      const fold = operation === 'max' ? Math.max : operation === 'min' ? Math.min : (a: number, b: number) => a + b
      return { ...part, products, sum: products.flat().reduce((a, b) => fold(a, b)) }
    }),
    operation,
  )
}

const REDUCTIONS: Readonly<Record<string, Terms['operation']>> = { mean: 'mean', sum: 'sum', max: 'max', min: 'min' }

/** Where the output's place lies along each axis of the input; of the axes that vanish, nothing counts. */
function keptPlaces(
  input: CalculationInput,
  place: Place,
  rank: number,
  axes: ReadonlySet<number>,
  keepdims: boolean,
): number[] {
  const outRank = shapeOf(input).length
  const own = outRank === 2 ? [place[0], place[2]] : place.slice(0, outRank)
  if (keepdims) return own as number[]
  const rest = [...own]
  return Array.from({ length: rank }, (_, axis) => (axes.has(axis) ? 0 : (rest.shift() ?? 0)))
}

/** Convolutions and dense layers: which weight meets which input value. */
import type { Connection } from '../layout/connections'
import { pixelUnder } from '../shaders/ends'
import type { CalculationPart } from './calculation'
import { type CalculationInput, type Operand, type Place, parameterOf, pixelIndex, shapeOf } from './inputs'
import { emptyPart, put, weightedPart } from './parts'

/**
 * Called for every weight of one output value: place in the kernel, place in the operand's values (−1 in the padding),
 * input map, and row and column in that map's patch.
 */
type Visit = (weight: number, at: number, inMap: number, row: number, column: number) => void

/** Sum of weight × input of one output value, without bias. */
export function weightedSum(input: CalculationInput, operand: Operand, place: Place): number {
  const [c] = input.links
  let sum = 0
  if (c.link === 'dense') {
    const { first, inputs, at } = denseRow(input, operand, place)
    const kernel = parameterOf(input, 'kernel').data
    // A softmax over a thousand classes asks for a thousand of these sums.
    for (let n = 0; n < inputs; n++) sum += kernel[first + n] * operand.values[at(n)]
    return sum
  }
  if (c.separable) return separableParts(input, operand, place).reduce((total, part) => total + part.sum, 0)
  const kernel = kernelOf(input)
  eachTap(c, operand, place, (weight, at) => {
    if (at >= 0) sum += kernel[weight] * operand.values[at]
  })
  return sum
}

/** The same sum with all its terms, by input map. */
export function weightedParts(input: CalculationInput, operand: Operand, place: Place): CalculationPart[] {
  const [c] = input.links
  if (c.link === 'dense') return denseParts(input, operand, place)
  if (c.separable) return separableParts(input, operand, place)
  if (c.walk === 'transposed') return transposedParts(input, operand, place)
  const kernel = kernelOf(input)
  const parts = new Map<number, CalculationPart>()
  eachTap(c, operand, place, (weight, at, inMap, row, column) => {
    const part = parts.get(inMap) ?? tapPart(c, operand, place, inMap)
    parts.set(inMap, part)
    const value = at < 0 ? null : operand.values[at]
    put(part.patch, row, column, value)
    put(part.kernel!, row, column, kernel[weight])
    put(part.products, row, column, value === null ? null : value * kernel[weight])
    part.sum += value === null ? 0 : value * kernel[weight]
  })
  return [...parts.values()]
}

function kernelOf(input: CalculationInput): Float32Array {
  return parameterOf(input, input.links[0].role ?? 'kernel').data
}

/** A patch of an input map, which may be one of those that a layer in between has split off. */
function tapPart(c: Connection, operand: Operand, [, y, x]: Place, inMap: number): CalculationPart {
  const [map, row, column] = operand.placeOf(pixelIndex(operand, inMap, 0, 0))
  const top = row + y * c.stride[0] - c.padding[0]
  return { ...emptyPart(operand.from.id, map, top, column + x * c.stride[1] - c.padding[1]), kernel: [] }
}

function eachTap(c: Connection, operand: Operand, place: Place, visit: Visit): void {
  const [rows, columns] = c.kernel
  const firstMap = Math.floor(place[0] / c.outPerGroup) * c.inPerGroup
  for (let i = 0; i < c.inPerGroup; i++) {
    for (let row = 0; row < rows; row++) {
      for (let column = 0; column < columns; column++) {
        const at = under(c, operand, firstMap + i, row, column, place)
        visit(weightOf(c, place[0], i) + row * columns + column, at, firstMap + i, row, column)
      }
    }
  }
}

/** First tap of an output map on one of the input maps of its group. */
function weightOf(c: Connection, map: number, i: number): number {
  const taps = c.kernel[0] * c.kernel[1]
  if (c.walk !== 'transposed') return (map * c.inPerGroup + i) * taps
  const inMap = Math.floor(map / c.outPerGroup) * c.inPerGroup + i
  return (inMap * c.outPerGroup + (map % c.outPerGroup)) * taps
}

/** Position of the value under a tap; −1 where there is none. */
function under(c: Connection, operand: Operand, inMap: number, row: number, column: number, [, y, x]: Place): number {
  const [inRow, down] = pixelUnder(c, 0, row, y)
  const [inColumn, across] = pixelUnder(c, 1, column, x)
  const inside = inRow >= 0 && inRow < operand.rows && inColumn >= 0 && inColumn < operand.columns
  return down && across && inside ? pixelIndex(operand, inMap, inRow, inColumn) : -1
}

/**
 * The pixels from which a transposed convolution reaches the place, as they lie in the map, each with the tap that does
 * it: a patch with the kernel turned round, every stride-th tap of it.
 */
function transposedParts(input: CalculationInput, operand: Operand, place: Place): CalculationPart[] {
  const [c] = input.links
  const kernel = kernelOf(input)
  const reaching = [0, 1].map(axis =>
    Array.from({ length: c.kernel[axis] }, (_, tap) => tap)
      .filter(tap => pixelUnder(c, axis, tap, place[axis + 1])[1])
      .reverse(),
  )
  const firstMap = Math.floor(place[0] / c.outPerGroup) * c.inPerGroup
  return Array.from({ length: c.inPerGroup }, (_, i) => {
    const first = weightOf(c, place[0], i)
    const rows = reaching[0].map(row =>
      reaching[1].map(column => {
        const at = under(c, operand, firstMap + i, row, column, place)
        return [at < 0 ? null : operand.values[at], kernel[first + row * c.kernel[1] + column]] as const
      }),
    )
    const top = reaching[0].length > 0 ? pixelUnder(c, 0, reaching[0][0], place[1])[0] : 0
    const left = reaching[1].length > 0 ? pixelUnder(c, 1, reaching[1][0], place[2])[0] : 0
    return weightedPart(
      operand,
      [operand.placeOf(pixelIndex(operand, firstMap + i, 0, 0))[0], top, left],
      rows.map(row => row.map(([value]) => value)),
      rows.map(row => row.map(([, weight]) => weight)),
    )
  })
}

/** One part for each channel between the two kernels: patch × depthwise kernel, and their sum × the pointwise weight. */
function separableParts(input: CalculationInput, operand: Operand, place: Place): CalculationPart[] {
  const [c] = input.links
  const [rows, columns] = c.kernel
  const depthwise = parameterOf(input, 'depthwise').data
  const pointwise = parameterOf(input, 'pointwise').data
  const between = depthwise.length / (rows * columns)
  return Array.from({ length: between }, (_, channel) => {
    const inMap = Math.floor((channel * c.inMaps) / between)
    const cells = Array.from({ length: rows }, (_, row) =>
      Array.from({ length: columns }, (_, column) => {
        const at = under(c, operand, inMap, row, column, place)
        return [at < 0 ? null : operand.values[at], depthwise[(channel * rows + row) * columns + column]] as const
      }),
    )
    const { map, y, x } = tapPart(c, operand, place, inMap)
    const part = weightedPart(
      operand,
      [map, y, x],
      cells.map(row => row.map(([value]) => value)),
      cells.map(row => row.map(([, weight]) => weight)),
    )
    const factor = pointwise[place[0] * between + channel]
    return { ...part, factor, sum: factor * part.sum }
  })
}

interface DenseRow {
  unit: number
  /** The unit's first weight, and how many there are. */
  first: number
  inputs: number
  /** Number of a weight -> position of its value. */
  at: (n: number) => number
}

/** Which values a unit reads: all, in the layer's order, or those along the one axis that the layer is applied to. */
function denseRow(input: CalculationInput, operand: Operand, [map, y, x]: Place): DenseRow {
  const { to } = input
  const pixels = operand.rows * operand.columns
  if (to.rows * to.columns === 1) {
    const inputs = operand.maps * pixels
    const hwc = pixels > 1 && input.links[0].inputOrder === 'HWC'
    const at = hwc ? (n: number) => (n % operand.maps) * pixels + Math.floor(n / operand.maps) : (n: number) => n
    return { unit: map, first: map * inputs, inputs, at }
  }
  if (isAlongMaps(input)) {
    const at = (n: number) => pixelIndex(operand, n, y, x)
    return { unit: map, first: map * operand.maps, inputs: operand.maps, at }
  }
  const at = (n: number) => pixelIndex(operand, map, y, n)
  return { unit: x, first: x * operand.columns, inputs: operand.columns, at }
}

/** Whether a dense layer with several pixels runs over the maps; otherwise it runs along their rows. */
function isAlongMaps(input: CalculationInput): boolean {
  return input.to.layer.attributes?.axis === 0
}

/** Number of the bias that a value gets. */
export function unitOf(input: CalculationInput, [map, , x]: Place): number {
  const { to } = input
  return to.kind === 'dense' && to.rows * to.columns > 1 && !isAlongMaps(input) ? x : map
}

/** Whether a dense layer's weights are laid out as `denseRow` reads them. */
export function isReadable(input: CalculationInput, [operand]: readonly Operand[]): boolean {
  const { to } = input
  const rank = shapeOf(input).length
  const { axis } = to.layer.attributes ?? {}
  const along = axis === undefined || axis === null || axis === -1 || axis === rank - 1 || axis === 0
  const { inputs, unit } = denseRow(input, operand, [to.maps - 1, to.rows - 1, to.columns - 1])
  return along && parameterOf(input, 'kernel').data.length === (unit + 1) * inputs
}

/** Units of a vector are one part of one row; pixels of maps stay where they are. */
function denseParts(input: CalculationInput, operand: Operand, place: Place): CalculationPart[] {
  const { first, inputs, at } = denseRow(input, operand, place)
  const kernel = parameterOf(input, 'kernel').data
  const whole = operand.from.rows * operand.from.columns === 1
  const along = input.to.rows * input.to.columns > 1
  const parts = new Map<number, CalculationPart>()
  for (let n = 0; n < inputs; n++) {
    const position = at(n)
    const [map, row, column] = operand.placeOf(position)
    const key = whole ? operand.placeOf(at(0))[0] : map
    const part = parts.get(key) ?? {
      ...emptyPart(operand.from.id, key, along ? row : 0, along ? column : 0),
      kernel: [],
    }
    parts.set(key, part)
    const value = operand.values[position]
    const [patchRow, patchColumn] = whole ? [0, n] : along ? [row - part.y, column - part.x] : [row, column]
    put(part.patch, patchRow, patchColumn, value)
    put(part.kernel!, patchRow, patchColumn, kernel[first + n])
    put(part.products, patchRow, patchColumn, value * kernel[first + n])
    part.sum += value * kernel[first + n]
  }
  return [...parts.values()]
}

/** Convolutions and dense layers: which weight meets which input value. */
import type { Connection } from '../layout/connections'
import type { CalculationPart } from './calculation'

/**
 * Called for every weight of one output value: place in the kernel, place in the input's output (−1 in the padding),
 * input map, and row and column in that map's patch.
 */
type Visit = (weight: number, input: number, inMap: number, row: number, column: number) => void

function eachWeight(c: Connection, map: number, y: number, x: number, visit: Visit): void {
  if (c.link === 'dense') eachDense(c, map, visit)
  else eachTap(c, map, y, x, visit)
}

/** Units of a vector are one patch of one row; pixels of maps stay where they are. */
function eachDense(c: Connection, unit: number, visit: Visit): void {
  const pixels = c.inRows * c.inColumns
  const inputs = c.inMaps * pixels
  const first = unit * inputs
  if (pixels === 1) {
    for (let n = 0; n < inputs; n++) visit(first + n, n, 0, 0, n)
    return
  }
  for (let n = 0; n < inputs; n++) {
    const hwc = c.inputOrder === 'HWC'
    const inMap = hwc ? n % c.inMaps : Math.floor(n / pixels)
    const pixel = hwc ? Math.floor(n / c.inMaps) : n % pixels
    visit(first + n, inMap * pixels + pixel, inMap, Math.floor(pixel / c.inColumns), pixel % c.inColumns)
  }
}

function eachTap(c: Connection, map: number, y: number, x: number, visit: Visit): void {
  const [rows, columns] = c.kernel
  const firstMap = Math.floor(map / c.outPerGroup) * c.inPerGroup
  const top = y * c.stride[0] - c.padding[0]
  const left = x * c.stride[1] - c.padding[1]
  let weight = map * c.inPerGroup * rows * columns
  for (let inMap = firstMap; inMap < firstMap + c.inPerGroup; inMap++) {
    for (let row = 0; row < rows; row++) {
      const inRow = top + row * c.dilation[0]
      for (let column = 0; column < columns; column++) {
        const inColumn = left + column * c.dilation[1]
        const inside = inRow >= 0 && inRow < c.inRows && inColumn >= 0 && inColumn < c.inColumns
        visit(weight++, inside ? (inMap * c.inRows + inRow) * c.inColumns + inColumn : -1, inMap, row, column)
      }
    }
  }
}

/** Sum of weight × input of one output value, without bias. */
export function weightedSum(
  c: Connection,
  kernel: Float32Array,
  input: Float32Array,
  map: number,
  y: number,
  x: number,
): number {
  let sum = 0
  if (c.link === 'dense' && (c.inputOrder === 'CHW' || c.inRows * c.inColumns === 1)) {
    // A softmax over a thousand classes asks for a thousand of these sums.
    for (let n = 0, weight = map * input.length; n < input.length; n++, weight++) sum += kernel[weight] * input[n]
    return sum
  }
  eachWeight(c, map, y, x, (weight, at) => {
    if (at >= 0) sum += kernel[weight] * input[at]
  })
  return sum
}

/** The same sum with all its terms, by input map. */
export function weightedParts(
  c: Connection,
  layer: string,
  kernel: Float32Array,
  input: Float32Array,
  map: number,
  y: number,
  x: number,
): CalculationPart[] {
  const parts = new Map<number, CalculationPart>()
  const dense = c.link === 'dense'
  eachWeight(c, map, y, x, (weight, at, inMap, row, column) => {
    let part = parts.get(inMap)
    if (!part) {
      part = emptyPart(
        layer,
        inMap,
        dense ? 0 : y * c.stride[0] - c.padding[0],
        dense ? 0 : x * c.stride[1] - c.padding[1],
      )
      part.kernel = []
      parts.set(inMap, part)
    }
    const value = at < 0 ? null : input[at]
    const product = value === null ? null : value * kernel[weight]
    put(part.patch, row, column, value)
    put(part.products, row, column, product)
    put(part.kernel!, row, column, kernel[weight])
    part.sum += product ?? 0
  })
  return [...parts.values()]
}

export function emptyPart(layer: string, map: number, y: number, x: number): CalculationPart {
  return { layer, map, y, x, patch: [], kernel: null, products: [], sum: 0 }
}

export function put<T>(rows: T[][], row: number, column: number, value: T): void {
  rows[row] ??= []
  rows[row][column] = value
}

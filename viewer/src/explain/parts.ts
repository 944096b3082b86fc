/** Parts in the making. */
import type { CalculationPart } from './calculation'
import { type CalculationInput, type Operand, type Place, pixelIndex } from './inputs'

/** What one value is made of before norms and activations. */
export interface Terms {
  parts: CalculationPart[]
  operation: 'sum' | 'max' | 'min' | 'mean' | 'product' | 'difference' | 'quotient' | 'same'
  /** The parts together. */
  total: number
}

export function emptyPart(layer: string, map: number, y: number, x: number): CalculationPart {
  return { layer, map, y, x, patch: [], kernel: null, products: [], sum: 0 }
}

export function put<T>(rows: T[][], row: number, column: number, value: T): void {
  rows[row] ??= []
  rows[row][column] = value
}

/** One value of an input. */
export function valuePart(operand: Operand, map: number, y: number, x: number): CalculationPart {
  const position = pixelIndex(operand, map, y, x)
  const value = operand.values[position]
  return {
    ...emptyPart(operand.from.id, ...operand.placeOf(position)),
    patch: [[value]],
    products: [[value]],
    sum: value,
  }
}

/** A number that is none of an input: what it is called, and which entry of it. */
export function constantPart({ to }: CalculationInput, constant: string, value: number, map = 0): CalculationPart {
  return { ...emptyPart(to.id, map, 0, 0), constant, patch: [[value]], products: [[value]], sum: value }
}

/** Joins parts that are each one term. */
export function joined(parts: CalculationPart[], operation: Terms['operation']): Terms {
  const sums = parts.map(part => part.sum)
  const total = FOLDS[operation]
  return { parts, operation, total: sums.length > 0 ? sums.reduce(total) : 0 }
}

const FOLDS: Readonly<Record<Terms['operation'], (a: number, b: number) => number>> = {
  sum: (a, b) => a + b,
  mean: (a, b) => a + b,
  same: a => a,
  product: (a, b) => a * b,
  difference: (a, b) => a - b,
  quotient: (a, b) => a / b,
  max: (a, b) => (b > a || Number.isNaN(b) ? b : a),
  min: (a, b) => (b < a || Number.isNaN(b) ? b : a),
}

/** Weighted values that lie side by side in one input map. */
export function weightedPart(
  operand: Operand,
  [map, y, x]: Place,
  patch: (number | null)[][],
  kernel: number[][],
): CalculationPart {
  const products = patch.map((row, i) => row.map((value, j) => (value === null ? null : value * kernel[i][j])))
  const sum = products.flat().reduce<number>((a, b) => a + (b ?? 0), 0)
  return { ...emptyPart(operand.from.id, map, y, x), patch, kernel, products, sum }
}

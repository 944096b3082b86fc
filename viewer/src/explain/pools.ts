/** Pools: the window of one output pixel in its own input map. */
import type { Connection } from '../layout/connections'
import type { DrawnLayer } from '../layout/drawn'
import { type Operand, type Place, pixelIndex } from './inputs'
import { emptyPart, put, type Terms } from './parts'

/** Rows and columns under the window, and whether each counts in a mean though it lies in the padding. */
interface Window {
  rows: number[]
  columns: number[]
}

/** Max pools choose; all other pools take the mean. */
function poolOperation({ kind, layer }: DrawnLayer): 'max' | 'mean' {
  if (kind === 'max_pool2d') return 'max'
  if (kind !== 'adaptive_pool' && kind !== 'global_average_pool') return 'mean'
  return /max/i.test(String(layer.attributes?.extra?.mode || layer.op)) ? 'max' : 'mean'
}

/**
 * One part: the window on the output map's own input map. Its sum is the largest value or the mean; the products of a
 * mean are the shares of its values.
 */
export function pooled(c: Connection, to: DrawnLayer, operand: Operand, [map, y, x]: Place): Terms {
  const window = windowOf(c, to, y, x)
  const [own, top, left] = operand.placeOf(pixelIndex(operand, map, 0, 0))
  const part = emptyPart(operand.from.id, own, top + window.rows[0], left + window.columns[0])
  const operation = poolOperation(to)
  let inside = 0
  for (const [i, row] of window.rows.entries()) {
    for (const [j, column] of window.columns.entries()) {
      const there = row >= 0 && row < c.inRows && column >= 0 && column < c.inColumns
      put(part.patch, i, j, there ? operand.values[pixelIndex(operand, map, row, column)] : null)
      if (there) inside++
    }
  }
  const values = part.patch.flat().filter(value => value !== null)
  if (operation === 'max') {
    part.products = part.patch
    part.sum = values.reduce((a, b) => (b > a || Number.isNaN(b) ? b : a), Number.NEGATIVE_INFINITY)
  } else {
    const divisor = to.layer.attributes?.extra?.divisor_override
    const padded = to.layer.attributes?.count_include_pad
    const count = typeof divisor === 'number' && divisor > 0 ? divisor : padded ? paddedCount(c, to, window) : inside
    part.products = part.patch.map(row => row.map(value => (value === null ? null : value / count)))
    part.sum = values.reduce((a, b) => a + b, 0) / count
  }
  return { parts: [part], operation, total: part.sum }
}

function windowOf(c: Connection, to: DrawnLayer, y: number, x: number): Window {
  const whole = to.kind === 'global_average_pool' || !to.layer.attributes?.kernel?.length
  if (!whole) {
    return {
      rows: Array.from({ length: c.kernel[0] }, (_, i) => y * c.stride[0] - c.padding[0] + i * c.dilation[0]),
      columns: Array.from({ length: c.kernel[1] }, (_, i) => x * c.stride[1] - c.padding[1] + i * c.dilation[1]),
    }
  }
  // An adaptive pool's windows overlap where the sizes don't divide: from ⌊i·in/out⌋ to ⌈(i+1)·in/out⌉.
  const span = (i: number, inSize: number, outSize: number) => {
    const first = Math.floor((i * inSize) / outSize)
    const end = Math.ceil(((i + 1) * inSize) / outSize)
    return Array.from({ length: end - first }, (_, k) => first + k)
  }
  return { rows: span(y, c.inRows, c.outRows), columns: span(x, c.inColumns, c.outColumns) }
}

/** Pixels of the window in the map and its padding; what a rounded-up size adds beyond the padding never counts. */
function paddedCount(c: Connection, to: DrawnLayer, window: Window): number {
  const padding = to.layer.attributes?.padding ?? []
  const [vertical, horizontal] = padding.length === 1 ? [[0, 0], padding[0]] : [padding[0], padding[1]]
  const rows = window.rows.filter(row => row < c.inRows + (vertical?.[1] ?? 0)).length
  return rows * window.columns.filter(column => column < c.inColumns + (horizontal?.[1] ?? 0)).length
}

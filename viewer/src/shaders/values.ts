/** What an edge stands for, and the difference of two sides: the TypeScript twin of values.glsl and edge-values.glsl. */
import { mix } from '../layout/arrange'
import type { Connection } from '../layout/connections'
import type { EdgeEnds } from './ends'

/** Values at two checkpoints, and how far between them. */
export interface Blended {
  before: ArrayLike<number>
  after: ArrayLike<number>
  t: number
}

/** One side: its weights or sums, and what its input's maps show, where edges are multiplied by that. */
export interface EdgeValues {
  values: Blended
  input: Blended | null
}

export function blended({ before, after, t }: Blended, index: number): number {
  return t === 0 ? before[index] : mix(before[index], after[index], t)
}

/** With an `other` side, that side's value less the own one. `index` counts the values of the edge's mode. */
export function edgeValue(
  own: EdgeValues,
  other: EdgeValues | null,
  index: number,
  c: Connection,
  e: EdgeEnds,
): number {
  const value = valueOn(own, index, c, e)
  return other ? valueOn(other, index, c, e) - value : value
}

function valueOn({ values, input }: EdgeValues, index: number, c: Connection, e: EdgeEnds): number {
  const weight = blended(values, index)
  if (!input) return weight
  if (e.padded) return 0
  const [row, column] = e.inPixel!
  return weight * blended(input, (e.inMap * c.inRows + row) * c.inColumns + column)
}

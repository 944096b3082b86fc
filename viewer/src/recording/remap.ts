/** A position on the axis of checkpoints, when checkpoints have come or gone. */
import type { Checkpoint } from '../generated/recording'

/**
 * What gives the position in `after` of the moment that stood at a position in `before`: a checkpoint that is still there
 * keeps its place exactly, one that was taken away becomes a place between its neighbours, at the same step.
 */
export function remap(before: readonly Checkpoint[], after: readonly Checkpoint[]): (position: number) => number {
  const last = Math.max(0, after.length - 1)
  const axes = FIELDS.map(field => [valuesOf(before, field), valuesOf(after, field)] as const)
  const common = axes.find(([a, b]) => a && b)
  // Nothing that orders both lists: the numbers of positions are all that is left.
  if (before.length === 0 || after.length === 0 || !common) return position => Math.min(last, Math.max(0, position))
  const [from, to] = common as [number[], number[]]
  return position => place(to, valueAt(from, position))
}

const FIELDS = ['step', 'epoch', 'index'] as const

/** Null where a checkpoint lacks the field, or they do not rise. */
function valuesOf(checkpoints: readonly Checkpoint[], field: (typeof FIELDS)[number]): number[] | null {
  const values = checkpoints.map(checkpoint => checkpoint[field] ?? Number.NaN)
  return values.every((value, i) => (i === 0 ? Number.isFinite(value) : value > values[i - 1])) ? values : null
}

/** Linear between positions. */
function valueAt(values: readonly number[], position: number): number {
  const i = Math.min(values.length - 1, Math.max(0, Math.floor(position)))
  const t = position - i
  return t === 0 ? values[i] : values[i] + ((values[i + 1] ?? values[i]) - values[i]) * t
}

function place(values: readonly number[], value: number): number {
  const i = values.findIndex(v => v >= value)
  if (i < 0) return values.length - 1
  if (i === 0 || values[i] === value) return i
  return i - 1 + (value - values[i - 1]) / (values[i] - values[i - 1])
}

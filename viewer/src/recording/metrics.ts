/** metrics.jsonl: one line a step or epoch, set on the axis of checkpoints. */
import type { Checkpoint } from '../generated/recording'
import { parseJson } from './json'
import type { MetricLine, MetricRow } from './types'

/**
 * One line; null where it is no JSON object: the last one may still be being written. `null` is how JSON writes NaN;
 * whatever else is no number is left out.
 */
export function parseMetrics(line: string): MetricLine | null {
  let json: unknown
  try {
    json = parseJson(line)
  } catch {
    return null
  }
  if (typeof json !== 'object' || json === null || Array.isArray(json)) return null
  const row: MetricLine = { step: null, epoch: null, values: {} }
  for (const [key, value] of Object.entries(json)) {
    if (key === 'step' || key === 'epoch') row[key] = Number.isFinite(value) ? value : null
    else if (value === null) row.values[key] = Number.NaN
    else if (typeof value === 'number') row.values[key] = value
  }
  return row
}

/** The lines with their positions on the axis of checkpoints; cheap enough for every new checkpoint. */
export function placeMetrics(lines: readonly MetricLine[], checkpoints: readonly Checkpoint[]): MetricRow[] {
  const place = placer(checkpoints, lines)
  const last = Math.max(1, checkpoints.length - 1)
  // Nothing to go by: spread evenly, in the order of the file.
  const evenly = (i: number) => (lines.length > 1 ? (i / (lines.length - 1)) * last : 0)
  return lines.map((line, i) => ({
    position: place(line) ?? evenly(i),
    step: line.step,
    epoch: line.epoch,
    values: line.values,
  }))
}

interface Moment {
  step?: number | null
  epoch?: number | null
}

/**
 * Where something that happened at a step or an epoch falls on the axis of checkpoints, by step where both have one;
 * null where there is nothing to go by. `lines` stretch the axis behind a checkpoint that stands alone.
 */
export function placer(
  checkpoints: readonly Checkpoint[],
  lines: readonly MetricLine[] = [],
): (moment: Moment) => number | null {
  const bySteps = axisOf(checkpoints, 'step')
  const byEpochs = axisOf(checkpoints, 'epoch')
  const spacings = { step: spacing(bySteps, lines, 'step'), epoch: spacing(byEpochs, lines, 'epoch') }
  return ({ step, epoch }) => {
    if (step != null && bySteps.length > 0) return positionOn(bySteps, step, spacings.step)
    return epoch != null && byEpochs.length > 0 ? positionOn(byEpochs, epoch, spacings.epoch) : null
  }
}

/** A step or an epoch, and the checkpoint that stands there; rising, checkpoints without one left out. */
type Axis = { at: number; checkpoint: number }[]

function axisOf(checkpoints: readonly Checkpoint[], field: 'step' | 'epoch'): Axis {
  const axis: Axis = []
  for (const [checkpoint, { [field]: at }] of checkpoints.entries()) {
    if (at == null || !Number.isFinite(at)) continue
    if (axis.length === 0 || at > axis[axis.length - 1].at) axis.push({ at, checkpoint })
  }
  return axis
}

/**
 * Piecewise linear between checkpoints. What comes before the first is put there; what comes after the last goes on
 * beyond it, as far apart as checkpoints are: a training that runs has metrics before it has their checkpoint.
 */
function positionOn(axis: Axis, at: number, beyond: number): number {
  let low = 0
  let high = axis.length - 1
  if (at <= axis[low].at) return axis[low].checkpoint
  if (at >= axis[high].at) return axis[high].checkpoint + (at - axis[high].at) / beyond
  while (high - low > 1) {
    const middle = (low + high) >> 1
    if (axis[middle].at <= at) low = middle
    else high = middle
  }
  const share = (at - axis[low].at) / (axis[high].at - axis[low].at)
  return axis[low].checkpoint + share * (axis[high].checkpoint - axis[low].checkpoint)
}

/** How far away one checkpoint more is likely to be: the last distance, or the mean where that one was short. */
function spacing(axis: Axis, lines: readonly MetricLine[], field: 'step' | 'epoch'): number {
  const last = axis.length - 1
  if (last < 0) return 1
  const apart = (from: number) => (axis[last].at - axis[from].at) / (axis[last].checkpoint - axis[from].checkpoint)
  if (last > 0) return Math.max(apart(last - 1), apart(0))
  const furthest = lines.reduce((most, line) => Math.max(most, line[field] ?? most), axis[0].at)
  return furthest - axis[0].at || 1
}

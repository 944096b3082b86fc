/** metrics.jsonl: one line a step or epoch, set on the axis of checkpoints. */
import type { Checkpoint } from '../generated/recording'
import { parseJson } from './json'
import type { MetricRow } from './types'

/**
 * Rows in the order of the file. A line that is no JSON object is left out: the last one may still be being written.
 * `null` is how JSON writes NaN; whatever else is no number is left out.
 */
export function parseMetrics(text: string, checkpoints: readonly Checkpoint[]): MetricRow[] {
  const rows: MetricRow[] = []
  for (const line of text.split('\n')) {
    const row = parseLine(line)
    if (row) rows.push(row)
  }
  const bySteps = axisOf(checkpoints, 'step')
  const byEpochs = axisOf(checkpoints, 'epoch')
  const last = Math.max(0, checkpoints.length - 1)
  for (const [i, row] of rows.entries()) {
    if (row.step !== null && bySteps.length > 0) row.position = positionOn(bySteps, row.step)
    else if (row.epoch !== null && byEpochs.length > 0) row.position = positionOn(byEpochs, row.epoch)
    // Nothing to go by: spread evenly, in the order of the file.
    else row.position = rows.length > 1 ? (i / (rows.length - 1)) * last : 0
  }
  return rows
}

function parseLine(line: string): MetricRow | null {
  let json: unknown
  try {
    json = parseJson(line)
  } catch {
    return null
  }
  if (typeof json !== 'object' || json === null || Array.isArray(json)) return null
  const row: MetricRow = { position: 0, step: null, epoch: null, values: {} }
  for (const [key, value] of Object.entries(json)) {
    if (key === 'step' || key === 'epoch') row[key] = Number.isFinite(value) ? value : null
    else if (value === null) row.values[key] = Number.NaN
    else if (typeof value === 'number') row.values[key] = value
  }
  return row
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

/** Piecewise linear between checkpoints, clamped to the first and the last. */
function positionOn(axis: Axis, at: number): number {
  let low = 0
  let high = axis.length - 1
  if (at <= axis[low].at) return axis[low].checkpoint
  if (at >= axis[high].at) return axis[high].checkpoint
  while (high - low > 1) {
    const middle = (low + high) >> 1
    if (axis[middle].at <= at) low = middle
    else high = middle
  }
  const share = (at - axis[low].at) / (axis[high].at - axis[low].at)
  return axis[low].checkpoint + share * (axis[high].checkpoint - axis[low].checkpoint)
}

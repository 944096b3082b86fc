/** Curves of the timeline out of the recorded metrics. */
import type { MetricRow } from '../recording/types'

export interface Series {
  key: string
  /** What the curve shows, where it isn't the training's own: "validation", "on the 11 recorded samples". */
  note: string
  points: { position: number; value: number }[]
}

const candidates: Record<'loss' | 'accuracy', [key: string, note: string][]> = {
  loss: [
    ['loss', ''],
    ['train_loss', ''],
    ['val_loss', 'validation'],
    ['test_loss', 'test'],
    ['sample_loss', 'samples'],
  ],
  accuracy: [
    ['accuracy', ''],
    ['val_accuracy', 'validation'],
    ['test_accuracy', 'test'],
    ['train_accuracy', ''],
    ['sample_accuracy', 'samples'],
  ],
}

/** The best recorded curve of a kind, or null. Rows without that metric, and values that aren't finite, are left out. */
export function chooseSeries(rows: readonly MetricRow[], kind: 'loss' | 'accuracy', samples: number): Series | null {
  for (const [key, note] of candidates[kind]) {
    const points = pointsOf(rows, key)
    if (points.length > 0)
      return { key, note: note === 'samples' ? `on the ${samples} recorded samples` : note, points }
  }
  return null
}

/** The same curve of another training; null where it has no such metric. */
export function seriesLike(series: Series | null, rows: readonly MetricRow[]): Series | null {
  const points = series ? pointsOf(rows, series.key) : []
  return series && points.length > 0 ? { ...series, points } : null
}

/** In rising order of position; tens of thousands of rows several times a second are no burden. */
function pointsOf(rows: readonly MetricRow[], key: string): Series['points'] {
  const points: Series['points'] = []
  let rising = true
  for (const { position, values } of rows) {
    if (!Number.isFinite(values[key])) continue
    rising &&= points.length === 0 || position >= points[points.length - 1].position
    points.push({ position, value: values[key] })
  }
  return rising ? points : points.sort((a, b) => a.position - b.position)
}

/**
 * What can be seen of a curve that is `columns` px wide from position 0 to `end`: of each column its first, lowest,
 * highest and last point, so that spikes stay and ten thousand steps are drawn as quickly as a thousand.
 */
export function thin(points: Series['points'], end: number, columns: number): Series['points'] {
  if (points.length <= 2 * columns) return [...points]
  const kept: Series['points'] = []
  let from = 0
  while (from < points.length) {
    const column = Math.floor((points[from].position / end) * columns)
    let [low, high, to] = [from, from, from]
    for (; to < points.length && Math.floor((points[to].position / end) * columns) === column; to++) {
      if (points[to].value < points[low].value) low = to
      if (points[to].value > points[high].value) high = to
    }
    const chosen = new Set([from, low, high, to - 1].sort((a, b) => a - b))
    for (const i of chosen) kept.push(points[i])
    from = to
  }
  return kept
}

/** Means of `bins` equal stretches of the axis: the line that the eye would draw through a noisy curve. */
export function smooth(points: Series['points'], bins = 160): Series['points'] {
  const first = points[0].position
  const span = points[points.length - 1].position - first || 1
  const sums = Array.from({ length: bins }, () => ({ position: 0, value: 0, count: 0 }))
  for (const p of points) {
    const bin = sums[Math.min(bins - 1, Math.floor(((p.position - first) / span) * bins))]
    bin.position += p.position
    bin.value += p.value
    bin.count++
  }
  return sums.filter(b => b.count > 0).map(b => ({ position: b.position / b.count, value: b.value / b.count }))
}

/** The recorded point nearest to a position: a number that was measured, never an interpolated one. */
export function nearest(series: Series, position: number): number {
  const { points } = series
  let low = 0
  let high = points.length - 1
  while (low < high) {
    const middle = (low + high) >> 1
    if (points[middle].position < position) low = middle + 1
    else high = middle
  }
  const before = points[Math.max(0, low - 1)]
  const after = points[low]
  return (position - before.position < after.position - position ? before : after).value
}

/** 0 at the bottom of the plot, 1 at its top. */
export type Scale = (value: number) => number

/** Logarithmic where all values are positive, so that late progress can be seen; else linear. */
export function lossScale(values: readonly number[]): { scale: Scale; log: boolean } {
  const log = values.every(v => v > 0)
  const f = log ? Math.log : (v: number) => v
  const low = f(values.reduce((a, b) => Math.min(a, b), Infinity))
  const high = f(values.reduce((a, b) => Math.max(a, b), -Infinity))
  return { scale: v => (high > low ? (f(v) - low) / (high - low) : 0.5), log }
}

/** An SVG path through the points. */
export function pathOf(points: readonly { position: number; value: number }[], x: Scale, y: Scale): string {
  return points.map((p, i) => `${i ? 'L' : 'M'}${x(p.position).toFixed(1)} ${y(p.value).toFixed(1)}`).join('')
}

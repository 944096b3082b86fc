/** Bars of a histogram, regrouped so that they are neither hairlines nor blocks. */
import type { Histogram, TensorSummary } from '../generated/recording'

export interface Bar {
  low: number
  high: number
  count: number
}

/** At most `most` bars over −reach … reach; neighbouring bins are added up, none is split. */
export function bars(histogram: Histogram, reach: number, most = 48): Bar[] {
  const { low, high, counts } = histogram
  if (counts.length === 0) return []
  if (high <= low)
    return [{ low: low - reach / most, high: low + reach / most, count: counts.reduce((a, b) => a + b, 0) }]
  const bin = (high - low) / counts.length
  const together = Math.max(1, Math.ceil((2 * reach) / most / bin - 1e-9))
  const result: Bar[] = []
  for (let i = 0; i < counts.length; i += together) {
    const part = counts.slice(i, i + together)
    result.push({ low: low + i * bin, high: low + (i + part.length) * bin, count: part.reduce((a, b) => a + b, 0) })
  }
  return result
}

const known = new WeakMap<Float32Array, TensorSummary>()

/** What a recording's summary says, from the values themselves; once per tensor. */
export function summarise(data: Float32Array, bins = 40): TensorSummary {
  const before = known.get(data)
  if (before) return before
  let low = Infinity
  let high = -Infinity
  let sum = 0
  let squares = 0
  let finite = 0
  for (const v of data) {
    if (!Number.isFinite(v)) continue
    finite++
    sum += v
    squares += v * v
    if (v < low) low = v
    if (v > high) high = v
  }
  if (finite === 0) low = high = 0
  const counts = new Array<number>(bins).fill(0)
  const width = (high - low) / bins || 1
  for (const v of data) if (Number.isFinite(v)) counts[Math.min(bins - 1, Math.floor((v - low) / width))]++
  const summary: TensorSummary = {
    low,
    high,
    mean: finite ? sum / finite : 0,
    norm: Math.sqrt(squares),
    histogram: { low, high, counts },
    not_finite: data.length - finite,
  }
  known.set(data, summary)
  return summary
}

/** A ridge plot: histograms of many checkpoints over one axis of values, each a little below the one before. */
import type { Histogram } from '../generated/recording'

export interface Ridge {
  /** Position of the checkpoint. */
  position: number
  histogram: Histogram
}

export interface Outline {
  position: number
  /** y of its foot, px. */
  base: number
  /** SVG path of its outline, from foot to foot. */
  path: string
}

export interface Ridges {
  low: number
  high: number
  outlines: Outline[]
}

/** How many bins that many values fill without being noise, at most 40. */
export function binsFor(values: number): number {
  return Math.min(40, Math.max(8, Math.round(1.5 * Math.sqrt(values))))
}

/** Neighbouring bins added up, as long as there are more than the values fill. */
export function coarser(histogram: Histogram): Histogram {
  const { counts } = histogram
  const most = binsFor(counts.reduce((a, b) => a + b, 0))
  const together = [1, 2, 4, 5].find(n => counts.length % n === 0 && counts.length / n <= most) ?? 1
  const sums = Array.from({ length: counts.length / together }, (_, i) =>
    counts.slice(i * together, (i + 1) * together).reduce((a, b) => a + b, 0),
  )
  return { ...histogram, counts: sums }
}

/** Values per unit of the axis, as a share of all; empty bins are 0. */
function density({ low, high, counts }: Histogram): number[] {
  const total = counts.reduce((a, b) => a + b, 0)
  return counts.map(count => (total > 0 ? (count * counts.length) / (total * (high - low)) : 0))
}

/**
 * Outlines in the order in which they are drawn, newest last and lowest. `crest`: px of the highest.
 * Heights are square roots of densities: a spike at zero, which ReLUs make, would leave nothing of the rest. Between
 * ridges it is the fourth root: the weights of a fresh network can lie a thousand times as close as those that it ends with.
 */
export function ridgesOf(ridges: readonly Ridge[], width: number, height: number, crest: number): Ridges {
  const used = ridges
    .filter(({ histogram }) => histogram.counts.some(count => count > 0))
    .map(ridge => ({ ...ridge, histogram: coarser(ridge.histogram) }))
  if (used.length === 0) return { low: 0, high: 0, outlines: [] }
  const low = Math.min(...used.map(r => r.histogram.low))
  const high = Math.max(...used.map(r => r.histogram.high))
  const x = (value: number) => (high > low ? ((value - low) / (high - low)) * width : width / 2)
  const flat = (h: Histogram) => h.high <= h.low
  const most = Math.max(...used.map(r => (flat(r.histogram) ? 0 : Math.max(...density(r.histogram)))))
  const step = used.length > 1 ? (height - crest - 2) / (used.length - 1) : 0
  const outlines = used.map(({ position, histogram }, i) => {
    const base = crest + 1 + i * step
    const at = (value: number, share: number) =>
      `${x(value).toFixed(1)} ${(base - Math.sqrt(share) * crest).toFixed(1)}`
    const own = Math.max(...density(histogram))
    const tall = (own / most) ** 0.25
    // All values are one: a needle.
    const needle = (v: number) => [`${x(v) - 1} ${base}`, `${x(v)} ${base - crest}`, `${x(v) + 1} ${base}`]
    const bin = (histogram.high - histogram.low) / histogram.counts.length
    const points = flat(histogram)
      ? needle(histogram.low)
      : [
          at(histogram.low, 0),
          ...density(histogram).map((d, k) => at(histogram.low + (k + 0.5) * bin, (d / own) * tall ** 2)),
          at(histogram.high, 0),
        ]
    return { position, base, path: `M${points.join('L')}` }
  })
  return { low, high, outlines }
}

/** The outline whose foot is nearest below the middle of what the pointer is on. */
export function ridgeAt(outlines: readonly Outline[], y: number): Outline | null {
  let best: Outline | null = null
  for (const outline of outlines) {
    if (!best || Math.abs(outline.base - y - 4) < Math.abs(best.base - y - 4)) best = outline
  }
  return best
}

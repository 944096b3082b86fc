/** Truth against prediction of the recorded samples at one checkpoint. */

/** More classes than this are shown only where samples are. */
export const ALL_CLASSES = 12

export interface Confusion {
  /** Class numbers of the rows (truth) and columns (prediction), ascending. */
  classes: number[]
  /** Samples by "truth prediction". */
  cells: Map<string, number[]>
  right: number
  known: number
}

export function predictionOf(scores: readonly number[]): number | null {
  let best: number | null = null
  for (const [i, score] of scores.entries()) if (best === null || score > scores[best]) best = i
  return best === null || !Number.isFinite(scores[best]) ? null : best
}

export function cellKey(truth: number, prediction: number): string {
  return `${truth} ${prediction}`
}

/** Samples without a label or scores are left out. */
export function confusionOf(labels: readonly (number | null)[], scores: readonly (readonly number[])[]): Confusion {
  const cells = new Map<string, number[]>()
  const seen = new Set<number>()
  let right = 0
  let known = 0
  for (const [sample, truth] of labels.entries()) {
    const prediction = scores[sample] ? predictionOf(scores[sample]) : null
    if (truth === null || prediction === null) continue
    const key = cellKey(truth, prediction)
    cells.set(key, [...(cells.get(key) ?? []), sample])
    seen.add(truth).add(prediction)
    known++
    if (truth === prediction) right++
  }
  const count = scores[0]?.length ?? 0
  const all = count <= ALL_CLASSES ? Array.from({ length: count }, (_, i) => i) : [...seen]
  return { classes: all.toSorted((a, b) => a - b), cells, right, known }
}

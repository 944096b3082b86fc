/** The class scores of one sample over the training, as lines. */

/** More lines than this can't be told apart: those that were highest at some time are kept. */
const MOST_LINES = 10

export interface ScoreMoment {
  position: number
  /** Shares, one a class. */
  values: readonly number[]
}

export interface ScoreLine {
  class: number
  points: { position: number; value: number }[]
}

/** Lines of the truth and of the classes that scored highest at some moment, in the order of the classes. */
export function scoreLines(moments: readonly ScoreMoment[], truth: number | null): ScoreLine[] {
  const count = moments[0]?.values.length ?? 0
  const peak = Array.from({ length: count }, (_, i) => Math.max(...moments.map(m => m.values[i])))
  const kept = [...peak.keys()]
    .sort((a, b) => Number(b === truth) - Number(a === truth) || peak[b] - peak[a])
    .slice(0, MOST_LINES)
    .sort((a, b) => a - b)
  return kept.map(i => ({
    class: i,
    points: moments.map(({ position, values }) => ({ position, value: values[i] })),
  }))
}

/** What the network made of the shown sample at each checkpoint, as marks on the timeline. */

export interface Mark {
  /** Position on the axis of checkpoints: first and last with the same prediction. */
  from: number
  to: number
  /** Class that was predicted; null: not loaded. */
  prediction: number | null
  /** null where the truth is not recorded. */
  right: boolean | null
}

function markAt(prediction: number | null, truth: number | null, position: number): Mark {
  const right = prediction === null || truth === null ? null : prediction === truth
  return { from: position, to: position, prediction, right }
}

/** One mark a checkpoint; with `joined`, neighbours that say the same are one: hundreds of dots are no picture. */
export function marksOf(predictions: readonly (number | null)[], truth: number | null, joined: boolean): Mark[] {
  const marks: Mark[] = []
  for (const [position, prediction] of predictions.entries()) {
    const last = marks.at(-1)
    if (joined && last && last.prediction === prediction) last.to = position
    else marks.push(markAt(prediction, truth, position))
  }
  return marks
}

export interface Tally {
  right: number
  wrong: number
  /** Checkpoints that have a prediction at all. */
  known: number
}

export function tally(predictions: readonly (number | null)[], truth: number | null): Tally {
  const known = predictions.filter(p => p !== null)
  const right = truth === null ? 0 : known.filter(p => p === truth).length
  return { right, wrong: truth === null ? 0 : known.length - right, known: known.length }
}

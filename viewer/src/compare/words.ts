/** What A and B are called, and what their networks say. */
import type { ReadonlySignal } from '@preact/signals'
import type { Scores } from '../model'
import { formatFixed, formatPercent } from '../numbers'
import { axisOf, valueAt } from '../panels/axis'
import type { Recording } from '../recording/types'
import type { State } from '../state'
import type { Comparison } from './comparison'
import type { SideWords } from './heads'

interface Viewed {
  recording: Recording
  state: ReadonlySignal<State>
  scores: ReadonlySignal<Scores | null>
  comparison: Comparison
}

/** "epoch 9", "epoch 9.5", "step 400". */
export function momentWords({ index }: Recording, epoch: number): string {
  const axis = axisOf(index.checkpoints)
  const value = valueAt(axis, epoch)
  return `${axis.unit} ${formatFixed(value, Number.isInteger(value) ? 0 : axis.digits)}`
}

export function sampleWords({ index }: Recording, sample: number): string {
  return index.samples.names?.[sample] ?? `sample ${sample + 1}`
}

/** A and B, each by what tells them apart; nothing where nothing is compared. While one calculation is shown, A alone. */
export function sideWords({ recording, state, scores, comparison }: Viewed): SideWords[] {
  const { compare, epoch, sample, calculation } = state.value
  const other = comparison.other.value
  const said = (found: Scores | null) =>
    found ? `${found.classes[found.prediction]} at ${formatPercent(found.values[found.prediction])}` : ''
  const titles = (of: Recording, at: number, shown: number) => {
    if (compare?.with === 'sample') return sampleWords(of, shown)
    return compare?.with === 'recording' ? `${of.index.name}, ${momentWords(of, at)}` : momentWords(of, at)
  }
  if (!compare || (!other && !calculation)) return []
  const a = { letter: 'A', title: titles(recording, epoch, sample), note: said(scores.value) }
  if (!other) return [a]
  const shown = comparison.state.value
  const b = {
    letter: 'B',
    title: titles(other.recording, shown.epoch, shown.sample),
    note: said(other.readings.scores.value),
  }
  if (compare.show === 'side') return [a, b]
  const same = compare.with === 'sample' && !state.value.weightTimesActivation
  return [
    {
      letter: 'B − A',
      title: `${b.title} − ${a.title}`,
      note: same ? 'both have the same weights, shown as they are' : '',
    },
  ]
}

import { useComputed } from '@preact/signals'
import type { JSX } from 'preact'
import type { ViewerModel } from '../model'
import { formatFixed } from '../numbers'
import { axisOf, valueAt } from './axis'
import { Mark } from './icons'
import { plural } from './text'

/** "11 epochs · 11 samples". */
export function runWords(model: ViewerModel): string {
  const { checkpoints, samples } = model.recording.index
  const unit =
    axisOf(checkpoints).unit === 'epoch' && checkpoints.every(c => Number.isInteger(c.epoch)) ? 'epoch' : 'checkpoint'
  return `${plural(checkpoints.length, unit)} · ${plural(samples.count, 'sample')}`
}

/** More characters than this don't fit in one line. */
const LINE = 36

/** "epoch 10 · sample 2 of 11". */
function momentWords(model: ViewerModel): string {
  const { checkpoints, samples } = model.recording.index
  const { epoch, sample } = model.state.value
  const axis = axisOf(checkpoints)
  const place = formatFixed(valueAt(axis, epoch), Number.isInteger(epoch) ? 0 : axis.digits)
  return `${axis.unit} ${place}${samples.count > 0 ? ` · sample ${sample + 1} of ${samples.count}` : ''}`
}

interface Props {
  model: ViewerModel
  /** Says what is shown now instead of what the recording holds. */
  now?: boolean
}

export function Brand({ model, now = false }: Props): JSX.Element {
  const { name } = model.recording.index
  const run = useComputed(() => (now ? momentWords(model) : runWords(model))).value
  const fits = name.length + run.length + 3 <= LINE
  return (
    <header class={`brand ${fits ? '' : 'long'}`} title={`${name} · ${run}`}>
      <Mark />
      <div>
        <h1>Cutaway</h1>
        <p>{fits ? `${name} · ${run}` : name}</p>
        {!fits && <p>{run}</p>}
      </div>
    </header>
  )
}

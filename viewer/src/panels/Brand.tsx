import type { JSX } from 'preact'
import type { ViewerModel } from '../model'
import { axisOf } from './axis'
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

export function Brand({ model }: { model: ViewerModel }): JSX.Element {
  const { name } = model.recording.index
  const run = runWords(model)
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

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

export function Brand({ model }: { model: ViewerModel }): JSX.Element {
  const { name } = model.recording.index
  return (
    <header class="brand">
      <Mark />
      <div>
        <h1>Cutaway</h1>
        <p title={`${name} · ${runWords(model)}`}>
          {name} · {runWords(model)}
        </p>
      </div>
    </header>
  )
}

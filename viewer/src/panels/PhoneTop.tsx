/** The bar at the top of a phone: the sample and what the network says, or the way to one value. */
import { useComputed } from '@preact/signals'
import type { JSX } from 'preact'
import type { ViewerModel } from '../model'
import { formatPercent } from '../numbers'
import { Breadcrumb } from './Breadcrumb'
import { Glyph } from './icons'
import { Thumbnail } from './Samples'
import { SHEET_HEIGHT, type Tab, type Ui } from './ui'

interface Props {
  model: ViewerModel
  ui: Ui
}

export function PhoneTop({ model, ui }: Props): JSX.Element {
  const sample = useComputed(() => model.state.value.sample).value
  const { count } = model.recording.index.samples
  const calculation = useComputed(() => model.state.value.calculation).value
  const scores = model.scores.value
  const truth = scores && scores.truth !== null ? `, truth ${scores.classes[scores.truth]}` : ''
  const open = (tab: Tab) => {
    ui.tab.value = tab
    if (ui.sheet.value === 0) ui.sheet.value = SHEET_HEIGHT
  }
  return (
    <header class="phone-top" data-covers="top">
      <button type="button" class="thumbnail chosen" aria-label="Choose an input" onClick={() => open('input')}>
        <Thumbnail model={model} sample={sample} />
      </button>
      {calculation ? (
        <Breadcrumb model={model} />
      ) : (
        <>
          <div class="phone-words">
            <p>
              {scores ? (
                <>
                  <b>{scores.classes[scores.prediction]}</b>{' '}
                  <small>{formatPercent(scores.values[scores.prediction])}</small>
                </>
              ) : (
                <b>{model.recording.index.name}</b>
              )}
            </p>
            <p>
              sample {sample + 1} of {count}
              {truth}
            </p>
          </div>
          <button type="button" class="tool" aria-label="Layers" onClick={() => open('layers')}>
            <Glyph name="lines" size={18} />
          </button>
        </>
      )}
      <button type="button" class="tool" aria-label="Frame the whole network" onClick={() => model.home()}>
        <Glyph name="frame" size={18} />
      </button>
    </header>
  )
}

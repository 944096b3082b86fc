/** What the training did: what happened, truth against prediction, and the sample's scores, above the timeline. */
import { useComputed } from '@preact/signals'
import type { JSX } from 'preact'
import type { ViewerModel } from '../../model'
import { Glyph } from '../icons'
import { plural } from '../text'
import type { Ui } from '../ui'
import { ConfusionMatrix } from './ConfusionMatrix'
import { Happened } from './Happened'
import { InsightGlyph } from './InsightGlyph'
import { ScoreHistory } from './ScoreHistory'
import { scoresLayer } from './scores'

interface Props {
  model: ViewerModel
  ui: Ui
}

/** Whether there is anything to show: more than one checkpoint, and scores or insights. */
export function useHasTraining(model: ViewerModel): boolean {
  return useComputed(() => {
    const { checkpoints } = model.recording.index
    return model.insights.value.length > 0 || (checkpoints.length > 1 && scoresLayer(model.recording) !== null)
  }).value
}

export function TrainingButton({ model, ui }: Props): JSX.Element | null {
  const there = useHasTraining(model)
  const insights = useComputed(() => model.insights.value.length).value
  const level = useComputed(() => (model.insights.value.some(i => i.level === 'warning') ? 'warning' : 'note')).value
  if (!there) return null
  return (
    <button
      type="button"
      class="training-button"
      aria-expanded={ui.training.value}
      title={insights > 0 ? plural(insights, 'thing that happened', 'things that happened') : undefined}
      onClick={() => {
        ui.training.value = !ui.training.peek()
      }}
    >
      Training
      {insights > 0 && (
        <span class="count">
          <InsightGlyph level={level} />
          {insights}
        </span>
      )}
    </button>
  )
}

/** The parts, beside each other or, on a phone, below each other. */
export function TrainingParts({ model, ui }: Props): JSX.Element {
  const output = useComputed(() => scoresLayer(model.recording)).value
  const labelled = model.recording.index.samples.labels?.some(label => label !== null) ?? false
  return (
    <div class="training-parts">
      <Happened model={model} ui={ui} />
      {output !== null && labelled && <ConfusionMatrix model={model} output={output} />}
      {output !== null && <ScoreHistory model={model} output={output} />}
    </div>
  )
}

export function TrainingDrawer({ model, ui }: Props): JSX.Element | null {
  const there = useHasTraining(model)
  if (!there || !ui.training.value) return null
  const close = () => {
    ui.training.value = false
  }
  return (
    <section
      class="panel training"
      data-covers="bottom"
      aria-label="Training"
      onKeyDown={event => {
        if (event.key !== 'Escape') return
        // Here Esc means this panel, not one level out.
        event.stopPropagation()
        close()
        document.querySelector<HTMLElement>('.training-button')?.focus()
      }}
    >
      <button type="button" class="fold" aria-label="Close training" title="Close" onClick={close}>
        <Glyph name="cross" size={13} />
      </button>
      <TrainingParts model={model} ui={ui} />
    </section>
  )
}

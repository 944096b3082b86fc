/** What happened in the training, the heaviest first: a press goes to the moment and its layer. */
import { useComputed } from '@preact/signals'
import type { JSX } from 'preact'
import type { ViewerModel } from '../../model'
import { formatCount } from '../../numbers'
import { byWeight, type PlacedInsight } from '../../training/insights'
import type { Ui } from '../ui'
import { InsightGlyph } from './InsightGlyph'

interface Props {
  model: ViewerModel
  ui: Ui
}

/** Goes to where an insight appeared, and shows what it is about. */
export function visit({ model, ui }: Props, insight: PlacedInsight): void {
  model.playing.value = false
  const { network, checkpoints } = model.recording.index
  const last = checkpoints.length - 1
  const layer = network.layers.find(l => l.id === insight.layer)?.id
  const { sample } = insight
  model.set({
    ...(insight.position === null ? {} : { epoch: Math.min(last, insight.position) }),
    ...(layer === undefined ? {} : { selected: layer, pinned: null }),
    ...(sample == null || sample >= model.recording.index.samples.count ? {} : { sample }),
  })
  if (layer !== undefined) ui.overTime.value = true
}

function when({ step, epoch }: PlacedInsight): string {
  if (step != null) return `step ${formatCount(step)}`
  return epoch == null ? '' : `epoch ${Number(epoch.toFixed(2))}`
}

/** The rule without the word that stands above it. */
function ruleWords(why: string): string {
  const words = why.replace(/^Rule: /, '')
  return words.charAt(0).toUpperCase() + words.slice(1)
}

export function Happened({ model, ui }: Props): JSX.Element | null {
  const insights = useComputed(() => byWeight(model.insights.value)).value
  if (insights.length === 0) return null
  return (
    <section class="happened" aria-label="What happened">
      <h3>What happened</h3>
      <ol class="scroll">
        {insights.map(insight => (
          <li key={`${insight.rule} ${insight.text} ${when(insight)}`} class={insight.level}>
            <button type="button" onClick={() => visit({ model, ui }, insight)}>
              <InsightGlyph level={insight.level} />
              <span>{insight.text}</span>
              <small>{when(insight)}</small>
            </button>
            <details>
              <summary>rule</summary>
              <p>{ruleWords(insight.why)}</p>
            </details>
          </li>
        ))}
      </ol>
    </section>
  )
}

/** What is pinned or selected and what the network says, as text for screen readers. */
import { useComputed } from '@preact/signals'
import type { JSX } from 'preact'
import type { ViewerModel } from '../model'
import { formatPercent } from '../numbers'
import { targetWords } from './text'

export function Live({ model }: { model: ViewerModel }): JSX.Element {
  const text = useComputed(() => {
    const { pinned, selected, sample } = model.state.value
    const { index } = model.recording
    const parts: string[] = []
    if (pinned) parts.push(`Pinned: ${targetWords(pinned, index)}.`)
    else if (selected) parts.push(`Selected: ${targetWords({ layer: selected }, index)}.`)
    const scores = model.scores.value
    // While the training plays, every frame has other scores: reading them out would never end.
    if (scores && !model.playing.value) {
      const percent = formatPercent(scores.values[scores.prediction])
      parts.push(`Sample ${sample + 1}: prediction ${scores.classes[scores.prediction]}, ${percent}.`)
    }
    return parts.join(' ')
  })
  return (
    <p class="for-readers" aria-live="polite">
      {text}
    </p>
  )
}

/** What is left out of the picture as it was drawn last. */
import { computed, type ReadonlySignal } from '@preact/signals'
import type { Comparison } from '../compare/comparison'
import type { Connection } from '../layout/connections'
import type { DrawnLayer } from '../layout/drawn'
import type { Readings } from '../readings'
import type { Recording } from '../recording/types'
import { omissions } from '../scene/omissions'
import type { FrameCounts } from '../scene/stage'
import type { State } from '../state'
import type { Scene } from './scene'

export interface Omitting {
  recording: Recording
  drawn: readonly DrawnLayer[]
  links: readonly Connection[]
  state: ReadonlySignal<State>
  readings: Readings
  comparison: Comparison
}

/** One sentence each; the same array while it says the same, since panels are drawn anew only for news. */
export function omittedNow(
  { recording, drawn, links, state, readings, comparison }: Omitting,
  scene: Scene,
  counts: ReadonlySignal<FrameCounts>,
): ReadonlySignal<string[]> {
  let last: string[] = []
  return computed(() => {
    const { strands } = counts.value
    const { placement } = scene
    if (!placement || recording.index.checkpoints.length === 0) return last
    const share = (link: number, count: number) => readings.normShare(link, count)
    const difference = comparison.show === 'difference' && state.value.compare?.with !== 'sample'
    const sentences = omissions(drawn, links, placement, strands, difference ? null : share)
    if (sentences.join() !== last.join()) last = sentences
    return last
  })
}

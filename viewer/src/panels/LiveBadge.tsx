/** That the recording is being written: how far it is, and whether the view keeps to its newest checkpoint. */
import { useComputed, useSignal, useSignalEffect } from '@preact/signals'
import type { JSX } from 'preact'
import type { LiveStatus } from '../live'
import type { ViewerModel } from '../model'
import { formatCount } from '../numbers'

/** How long it is said that a run has ended. Milliseconds. */
const FAREWELL = 12_000

const QUIET: Partial<Record<LiveStatus['state'], string>> = {
  ended: 'The run has ended',
  lost: 'Connection lost, trying again',
  gone: 'The recording is gone; what is loaded stays',
}

interface Props {
  model: ViewerModel
}

/** The newest step that is known: metrics come before the checkpoint that they lead to. */
function newest(model: ViewerModel): string {
  const checkpoint = model.recording.index.checkpoints.at(-1)
  const steps = [model.metrics.value.at(-1)?.step, checkpoint?.step].filter(step => step != null)
  return steps.length > 0 ? `step ${formatCount(Math.max(...steps))}` : (checkpoint?.label ?? '')
}

function Follow({ model }: Props): JSX.Element {
  const follow = useComputed(() => model.state.value.follow).value
  return (
    <button
      type="button"
      class="chip follow"
      aria-pressed={follow}
      title={follow ? 'The view keeps to the newest checkpoint' : 'Keep to the newest checkpoint (End)'}
      onClick={() => {
        model.playing.value = false
        model.set({ follow: !follow })
      }}
    >
      {follow ? 'following' : 'follow'}
    </button>
  )
}

export function LiveBadge({ model }: Props): JSX.Element | null {
  const state = useComputed(() => model.live.value.state).value
  const words = useComputed(() => newest(model))
  const over = useSignal(false)
  useSignalEffect(() => {
    over.value = false
    if (model.live.value.state !== 'ended') return
    const timer = setTimeout(() => {
      over.value = true
    }, FAREWELL)
    return () => clearTimeout(timer)
  })
  const quiet = QUIET[state]
  if (quiet && !over.value) return <span class="live">{quiet}</span>
  if (state !== 'writing') return null
  return (
    <span class="live">
      <b class="on">
        <i />
        LIVE
      </b>
      <span class="live-step">{words}</span>
      <Follow model={model} />
    </span>
  )
}

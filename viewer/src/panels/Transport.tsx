/** What moves through the training: play, a checkpoint back and on, how fast, and whether it begins again. */
import { useComputed } from '@preact/signals'
import type { JSX } from 'preact'
import type { ViewerModel } from '../model'
import { stepped } from '../playing'
import { Glyph } from './icons'

interface Props {
  model: ViewerModel
}

export function PlayButton({ model }: Props): JSX.Element {
  const playing = model.playing.value
  return (
    <button
      type="button"
      class="play"
      aria-label={playing ? 'Pause' : 'Play the training'}
      title={playing ? 'Pause (Space)' : 'Play the training (Space)'}
      aria-pressed={playing}
      onClick={() => {
        model.playing.value = !playing
      }}
    >
      <Glyph name={playing ? 'pause' : 'play'} size={16} />
    </button>
  )
}

function Step({ model, by }: Props & { by: -1 | 1 }): JSX.Element {
  const last = model.recording.index.checkpoints.length - 1
  const atEnd = useComputed(() => (by < 0 ? model.state.value.epoch <= 0 : model.state.value.epoch >= last)).value
  const words = by < 0 ? 'One checkpoint back' : 'One checkpoint on'
  return (
    <button
      type="button"
      class="tool"
      aria-label={words}
      title={`${words} (${by < 0 ? '[' : ']'})`}
      disabled={atEnd}
      onClick={() => {
        model.playing.value = false
        model.set({ epoch: stepped(model.state.value.epoch, by) })
      }}
    >
      <Glyph name={by < 0 ? 'stepBack' : 'stepOn'} />
    </button>
  )
}

const SPEEDS = [0.25, 0.5, 1, 2, 4, 8]

export function Speed({ model }: Props): JSX.Element {
  const speed = useComputed(() => model.state.value.speed).value
  // A link may hold a speed of its own.
  const speeds = SPEEDS.includes(speed) ? SPEEDS : [...SPEEDS, speed].sort((a, b) => a - b)
  return (
    <select
      class="speed"
      aria-label="Speed"
      title="Speed of playing"
      value={String(speed)}
      onChange={event => model.set({ speed: Number(event.currentTarget.value) })}
    >
      {speeds.map(s => (
        <option key={s} value={String(s)}>
          {s}×
        </option>
      ))}
    </select>
  )
}

export function Loop({ model }: Props): JSX.Element {
  const loop = useComputed(() => model.state.value.loop).value
  return (
    <button
      type="button"
      class="tool loop"
      aria-label="Begin again at the end"
      title="Begin again at the end"
      aria-pressed={loop}
      onClick={() => model.set({ loop: !loop })}
    >
      <Glyph name="loop" size={14} />
    </button>
  )
}

export function Transport({ model }: Props): JSX.Element {
  return (
    <div class="transport">
      <div>
        <Step model={model} by={-1} />
        <PlayButton model={model} />
        <Step model={model} by={1} />
      </div>
      <div class="manner">
        <Speed model={model} />
        <Loop model={model} />
      </div>
    </div>
  )
}

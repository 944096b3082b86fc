/** The kernel at one output pixel after the other: on or off, a step to either side, play. */
import { useComputed, useSignal, useSignalEffect } from '@preact/signals'
import type { JSX } from 'preact'
import type { Layer } from '../generated/recording'
import type { Props } from './Controls'
import { fields, readField, resetField, writeField } from './fields'
import { Glyph } from './icons'
import { FieldSlider } from './Slider'
import { outputShape } from './text'

const MS_A_STEP = 300

/** Layers whose kernel or window moves over their input. */
function moves(layer: Layer): boolean {
  return outputShape(layer).length === 3 && (layer.attributes?.kernel?.length ?? 0) > 0
}

/** Rows and columns that the kernel visits: of the layer, or of the largest one where all step together. */
function sidesOf({ model, scope }: Props): [rows: number, columns: number] | null {
  const stepping = model.recording.index.network.layers.filter(l => moves(l) && (scope === null || l.id === scope))
  const sides = stepping.map((l): [number, number] => [outputShape(l)[1], outputShape(l)[2]])
  return sides.sort((a, b) => b[0] * b[1] - a[0] * a[1])[0] ?? null
}

export function StepControl({ model, scope }: Props): JSX.Element {
  const sides = sidesOf({ model, scope })
  const count = sides ? sides[0] * sides[1] : 0
  const playing = useSignal(false)
  const step = useComputed(() => readField(model, scope, 'step'))
  const go = (to: number) => writeField(model, scope, 'step', ((to % count) + count) % count)
  useSignalEffect(() => {
    if (!playing.value) return
    const timer = setInterval(() => go(step.peek() + 1), MS_A_STEP)
    return () => clearInterval(timer)
  })
  const words = useComputed(() => {
    const at = step.value
    if (at < 0 || !sides) return 'off'
    return scope === null ? `at pixel ${at} of every layer` : `at (${Math.floor(at / sides[1])}, ${at % sides[1]})`
  })
  if (!sides) return <p class="hint">No kernel moves over the input of this layer.</p>
  const by = (amount: number) => {
    playing.value = false
    go(step.peek() < 0 ? (amount > 0 ? 0 : count - 1) : step.peek() + amount)
  }
  return (
    <>
      <FieldSlider model={model} scope={scope} field={{ ...fields.step, max: count - 1 }} />
      <div class="steps">
        <button type="button" class="tool" aria-label="One pixel back" title="One pixel back" onClick={() => by(-1)}>
          <Glyph name="left" />
        </button>
        <button
          type="button"
          class="tool"
          aria-label={playing.value ? 'Stop' : 'Step through all pixels'}
          title={playing.value ? 'Stop' : 'Step through all pixels'}
          aria-pressed={playing.value}
          onClick={() => {
            playing.value = !playing.value
          }}
        >
          <Glyph name={playing.value ? 'pause' : 'play'} />
        </button>
        <button type="button" class="tool" aria-label="One pixel on" title="One pixel on" onClick={() => by(1)}>
          <Glyph name="right" />
        </button>
        <span>{words}</span>
        <Off
          on={step.value >= 0}
          onClick={() => {
            playing.value = false
            // A layer's own "off" may stand against a step of all layers.
            if (scope === null) resetField(model, scope, 'step')
            else writeField(model, scope, 'step', -1)
          }}
        />
      </div>
    </>
  )
}

function Off({ on, onClick }: { on: boolean; onClick(): void }): JSX.Element | null {
  if (!on) return null
  return (
    <button type="button" class="tool" aria-label="Take the kernel away" title="Take the kernel away" onClick={onClick}>
      <Glyph name="cross" size={12} />
    </button>
  )
}

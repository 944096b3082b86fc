/** How the network is shown: layout, expansion and bundling; colours and widths behind "More". */
import { useComputed } from '@preact/signals'
import type { JSX } from 'preact'
import type { ViewerModel } from '../model'
import type { ActivationColors, Theme, WeightColors } from '../state'
import { type Choice, Choices } from './Choices'
import { fields, readField, type Scope, writeField } from './fields'
import { NumberInput } from './NumberInput'
import { gradient, rampColor, weightColor } from './ramps'
import { FieldSlider, Slider } from './Slider'

interface Props {
  model: ViewerModel
  scope?: Scope
}

const layouts: Choice<number>[] = [
  { value: 0, name: 'Line' },
  { value: 1, name: 'Circle' },
  { value: 2, name: 'Grid' },
]

/** Three buttons whose thumb stands wherever the value is, also between them, over a slider with the same three places. */
export function LayoutControl({ model, scope = null, extra }: Props & { extra?: JSX.Element }): JSX.Element {
  const { min, max, step, digits, label, initial } = fields.layout
  const value = useComputed(() => readField(model, scope, 'layout'))
  const onChange = (v: number) => writeField(model, scope, 'layout', v)
  return (
    <div class="layout-control">
      <div class="slider-head">
        <h3 onDblClick={() => onChange(initial ?? 0)} title="Double click: back to the default">
          {label}
        </h3>
        <NumberInput label="layout" {...{ value, min, max, step, digits, onChange }} />
        {extra}
      </div>
      <Choices label={label} choices={layouts} value={value} place={value} onChange={onChange} />
      <Slider bare label="layout, line to circle to grid" {...{ value, min, max, step, digits, onChange }} />
    </div>
  )
}

export function MainControls({ model, scope = null }: Props): JSX.Element {
  return (
    <>
      <FieldSlider model={model} scope={scope} field={fields.expansion} />
      <FieldSlider model={model} scope={scope} field={fields.bundle} />
      <FieldSlider model={model} scope={scope} field={fields.weightGain} />
    </>
  )
}

const weightNames: WeightColors[] = ['blue-red', 'purple-green']
const activationNames: ActivationColors[] = ['calm', 'grey', 'viridis', 'blue-red']
const themes: Choice<Theme>[] = [
  { value: 'dark', name: 'Dark' },
  { value: 'light', name: 'Light' },
]
const pixels: Choice<'square' | 'round'>[] = [
  { value: 'square', name: 'Square' },
  { value: 'round', name: 'Round' },
]

export function MoreControls({ model, scope = null }: Props): JSX.Element {
  const shape = useComputed(() => readField(model, scope, 'pixels'))
  return (
    <>
      <FieldSlider model={model} scope={scope} field={fields.activationGain} />
      <FieldSlider model={model} scope={scope} field={fields.lineWidth} />
      <ColorChoices model={model} scope={scope} />
      <div class="pair">
        <span>pixels</span>
        <Choices label="pixels" choices={pixels} value={shape} onChange={v => writeField(model, scope, 'pixels', v)} />
      </div>
    </>
  )
}

function ColorChoices({ model, scope = null }: Props): JSX.Element {
  const theme = useComputed(() => model.state.value.theme).value
  const weightColors = useComputed(() => readField(model, scope, 'weightColors'))
  const activationColors = useComputed(() => readField(model, scope, 'activationColors'))
  return (
    <>
      <div class="pair">
        <span>weights</span>
        <Choices
          label="weight colours"
          choices={weightNames.map(value => ({
            value,
            name: value.replace('-', ' to '),
            paint: gradient(t => weightColor(theme, value, 2 * t - 1)),
          }))}
          value={weightColors}
          onChange={v => writeField(model, scope, 'weightColors', v)}
        />
      </div>
      <div class="pair">
        <span>activations</span>
        <Choices
          label="activation colours"
          choices={activationNames.map(value => ({
            value,
            name: value.replace('-', ' to '),
            paint: gradient(t => rampColor(theme, value, t)),
          }))}
          value={activationColors}
          onChange={v => writeField(model, scope, 'activationColors', v)}
        />
      </div>
    </>
  )
}

/** For the phone, whose top bar has no room for a button. */
export function ThemeChoice({ model }: { model: ViewerModel }): JSX.Element {
  const theme = useComputed(() => model.state.value.theme)
  return (
    <div class="pair">
      <span>theme</span>
      <Choices label="theme" choices={themes} value={theme} onChange={v => model.set({ theme: v })} />
    </div>
  )
}

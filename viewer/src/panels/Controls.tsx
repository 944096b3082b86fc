/** The controls that make the picture: where maps stand, how far it is expanded, how edges run. */
import { useComputed } from '@preact/signals'
import type { JSX } from 'preact'
import type { ViewerModel } from '../model'
import type { Theme } from '../state'
import { type Choice, Choices } from './Choices'
import { fields, readField, resetField, type Scope, writeField } from './fields'
import { Reset } from './Group'
import { NumberInput } from './NumberInput'
import { FieldSlider, Slider } from './Slider'

export interface Props {
  model: ViewerModel
  scope: Scope
}

const layouts: Choice<number>[] = [
  { value: 0, name: 'Line' },
  { value: 1, name: 'Circle' },
  { value: 2, name: 'Grid' },
]

/** Three buttons whose thumb stands wherever the value is, also between them, over a slider with the same three places. */
export function LayoutControl({ model, scope }: Props): JSX.Element {
  const { min, max, step, digits, label } = fields.layout
  const value = useComputed(() => readField(model, scope, 'layout'))
  const onChange = (v: number) => writeField(model, scope, 'layout', v)
  return (
    <div class="layout-control">
      <div class="slider-head">
        <h3 onDblClick={() => resetField(model, scope, 'layout')} title="Double click: back to the default">
          {label}
        </h3>
        <Reset model={model} scope={scope} field="layout" label="layout" />
        <NumberInput label="layout" {...{ value, min, max, step, digits, onChange }} />
      </div>
      <Choices label={label} choices={layouts} value={value} place={value} onChange={onChange} />
      <Slider bare label="layout, line to circle to grid" {...{ value, min, max, step, digits, onChange }} />
    </div>
  )
}

export function MainControls({ model, scope }: Props): JSX.Element {
  return (
    <>
      <FieldSlider model={model} scope={scope} field={fields.expansion} />
      <FieldSlider model={model} scope={scope} field={fields.bundle} />
      <FieldSlider model={model} scope={scope} field={fields.weightGain} />
    </>
  )
}

const themes: Choice<Theme>[] = [
  { value: 'dark', name: 'Dark' },
  { value: 'light', name: 'Light' },
]

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

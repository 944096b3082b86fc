/** The rest of the controls, in groups. What concerns the whole picture is there for all layers only. */
import { type Signal, useComputed } from '@preact/signals'
import type { JSX } from 'preact'
import { hasSteps } from '../recording/steps'
import type { LayerView, State } from '../state'
import { type Choice, Choices, Toggle } from './Choices'
import { ActivationColorChoice, WeightColorChoice } from './ColorChoices'
import type { Props } from './Controls'
import { Budget } from './EdgeBudget'
import { fields, readField, writeField } from './fields'
import { type GroupOf, Groups, Reset } from './Group'
import { FieldSlider } from './Slider'
import { StepControl } from './StepControl'
import { outputShape } from './text'

const ARRANGEMENT = ['depthwise', 'spread', 'layerGap', 'collapse'] as const
const LINES = ['lineWidth', 'perspectiveWidth', 'curve', 'fade'] as const

export function MoreControls({ model, scope, open }: Props & { open: Signal<string | null> }): JSX.Element {
  const of = { model, scope }
  const sliders = (keys: readonly (typeof ARRANGEMENT | typeof LINES)[number][]) =>
    keys.map(key => <FieldSlider key={key} {...of} field={fields[key]} />)
  const groups: GroupOf[] = [
    {
      name: 'Arrangement',
      keys: [...ARRANGEMENT, 'maxMaps'],
      content: () => [
        ...sliders(ARRANGEMENT),
        <MaxMaps key="maxMaps" {...of} />,
        scope === null && <Steps key="steps" model={model} />,
        scope === null && <Animate key="animate" model={model} />,
      ],
    },
    {
      name: 'Maps',
      keys: ['activationGain', 'pixelSize', 'pixelSpacing', 'pixels', 'activationColors'],
      content: () => <MapControls {...of} />,
    },
    {
      name: 'Edges',
      keys: [...LINES, 'weightColors', 'weightTimesActivation'],
      content: () => [
        ...sliders(LINES),
        scope === null && <Budget key="budget" model={model} />,
        <WeightColorChoice key="colors" {...of} />,
        <TimesActivation key="times" {...of} />,
      ],
    },
    { name: 'Stepping', keys: ['step'], content: () => <StepControl {...of} /> },
  ]
  return <Groups {...of} open={open} groups={groups} />
}

function MapControls(of: Props): JSX.Element {
  return (
    <>
      <FieldSlider {...of} field={fields.activationGain} />
      <FieldSlider {...of} field={fields.pixelSize} />
      <FieldSlider {...of} field={fields.pixelSpacing} />
      <PixelShape {...of} />
      <ActivationColorChoice {...of} />
      {of.scope === null && <WholePicture model={of.model} />}
    </>
  )
}

/** No more than there are. */
function MaxMaps({ model, scope }: Props): JSX.Element {
  const { layers } = model.recording.index.network
  const counts = layers.filter(l => scope === null || l.id === scope).map(l => outputShape(l)[0] ?? 1)
  const max = Math.max(2, ...counts)
  const { maxMaps } = fields
  return <FieldSlider model={model} scope={scope} field={{ ...maxMaps, max, middle: max > 128 ? 64 : undefined }} />
}

/** Only for recordings that hold what lies between. */
function Steps({ model }: Pick<Props, 'model'>): JSX.Element | null {
  const value = useComputed(() => model.state.value.steps)
  if (!model.state.peek().steps && !hasSteps(model.recording.index.network.layers)) return null
  const set = (steps: boolean) => model.set({ steps, camera: null })
  return <Toggle label="norms and activations apart" value={value} onChange={set} />
}

function Animate({ model }: Pick<Props, 'model'>): JSX.Element {
  const value = useComputed(() => model.state.value.animate)
  return <Toggle label="changes glide" value={value} onChange={v => model.set({ animate: v })} />
}

const shapes: Choice<LayerView['pixels']>[] = [
  { value: 'square', name: 'Square' },
  { value: 'round', name: 'Round' },
]

function PixelShape({ model, scope }: Props): JSX.Element {
  const shape = useComputed(() => readField(model, scope, 'pixels'))
  return (
    <div class="pair">
      <span>
        pixels
        <Reset model={model} scope={scope} field="pixels" label="pixels" />
      </span>
      <Choices label="pixels" choices={shapes} value={shape} onChange={v => writeField(model, scope, 'pixels', v)} />
    </div>
  )
}

function TimesActivation({ model, scope }: Props): JSX.Element {
  const value = useComputed(() => readField(model, scope, 'weightTimesActivation'))
  return (
    <Toggle
      label="weight × activation"
      value={value}
      extra={<Reset model={model} scope={scope} field="weightTimesActivation" label="weight × activation" />}
      onChange={v => writeField(model, scope, 'weightTimesActivation', v)}
    />
  )
}

const ranges: Choice<State['range']>[] = [
  { value: 'map', name: 'Map' },
  { value: 'layer', name: 'Layer' },
  { value: 'network', name: 'All' },
]
const pictures: Choice<State['picture']>[] = [
  { value: null, name: 'Auto' },
  { value: true, name: 'On' },
  { value: false, name: 'Off' },
]

/** Colour ranges, and how the input is shown. */
function WholePicture({ model }: Pick<Props, 'model'>): JSX.Element {
  const range = useComputed(() => model.state.value.range)
  const picture = useComputed(() => model.state.value.picture)
  const grey = useComputed(() => model.state.value.greyInput)
  const input = model.recording.index.network.layers.find(l => l.kind === 'input')
  const colored = input !== undefined && outputShape(input)[0] === 3
  return (
    <>
      <div class="pair">
        <span>range of a</span>
        <Choices label="Colours reach over" choices={ranges} value={range} onChange={v => model.set({ range: v })} />
      </div>
      {model.recording.index.samples.count > 0 && (
        <div class="pair">
          <span>picture</span>
          <Choices
            label="Picture before the input"
            choices={pictures}
            value={picture}
            onChange={v => model.set({ picture: v })}
          />
        </div>
      )}
      {colored && <Toggle label="input in grey" value={grey} onChange={v => model.set({ greyInput: v })} />}
    </>
  )
}

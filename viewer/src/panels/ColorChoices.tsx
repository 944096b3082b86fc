/** Colour maps as swatches, painted as the theme has them. */
import { useComputed } from '@preact/signals'
import type { JSX } from 'preact'
import type { ActivationColors, LayerView, Theme, WeightColors } from '../state'
import { Choices } from './Choices'
import type { Props } from './Controls'
import { readField, writeField } from './fields'
import { Reset } from './Group'
import { gradient, rampColor, weightColor } from './ramps'

type ColorField = 'weightColors' | 'activationColors'

interface SwatchProps<F extends ColorField> extends Props {
  field: F
  /** What is painted with them, and what the choice is called. */
  of: string
  label: string
  names: readonly LayerView[F][]
  /** CSS background of a swatch. */
  paint(theme: Theme, name: LayerView[F]): string
}

const weightNames: WeightColors[] = ['blue-red', 'purple-green']
const activationNames: ActivationColors[] = ['calm', 'grey', 'viridis', 'blue-red']

export function WeightColorChoice(props: Props): JSX.Element {
  const paint = (theme: Theme, name: WeightColors) => gradient(t => weightColor(theme, name, 2 * t - 1))
  return (
    <Swatches {...props} field="weightColors" of="weights" label="weight colours" names={weightNames} paint={paint} />
  )
}

export function ActivationColorChoice(props: Props): JSX.Element {
  const paint = (theme: Theme, name: ActivationColors) => gradient(t => rampColor(theme, name, t))
  return (
    <Swatches
      {...props}
      field="activationColors"
      of="activations"
      label="activation colours"
      names={activationNames}
      paint={paint}
    />
  )
}

function Swatches<F extends ColorField>(props: SwatchProps<F>): JSX.Element {
  const { model, scope, field, of, label, names, paint } = props
  const theme = useComputed(() => model.state.value.theme).value
  const value = useComputed(() => readField(model, scope, field))
  return (
    <div class="pair">
      <span>
        {of}
        <Reset model={model} scope={scope} field={field} label={label} />
      </span>
      <Choices
        label={label}
        choices={names.map(name => ({ value: name, name: name.replace('-', ' to '), paint: paint(theme, name) }))}
        value={value}
        onChange={v => writeField(model, scope, field, v)}
      />
    </div>
  )
}

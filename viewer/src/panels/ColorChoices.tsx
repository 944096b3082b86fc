/** Colour maps as swatches, painted as the theme has them. */
import { useComputed } from '@preact/signals'
import type { JSX } from 'preact'
import type { ActivationColors, WeightColors } from '../state'
import { Choices } from './Choices'
import type { Props } from './Controls'
import { readField, writeField } from './fields'
import { Reset } from './Group'
import { gradient, rampColor, weightColor } from './ramps'

const weightNames: WeightColors[] = ['blue-red', 'purple-green']
const activationNames: ActivationColors[] = ['calm', 'grey', 'viridis', 'blue-red']

export function WeightColorChoice({ model, scope }: Props): JSX.Element {
  const theme = useComputed(() => model.state.value.theme).value
  const value = useComputed(() => readField(model, scope, 'weightColors'))
  return (
    <div class="pair">
      <span>
        weights
        <Reset model={model} scope={scope} field="weightColors" label="weight colours" />
      </span>
      <Choices
        label="weight colours"
        choices={weightNames.map(name => ({
          value: name,
          name: name.replace('-', ' to '),
          paint: gradient(t => weightColor(theme, name, 2 * t - 1)),
        }))}
        value={value}
        onChange={v => writeField(model, scope, 'weightColors', v)}
      />
    </div>
  )
}

export function ActivationColorChoice({ model, scope }: Props): JSX.Element {
  const theme = useComputed(() => model.state.value.theme).value
  const value = useComputed(() => readField(model, scope, 'activationColors'))
  return (
    <div class="pair">
      <span>
        activations
        <Reset model={model} scope={scope} field="activationColors" label="activation colours" />
      </span>
      <Choices
        label="activation colours"
        choices={activationNames.map(name => ({
          value: name,
          name: name.replace('-', ' to '),
          paint: gradient(t => rampColor(theme, name, t)),
        }))}
        value={value}
        onChange={v => writeField(model, scope, 'activationColors', v)}
      />
    </div>
  )
}

/** The two ramps with numbers: what the colours on the stage stand for, and over what they reach. */
import { useComputed } from '@preact/signals'
import type { JSX } from 'preact'
import { useMemo } from 'preact/hooks'
import type { Legend as LegendData, ViewerModel } from '../model'
import { formatValue } from '../numbers'
import { type ActivationColors, layerView, type State, type Theme, type WeightColors } from '../state'
import { Glyph } from './icons'
import { activationShare, differenceColor, gradient, type Rgb, rampColor, weightColor } from './ramps'

/** Two digits are enough for a tick; hovering gives the exact numbers. */
function tick(value: number): string {
  return formatValue(Number(value.toPrecision(2)))
}

function signedTick(value: number): string {
  return value > 0 ? `+${tick(value)}` : tick(value)
}

export function Legend({ model }: { model: ViewerModel }): JSX.Element | null {
  // The model makes a new legend whenever anything changes; its text says whether it is another one.
  const key = useComputed(() => JSON.stringify(model.legend.value)).value
  const legend = useMemo(() => JSON.parse(key) as LegendData | null, [key])
  if (!legend) return null
  const name = model.recording.index.network.layers.find(l => l.id === legend.layer)?.name ?? legend.layer
  return (
    <div class="legend">
      {legend.weight !== null && <Weights key={legend.layer} model={model} legend={legend} name={name} />}
      <Activations key={`${legend.layer} `} model={model} legend={legend} name={name} />
    </div>
  )
}

interface Props {
  model: ViewerModel
  legend: LegendData
  name: string
}

function Ramp({ color, ticks }: { color(t: number): Rgb; ticks: string[] }): JSX.Element {
  return (
    <>
      <i style={{ background: gradient(color) }}>
        {ticks.map((_, i) => (
          <s key={i} style={{ '--at': ticks.length > 1 ? i / (ticks.length - 1) : 0 }} />
        ))}
      </i>
      <p>
        {ticks.map((text, i) => (
          <span key={i}>{text}</span>
        ))}
      </p>
    </>
  )
}

function Weights({ model, legend, name }: Props): JSX.Element {
  const theme = useComputed((): Theme => model.state.value.theme).value
  const colors = useComputed((): WeightColors => layerView(model.state.value, legend.layer).weightColors).value
  const times = useComputed(() => layerView(model.state.value, legend.layer).weightTimesActivation).value
  const weight = legend.weight ?? 0
  const what = times ? 'weight × input' : 'weight'
  const color = (t: number) => weightColor(theme, colors, 2 * t - 1)
  return (
    <figure>
      <figcaption>
        {what}
        {legend.weightDifference && ' B − A'}, {name}
      </figcaption>
      {/* Products have a range of their own, which changes with the input. */}
      <Ramp color={color} ticks={times ? ['negative', '0', 'positive'] : [tick(-weight), '0', signedTick(weight)]} />
    </figure>
  )
}

const ranges: { value: State['range']; words: string }[] = [
  { value: 'map', words: 'each map by its own largest' },
  { value: 'layer', words: 'by the largest of the layer' },
  { value: 'network', words: 'by the largest of the network' },
]

function Activations({ model, legend, name }: Props): JSX.Element {
  const theme = useComputed((): Theme => model.state.value.theme).value
  const colors = useComputed((): ActivationColors => layerView(model.state.value, legend.layer).activationColors).value
  const range = useComputed(() => model.state.value.range).value
  const weightColors = useComputed(() => layerView(model.state.value, legend.layer).weightColors).value
  const { activationLow: low, activationHigh: high, difference = false } = legend
  const signed = difference || colors === 'blue-red'
  const ownRange = range === 'map'
  const color = (t: number) => {
    if (difference) return differenceColor(theme, weightColors, 2 * t - 1)
    if (signed)
      return rampColor(theme, colors, 0.5 + 0.5 * Math.sign(t - 0.5) * activationShare(Math.abs(2 * t - 1), 1))
    // Inputs with values below zero are shown from their lowest on, without the lift.
    return rampColor(theme, colors, low < 0 ? t : activationShare(t, 1))
  }
  const over = range === 'network' ? 'whole network' : ownRange ? 'each map' : name
  const numbers = signed ? [tick(-high), '0', signedTick(high)] : [tick(low), tick((low + high) / 2), tick(high)]
  const words = signed ? ['−largest', '0', 'largest'] : ['0', '', 'largest']
  return (
    <figure>
      <figcaption class="reach">
        <span class="ellipsis">
          activation{difference && ' B − A'}, {over}
        </span>
        <Glyph name="down" size={9} />
        <select
          class="cover"
          aria-label="Colours of activations reach over"
          title="What the colours reach over"
          value={range}
          onChange={event => model.set({ range: event.currentTarget.value as State['range'] })}
        >
          {ranges.map(({ value, words }) => (
            <option key={value} value={value}>
              {words}
            </option>
          ))}
        </select>
      </figcaption>
      <Ramp color={color} ticks={ownRange ? words : numbers} />
    </figure>
  )
}

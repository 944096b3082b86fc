/** The two ramps with numbers: what the colours on the stage stand for. */
import { useComputed } from '@preact/signals'
import type { JSX } from 'preact'
import { useMemo } from 'preact/hooks'
import type { Legend as LegendData, ViewerModel } from '../model'
import { formatValue } from '../numbers'
import { activationShare, gradient, rampColor, weightColor } from './ramps'

/** Two digits are enough for a tick; hovering gives the exact numbers. */
function tick(value: number): string {
  return formatValue(Number(value.toPrecision(2)))
}

export function Legend({ model }: { model: ViewerModel }): JSX.Element | null {
  const theme = useComputed(() => model.state.value.theme).value
  const weights = useComputed(() => model.state.value.weightColors).value
  const activations = useComputed(() => model.state.value.activationColors).value
  const range = useComputed(() => model.state.value.range).value
  // The model makes a new legend whenever anything changes; its text says whether it is another one.
  const key = useComputed(() => JSON.stringify(model.legend.value)).value
  const legend = useMemo(() => JSON.parse(key) as LegendData | null, [key])
  if (!legend) return null
  const name = model.recording.index.network.layers.find(l => l.id === legend.layer)?.name ?? legend.layer
  const { weight, activationLow: low, activationHigh: high } = legend
  const activation = (t: number) =>
    // Layers with negative outputs are shown from their lowest value on, without the lift.
    rampColor(theme, activations, low < 0 ? t : activationShare(t * high, high))
  const over = range === 'network' ? 'whole network' : range === 'map' ? `${name}, per map` : name
  return (
    <div class="legend">
      {weight !== null && (
        <figure>
          <figcaption>weight, {name}</figcaption>
          <i style={{ background: gradient(t => weightColor(theme, weights, 2 * t - 1)) }} />
          <p>
            <span>{tick(-weight)}</span>
            <span>0</span>
            <span>+{tick(weight)}</span>
          </p>
        </figure>
      )}
      <figure>
        <figcaption>activation, {over}</figcaption>
        <i style={{ background: gradient(activation) }} />
        <p>
          <span>{tick(low)}</span>
          <span>{tick((low + high) / 2)}</span>
          <span>{tick(high)}</span>
        </p>
      </figure>
    </div>
  )
}

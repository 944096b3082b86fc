/** The inputs that weigh most in one dense unit. */
import { type ReadonlySignal, useComputed } from '@preact/signals'
import type { JSX } from 'preact'
import type { Layer } from '../generated/recording'
import type { ViewerModel } from '../model'
import { formatCount, formatFixed, formatValue } from '../numbers'
import { useShownParameter } from './compare/use-shown'
import { KernelOverview } from './KernelOverview'
import { columnPixel, maxAbs, readsFrom, strongestInputs } from './kernels'
import { css, weightColor } from './ramps'
import { useStageScale } from './use-recorded'

const SHOWN = 10

interface Props {
  model: ViewerModel
  layer: Layer
  unit: ReadonlySignal<number | null>
}

export function DenseInputs({ model, layer, unit }: Props): JSX.Element {
  const theme = useComputed(() => model.state.value.theme).value
  const colors = useComputed(() => model.state.value.weightColors).value
  const tensor = useShownParameter(model, layer.id, 'kernel').value
  const scale = useStageScale(model, layer).value
  if (!tensor) return <p class="empty section">loading the weights</p>
  const largest = scale ?? maxAbs(tensor)
  if (unit.value === null) return <KernelOverview model={model} layer={layer} tensor={tensor} largest={largest} />
  const from = readsFrom(model.recording.index.network, layer)
  const inputs = strongestInputs(tensor, unit.value, SHOWN)
  const total = tensor.shape[1]
  const name = (index: number) => {
    const pixel = from ? columnPixel(layer, from, index) : null
    return pixel ? `${from?.name} · ${pixel.map} (${pixel.y}, ${pixel.x})` : `${from?.name ?? 'input'} · ${index}`
  }
  return (
    <section class="section">
      <h3>
        {inputs.length < total ? `Strongest ${inputs.length} of ${formatCount(total)} inputs` : `All ${total} inputs`}
      </h3>
      <ol class="inputs">
        {inputs.map(({ index, weight }) => (
          <li key={index} title={`${name(index)}: ${formatValue(weight)}`}>
            <span>{name(index)}</span>
            <i
              class={weight < 0 ? 'minus' : ''}
              style={{
                '--share': largest > 0 ? Math.abs(weight) / largest : 0,
                '--paint': css(weightColor(theme, colors, Math.sign(weight))),
              }}
            />
            <b>{formatFixed(weight, 3)}</b>
          </li>
        ))}
      </ol>
      {layer.parameters?.some(p => p.role === 'bias') && <Bias model={model} layer={layer} unit={unit} />}
    </section>
  )
}

function Bias({ model, layer, unit }: Props): JSX.Element {
  const bias = useShownParameter(model, layer.id, 'bias').value
  return (
    <dl class="facts bias">
      <div>
        <dt>bias</dt>
        <dd>{bias && unit.value !== null ? formatValue(bias.data[unit.value]) : 'loading'}</dd>
      </div>
    </dl>
  )
}

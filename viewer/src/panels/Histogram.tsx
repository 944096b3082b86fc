/** Distribution of a layer's weights and the numbers that sum it up. */
import { useComputed } from '@preact/signals'
import type { JSX } from 'preact'
import type { Layer, TensorSummary } from '../generated/recording'
import type { ViewerModel } from '../model'
import { formatCount, formatFixed, formatValue } from '../numbers'
import { DeadMaps } from './DeadMaps'
import { Facts } from './Facts'
import { bars, summarise } from './histogram-bars'
import { css, weightColor } from './ramps'
import { isVector } from './text'
import { useParameter, useSummary } from './use-recorded'

const WIDTH = 228
const HEIGHT = 62

function Chart({ model, summary }: { model: ViewerModel; summary: TensorSummary }): JSX.Element {
  const theme = useComputed(() => model.state.value.theme).value
  const colors = useComputed(() => model.state.value.weightColors).value
  const reach = Math.max(Math.abs(summary.low), Math.abs(summary.high)) || 1
  const shown = bars(summary.histogram, reach)
  const most = Math.max(1, ...shown.map(b => b.count))
  const x = (w: number) => ((w / reach + 1) / 2) * WIDTH
  return (
    <figure class="histogram">
      <svg
        viewBox={`0 0 ${WIDTH} ${HEIGHT}`}
        preserveAspectRatio="none"
        role="img"
        aria-label="Histogram of the weights"
      >
        <line class="zero" x1={WIDTH / 2} x2={WIDTH / 2} y1="0" y2={HEIGHT} vector-effect="non-scaling-stroke" />
        {shown
          .filter(b => b.count > 0)
          .map(b => {
            // A single weight still shows: an outlier is what one looks for.
            const height = Math.max(1.5, (b.count / most) * (HEIGHT - 2))
            const gap = Math.min(1, (x(b.high) - x(b.low)) * 0.2)
            return (
              <rect
                key={b.low}
                x={x(b.low)}
                y={HEIGHT - height}
                width={x(b.high) - x(b.low) - gap}
                height={height}
                fill={css(weightColor(theme, colors, (b.low + b.high) / 2 / reach))}
              >
                <title>{`${formatCount(b.count)} between ${formatValue(Number(b.low.toPrecision(3)))} and ${formatValue(Number(b.high.toPrecision(3)))}`}</title>
              </rect>
            )
          })}
      </svg>
      <figcaption>
        <span>{formatFixed(-reach, 2)}</span>
        <span>0</span>
        <span>+{formatFixed(reach, 2)}</span>
      </figcaption>
    </figure>
  )
}

/** Three significant digits: enough to compare, short enough to read. */
function short(value: number): string {
  return formatValue(Number(value.toPrecision(3)))
}

export function WeightHistogram({ model, layer }: { model: ViewerModel; layer: Layer }): JSX.Element | null {
  const parameter = layer.parameters?.find(p => p.shape.length > 1)
  const recorded = useSummary(model, layer.id).value
  const maps = layer.output_shapes?.[0]?.[0]
  const deadRow: [string, string][] =
    recorded && maps !== undefined && layer.kind !== 'input'
      ? [
          [
            isVector(layer) ? 'dead units' : 'dead maps',
            `${formatCount(recorded.dead?.length ?? 0)} of ${formatCount(maps)}`,
          ],
        ]
      : []
  const dead = <DeadMaps model={model} layer={layer} dead={recorded?.dead ?? []} />
  if (!parameter) {
    return deadRow.length > 0 ? (
      <section class="section">
        <Facts rows={deadRow} />
        {dead}
      </section>
    ) : null
  }
  const known = recorded?.parameters?.[parameter.role]
  const count = parameter.shape.reduce((a, b) => a * b, 1)
  const heading = `All ${formatCount(count)} weights`
  const shown = { model, heading, deadRow, dead }
  return known ? (
    <Weights {...shown} summary={known} />
  ) : (
    <Unsummarised {...shown} layer={layer} role={parameter.role} />
  )
}

interface WeightsProps {
  model: ViewerModel
  heading: string
  deadRow: [string, string][]
  dead: JSX.Element
}

/** Without a recorded summary the weights themselves tell, once they are here. */
function Unsummarised({ layer, role, ...props }: WeightsProps & { layer: Layer; role: string }): JSX.Element {
  const tensor = useParameter(props.model, layer.id, role).value
  if (tensor) return <Weights {...props} summary={summarise(tensor.data)} />
  return (
    <section class="section">
      <h3>{props.heading}</h3>
      <p class="empty">loading</p>
    </section>
  )
}

function Weights({ model, heading, summary, deadRow, dead }: WeightsProps & { summary: TensorSummary }): JSX.Element {
  const rows: [string, string][] = [
    ['mean', short(summary.mean)],
    ['‖w‖', short(summary.norm)],
    ['largest |w|', short(Math.max(Math.abs(summary.low), Math.abs(summary.high)))],
  ]
  if (summary.not_finite) rows.push(['not finite', formatCount(summary.not_finite)])
  return (
    <section class="section">
      <h3>{heading}</h3>
      <Chart model={model} summary={summary} />
      <Facts rows={[...rows, ...deadRow]} />
      {dead}
    </section>
  )
}

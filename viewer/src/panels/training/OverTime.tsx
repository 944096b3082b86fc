/** How a layer (or the pinned one of its maps) changed in the training: histograms, updates, dead units, gradients. */
import { type Signal, useComputed, useSignal } from '@preact/signals'
import type { JSX } from 'preact'
import { useMemo } from 'preact/hooks'
import type { Layer, LayerSummary, Parameter, TensorSummary } from '../../generated/recording'
import type { ViewerModel } from '../../model'
import { formatCount, formatPercent, formatValue } from '../../numbers'
import { MOST_MOMENTS } from '../../training/over-time'
import { binsFor } from '../../training/ridges'
import { Choices } from '../Choices'
import { summarise } from '../histogram-bars'
import { Glyph } from '../icons'
import { isVector, outputShape } from '../text'
import { type Distribution, RidgePlot } from './RidgePlot'
import { type Point, Sparkline } from './Sparkline'
import { type Moment, useOverTime } from './use-over-time'

/** Updates of one step between a hundredth of a percent and a percent of the weights are usual. */
const USUAL = [1e-4, 1e-2] as const
/** Kernels with more weights are not fetched whole at every checkpoint. */
const MOST_WEIGHTS = 1 << 18

type What = 'weights' | 'gradients' | 'activations'

interface Props {
  model: ViewerModel
  open: Signal<boolean>
  layer: Layer
}

export function OverTime({ model, open, layer }: Props): JSX.Element | null {
  const many = useComputed(() => model.recording.index.checkpoints.length > 1).value
  if (!many || layer.kind === 'input') return null
  return (
    <section class="section over-time">
      <button
        type="button"
        class="disclosure"
        aria-expanded={open.value}
        onClick={event => {
          open.value = !open.peek()
          // What was asked for lies below what can be seen, mostly.
          const section = event.currentTarget.parentElement
          if (open.peek()) requestAnimationFrame(() => section?.scrollIntoView({ block: 'start' }))
        }}
      >
        <h3>Over time</h3>
        <Glyph name={open.value ? 'up' : 'down'} size={13} />
      </button>
      {open.value && <LayerHistory key={layer.id} model={model} layer={layer} />}
    </section>
  )
}

function kernelOf(layer: Layer): Parameter | null {
  return layer.parameters?.find(p => p.shape.length > 1) ?? null
}

function LayerHistory({ model, layer }: { model: ViewerModel; layer: Layer }): JSX.Element {
  const moments = useOverTime<LayerSummary>(model, `summary of ${layer.id}`, async checkpoint => {
    return (await model.recording.summary(checkpoint))[layer.id] ?? null
  }).value
  const pinned = useComputed(() => {
    const { pinned } = model.state.value
    return pinned?.layer === layer.id ? (pinned.map ?? null) : null
  }).value
  const wanted = useSignal<What>(kernelOf(layer) ? 'weights' : 'activations')
  const role = kernelOf(layer)?.role
  const there = (what: What) => moments.some(m => distribution(m.value, what, role) !== null)
  const choices = (['weights', 'gradients', 'activations'] as const).filter(there)
  if (moments.length === 0) return <Loading model={model} />
  const what = choices.includes(wanted.value) ? wanted.value : choices[0]
  const total = model.recording.index.checkpoints.length
  return (
    <>
      {choices.length > 1 && (
        <Choices
          label="Histograms of"
          choices={choices.map(value => ({ value, name: value }))}
          value={wanted}
          onChange={value => {
            wanted.value = value
          }}
        />
      )}
      {what && <Histograms model={model} layer={layer} map={pinned} what={what} moments={moments} />}
      <Numbers model={model} layer={layer} moments={moments} />
      {total > MOST_MOMENTS && (
        <p class="hint">
          {formatCount(MOST_MOMENTS)} of {formatCount(total)} checkpoints, evenly spread
        </p>
      )}
      <NumbersTable layer={layer} moments={moments} />
    </>
  )
}

/** Recordings without summaries have nothing to come. */
function Loading({ model }: { model: ViewerModel }): JSX.Element {
  const none = useComputed(() => {
    const known = model.recording.summaryNow(Math.round(model.state.value.epoch))
    return known !== null && Object.keys(known).length === 0
  }).value
  return <p class="empty">{none ? 'no summaries recorded' : 'loading'}</p>
}

function distribution(summary: LayerSummary, what: What, role: string | undefined): Distribution | null {
  const known: Record<What, TensorSummary | null | undefined> = {
    weights: role ? summary.parameters?.[role] : null,
    gradients: role ? summary.gradients?.[role] : null,
    activations: summary.activations,
  }
  const tensor = known[what]
  return tensor ? { histogram: tensor.histogram, mean: tensor.mean } : null
}

interface HistogramsProps {
  model: ViewerModel
  layer: Layer
  map: number | null
  what: What
  moments: readonly Moment<LayerSummary>[]
}

function Histograms({ model, layer, map, what, moments }: HistogramsProps): JSX.Element {
  const kernel = kernelOf(layer)
  const ofMap = map !== null && !isVector(layer)
  const sliced = kernel !== null && kernel.shape[0] === outputShape(layer)[0] && sizeOf(kernel) <= MOST_WEIGHTS
  if (what === 'weights' && map !== null && sliced) {
    return <KernelHistory key={map} model={model} layer={layer} kernel={kernel} map={map} />
  }
  const each = ofMap && what === 'activations' && moments.some(m => m.value.map_histograms?.[map])
  const shown = useMemo(
    () =>
      moments.flatMap(({ value, ...moment }) => {
        const found = each ? ofOneMap(value, map!) : distribution(value, what, kernel?.role)
        return found ? [{ ...moment, value: found }] : []
      }),
    [moments, what, each, map],
  )
  return <Ridges model={model} name={each ? `${what} of map ${map}` : what} moments={shown} />
}

function ofOneMap(summary: LayerSummary, map: number): Distribution | null {
  const counts = summary.map_histograms?.[map]
  const whole = summary.activations
  if (!counts || !whole) return null
  return { histogram: { low: whole.low, high: whole.high, counts }, mean: summary.map_mean?.[map] ?? null }
}

function sizeOf(parameter: Parameter): number {
  return parameter.shape.reduce((a, b) => a * b, 1)
}

/** Of one map or unit there is no summary: its kernel itself tells. */
function KernelHistory({ model, layer, kernel, map }: Omit<Props, 'open'> & { kernel: Parameter; map: number }) {
  const each = sizeOf(kernel) / kernel.shape[0]
  const moments = useOverTime<Distribution>(model, `kernel ${map} of ${layer.id}`, async checkpoint => {
    const { data } = await model.recording.parameter(layer.id, kernel.role, checkpoint)
    return summarise(data.slice(map * each, (map + 1) * each), binsFor(each))
  }).value
  return <Ridges model={model} name={`weights of ${isVector(layer) ? 'unit' : 'map'} ${map}`} moments={moments} />
}

function Ridges(props: { model: ViewerModel; name: string; moments: readonly Moment<Distribution>[] }): JSX.Element {
  return (
    <>
      <p class="caption">{props.name}, oldest behind</p>
      {props.moments.length > 0 ? <RidgePlot {...props} /> : <p class="empty">loading</p>}
    </>
  )
}

type Read = (summary: LayerSummary) => number | null | undefined

function points(moments: readonly Moment<LayerSummary>[], read: Read): Point[] {
  return moments.flatMap(({ position, label, value }) => {
    const found = read(value)
    return found == null || !Number.isFinite(found) ? [] : [{ position, label, value: found }]
  })
}

const deadShare: Read = ({ dead, map_low }) => (map_low?.length ? (dead?.length ?? 0) / map_low.length : null)
const oneStep: Read = summary => summary.step_update_ratio
const between: Read = summary => summary.update_ratio

function gradientNorm(layer: Layer): Read {
  const role = kernelOf(layer)?.role
  return summary => (role ? summary.gradients?.[role]?.norm : null)
}

/** Three digits: enough to compare. */
function short(value: number): string {
  return formatValue(Number(value.toPrecision(3)))
}

function Numbers({ model, layer, moments }: Omit<Props, 'open'> & { moments: readonly Moment<LayerSummary>[] }) {
  const steps = points(moments, oneStep)
  const saturated = points(moments, summary => summary.saturated)
  const gradients = points(moments, gradientNorm(layer))
  const units = isVector(layer) ? 'units' : 'maps'
  const percent = (value: number) => formatPercent(value, 0)
  return (
    <>
      {steps.length > 0 && (
        <Sparkline model={model} name="‖Δw‖ / ‖w‖ of one step" points={steps} format={short} log band={USUAL} />
      )}
      <Sparkline model={model} name="‖Δw‖ / ‖w‖ a checkpoint" points={points(moments, between)} format={short} log />
      {gradients.length > 0 && <Sparkline model={model} name="‖gradient‖" points={gradients} format={short} log />}
      <Sparkline
        model={model}
        name={`dead ${units}`}
        points={points(moments, deadShare)}
        format={percent}
        reach={[0, 1]}
      />
      {saturated.length > 0 && (
        <Sparkline model={model} name="saturated" points={saturated} format={percent} reach={[0, 1]} />
      )}
    </>
  )
}

/** What the plots show, to read. */
function NumbersTable({ layer, moments }: { layer: Layer; moments: readonly Moment<LayerSummary>[] }): JSX.Element {
  const role = kernelOf(layer)?.role
  const columns: [name: string, read: Read][] = [
    ['mean weight', summary => (role ? summary.parameters?.[role]?.mean : null)],
    ['‖w‖', summary => (role ? summary.parameters?.[role]?.norm : null)],
    ['mean activation', summary => summary.activations?.mean],
    ['update of one step', oneStep],
    ['update since the checkpoint before', between],
    ['gradient norm', gradientNorm(layer)],
    ['share of dead maps or units', deadShare],
    ['share of saturated outputs', summary => summary.saturated],
  ]
  const used = columns.filter(([, read]) => moments.some(m => read(m.value) != null))
  return (
    <div class="for-readers">
      <table>
        <caption>{layer.name} over the training</caption>
        <thead>
          <tr>
            <th scope="col">checkpoint</th>
            {used.map(([name]) => (
              <th key={name} scope="col">
                {name}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {moments.map(({ position, label, value }) => (
            <tr key={position}>
              <th scope="row">{label}</th>
              {used.map(([name, read]) => {
                const number = read(value)
                return <td key={name}>{number == null ? '' : short(number)}</td>
              })}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  )
}

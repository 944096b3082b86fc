/** Checkpoints, the curves of the training, and the playhead. */
import { useComputed } from '@preact/signals'
import type { JSX } from 'preact'
import { useMemo, useRef } from 'preact/hooks'
import type { ViewerModel } from '../model'
import { formatPercent, formatValue } from '../numbers'
import type { MetricRow } from '../recording/types'
import { axisOf, positionOf, valueAt } from './axis'
import { HistoryKey } from './HistoryLane'
import { LiveBadge } from './LiveBadge'
import { NumberInput } from './NumberInput'
import { Plot } from './Plot'
import { chooseSeries, nearest, type Series, seriesLike } from './series'
import { Transport } from './Transport'
import { TrainingButton } from './training/Training'
import type { Ui } from './ui'
import { useSize } from './use-size'

interface Curves {
  loss: Series | null
  accuracy: Series | null
}

/** Several parts of the timeline show the same curves. */
const chosen = new WeakMap<readonly MetricRow[], Curves>()

function curvesOf(model: ViewerModel): Curves {
  const rows = model.metrics.value
  const { count } = model.recording.index.samples
  const known = chosen.get(rows)
  const curves = known ?? { loss: chooseSeries(rows, 'loss', count), accuracy: chooseSeries(rows, 'accuracy', count) }
  chosen.set(rows, curves)
  return curves
}

/** Curves that the recording has, chosen again only when metrics arrive. */
export function useSeries(model: ViewerModel) {
  return { loss: useComputed(() => curvesOf(model).loss), accuracy: useComputed(() => curvesOf(model).accuracy) }
}

/** The same curves of the second recording that it is compared with. */
export function useSeriesOfB(model: ViewerModel) {
  const like = (kind: keyof Curves) => seriesLike(curvesOf(model)[kind], model.comparison.metrics.value)
  return { loss: useComputed(() => like('loss')), accuracy: useComputed(() => like('accuracy')) }
}

export function EpochNumber({ model }: { model: ViewerModel }): JSX.Element {
  const { checkpoints } = model.recording.index
  const axis = useMemo(() => axisOf(checkpoints), [checkpoints])
  const value = useComputed(() => valueAt(axisOf(model.recording.index.checkpoints), model.state.value.epoch))
  const { values, unit, digits } = axis
  if (checkpoints.length < 2) {
    return <span class="key-value moment">{checkpoints[0]?.label ?? 'waiting for the first checkpoint'}</span>
  }
  return (
    <span class="key-value">
      {unit}
      <NumberInput
        label={unit}
        value={value}
        min={values[0] ?? 0}
        max={values.at(-1) ?? 0}
        step={unit === 'epoch' ? 1 : Math.max(1, ((values.at(-1) ?? 0) - (values[0] ?? 0)) / 100)}
        digits={digits}
        onChange={v => model.set({ epoch: positionOf(axis, v) })}
      />
    </span>
  )
}

interface ReadingProps {
  model: ViewerModel
  series: Series
  /** The second recording's. */
  ofB?: Series | null
  name: string
  format(value: number): string
}

/** A curve's name and the value that was measured nearest to the playhead; B's at the same moment. */
export function Reading({ model, series, ofB, name, format }: ReadingProps): JSX.Element {
  const epoch = useComputed(() => model.state.value.epoch).value
  return (
    <span class="key-value">
      {name}
      <b>{format(nearest(series, epoch))}</b>
      {ofB && (
        <span class="reading-of-b">
          B <b>{format(nearest(ofB, epoch))}</b>
        </span>
      )}
    </span>
  )
}

export function lossText(value: number): string {
  return formatValue(Number(value.toPrecision(3)))
}

export function accuracyText(value: number): string {
  // Some trainers write percent; a share is never above one.
  return formatPercent(value > 1 ? value / 100 : value)
}

interface HeadProps {
  model: ViewerModel
  ui: Ui
  log: boolean
  /** There is one moment only. */
  still: boolean
}

function Head({ model, ui, log, still }: HeadProps): JSX.Element {
  const { loss, accuracy } = useSeries(model)
  const b = useSeriesOfB(model)
  const notes = [...new Set([loss.value?.note, accuracy.value?.note])].filter(Boolean)
  return (
    <div class="timeline-head">
      <EpochNumber model={model} />
      {loss.value && (
        <>
          <i class="dash loss" />
          <Reading
            model={model}
            series={loss.value}
            ofB={b.loss.value}
            name={log ? 'loss, log' : 'loss'}
            format={lossText}
          />
        </>
      )}
      {accuracy.value && (
        <>
          <i class="dash accuracy" />
          <Reading model={model} series={accuracy.value} ofB={b.accuracy.value} name="accuracy" format={accuracyText} />
        </>
      )}
      <span class="note">{loss.value || accuracy.value ? notes.join(', ') : still ? '' : 'no metrics recorded'}</span>
      <HistoryKey model={model} />
      <TrainingButton model={model} ui={ui} />
      <LiveBadge model={model} />
    </div>
  )
}

/** Whether there is one moment only, and no other will come: nothing to move through. */
export function useStill(model: ViewerModel): boolean {
  return useComputed(
    () =>
      model.recording.index.checkpoints.length <= 1 &&
      model.metrics.value.length <= 1 &&
      model.live.value.state !== 'writing',
  ).value
}

interface Props {
  model: ViewerModel
  ui: Ui
  /** One line high, a slider without curves. */
  low: boolean
  /** One moment only: what is known of it, in one line. */
  still: boolean
}

export function Timeline({ model, ui, low, still }: Props): JSX.Element {
  const { loss } = useSeries(model)
  const b = useSeriesOfB(model)
  const losses = [loss.value, b.loss.value].flatMap(series => series?.points ?? [])
  const log = losses.length > 0 && losses.every(p => p.value > 0)
  const frame = useRef<HTMLDivElement>(null)
  const size = useSize(frame)
  return (
    <>
      {!still && <Transport model={model} />}
      <div class="timeline-body" ref={frame}>
        <Head model={model} ui={ui} log={log} still={still} />
        {size.value[0] > 0 && !still && (
          <Plot
            model={model}
            ui={ui}
            width={size.value[0]}
            height={size.value[1]}
            top={28}
            ticks={low ? 12 : 20}
            lane={low ? undefined : 15}
            low={low}
          />
        )}
      </div>
    </>
  )
}

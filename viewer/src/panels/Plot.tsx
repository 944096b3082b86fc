/** The plot of the timeline: a slider over the checkpoints with the curves behind it. */
import { useComputed } from '@preact/signals'
import type { JSX } from 'preact'
import { useMemo } from 'preact/hooks'
import type { ViewerModel } from '../model'
import { formatFixed } from '../numbers'
import { axisEnd, axisOf, fittingTicks, tickLabels, valueAt } from './axis'
import { PlayheadOfB } from './compare/PlayheadOfB'
import { HistoryLane } from './HistoryLane'
import { lossScale, nearest, pathOf, type Scale, type Series, smooth, thin } from './series'
import { useSeries, useSeriesOfB } from './Timeline'
import { InsightMarks } from './training/InsightMarks'
import type { Ui } from './ui'

/** This close to a checkpoint, in CSS px, the playhead goes to it. */
const SNAP_PX = 5

/** From this many points on, a curve is noise: its mean is drawn over it. */
const DENSE = 200

interface Frame {
  width: number
  height: number
  /** Space above and below the curves, px. */
  top: number
  ticks: number
  /** Height of the lane of predictions, between the curves and the ticks, px. */
  lane?: number
  /** No room for curves: the axis alone, with the handle on it. */
  low?: boolean
}

interface Curve {
  series: Series
  path: string
  /** The recorded points behind a smoothed line; null where there are few enough to show as they are. */
  raw: string | null
  y: Scale
}

interface Lines {
  loss: Curve | null
  accuracy: Curve | null
  /** The second recording's, by the same scales. */
  lossOfB: Curve | null
  accuracyOfB: Curve | null
  bottom: number
}

/** Paths are made anew when metrics arrive or the size changes, not when the playhead moves. */
function useLines(model: ViewerModel, end: number, { width, height, top, ticks, lane = 0 }: Frame): Lines {
  const { loss, accuracy } = useSeries(model)
  const b = useSeriesOfB(model)
  const [lossSeries, accuracySeries, lossOfB, accuracyOfB] = [loss, accuracy, b.loss, b.accuracy].map(s => s.value)
  return useMemo(() => {
    const bottom = height - ticks - lane
    const x = (position: number) => (position / end) * width
    const curve = (series: Series | null, scale: Scale): Curve | null => {
      if (!series || series.points.length === 0) return null
      const y = (v: number) => bottom - Math.min(1, Math.max(0, scale(v))) * (bottom - top)
      const dense = series.points.length > DENSE
      const all = pathOf(thin(series.points, end, width), x, y)
      return { series, y, path: dense ? pathOf(smooth(series.points), x, y) : all, raw: dense ? all : null }
    }
    const percent = accuracySeries?.points.some(p => p.value > 1) ?? false
    const losses = [lossSeries, lossOfB].flatMap(series => series?.points.map(p => p.value) ?? [])
    const lossY = lossScale(losses).scale
    const accuracyY = (v: number) => (percent ? v / 100 : v)
    return {
      loss: curve(lossSeries, lossY),
      accuracy: curve(accuracySeries, accuracyY),
      lossOfB: curve(within(lossOfB, end), lossY),
      accuracyOfB: curve(within(accuracyOfB, end), accuracyY),
      bottom,
    }
  }, [lossSeries, accuracySeries, lossOfB, accuracyOfB, end, width, height, top, ticks, lane])
}

/** A second training may have been longer: the axis is the first one's. */
function within(series: Series | null, end: number): Series | null {
  return series && { ...series, points: series.points.filter(p => p.position <= end) }
}

function Curves({ loss, accuracy, lossOfB, accuracyOfB, bottom }: Lines): JSX.Element {
  const from = loss?.path.match(/^M([\d.]+)/)?.[1]
  const to = loss?.path.match(/([\d.-]+) [\d.-]+$/)?.[1]
  return (
    <>
      {loss && (
        <>
          {loss.series.points.length > 1 && <path class="area" d={`${loss.path}L${to} ${bottom}L${from} ${bottom}Z`} />}
          {loss.raw && <path class="curve raw loss" d={loss.raw} />}
          <path class="curve loss" d={loss.path} />
        </>
      )}
      {accuracy?.raw && <path class="curve raw accuracy" d={accuracy.raw} />}
      {accuracy && <path class="curve accuracy" d={accuracy.path} />}
      {lossOfB && <path class="curve loss of-b" d={lossOfB.path} />}
      {accuracyOfB && <path class="curve accuracy of-b" d={accuracyOfB.path} />}
    </>
  )
}

/** Long labels at the ends would leave the panel: those start or end near their tick. */
function endAnchor(label: string, i: number, last: number): { x: number; 'text-anchor': 'start' | 'middle' | 'end' } {
  if (label.length > 3 && i === 0) return { x: -4, 'text-anchor': 'start' }
  return label.length > 6 && i === last ? { x: 16, 'text-anchor': 'end' } : { x: 0, 'text-anchor': 'middle' }
}

function Ticks({ model, end, frame }: { model: ViewerModel; end: number; frame: Frame }): JSX.Element {
  const { checkpoints } = model.recording.index
  const labels = useMemo(() => tickLabels(checkpoints), [checkpoints])
  const last = labels.length - 1
  const x = (i: number) => (i / end) * frame.width
  const shown = useMemo(() => fittingTicks(labels, (last / end) * frame.width), [labels, last, end, frame.width])
  const current = useComputed(() => Math.round(model.state.value.epoch)).value
  // Hundreds of checkpoints would make a grey wall of lines; those with labels are enough then.
  const lines = frame.width / end >= 14
  return (
    <>
      {labels.map((label, i) => (
        <g key={checkpoints[i].index} transform={`translate(${x(i).toFixed(1)} 0)`}>
          {(lines || shown[i]) && (
            <line class="grid" y1={frame.top} y2={frame.height - frame.ticks - (frame.lane ?? 0)} />
          )}
          {shown[i] && (
            <text class={i === current ? 'now' : ''} {...endAnchor(label, i, last)} y={frame.height - 7}>
              {label}
            </text>
          )}
        </g>
      ))}
    </>
  )
}

interface PlayheadProps {
  model: ViewerModel
  end: number
  frame: Frame
  lines: Lines
}

function Playhead({ model, end, frame, lines: { loss, accuracy, bottom } }: PlayheadProps): JSX.Element {
  const epoch = useComputed(() => model.state.value.epoch).value
  const x = (epoch / end) * frame.width
  return (
    <g class="playhead" transform={`translate(${x.toFixed(2)} 0)`}>
      {!frame.low && <line y1={frame.top} y2={bottom} />}
      <circle class="handle" cy={frame.low ? bottom : frame.top - 2} r="4.5" />
      {loss && <circle class="loss" cy={loss.y(nearest(loss.series, epoch))} r="2.5" />}
      {accuracy && <circle class="accuracy" cy={accuracy.y(nearest(accuracy.series, epoch))} r="2.5" />}
    </g>
  )
}

/** `ui`: what the marks of insights open; without it there are none. */
export function Plot({ model, ui, ...frame }: { model: ViewerModel; ui?: Ui } & Frame): JSX.Element {
  const { checkpoints } = model.recording.index
  const last = Math.max(0, checkpoints.length - 1)
  const end = axisEnd(checkpoints.length, model.metrics.value)
  const lines = useLines(model, end, frame)
  const epoch = useComputed(() => model.state.value.epoch)
  const words = useComputed(() => {
    const now = axisOf(model.recording.index.checkpoints)
    return `${now.unit} ${formatFixed(valueAt(now, epoch.value), now.digits)}`
  })

  const go = (position: number) => model.set({ epoch: Math.min(last, Math.max(0, position)) })
  const drag = (event: PointerEvent & { currentTarget: HTMLElement }) => {
    const box = event.currentTarget.getBoundingClientRect()
    const at = ((event.clientX - box.left) / box.width) * end
    const inLane = event.clientY - box.top > lines.bottom && !frame.low
    const snaps = inLane || Math.abs(at - Math.round(at)) * (box.width / end) < SNAP_PX
    go(snaps ? Math.round(at) : at)
  }
  const key = (event: KeyboardEvent) => {
    const now = epoch.peek()
    const small = event.shiftKey ? 0.1 : 0
    const to = {
      // Between two checkpoints an arrow goes to the next one, not one whole step further.
      ArrowRight: small ? now + small : Math.floor(now + 1e-6) + 1,
      ArrowUp: small ? now + small : Math.floor(now + 1e-6) + 1,
      ArrowLeft: small ? now - small : Math.ceil(now - 1e-6) - 1,
      ArrowDown: small ? now - small : Math.ceil(now - 1e-6) - 1,
      Home: 0,
      End: last,
    }[event.key]
    if (to === undefined) return
    event.preventDefault()
    event.stopPropagation()
    model.playing.value = false
    if (event.key === 'End') model.set({ follow: true })
    else go(to)
  }
  return (
    <div
      class="plot"
      role="slider"
      tabIndex={0}
      aria-label="Checkpoint"
      aria-valuemin={0}
      aria-valuemax={last}
      aria-valuenow={epoch}
      aria-valuetext={words}
      onKeyDown={key}
      onPointerDown={event => {
        event.currentTarget.setPointerCapture(event.pointerId)
        model.playing.value = false
        drag(event)
      }}
      onPointerMove={event => {
        if (event.currentTarget.hasPointerCapture(event.pointerId)) drag(event)
      }}
    >
      <svg width={frame.width} height={frame.height} aria-hidden="true">
        {frame.low && (
          <line class="axis" x2={frame.width} y1={frame.height - frame.ticks} y2={frame.height - frame.ticks} />
        )}
        <Ticks model={model} end={end} frame={frame} />
        <Curves {...lines} />
        {end > last && !frame.low && (
          // Measured, but no checkpoint leads there yet.
          <rect
            class="ahead"
            x={(last / end) * frame.width}
            y={frame.top - 2}
            width={(1 - last / end) * frame.width + 1}
            height={Math.max(0, lines.bottom - frame.top + 3)}
          />
        )}
        {frame.lane !== undefined && (
          <HistoryLane
            model={model}
            width={(Math.max(1, last) / end) * frame.width}
            y={lines.bottom + frame.lane / 2 + 1}
          />
        )}
        {ui && (
          <InsightMarks
            model={model}
            ui={ui}
            width={frame.width}
            end={end}
            y={frame.low ? lines.bottom - 12 : lines.bottom - 5}
          />
        )}
        {checkpoints.length > 0 && <Playhead model={model} end={end} frame={frame} lines={lines} />}
        <PlayheadOfB model={model} last={last} end={end} width={frame.width} top={frame.top} bottom={lines.bottom} />
      </svg>
    </div>
  )
}

/** The plot of the timeline: a slider over the checkpoints with the curves behind it. */
import { useComputed } from '@preact/signals'
import type { JSX } from 'preact'
import { useMemo } from 'preact/hooks'
import type { ViewerModel } from '../model'
import { formatFixed } from '../numbers'
import { axisOf, fittingTicks, tickLabels, valueAt } from './axis'
import { HistoryLane } from './HistoryLane'
import { lossScale, nearest, pathOf, type Scale, type Series, smooth, thin } from './series'
import { useSeries } from './Timeline'

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
  bottom: number
}

/** Paths are made anew when metrics arrive or the size changes, not when the playhead moves. */
function useLines(model: ViewerModel, last: number, { width, height, top, ticks, lane = 0 }: Frame): Lines {
  const { loss, accuracy } = useSeries(model)
  const lossSeries = loss.value
  const accuracySeries = accuracy.value
  return useMemo(() => {
    const bottom = height - ticks - lane
    const x = (position: number) => (last > 0 ? (position / last) * width : 0)
    const curve = (series: Series | null, scale: Scale): Curve | null => {
      if (!series) return null
      const y = (v: number) => bottom - Math.min(1, Math.max(0, scale(v))) * (bottom - top)
      const dense = series.points.length > DENSE
      const all = pathOf(thin(series.points), x, y)
      return { series, y, path: dense ? pathOf(smooth(series.points), x, y) : all, raw: dense ? all : null }
    }
    const percent = accuracySeries?.points.some(p => p.value > 1) ?? false
    return {
      loss: curve(lossSeries, lossScale(lossSeries?.points ?? []).scale),
      accuracy: curve(accuracySeries, v => (percent ? v / 100 : v)),
      bottom,
    }
  }, [lossSeries, accuracySeries, last, width, height, top, ticks, lane])
}

function Curves({ loss, accuracy, bottom }: Lines): JSX.Element {
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
    </>
  )
}

/** Long labels at the ends would leave the panel: those start or end near their tick. */
function endAnchor(label: string, i: number, last: number): { x: number; 'text-anchor': 'start' | 'middle' | 'end' } {
  if (label.length > 3 && i === 0) return { x: -4, 'text-anchor': 'start' }
  return label.length > 6 && i === last ? { x: 16, 'text-anchor': 'end' } : { x: 0, 'text-anchor': 'middle' }
}

function Ticks({ model, frame }: { model: ViewerModel; frame: Frame }): JSX.Element {
  const { checkpoints } = model.recording.index
  const labels = useMemo(() => tickLabels(checkpoints), [checkpoints])
  const shown = useMemo(() => fittingTicks(labels, frame.width), [labels, frame.width])
  const current = useComputed(() => Math.round(model.state.value.epoch)).value
  const last = labels.length - 1
  const x = (i: number) => (last > 0 ? (i / last) * frame.width : 0)
  // Hundreds of checkpoints would make a grey wall of lines; those with labels are enough then.
  const lines = frame.width / Math.max(1, last) >= 14
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
  last: number
  frame: Frame
  lines: Lines
}

function Playhead({ model, last, frame, lines: { loss, accuracy, bottom } }: PlayheadProps): JSX.Element {
  const epoch = useComputed(() => model.state.value.epoch).value
  const x = last > 0 ? (epoch / last) * frame.width : 0
  return (
    <g class="playhead" transform={`translate(${x.toFixed(2)} 0)`}>
      {!frame.low && <line y1={frame.top - 6} y2={bottom} />}
      <circle class="handle" cy={frame.low ? bottom : frame.top - 8} r="4.5" />
      {loss && <circle class="loss" cy={loss.y(nearest(loss.series, epoch))} r="2.5" />}
      {accuracy && <circle class="accuracy" cy={accuracy.y(nearest(accuracy.series, epoch))} r="2.5" />}
    </g>
  )
}

export function Plot({ model, ...frame }: { model: ViewerModel } & Frame): JSX.Element {
  const { checkpoints } = model.recording.index
  const last = checkpoints.length - 1
  const lines = useLines(model, last, frame)
  const epoch = useComputed(() => model.state.value.epoch)
  const words = useComputed(() => {
    const now = axisOf(model.recording.index.checkpoints)
    return `${now.unit} ${formatFixed(valueAt(now, epoch.value), now.digits)}`
  })

  const go = (position: number) => model.set({ epoch: Math.min(last, Math.max(0, position)) })
  const drag = (event: PointerEvent & { currentTarget: HTMLElement }) => {
    const box = event.currentTarget.getBoundingClientRect()
    const at = ((event.clientX - box.left) / box.width) * last
    const inLane = event.clientY - box.top > lines.bottom && !frame.low
    const snaps = inLane || Math.abs(at - Math.round(at)) * (box.width / Math.max(1, last)) < SNAP_PX
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
    go(to)
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
        <Ticks model={model} frame={frame} />
        <Curves {...lines} />
        {frame.lane !== undefined && (
          <HistoryLane model={model} width={frame.width} y={lines.bottom + frame.lane / 2 + 1} />
        )}
        <Playhead model={model} last={last} frame={frame} lines={lines} />
      </svg>
    </div>
  )
}

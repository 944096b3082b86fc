/** One number over the training: its name, its value at the playhead or under the cursor, and its line. */
import { useSignal } from '@preact/signals'
import type { JSX } from 'preact'
import type { ViewerModel } from '../../model'
import { MomentPicker, nearestMoment, useShownMoment } from './MomentPicker'

export interface Point {
  position: number
  label: string
  value: number
}

interface Props {
  model: ViewerModel
  name: string
  points: readonly Point[]
  format(value: number): string
  /** Logarithmic; values that are not above 0 lie at its foot. */
  log?: boolean
  /** What is usual, marked behind the line. */
  band?: readonly [low: number, high: number]
  /** What the axis reaches at least. */
  reach?: readonly [low: number, high: number]
}

const HEIGHT = 30

export function Sparkline({ model, name, points, format, log, band, reach }: Props): JSX.Element | null {
  const hover = useSignal<number | null>(null)
  const last = Math.max(1, model.recording.index.checkpoints.length - 1)
  const shown = nearestMoment(points, useShownMoment(model, hover))
  if (!shown) return null
  const scale = scaleOf([...points.map(p => p.value), ...(band ?? []), ...(reach ?? [])], log ?? false)
  const x = (position: number) => (position / last) * 100
  const y = (value: number) => 1.5 + (1 - scale(value)) * (HEIGHT - 3)
  const path = points.map((p, i) => `${i ? 'L' : 'M'}${x(p.position).toFixed(2)} ${y(p.value).toFixed(2)}`).join('')
  return (
    <div class="sparkline">
      <p>
        <span>{name}</span>
        <b title={shown.label}>{format(shown.value)}</b>
      </p>
      <MomentPicker model={model} label={name} class="spark" at={share => share * last} hover={hover}>
        <svg viewBox={`0 0 100 ${HEIGHT}`} preserveAspectRatio="none" aria-hidden="true">
          {band && (
            <rect class="usual" x="0" width="100" y={y(band[1])} height={Math.max(0, y(band[0]) - y(band[1]))} />
          )}
          <path class="line" d={points.length > 1 ? path : `${path}h0.01`} />
          <line class="now" x1={x(shown.position)} x2={x(shown.position)} y1="0" y2={HEIGHT} />
        </svg>
        <i class="dot" style={{ left: `${x(shown.position)}%`, top: `${(y(shown.value) / HEIGHT) * 100}%` }} />
      </MomentPicker>
    </div>
  )
}

/** Values to 0 … 1 over their range. */
export function scaleOf(values: readonly number[], log: boolean): (value: number) => number {
  const to = (value: number) => (log ? Math.log10(value) : value)
  const used = values.filter(value => Number.isFinite(to(value))).map(to)
  const low = Math.min(...used)
  const span = Math.max(...used) - low
  if (used.length === 0) return () => 0
  return value => {
    const at = to(value)
    if (!Number.isFinite(at)) return at > 0 ? 1 : 0
    return span > 0 ? (at - low) / span : 0.5
  }
}

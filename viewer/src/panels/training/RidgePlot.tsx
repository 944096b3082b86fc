/** Histograms of all checkpoints behind each other, the newest in front; a press goes to one. */
import { useSignal } from '@preact/signals'
import type { JSX } from 'preact'
import { useMemo } from 'preact/hooks'
import type { Histogram } from '../../generated/recording'
import type { ViewerModel } from '../../model'
import { formatFixed, formatSigned, formatValue } from '../../numbers'
import { ridgeAt, ridgesOf } from '../../training/ridges'
import { MomentPicker, nearestMoment, useShownMoment } from './MomentPicker'
import type { Moment } from './use-over-time'

const WIDTH = 228
const HEIGHT = 136
const CREST = 40

/** A histogram and, where it is known, the mean of what it counts. */
export interface Distribution {
  histogram: Histogram
  mean: number | null
}

interface Props {
  model: ViewerModel
  /** What is distributed: "weights", "activations of map 3". */
  name: string
  moments: readonly Moment<Distribution>[]
}

export function RidgePlot({ model, name, moments }: Props): JSX.Element {
  const hover = useSignal<number | null>(null)
  const { low, high, outlines } = useMemo(
    () =>
      ridgesOf(
        moments.map(m => ({ position: m.position, histogram: m.value.histogram })),
        WIDTH,
        HEIGHT,
        CREST,
      ),
    [moments],
  )
  const lit = nearestMoment(outlines, useShownMoment(model, hover))
  const shown = moments.find(m => m.position === lit?.position)
  if (outlines.length === 0) return <p class="empty">no values</p>
  const zero = low < 0 && high > 0 ? (-low / (high - low)) * WIDTH : null
  return (
    <figure class="ridges">
      <MomentPicker
        model={model}
        label={`Histograms of the ${name} over the training`}
        class="ridge-plot"
        at={(_, y) => ridgeAt(outlines, y)?.position ?? null}
        hover={hover}
      >
        <svg viewBox={`0 0 ${WIDTH} ${HEIGHT}`} preserveAspectRatio="none" aria-hidden="true">
          {zero !== null && <line class="zero" x1={zero} x2={zero} y1="0" y2={HEIGHT} />}
          {outlines.map(
            (outline, i) =>
              (isDrawn(i, outlines.length) || outline === lit) && (
                <path
                  key={outline.position}
                  class={outline === lit ? 'lit' : ''}
                  style={{ '--age': outlines.length > 1 ? i / (outlines.length - 1) : 1 }}
                  d={outline.path}
                />
              ),
          )}
          {/* Once more, over those in front of it. */}
          {lit && <path class="lit over" d={lit.path} />}
        </svg>
      </MomentPicker>
      <figcaption>
        <span>{formatFixed(low, 2)}</span>
        <span>{shown && words(shown)}</span>
        <span>{formatSigned(high, 2)}</span>
      </figcaption>
    </figure>
  )
}

/** More ridges than these are a grey mass: of many every so manieth, the newest among them. */
const MOST_RIDGES = 26

function isDrawn(i: number, count: number): boolean {
  return (count - 1 - i) % Math.ceil(count / MOST_RIDGES) === 0
}

function words({ label, value: { mean } }: Moment<Distribution>): string {
  return mean === null ? label : `${label}, mean ${formatValue(Number(mean.toPrecision(3)))}`
}

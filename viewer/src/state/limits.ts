import type { LayerView } from '../state'

/** What a control may set. `step` is what one press of an arrow key changes; links round to `digits` places. */
export interface Limit {
  min: number
  max: number
  step: number
  digits: number
  /** True where only whole numbers mean anything. */
  whole?: boolean
  /** Values that have a name, in rising order. */
  stops?: readonly { value: number; name: string }[]
}

export type LimitedField = Exclude<
  { [F in keyof LayerView]: NonNullable<LayerView[F]> extends number ? F : never }[keyof LayerView],
  never
>

const factor = (max: number): Limit => ({ min: 0, max, step: 0.05, digits: 2 })

/** All numeric fields but `epoch`, `sample` and `budget`, whose ends depend on the recording and the machine. */
export const limits: Readonly<Record<LimitedField, Limit>> = {
  expansion: {
    min: 0,
    max: 3,
    step: 0.05,
    digits: 2,
    stops: [
      { value: 0, name: 'bundled' },
      { value: 1, name: 'unbundled' },
      { value: 2, name: 'all weights' },
      { value: 3, name: 'all calculations' },
    ],
  },
  layout: {
    min: 0,
    max: 2,
    step: 0.05,
    digits: 2,
    stops: [
      { value: 0, name: 'line' },
      { value: 1, name: 'circle' },
      { value: 2, name: 'grid' },
    ],
  },
  depthwise: factor(1),
  bundle: factor(1),
  collapse: factor(1),
  spread: factor(4),
  pixelSpacing: factor(4),
  pixelSize: { min: 0.05, max: 1, step: 0.01, digits: 2 },
  layerGap: factor(4),
  maxMaps: { min: 1, max: 4096, step: 1, digits: 0, whole: true },
  // The largest pixel number is the layer's business; this only keeps nonsense out.
  step: { min: -1, max: 2 ** 24, step: 1, digits: 0, whole: true },
  lineWidth: factor(4),
  perspectiveWidth: factor(1),
  weightGain: factor(10),
  activationGain: factor(10),
  curve: { min: 0, max: 12, step: 0.1, digits: 1 },
  fade: factor(1),
}

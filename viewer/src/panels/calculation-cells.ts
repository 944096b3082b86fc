/** Colours and numbers of the calculation's cells. */
import { formatFixed } from '../numbers'
import type { ActivationColors, Theme, WeightColors } from '../state'
import { activationShare, cellColor, type Rgb, rampColor } from './ramps'

/** How values become colours: the stage's own scales. */
export interface Paint {
  theme: Theme
  weights: WeightColors
  activations: ActivationColors
  /** Largest |w| of the layer. */
  largest: number
  /** Input layer -> top of its range. */
  high: (layer: string) => number
}

export type CellKind = 'patch' | 'kernel' | 'product'

/** Ground of a cell. */
export function groundOf(paint: Paint, kind: CellKind, layer: string, value: number): Rgb {
  if (kind !== 'patch') return cellColor(paint.theme, paint.weights, paint.largest > 0 ? value / paint.largest : 0)
  const share = activationShare(Math.abs(value), paint.high(layer))
  // The one ramp with two ends has zero in its middle.
  const at = paint.activations === 'blue-red' ? 0.5 + 0.5 * Math.sign(value) * share : value > 0 ? share : 0
  return rampColor(paint.theme, paint.activations, at)
}

/** As many places as fit: "−0.09" in 5 characters, "−.09" in 4, "12.3", "1e6". */
export function cellText(value: number, characters: number): string {
  if (!Number.isFinite(value)) return formatFixed(value, 0)
  for (let digits = 2; digits >= 0; digits--) {
    const text = formatFixed(value, digits)
    if (text.length <= characters) return text
    const short = text.replace(/^(\u2212?)0\./, '$1.')
    if (short.length <= characters) return short
  }
  const power = Math.floor(Math.log10(Math.abs(value)))
  return `${value < 0 ? '\u2212' : ''}${Math.round(Math.abs(value) / 10 ** power)}e${power}`
}

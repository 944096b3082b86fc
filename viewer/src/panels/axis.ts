/** The axis of checkpoints: position 0 … n − 1, and what people call a place on it (an epoch, a step). */
import type { Checkpoint } from '../generated/recording'

export interface Axis {
  /** What the number is: "epoch", "step" or "checkpoint". */
  unit: 'epoch' | 'step' | 'checkpoint'
  /** Values of `unit` at the checkpoints, ascending. */
  values: number[]
  digits: number
}

function ascending(values: (number | null | undefined)[]): values is number[] {
  return values.every((v, i) => v != null && Number.isFinite(v) && (i === 0 || v > values[i - 1]!))
}

/** The unit that the labels speak of; without one epochs where every checkpoint has its own, else steps, else numbers. */
export function axisOf(checkpoints: readonly Checkpoint[]): Axis {
  const steps = checkpoints.map(c => c.step)
  const stepAxis = { unit: 'step', values: steps as number[], digits: 0 } as const
  if (checkpoints.every(c => c.label.startsWith('step')) && ascending(steps)) return stepAxis
  const epochs = checkpoints.map(c => c.epoch)
  if (ascending(epochs)) return { unit: 'epoch', values: epochs, digits: epochs.every(Number.isInteger) ? 1 : 2 }
  if (ascending(steps)) return stepAxis
  return { unit: 'checkpoint', values: checkpoints.map(c => c.index), digits: 1 }
}

/** Where the plot ends: at the last checkpoint, or further where metrics already lead to one that is still to come. */
export function axisEnd(checkpoints: number, rows: readonly { position: number }[]): number {
  return Math.max(1, checkpoints - 1, rows.at(-1)?.position ?? 0)
}

/** The value at a position, linear between checkpoints. */
export function valueAt(axis: Axis, position: number): number {
  const { values } = axis
  if (values.length === 0) return 0
  const at = Math.min(values.length - 1, Math.max(0, position))
  const i = Math.min(Math.max(0, values.length - 2), Math.floor(at))
  return values[i] + ((values[i + 1] ?? values[i]) - values[i]) * (at - i)
}

/** The inverse of `valueAt`, clamped to the axis. */
export function positionOf(axis: Axis, value: number): number {
  const { values } = axis
  const last = values.length - 1
  if (last < 1 || value <= values[0]) return 0
  if (value >= values[last]) return last
  const i = values.findIndex(v => v > value) - 1
  return i + (value - values[i]) / (values[i + 1] - values[i])
}

/** What stands under the ticks: the label without the word that all labels share ("epoch 3" → "3"). */
export function tickLabels(checkpoints: readonly Checkpoint[]): string[] {
  const prefix = /^[\p{L} ]+/u.exec(checkpoints[0]?.label ?? '')?.[0] ?? ''
  const shared = prefix !== '' && checkpoints.every(c => c.label.startsWith(prefix) && c.label.length > prefix.length)
  return checkpoints.map(c => (shared ? c.label.slice(prefix.length) : c.label))
}

/**
 * Which labels fit: the first and the last always, of the rest as many as leave `gap` px between them.
 * `characterWidth` is that of the monospaced tick font.
 */
export function fittingTicks(labels: readonly string[], width: number, characterWidth = 6.1, gap = 12): boolean[] {
  const last = labels.length - 1
  const shown = labels.map(() => false)
  if (last < 0) return shown
  shown[0] = true
  if (last === 0) return shown
  shown[last] = true
  const half = (i: number) => (labels[i].length * characterWidth) / 2
  const x = (i: number) => (i / last) * width
  const fits = (a: number, b: number) => x(b) - half(b) - x(a) - half(a) >= gap
  // An even stride reads as a scale; ragged labels fall back to the next that fits.
  let before = 0
  const stride = Math.max(
    1,
    Math.ceil(((Math.max(...labels.map((_, i) => half(i))) * 2 + gap) * last) / Math.max(1, width)),
  )
  for (let i = stride; i < last; i += stride) {
    if (fits(before, i) && fits(i, last)) {
      shown[i] = true
      before = i
    }
  }
  return shown
}

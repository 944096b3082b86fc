/** Numbers between two checkpoints. */
import type { Checkpoint } from './generated/recording'
import type { Recording, SampleActivations, Tensor } from './recording/types'
import type { Blend } from './scene/frame'

/** The checkpoints around an epoch, by position. */
export function blendOf(epoch: number, checkpoints: number): Blend {
  const before = Math.max(0, Math.min(checkpoints - 1, Math.floor(epoch)))
  const after = Math.min(checkpoints - 1, before + 1)
  return { before, after, t: after <= before ? 0 : epoch - before }
}

/**
 * The same checkpoints by the numbers of their files, which stay when the list changes; −1 for one that is not there.
 * Numbers count from `first`: two recordings that are shown together are told apart by it.
 */
export function numbered({ before, after, t }: Blend, checkpoints: readonly Checkpoint[], first = 0): Blend {
  const number = (position: number) => (checkpoints[position] ? checkpoints[position].index + first : -1)
  return { before: number(before), after: number(after), t }
}

/** Values `start` … `end` of a layer's recorded output for a sample; null while they are not in memory. */
export function outputAt(
  recording: Recording,
  epoch: Blend,
  sample: number,
  layer: string,
  start: number,
  end: number,
): Float32Array | null {
  const part = (checkpoint: number) => slice(recording.activationsNow(checkpoint, sample), layer, start, end)
  const a = part(epoch.before)
  if (!a || epoch.t === 0) return a
  const b = part(epoch.after)
  return b ? mixed(a, b, epoch.t) : null
}

function slice(sample: SampleActivations | null, layer: string, start: number, end: number): Float32Array | null {
  const offset = sample?.offset.get(layer)
  return sample && offset !== undefined ? sample.data.subarray(offset + start, offset + end) : null
}

/** A parameter at an epoch; null while it is not in memory. */
export function parameterAt(recording: Recording, epoch: Blend, layer: string, role: string): Tensor | null {
  const a = recording.parameterNow(layer, role, epoch.before)
  if (!a || epoch.t === 0) return a
  const b = recording.parameterNow(layer, role, epoch.after)
  return b ? { shape: a.shape, data: mixed(a.data, b.data, epoch.t) } : null
}

function mixed(a: Float32Array, b: Float32Array, t: number): Float32Array {
  const out = new Float32Array(a.length)
  for (let i = 0; i < a.length; i++) out[i] = a[i] + (b[i] - a[i]) * t
  return out
}

import { BadRecording } from './errors'
import { decodeTensor } from './reads'
import type { Entry } from './safetensors'

export interface Images {
  /** Samples, height, width, channels. */
  shape: [number, number, number, number]
  data: Uint8Array
}

/**
 * The tensor `images` of samples.safetensors, 0 … 255. Float pictures are taken as 0 … 1, or as 0 … 255 where they go
 * beyond 1; where they are negative (an input that was normalised) their range is stretched.
 */
export function toImages(key: string, entry: Entry, buffer: ArrayBuffer, count: number): Images {
  const { shape } = entry
  if (shape.length !== 4 || shape[0] !== count) {
    throw new BadRecording(
      key,
      `images has the shape ${shape.join('×')}, expected ${count} samples × height × width × channels`,
    )
  }
  const images = { shape: shape as Images['shape'] }
  if (entry.dtype === 'U8') return { ...images, data: new Uint8Array(buffer) }

  const { data: values } = decodeTensor(entry, buffer, entry.begin)
  let low = 0
  let high = 0
  for (const value of values) {
    if (value < low) low = value
    if (value > high) high = value
  }
  if (low === 0) high = high <= 1 ? 1 : Math.max(255, high)
  const scale = high > low ? 255 / (high - low) : 0
  // A clamped array rounds, and NaN becomes 0: black.
  const data = Uint8ClampedArray.from(values, value => (value - low) * scale)
  return { ...images, data: new Uint8Array(data.buffer) }
}

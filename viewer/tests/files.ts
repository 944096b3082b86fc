/**
 * Reads recordings in Node without any of the viewer's code: what the viewer shows is compared with this.
 * Format: docs/recording.md; safetensors: 8 bytes of length, JSON, data.
 */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'

export interface Numbers {
  shape: number[]
  values: number[]
}

export function readTensor(folder: string, key: string, name: string): Numbers {
  const file = readFileSync(join(folder, key))
  const length = Number(file.readBigUInt64LE(0))
  const { dtype, shape, data_offsets } = JSON.parse(file.toString('utf8', 8, 8 + length))[name]
  const width = { F32: 4, F16: 2, I64: 8, U8: 1 }[dtype as 'F32' | 'F16' | 'I64' | 'U8']
  const values: number[] = []
  for (let at = 8 + length + data_offsets[0]; at < 8 + length + data_offsets[1]; at += width) {
    if (dtype === 'F32') values.push(file.readFloatLE(at))
    else if (dtype === 'F16') values.push(half(file.readUInt16LE(at)))
    else if (dtype === 'I64') values.push(Number(file.readBigInt64LE(at)))
    else values.push(file[at])
  }
  return { shape, values }
}

/** IEEE 754 binary16, by its definition. */
function half(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1
  const exponent = (bits >> 10) & 0x1f
  const fraction = bits & 0x3ff
  if (exponent === 0) return sign * fraction * 2 ** -24
  if (exponent === 31) return fraction ? Number.NaN : sign * Number.POSITIVE_INFINITY
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15)
}

const six = (index: number) => String(index).padStart(6, '0')

/** Output of a layer at the checkpoint whose files are numbered `index`. */
export function recordedOutput(folder: string, index: number, sample: number, layer: string): Numbers {
  return readTensor(folder, `activations/${six(index)}.safetensors`, `${String(sample).padStart(5, '0')}/${layer}`)
}

export function recordedParameter(folder: string, index: number, key: string): Numbers {
  return readTensor(folder, `checkpoints/${six(index)}.safetensors`, key)
}

// biome-ignore lint/suspicious/noExplicitAny: plain JSON, read without the viewer's types
export function readIndex(folder: string): any {
  return JSON.parse(readFileSync(join(folder, 'recording.json'), 'utf8'))
}

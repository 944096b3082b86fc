/** Recordings of one dense layer with as many weights as one likes: how cost grows with the number of edges, and nothing else. */
import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import type { Index } from '../src/generated/recording'
import { f16, f32, json, safetensors, u8 } from '../src/recording/building.testing'
import { layer, network } from './networks'

/** Both sizes draw the same 30 maps. */
const MAPS = 10
const UNITS = 20
const CHECKPOINTS = 2
const SAMPLES = 2

export const SIZES = {
  '10 thousand': { rows: 5, columns: 10 },
  '5 million': { rows: 125, columns: 200 },
} as const

export type Size = keyof typeof SIZES

/** Weights of its dense layer. */
export function weightsOf(size: Size): number {
  const { rows, columns } = SIZES[size]
  return MAPS * rows * columns * UNITS
}

/** The same numbers every time: x ← 48271 x mod 2³¹ − 1, as −0.5 … 0.5. */
function randoms(count: number, seed: number): Float32Array {
  const values = new Float32Array(count)
  let state = seed
  for (let i = 0; i < count; i++) {
    state = (state * 48271) % 2147483647
    values[i] = state / 2147483647 - 0.5
  }
  return values
}

export function writeSynthetic(folder: string, size: Size): void {
  const { rows, columns } = SIZES[size]
  const inputs = MAPS * rows * columns
  const write = (key: string, bytes: Uint8Array) => {
    mkdirSync(dirname(join(folder, key)), { recursive: true })
    writeFileSync(join(folder, key), bytes)
  }
  for (let c = 0; c < CHECKPOINTS; c++) {
    const name = `${String(c).padStart(6, '0')}.safetensors`
    const kernel = f16([UNITS, inputs], randoms(UNITS * inputs, 7 + c))
    write(`checkpoints/${name}`, safetensors({ 'dense/kernel': kernel }))
    const outputs = Array.from({ length: SAMPLES }, (_, s) => [
      [`${String(s).padStart(5, '0')}/input`, f32([MAPS, rows, columns], randoms(inputs, 100 + s))],
      [`${String(s).padStart(5, '0')}/dense`, f32([UNITS], randoms(UNITS, 200 + 10 * c + s))],
    ])
    write(`activations/${name}`, safetensors(Object.fromEntries(outputs.flat())))
  }
  const pixels = SAMPLES * rows * columns
  write(
    'samples.safetensors',
    safetensors({ images: u8([SAMPLES, rows, columns, 1], new Uint8Array(pixels).fill(128)) }),
  )
  const index: Index = {
    ...{
      format: 'cutaway-recording',
      version: 1,
      name: `${size} weights`,
      created: '',
      producer: 'tests/synthetic.ts',
    },
    network: network(
      layer('input', 'input', [MAPS, rows, columns]),
      layer('dense', 'dense', [UNITS], ['input'], { kernel: [UNITS, inputs], attributes: { input_order: 'CHW' } }),
    ),
    checkpoints: Array.from({ length: CHECKPOINTS }, (_, i) => ({ index: i, label: `epoch ${i}`, epoch: i })),
    samples: { count: SAMPLES },
    classes: null,
    completeness: {
      ...{ graph: true, parameters: true, biases: false, activations: true, runnable: false, notes: [], missing: {} },
    },
  }
  write('recording.json', json(index))
}

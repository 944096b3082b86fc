/** Builds safetensors files and small recordings in memory, for tests. */
import type { Index, Layer } from '../generated/recording'
import { toHalf } from './half'

export interface Built {
  dtype: string
  shape: number[]
  bytes: Uint8Array
}

export function f32(shape: number[], values: ArrayLike<number>): Built {
  return { dtype: 'F32', shape, bytes: new Uint8Array(new Float32Array(values).buffer) }
}

export function f16(shape: number[], values: ArrayLike<number>): Built {
  return { dtype: 'F16', shape, bytes: new Uint8Array(toHalf(new Float32Array(values)).buffer) }
}

export function u8(shape: number[], values: ArrayLike<number>): Built {
  return { dtype: 'U8', shape, bytes: new Uint8Array(values) }
}

/** Lays tensors out in the order given (the real writer sorts by width, then name), its header padded to 8 bytes. */
export function safetensors(tensors: Record<string, Built>, metadata?: Record<string, string>): Uint8Array {
  const header: Record<string, unknown> = metadata ? { __metadata__: metadata } : {}
  let at = 0
  for (const [name, { dtype, shape, bytes }] of Object.entries(tensors)) {
    header[name] = { dtype, shape, data_offsets: [at, at + bytes.length] }
    at += bytes.length
  }
  return assemble(header, Object.values(tensors))
}

export function assemble(header: unknown, tensors: readonly Built[]): Uint8Array {
  let json = JSON.stringify(header)
  json = json.padEnd(Math.ceil(json.length / 8) * 8)
  const text = new TextEncoder().encode(json)
  const size = tensors.reduce((sum, { bytes }) => sum + bytes.length, 0)
  const file = new Uint8Array(8 + text.length + size)
  new DataView(file.buffer).setBigUint64(0, BigInt(text.length), true)
  file.set(text, 8)
  let at = 8 + text.length
  for (const { bytes } of tensors) {
    file.set(bytes, at)
    at += bytes.length
  }
  return file
}

export function json(value: unknown): Uint8Array {
  return new TextEncoder().encode(typeof value === 'string' ? value : JSON.stringify(value))
}

export interface BuildOptions {
  checkpoints?: number
  samples?: number
  /** Side of the maps: larger ones make files that are not fetched whole. */
  side?: number
  half?: boolean
  /** Inputs of fc. */
  dense?: number
}

/** input -> conv1 (2 maps, 3×3) -> fc (4 units): every number in it tells where it belongs. */
export function buildRecording(options: BuildOptions = {}): Map<string, Uint8Array> {
  const { checkpoints = 3, samples = 4, side = 4, half = false } = options
  const dense = options.dense ?? 2 * side * side
  const make = half ? f16 : f32
  const index = buildIndex({ checkpoints, samples, side, dense })
  const files = new Map<string, Uint8Array>([['recording.json', json(index)]])
  for (let c = 0; c < checkpoints; c++) {
    const name = String(index.checkpoints[c].index).padStart(6, '0')
    files.set(
      `checkpoints/${name}.safetensors`,
      safetensors({
        'conv1/bias': make([2], [c, -c]),
        'conv1/kernel': make(
          [2, 1, 3, 3],
          numbers(18, i => c + i / 64),
        ),
        'fc/kernel': make(
          [4, dense],
          numbers(4 * dense, i => c - (i % 512) / 512),
        ),
      }),
    )
    const outputs: Record<string, Built> = {}
    for (let s = 0; s < samples; s++) {
      for (const layer of index.network.layers) {
        const shape = layer.output_shapes![0]
        const name = `${String(s).padStart(5, '0')}/${layer.id}`
        outputs[name] = make(
          shape,
          numbers(
            shape.reduce((a, b) => a * b),
            () => valueAt(c, s, layer.id),
          ),
        )
      }
    }
    files.set(`activations/${name}.safetensors`, safetensors(outputs))
    files.set(`summary/${name}.json`, json({ layers: { conv1: { map_low: [c, 0] } } }))
  }
  const pixels = samples * side * side
  files.set(
    'samples.safetensors',
    safetensors({
      labels: { dtype: 'I64', shape: [samples], bytes: new Uint8Array(new BigInt64Array(samples).buffer) },
      images: u8(
        [samples, side, side, 1],
        numbers(pixels, i => i % 256),
      ),
    }),
  )
  files.set('metrics.jsonl', json('{"epoch": 0, "loss": 2}\n{"epoch": 1, "loss": 1}\n'))
  return files
}

/** The value of every activation of that layer. */
export function valueAt(checkpoint: number, sample: number, layer: string): number {
  return checkpoint * 64 + sample + { input: 0.25, conv1: 0.5, fc: 0.75 }[layer]!
}

export function buildIndex({ checkpoints = 3, samples = 4, side = 4, dense = 32 }: BuildOptions = {}): Index {
  const layers: Layer[] = [
    { id: 'input', name: 'input', kind: 'input', output_shapes: [[1, side, side]] },
    {
      id: 'conv1',
      name: 'conv1',
      kind: 'conv2d',
      inputs: [{ layer: 'input' }],
      output_shapes: [[2, side, side]],
      parameters: [
        { role: 'kernel', key: 'conv1/kernel', shape: [2, 1, 3, 3] },
        { role: 'bias', key: 'conv1/bias', shape: [2] },
      ],
    },
    {
      id: 'fc',
      name: 'fc',
      kind: 'dense',
      inputs: [{ layer: 'conv1' }],
      output_shapes: [[4]],
      parameters: [
        { role: 'kernel', key: 'fc/kernel', shape: [4, dense] },
        { role: 'bias', key: 'fc/bias', shape: [4] },
      ],
    },
  ]
  return {
    format: 'cutaway-recording',
    version: 1,
    name: 'tiny',
    created: '2026-01-01T00:00:00Z',
    producer: 'test',
    network: { layers, inputs: ['input'], outputs: ['fc'] },
    // The number in the file's name is not the position in the list: it starts at 5.
    checkpoints: Array.from({ length: checkpoints }, (_, i) => ({ index: i + 5, label: `epoch ${i}`, epoch: i })),
    samples: { count: samples },
    classes: null,
    completeness: {
      graph: true,
      parameters: true,
      biases: false,
      activations: true,
      runnable: false,
      notes: [],
      missing: {},
    },
  }
}

function numbers(count: number, value: (i: number) => number): Float32Array {
  const values = new Float32Array(count)
  for (let i = 0; i < count; i++) values[i] = value(i)
  return values
}

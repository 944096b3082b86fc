/** What Python wrote, read here: tests/fixtures/tiny, made by tests/fixtures/make_recording.py. */
import { readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { beforeAll, describe, expect, test } from 'vitest'
import { MemorySource } from '../source/memory'
import { placeMetrics } from './metrics'
import { type OpenedRecording, openRecording } from './tensors'

const FOLDER = fileURLToPath(new URL('../../../tests/fixtures/tiny/', import.meta.url))
let recording: OpenedRecording

beforeAll(async () => {
  const keys = readdirSync(FOLDER, { recursive: true, encoding: 'utf8' }).filter(name => name.includes('.'))
  const files = keys.map(key => {
    const bytes = new Uint8Array(readFileSync(FOLDER + key))
    return [key.replaceAll('\\', '/'), bytes.buffer] as const
  })
  recording = await openRecording(new MemorySource(files))
})

test('the index', () => {
  const { network, checkpoints, samples, classes } = recording.index
  expect(network.layers.map(layer => layer.id)).toContain('features.conv1')
  expect(checkpoints.map(({ index, label }) => [index, label])).toEqual([
    [0, 'epoch 0'],
    [1, 'epoch 0.5'],
    [7, 'epoch 2'],
  ])
  expect(samples).toMatchObject({ count: 2, names: ['first', 'second'], labels: [2, 0] })
  expect(classes).toEqual(['circle', 'square', 'star'])
})

describe('the numbers belong together: each layer, computed here from its inputs, gives what was recorded', () => {
  const cases = [0, 1, 2].flatMap(checkpoint => [0, 1].map(sample => [checkpoint, sample] as const))

  test.each(cases)('checkpoint %d, sample %d', async (checkpoint, sample) => {
    const { data, offset } = await recording.activations(checkpoint, sample)
    const layers = new Map(recording.index.network.layers.map(layer => [layer.id, layer]))
    let compared = 0
    for (const layer of layers.values()) {
      if (layer.kind !== 'conv2d' && layer.kind !== 'depthwise_conv2d' && layer.kind !== 'dense') continue
      const kernel = await recording.parameter(layer.id, 'kernel', checkpoint)
      const bias = await recording.parameter(layer.id, 'bias', checkpoint)
      const before = layers.get(layer.inputs[0].layer)!
      const [inC, inH = 1, inW = 1] = before.output_shapes[0]
      const input = data.subarray(offset.get(before.id)!, offset.get(before.id)! + inC * inH * inW)
      const [outC, outH = 1, outW = 1] = layer.output_shapes[0]
      const output = new Float64Array(outC * outH * outW)
      if (layer.kind === 'dense') {
        for (let o = 0; o < outC; o++) {
          output[o] = input.reduce((sum, value, i) => sum + value * kernel.data[o * input.length + i], bias.data[o])
        }
      } else {
        const { stride, padding, groups } = layer.attributes
        const [, perGroup, kH, kW] = kernel.shape
        for (let o = 0; o < outC; o++) {
          const first = Math.floor(o / (outC / groups!)) * perGroup
          for (let p = 0; p < outH * outW; p++) {
            let sum = bias.data[o]
            for (let tap = 0; tap < perGroup * kH * kW; tap++) {
              const c = first + Math.floor(tap / (kH * kW))
              const y = Math.floor(p / outW) * stride![0] - padding![0][0] + (Math.floor(tap / kW) % kH)
              const x = (p % outW) * stride![1] - padding![1][0] + (tap % kW)
              if (y < 0 || y >= inH || x < 0 || x >= inW) continue
              sum += input[(c * inH + y) * inW + x] * kernel.data[o * perGroup * kH * kW + tap]
            }
            output[o * outH * outW + p] = sum
          }
        }
      }
      let expected = [...output]
      if (layer.fused.includes('relu')) expected = expected.map(value => Math.max(0, value))
      if (layer.fused.includes('softmax')) {
        const powers = expected.map(Math.exp)
        const total = powers.reduce((a, b) => a + b)
        expected = powers.map(power => power / total)
      }
      const start = offset.get(layer.id)!
      for (const [i, value] of expected.entries()) expect(data[start + i]).toBeCloseTo(value, 5)
      compared += expected.length
    }
    expect(compared).toBeGreaterThan(200)
  })
})

test('pictures, summaries and metrics', async () => {
  const { shape, data } = await recording.images()
  expect(shape).toEqual([2, 6, 5, 1])
  const { data: values, offset } = await recording.activations(0, 1)
  // The input is the picture ÷ 255.
  for (let i = 0; i < 30; i++) expect(values[offset.get('input')! + i]).toBeCloseTo(data[30 + i] / 255, 6)

  const summary = await recording.summary(2)
  const kernel = await recording.parameter('features.conv1', 'kernel', 2)
  expect(summary['features.conv1'].parameters.kernel.low).toBeCloseTo(Math.min(...kernel.data), 6)
  expect(summary['features.conv1'].dead).toEqual([1])
  expect(summary.pool.parameters).toEqual({})

  const rows = placeMetrics(await recording.metrics(), recording.index.checkpoints)
  const at = (step: number) => rows.find(row => row.step === step)!.position
  expect([at(0), at(5), at(10), at(25), at(40)]).toEqual([0, 0.5, 1, 1.5, 2])
  expect(rows.at(-1)!.values).toHaveProperty('sample_accuracy')
})

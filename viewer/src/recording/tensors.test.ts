import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { HttpSource } from '../source/http'
import { MemorySource } from '../source/memory'
import { startServer, type TestServer } from '../source/server.testing'
import { type BuildOptions, buildIndex, buildRecording, f16, f32, json, safetensors, valueAt } from './building.testing'
import { ActivationsMissing, BadRecording, TensorMissing } from './errors'
import { type OpenedRecording, openRecording } from './tensors'

let server: TestServer
beforeEach(async () => {
  server = await startServer()
})
afterEach(() => server.close())

async function open(options: BuildOptions = {}, budget?: number): Promise<OpenedRecording> {
  server.files = buildRecording(options)
  const recording = await openRecording(new HttpSource(server.base), { budget })
  expect(server.requests).toEqual(['recording.json'])
  server.requests.length = 0
  return recording
}

/** Number of requests since the last call. */
const requests = () => server.requests.splice(0).length
/** Sides that make activation files of about 4 × 3 × 128² × 4 bytes = 800 kB, and of a few hundred bytes. */
const LARGE = 128
const SMALL = 4

describe('parameters', () => {
  test.each([false, true])('a small file comes whole, once for all layers (half: %s)', async half => {
    const recording = await open({ half })
    const [kernel, bias, fc] = await Promise.all([
      recording.parameter('conv1', 'kernel', 1),
      recording.parameter('conv1', 'bias', 1),
      recording.parameter('fc', 'kernel', 1),
    ])
    expect(kernel.shape).toEqual([2, 1, 3, 3])
    expect([...kernel.data]).toEqual(Array.from({ length: 18 }, (_, i) => 1 + i / 64))
    expect([...bias.data]).toEqual([1, -1])
    expect(fc.data.length).toBe(128)
    expect(requests()).toBe(1)
    expect(recording.parameterNow('conv1', 'kernel', 1)).toBe(kernel)
    expect(await recording.parameter('conv1', 'kernel', 1)).toBe(kernel)
    expect(recording.parameterNow('conv1', 'kernel', 0)).toBe(null)
    expect(recording.parameterNow('nobody', 'kernel', 0)).toBe(null)
    expect(requests()).toBe(0)
  })

  test('a middling file: the head, then the rest; the next checkpoint in one request', async () => {
    const recording = await open({ dense: 100_000 })
    const size = server.files.get('checkpoints/000005.safetensors')!.length
    await recording.parameter('fc', 'kernel', 0)
    expect(server.requests.splice(0)).toEqual([
      'checkpoints/000005.safetensors 0-65535',
      `checkpoints/000005.safetensors 65536-${size - 1}`,
    ])
    const fc = await recording.parameter('fc', 'kernel', 1)
    expect([fc.data[0], fc.data[1], fc.data[399_999]]).toEqual([1, 1 - 1 / 512, 1 - (399_999 % 512) / 512])
    expect(server.requests).toEqual([`checkpoints/000006.safetensors 0-${size - 1}`])
  })

  test('of a large file only the tensors asked for are read', async () => {
    const recording = await open({ dense: 300_000 })
    const kernel = await recording.parameter('conv1', 'kernel', 2)
    expect(kernel.data[1]).toBe(2 + 1 / 64)
    expect(requests()).toBe(1) // it came with the header
    const before = recording.bytesFetched
    const fc = await recording.parameter('fc', 'kernel', 2)
    expect([fc.data[0], fc.data[513]]).toEqual([2, 2 - 1 / 512])
    expect(requests()).toBe(1)
    expect(recording.bytesFetched - before).toBe(4 * 4 * 300_000)
    expect(recording.parameterNow('fc', 'kernel', 2)).toBe(fc)
  })

  test('what is missing is named with the checkpoint’s label, and the rest goes on', async () => {
    const recording = await open()
    const error = await recording.parameter('fc', 'bias', 1).catch(e => e)
    expect(error).toBeInstanceOf(TensorMissing)
    expect(error).toMatchObject({ tag: 'TensorMissing', layer: 'fc', role: 'bias', checkpoint: 1 })
    expect(error.message).toBe('The bias of fc was not recorded at epoch 1.')
    await expect(recording.parameter('conv1', 'gamma', 1)).rejects.toThrow(
      'The gamma of conv1 was not recorded at epoch 1.',
    )
    await expect(recording.parameter('conv1', 'kernel', 7)).rejects.toThrow('Checkpoint 7 was not recorded')
    server.files.delete('checkpoints/000007.safetensors')
    await expect(recording.parameter('conv1', 'kernel', 2)).rejects.toThrow(
      'Epoch 2 was not recorded: it has no parameters.',
    )
    expect((await recording.parameter('fc', 'kernel', 1)).data.length).toBe(128)
  })

  test('a shape other than the network says is refused', async () => {
    const recording = await open()
    server.files.set(
      'checkpoints/000005.safetensors',
      safetensors({ 'conv1/kernel': f32([3, 3, 1, 2], Array(18).fill(0)) }),
    )
    const problem = 'checkpoints/000005.safetensors: conv1/kernel has the shape 3×3×1×2, the network says 2×1×3×3'
    await expect(recording.parameter('conv1', 'kernel', 0)).rejects.toThrow(problem)
    expect(recording.parameterNow('conv1', 'kernel', 0)).toBe(null)
  })

  test('a truncated file is told apart from a missing one, and can be asked for again', async () => {
    const recording = await open({ dense: 300_000 })
    const key = 'checkpoints/000005.safetensors'
    const file = server.files.get(key)!
    for (const size of [0, 5, 50, 70_000, file.length - 1]) {
      server.files.set(key, file.subarray(0, size))
      const fresh = await openRecording(new HttpSource(server.base))
      await expect(fresh.parameter('fc', 'kernel', 0)).rejects.toBeInstanceOf(BadRecording)
    }
    server.files.set(key, file)
    expect((await recording.parameter('fc', 'kernel', 0)).data[0]).toBe(0)
  })
})

describe('activations', () => {
  test.each([false, true])('a change of sample is one range request per checkpoint (half: %s)', async half => {
    const recording = await open({ side: LARGE, half })
    await recording.activations(0, 0)
    expect(requests()).toBe(2) // the header, and the sample
    const { data, offset } = await recording.activations(0, 3)
    expect(requests()).toBe(1)
    const maps = LARGE * LARGE
    expect([...offset]).toEqual([
      ['input', 0],
      ['conv1', maps],
      ['fc', 3 * maps],
    ])
    expect(data.length).toBe(3 * maps + 4)
    for (const [layer, start] of offset) expect(data[start]).toBe(valueAt(0, 3, layer))
    expect(data.at(-1)).toBe(valueAt(0, 3, 'fc'))
    await Promise.all([recording.activations(0, 1), recording.activations(0, 1)])
    expect(requests()).toBe(1)
    expect(recording.activationsNow(0, 3)!.data).toBe(data)
    expect((await recording.activations(0, 3)).data).toBe(data)
    expect(requests()).toBe(0)
  })

  test('nothing is read beyond the sample and the header', async () => {
    const recording = await open({ side: LARGE })
    await recording.activations(0, 0)
    const before = recording.bytesFetched
    await recording.activations(0, 2)
    expect(recording.bytesFetched - before).toBe(4 * (3 * LARGE * LARGE + 4))
  })

  test('the next checkpoint: header and sample at the same time, for it is laid out like the last', async () => {
    const recording = await open({ side: LARGE })
    await recording.activations(0, 2)
    const [key, next] = ['activations/000005.safetensors', 'activations/000006.safetensors']
    const sample = server.requests.at(-1)!.slice(key.length + 1)
    const header = server.files.get(key)!.length - 4 * 4 * (3 * LARGE * LARGE + 4)
    server.requests.length = 0
    // The header is held back until the sample was asked for, too.
    server.before = async () => {
      for (let i = 0; i < 100 && server.requests.length < 2; i++) await new Promise(resolve => setTimeout(resolve, 10))
    }
    expect((await recording.activations(1, 2)).data[0]).toBe(valueAt(1, 2, 'input'))
    expect(server.requests.sort()).toEqual([`${next} 0-${header - 1}`, `${next} ${sample}`].sort())
  })

  test('a checkpoint that is laid out in another way is read rightly all the same', async () => {
    const recording = await open({ side: LARGE })
    await recording.activations(0, 1)
    server.files.set(
      'activations/000006.safetensors',
      buildRecording({ side: LARGE, half: true }).get('activations/000006.safetensors')!,
    )
    const { data, offset } = await recording.activations(1, 1)
    for (const [layer, start] of offset) expect(data[start]).toBe(valueAt(1, 1, layer))
    expect(data.length).toBe(3 * LARGE * LARGE + 4)
    server.files.set('activations/000007.safetensors', safetensors({ '00001/fc': f32([4], [1, 2, 3, 4]) }))
    expect([...(await recording.activations(2, 1)).data]).toEqual([1, 2, 3, 4])
  })

  test('a small file is fetched whole: one request for all samples', async () => {
    const recording = await open({ side: SMALL })
    const all = await Promise.all([0, 1, 2, 3].map(sample => recording.activations(1, sample)))
    expect(all.map(({ data }) => data[0])).toEqual([0, 1, 2, 3].map(sample => valueAt(1, sample, 'input')))
    expect(requests()).toBe(1)
  })

  test('aligned float32 is not copied: the array is the answer’s own buffer', async () => {
    const files = [...buildRecording({ side: LARGE })].map(([key, bytes]) => [key, bytes.slice().buffer] as const)
    const source = new MemorySource(files)
    const buffers: ArrayBuffer[] = []
    const getRange = source.getRange.bind(source)
    source.getRange = async (key, start, end) => {
      const buffer = await getRange(key, start, end)
      buffers.push(buffer)
      return buffer
    }
    const { data } = await (await openRecording(source)).activations(0, 1)
    expect(data.buffer).toBe(buffers.at(-1))
  })

  test('samples that lie in pieces, and in several dtypes, are put together', async () => {
    const recording = await open()
    const filler = f32([20_000], Array(20_000).fill(9))
    const file = safetensors({
      '00000/fc': f32([4], [1, 2, 3, 4]),
      zzz: filler,
      '00000/input': f16([1, 4, 4], Array(16).fill(5)),
      '00001/input': f16([1, 4, 4], Array(16).fill(6)),
      zzzz: filler,
      zzzzz: filler,
      zzzzzz: filler,
      '00000/conv1': f32([2, 4, 4], Array(32).fill(7)),
      '00000/unknown': f32([1], [8]),
    })
    server.files.set('activations/000005.safetensors', file)
    const { data, offset } = await recording.activations(0, 0)
    expect(requests()).toBe(3) // the header, which brought fc along, and two pieces far apart
    expect([...offset.keys()].sort()).toEqual(['conv1', 'fc', 'input'])
    const at = (layer: string) => data[offset.get(layer)!]
    expect([at('fc'), at('input'), at('conv1'), data.length]).toEqual([1, 5, 7, 52])
    expect([...(await recording.activations(0, 1)).data]).toEqual(Array(16).fill(6))
  })

  test('what is missing is named', async () => {
    const recording = await open()
    const error = await recording.activations(1, 9).catch(e => e)
    expect(error).toBeInstanceOf(ActivationsMissing)
    expect(error).toMatchObject({ tag: 'ActivationsMissing', checkpoint: 1, sample: 9 })
    expect(error.message).toBe('The activations of sample 9 were not recorded at epoch 1.')
    server.files.delete('activations/000005.safetensors')
    await expect(recording.activations(0, 0)).rejects.toThrow('Epoch 0 was not recorded: it has no activations.')
    expect(recording.activationsNow(0, 0)).toBe(null)
    requests()
    recording.index.completeness.activations = false
    await expect(recording.activations(2, 0)).rejects.toBeInstanceOf(ActivationsMissing)
    expect(requests()).toBe(0)
  })

  test('a shape other than the network says is refused', async () => {
    const recording = await open()
    server.files.set(
      'activations/000005.safetensors',
      safetensors({ '00000/conv1': f32([4, 4, 2], Array(32).fill(0)) }),
    )
    await expect(recording.activations(0, 0)).rejects.toThrow('00000/conv1 has the shape 4×4×2, the network says 2×4×4')
  })

  test('NaN stays NaN', async () => {
    const recording = await open()
    const values = [Number.NaN, Number.POSITIVE_INFINITY, -0, 1]
    server.files.set('activations/000005.safetensors', safetensors({ '00000/fc': f16([4], values) }))
    expect([...(await recording.activations(0, 0)).data]).toEqual(values)
  })
})

describe('memory', () => {
  test('the longest unused goes first; what is asked for again comes again', async () => {
    const sample = 4 * (3 * LARGE * LARGE + 4)
    const recording = await open({ side: LARGE }, 3.5 * sample)
    for (const s of [0, 1, 2]) await recording.activations(0, s)
    recording.activationsNow(0, 0)
    await recording.activations(0, 3)
    expect([0, 1, 2, 3].map(s => recording.activationsNow(0, s) !== null)).toEqual([true, false, true, true])
    expect(recording.bytesHeld).toBeLessThan(3.6 * sample)
    requests()
    expect((await recording.activations(0, 1)).data[0]).toBe(valueAt(0, 1, 'input'))
    expect(requests()).toBe(1)
  })

  test('one thing that is larger than the budget is kept until the next comes', async () => {
    const recording = await open({ side: LARGE }, 1000)
    await recording.activations(0, 0)
    expect(recording.activationsNow(0, 0)).not.toBe(null)
    await recording.activations(0, 1)
    expect(recording.activationsNow(0, 0)).toBe(null)
  })

  test('bytesHeld counts what is held', async () => {
    const recording = await open({ dense: 10_000 })
    expect(recording.bytesHeld).toBe(0)
    await recording.parameter('fc', 'kernel', 0)
    const size = server.files.get('checkpoints/000005.safetensors')!.length
    expect(recording.bytesHeld).toBeGreaterThanOrEqual(size)
    expect(recording.bytesHeld).toBeLessThan(size + 1000)
  })
})

describe('a server that answers 200', () => {
  test('is asked once for each file', async () => {
    server.behaviour = 'whole'
    const recording = await open({ side: LARGE, dense: 300_000 })
    const samples = await Promise.all([0, 1, 2, 3].map(sample => recording.activations(1, sample)))
    expect(samples[3].data.at(-1)).toBe(valueAt(1, 3, 'fc'))
    await Promise.all([recording.parameter('conv1', 'bias', 1), recording.parameter('fc', 'kernel', 1)])
    await Promise.all([recording.images(), recording.summary(1), recording.metrics()])
    await recording.activations(1, 0)
    expect(server.requests.sort()).toEqual([
      'activations/000006.safetensors 0-65535',
      'checkpoints/000006.safetensors 0-65535',
      'metrics.jsonl',
      'samples.safetensors 0-65535',
      'summary/000006.json',
    ])
  })
})

describe('failures', () => {
  test.each(['failing', 'hanging up', 'truncating', 'short'] as const)(
    '%s: rejects, and works when asked again',
    async behaviour => {
      const recording = await open({ side: LARGE })
      const ask = () => [
        recording.parameter('conv1', 'kernel', 0),
        recording.activations(0, 0),
        recording.summary(0),
        recording.images(),
      ]
      server.behaviour = behaviour
      const results = await Promise.allSettled(ask())
      const failed = results.filter(result => result.status === 'rejected').map(result => result.reason.tag)
      // summary is no range request: "truncating" and "short" leave it alone.
      expect(failed.length).toBeGreaterThanOrEqual(3)
      expect(new Set(failed)).toEqual(new Set(['SourceUnreachable']))
      server.behaviour = 'ranges'
      await Promise.all(ask())
    },
  )

  test('no recording there', async () => {
    server.files.clear()
    await expect(openRecording(new HttpSource(server.base))).rejects.toThrow('recording.json is not in this recording')
  })
})

describe('while it is written', () => {
  const write = (options: BuildOptions) => {
    for (const [key, file] of buildRecording(options)) server.files.set(key, file)
  }

  test('new checkpoints are taken over; the network stays the same object', async () => {
    const recording = await open({ checkpoints: 1 })
    const { network } = recording.index
    const seen: [number, number, number][] = []
    recording.onRefresh((before, after) =>
      seen.push([before.checkpoints.length, after.checkpoints.length, recording.index.checkpoints.length]),
    )
    expect(await recording.refresh()).toBe(false)
    write({ checkpoints: 3 })
    expect(await recording.refresh()).toBe(true)
    expect(recording.index.checkpoints.map(c => c.index)).toEqual([5, 6, 7])
    expect(recording.index.network).toBe(network)
    expect(seen).toEqual([[1, 3, 3]])
    expect((await recording.parameter('conv1', 'kernel', 2)).data[0]).toBe(2)
  })

  test('what is in memory counts on by the number of its files, wherever it stands in the list', async () => {
    const recording = await open({ checkpoints: 3 })
    const kernel = await recording.parameter('conv1', 'kernel', 2)
    const index = buildIndex({ checkpoints: 3 })
    server.files.set('recording.json', json({ ...index, checkpoints: [index.checkpoints[0], index.checkpoints[2]] }))
    await recording.refresh()
    requests()
    expect(recording.parameterNow('conv1', 'kernel', 1)).toBe(kernel)
    expect(recording.parameterNow('conv1', 'kernel', 2)).toBe(null)
    expect(requests()).toBe(0)
  })

  test('who asks while an answer is on its way gets a newer one', async () => {
    const recording = await open({ checkpoints: 1 })
    let asked = 0
    let answer = () => {}
    server.before = () => (asked++ === 0 ? new Promise<void>(resolve => (answer = resolve)) : undefined)
    const old = recording.refresh()
    await expect.poll(() => asked).toBe(1)
    const waiting = [recording.refresh(), recording.refresh()]
    write({ checkpoints: 2 })
    answer()
    await Promise.all([old, ...waiting])
    expect(recording.index.checkpoints.length).toBe(2)
    expect(asked).toBe(2)
  })

  test.each([
    ['another network', { dense: 64 }, {}],
    ['another training of the same network', {}, { created: '2026-02-02T00:00:00Z' }],
  ])('%s is refused, and all stays', async (_, options, change) => {
    const recording = await open({ checkpoints: 1 })
    server.files.set('recording.json', json({ ...buildIndex({ checkpoints: 2, ...options }), ...change }))
    await expect(recording.refresh()).rejects.toThrow('Another recording, tiny, has taken the place of this one.')
    server.files.set('recording.json', json('{"half'))
    await expect(recording.refresh()).rejects.toThrow('recording.json')
    expect(recording.index.checkpoints.length).toBe(1)
    write({ checkpoints: 2 })
    expect(await recording.refresh()).toBe(true)
  })
})

describe('the rest', () => {
  test('pictures', async () => {
    const recording = await open()
    const { shape, data } = await recording.images()
    expect(shape).toEqual([4, 4, 4, 1])
    expect([...data]).toEqual(Array.from({ length: 64 }, (_, i) => i))
    expect(requests()).toBe(1)
  })

  test.each([
    ['0 … 1', [0, 0.5, 1, 0.25], [0, 128, 255, 64]],
    ['0 … 255', [0, 127.6, 255, 2], [0, 128, 255, 2]],
    ['normalised', [-1, 0, 1, Number.NaN], [0, 128, 255, 0]],
    ['all zero', [0, 0, 0, 0], [0, 0, 0, 0]],
  ])('float pictures, %s', async (_, values, expected) => {
    const recording = await open({ samples: 1 })
    server.files.set('samples.safetensors', safetensors({ images: f32([1, 2, 2, 1], values) }))
    expect([...(await recording.images()).data]).toEqual(expected)
  })

  test('pictures of another number of samples are refused', async () => {
    const recording = await open()
    server.files.set('samples.safetensors', safetensors({ images: f32([1, 2, 2, 1], [0, 0, 0, 0]) }))
    await expect(recording.images()).rejects.toThrow('images has the shape 1×2×2×1, expected 4 samples')
  })

  test('summaries and metrics, and none of them', async () => {
    const recording = await open()
    expect((await recording.summary(1)).conv1.map_low).toEqual([1, 0])
    expect(recording.summaryNow(1)!.conv1.dead).toEqual([])
    expect(recording.summaryNow(0)).toBe(null)
    expect((await recording.metrics()).map(row => [row.epoch, row.values.loss])).toEqual([
      [0, 2],
      [1, 1],
    ])
    server.files.clear()
    const bare = await (async () => {
      server.files.set('recording.json', buildRecording().get('recording.json')!)
      return openRecording(new HttpSource(server.base))
    })()
    expect(await bare.summary(0)).toEqual({})
    expect(bare.summaryNow(0)).toEqual({})
    expect(await bare.metrics()).toEqual([])
    server.files.set('summary/000006.json', json('{"layers": '))
    await expect(bare.summary(1)).rejects.toThrow('summary/000006.json: this is no readable JSON')
  })
})

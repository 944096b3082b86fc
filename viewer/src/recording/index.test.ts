import { describe, expect, test } from 'vitest'
import type { Index } from '../generated/recording'
import { buildIndex, json } from './building.testing'
import { BadRecording, sentence } from './errors'
import { normalise, normaliseSummary, parseIndex, parseSummary } from './index'

const parse = (value: unknown) => parseIndex(json(value).slice().buffer)

describe('recording.json', () => {
  test('what a writer leaves out is filled in', () => {
    const index = parse(buildIndex())
    const [input, conv, fc] = index.network.layers
    expect(input).toEqual({
      id: 'input',
      name: 'input',
      kind: 'input',
      path: [],
      op: '',
      inputs: [],
      output_shapes: [[1, 4, 4]],
      attributes: { extra: {} },
      parameters: [],
      fused: [],
      steps: [],
      call: 0,
      source: null,
    })
    expect(conv.parameters[0]).toMatchObject({ trainable: true, source_axes: null })
    expect(fc.inputs).toEqual([{ layer: 'conv1', output: 0 }])
    expect(index.checkpoints[1]).toEqual({ index: 6, label: 'epoch 1', epoch: 1, step: null })
    expect(index.samples).toEqual({
      count: 4,
      names: ['sample 0', 'sample 1', 'sample 2', 'sample 3'],
      labels: null,
      preprocessing: null,
    })
    expect(normalise(index)).toEqual(index)
  })

  test('an unknown kind and unknown fields are no failure: a newer writer may know more', () => {
    const index = buildIndex() as Index & { extra?: number }
    index.extra = 1
    index.network.layers[2].kind = 'hyper_dense' as 'other'
    expect(parse(index).network.layers[2].kind).toBe('hyper_dense')
  })

  test('no checkpoints and no samples: a network without a run', () => {
    const index = buildIndex({ checkpoints: 0, samples: 0 })
    expect(parse(index).checkpoints).toEqual([])
  })

  const broken: [string, (index: Index) => unknown, string][] = [
    [
      'a newer version',
      i => ({ ...i, version: 3 }),
      'it was written in version 3 of the format, this viewer reads up to version 1',
    ],
    ['no version', i => ({ ...i, version: '1' }), 'its version is "1", no version number'],
    ['another format', i => ({ ...i, format: 'zip' }), 'its format is "zip", expected "cutaway-recording"'],
    ['no object', () => [], 'the file is no JSON object'],
    ['no network', i => ({ ...i, network: null }), 'network is no JSON object'],
    ['no layers', i => ({ ...i, network: { ...i.network, layers: {} } }), 'network.layers is no list'],
    ['a double id', i => edit(i, x => (x.network.layers[1].id = 'input')), 'two layers have the id input'],
    ['no id', i => edit(i, x => (x.network.layers[1].id = '')), 'network.layers[1] has no id'],
    [
      'an unknown input',
      i => edit(i, x => (x.network.layers[1].inputs = [{ layer: 'x' }])),
      'layer conv1 reads "x", which is no layer before it',
    ],
    [
      'a circle',
      i => edit(i, x => (x.network.layers[1].inputs = [{ layer: 'fc' }])),
      'layer conv1 reads "fc", which is no layer before it',
    ],
    [
      'an unknown output',
      i => edit(i, x => (x.network.outputs = ['y'])),
      'network.outputs names the unknown layer "y"',
    ],
    [
      'a negative shape',
      i => edit(i, x => (x.network.layers[1].output_shapes = [[-1]])),
      'layer conv1 has the unreadable shape [-1]',
    ],
    [
      'no parameter shape',
      i => edit(i, x => (x.network.layers[1].parameters![0].shape = null as never)),
      'the kernel of layer conv1 has the unreadable shape null',
    ],
    [
      'a role twice',
      i => edit(i, x => (x.network.layers[1].parameters![1].role = 'kernel')),
      'layer conv1 has two parameters with the role kernel',
    ],
    ['a checkpoint twice', i => edit(i, x => (x.checkpoints[1].index = 5)), 'two checkpoints have the index 5'],
    ['a checkpoint number', i => edit(i, x => (x.checkpoints[1].index = 0.5)), 'checkpoints[1] has no index'],
    ['a sample count', i => edit(i, x => (x.samples.count = -1)), 'samples.count is -1, no count'],
    [
      'labels',
      i => edit(i, x => (x.samples.labels = ['a'] as never)),
      'samples.labels holds something that is no class',
    ],
    ['classes', i => edit(i, x => (x.classes = [1] as never)), 'classes is no list of names'],
  ]
  test.each(broken)('%s', (_, change, message) => {
    let error: unknown
    try {
      parse(change(buildIndex()))
    } catch (thrown) {
      error = thrown
    }
    expect(error).toBeInstanceOf(BadRecording)
    expect((error as BadRecording).message).toContain(`recording.json: ${message}`)
    expect((error as BadRecording).tag).toBe('BadRecording')
  })

  test('half a file', () => {
    expect(() => parse('{"format": "cutaway-rec')).toThrow('recording.json: this is no readable JSON')
  })
})

test('summaries are filled up; null, which is how NaN is written, is NaN', () => {
  const tensor = { low: null, high: 1, mean: 0, norm: 1, histogram: { low: 0, high: 1, counts: [1] } }
  const { a } = normaliseSummary({ a: { parameters: { kernel: tensor as never }, map_low: [null as never, 1] } })
  expect(a.parameters.kernel).toEqual({ ...tensor, low: Number.NaN, not_finite: 0 })
  expect(a).toMatchObject({ activations: null, map_low: [Number.NaN, 1], map_high: [], dead: [], update_ratio: null })
  expect(a).toMatchObject({ gradients: {}, saturated: null, step_update_ratio: null, map_histograms: [] })
  const text = '{"layers": {"a": {"map_low": [NaN, -Infinity, 2]}}, "scores": [[0.5, null]]}'
  const parsed = parseSummary('s', json(text).slice().buffer)
  expect(parsed.layers.a.map_low).toEqual([Number.NaN, Number.NEGATIVE_INFINITY, 2])
  expect(parsed.scores).toEqual([[0.5, Number.NaN]])
  expect(() => parseSummary('s', json('{}').slice().buffer)).toThrow('s: it has no layers')
})

test('sentences for the screen end like sentences', () => {
  expect(sentence(new BadRecording('a', 'it is bad'))).toBe('a: it is bad.')
  expect(sentence(new Error('Why?'))).toBe('Why?')
  expect(sentence('text')).toBe('text.')
})

function edit(index: Index, change: (index: Index) => unknown): Index {
  change(index)
  return index
}

import { describe, expect, test } from 'vitest'
import { BRANCHED, ODD } from '../../tests/networks'
import type { Network } from '../generated/recording'
import { drawnLayers } from '../layout/drawn'
import { buildRecording } from '../recording/building.testing'
import { openRecording } from '../recording/tensors'
import { checkpointPairs, Differences, difference, differenceKey, mapDifferences } from '../scene/differences'
import { Mode } from '../shaders/ends'
import { MemorySource } from '../source/memory'
import { defaultState } from '../state'
import { align, matchLayers, OtherArchitecture } from './align'
import { relativeChange } from './changes'
import { differenceRanges } from './frames'
import { halvesOf, sideAt } from './halves'
import { swapped } from './toggle'

const built = () =>
  [...buildRecording({ checkpoints: 2, samples: 2 })].map(
    ([key, bytes]) => [key, Uint8Array.from(bytes).buffer] as const,
  )
const copy = (network: Network): Network => structuredClone(network)

describe('two architectures', () => {
  test('the same one matches itself, layer by layer', () => {
    const ids = matchLayers(ODD, copy(ODD))
    expect([...ids].every(([a, b]) => a === b)).toBe(true)
    expect(ids.size).toBe(drawnLayers(ODD).length)
  })

  test('other names match by their places', () => {
    const other = copy(ODD)
    const renamed = (id: string) => `model.${id}`
    for (const layer of other.layers) {
      layer.id = renamed(layer.id)
      layer.inputs = layer.inputs?.map(edge => ({ ...edge, layer: renamed(edge.layer) }))
    }
    expect(matchLayers(ODD, other).get('dilated')).toBe('model.dilated')
  })

  test.each<[string, (network: Network) => void, RegExp]>([
    ['a shape', n => (n.layers[1].output_shapes = [[4, 5, 7]]), /strided of A is conv2d 4×5×6.*of B is conv2d 4×5×7/],
    ['a kernel', n => (n.layers[1].parameters![0].shape = [4, 2, 3, 3]), /kernel 4×2×4×3.*kernel 4×2×3×3/],
    ['a kind', n => (n.layers[4].kind = 'tanh'), /relu of A is relu.*relu of B is tanh/],
    ['a stride', n => (n.layers[1].attributes!.stride = [1, 1]), /stride 2×1.*stride 1×1/],
    ['the order of inputs', n => (n.layers[7].attributes!.input_order = 'HWC'), /in the order CHW.*in the order HWC/],
    ['the number of layers', n => n.layers.splice(4, 1), /A has 8 layers with maps or units, B has 7/],
  ])('%s that differs is named, in one sentence', (_, change, words) => {
    const other = copy(ODD)
    change(other)
    expect(() => matchLayers(ODD, other)).toThrow(OtherArchitecture)
    expect(() => matchLayers(ODD, other)).toThrow(words)
    try {
      matchLayers(ODD, other)
    } catch (error) {
      expect(String(error).split('\n')).toHaveLength(1)
    }
  })

  test('what has nothing in common is told apart, too', () => {
    expect(() => matchLayers(ODD, BRANCHED)).toThrow(OtherArchitecture)
  })

  test('a recording is read by the names of the other one', async () => {
    const recording = await openRecording(new MemorySource(built()))
    const network = copy(recording.index.network)
    const renamed = (id: string) => `other.${id}`
    for (const layer of network.layers) {
      layer.id = renamed(layer.id)
      layer.inputs = layer.inputs?.map(edge => ({ ...edge, layer: renamed(edge.layer) }))
    }
    const aligned = align(network, recording)
    const layer = recording.index.network.layers.find(l => l.parameters.length > 0)!
    const { role } = layer.parameters[0]
    expect(await aligned.parameter(renamed(layer.id), role, 1)).toEqual(await recording.parameter(layer.id, role, 1))
    expect(aligned.parameterNow(renamed(layer.id), role, 1)).not.toBeNull()
    const [ours, theirs] = [await aligned.activations(0, 1), await recording.activations(0, 1)]
    expect(ours.data).toBe(theirs.data)
    expect(ours.offset.get(renamed(layer.id))).toBe(theirs.offset.get(layer.id))
    expect(aligned.activationsNow(0, 1)).toBe(ours)
    expect(aligned.index.network).toBe(network)
    expect(aligned.index.checkpoints).toEqual(recording.index.checkpoints)
  })
})

describe('halves of a stage', () => {
  const free = { left: 250, top: 80, right: 281, bottom: 110 }
  const whole = { width: 1600, height: 1000, free }

  test.each([false, true])('B is A moved: what is free of both has the same size (stacked: %s)', stacked => {
    const { viewport, parts } = halvesOf(whole, stacked)
    const [right, down] = parts[1].move
    const a = viewport.free
    const size = [viewport.width - a.left - a.right, viewport.height - a.top - a.bottom]
    // A's free part, moved, lies in B's clip and keeps clear of the panels.
    const left = a.left + right
    const top = a.top + down
    const { clip } = parts[1]
    expect(left).toBeGreaterThanOrEqual(stacked ? clip.left : clip.left)
    expect(top).toBeGreaterThanOrEqual(clip.top)
    expect(left + size[0]).toBeLessThanOrEqual(whole.width - free.right)
    expect(top + size[1]).toBeLessThanOrEqual(whole.height - free.bottom)
    expect([Number.isInteger(right), Number.isInteger(down)]).toEqual([true, true])
    expect(stacked ? right : down).toBe(0)
  })

  test.each([false, true])('a point and the one that shows the same lead to each other (stacked: %s)', stacked => {
    const halves = halvesOf(whole, stacked)
    const [right, down] = halves.parts[1].move
    expect(sideAt(halves, 400, 200)).toEqual({ side: 0, x: 400, y: 200 })
    expect(sideAt(halves, 400 + right, 200 + down)).toEqual({ side: 1, x: 400, y: 200 })
  })
})

describe('differences', () => {
  test('checkpoints that are blended share what they reach to', () => {
    const pairs = checkpointPairs({ before: 3, after: 4, t: 0.25 }, { before: 7, after: 7, t: 0 })
    expect(pairs).toEqual([
      { a: 3, b: 7, share: 0.75 },
      { a: 4, b: 7, share: 0.25 },
    ])
    expect(checkpointPairs({ before: 3, after: 4, t: 0.25 }, { before: 0, after: 1, t: 0.5 })).toHaveLength(4)
    const differences = new Differences()
    const key = (a: number) => differenceKey({ a, b: 7, share: 1 }, null)
    differences.addWeights(0, key(3), { [Mode.Weight]: 4 })
    expect(differences.weightScale(0, Mode.Weight, pairs, null)).toBeNull()
    differences.addWeights(0, key(4), { [Mode.Weight]: 8 })
    expect(differences.weightScale(0, Mode.Weight, pairs, null)).toBe(5)
    // What is not known yet reaches as far as what was shown before it.
    expect(differences.weightScale(0, Mode.Weight, [{ a: 9, b: 7, share: 1 }], null)).toBe(5)
    expect(differences.weightScale(1, Mode.Weight, pairs, null)).toBeNull()
  })

  test('of maps: the largest of each, and the same array while nothing changes', () => {
    const drawn = drawnLayers(ODD).slice(0, 2)
    const [input, conv] = drawn
    const values = input.maps * input.rows * input.columns
    const more = conv.maps * conv.rows * conv.columns
    const offset = new Map([
      ['input', 0],
      ['strided', values],
    ])
    const a = { data: new Float32Array(values + more), offset }
    const b = { data: new Float32Array(values + more), offset }
    b.data[5] = -3
    b.data[values + 2 * conv.rows * conv.columns] = 2
    a.data[values + 2 * conv.rows * conv.columns + 1] = 0.5
    b.data[values + 3 * conv.rows * conv.columns] = Number.NaN
    const largest = mapDifferences(drawn, a, b)
    expect([...largest]).toEqual([3, 0, 0, 0, 2, 0])
    expect(differenceRanges(drawn, largest, 'layer')).toEqual([
      [-3, 3],
      [-2, 2],
    ])
    expect(differenceRanges(drawn, largest, 'network')).toEqual([
      [-3, 3],
      [-3, 3],
    ])
    expect(differenceRanges(drawn, largest, 'map')).toBeNull()
    const differences = new Differences()
    const pairs = checkpointPairs({ before: 1, after: 1, t: 0 }, { before: 2, after: 2, t: 0 })
    differences.addMaps(differenceKey(pairs[0], [0, 5]), largest)
    const scales = differences.mapScales(pairs, [0, 5])
    expect(scales).toEqual(largest)
    expect(differences.mapScales(pairs, [0, 5])).toBe(scales)
  })

  test('value by value, and as a share of what was there', () => {
    expect([...difference(Float32Array.of(1, 2), Float32Array.of(4, 0))]).toEqual([3, -2])
    expect(relativeChange([Float32Array.of(3, 4)], [Float32Array.of(3, 4)])).toBe(0)
    expect(relativeChange([Float32Array.of(3, 4)], [Float32Array.of(6, 8)])).toBe(1)
    expect(relativeChange([Float32Array.of(0, 0)], [Float32Array.of(0, 0)])).toBe(0)
    expect(relativeChange([Float32Array.of(0, 0)], [Float32Array.of(0, 1)])).toBe(Number.POSITIVE_INFINITY)
    expect(relativeChange([Float32Array.of(1, Number.NaN)], [Float32Array.of(1, 1)])).toBe(0)
  })
})

test('A and B change places, where they can', () => {
  const state = { ...defaultState(), epoch: 9, sample: 2 }
  expect(swapped({ ...state, compare: { with: 'checkpoint', epoch: 1.5, show: 'side' } })).toEqual({
    epoch: 1.5,
    compare: { with: 'checkpoint', epoch: 9, show: 'side' },
  })
  expect(swapped({ ...state, compare: { with: 'sample', sample: 5, show: 'difference' } })).toEqual({
    sample: 5,
    compare: { with: 'sample', sample: 2, show: 'difference' },
  })
  expect(swapped({ ...state, compare: { with: 'recording', show: 'side' } })).toBeNull()
  expect(swapped({ ...state, compare: null })).toBeNull()
})

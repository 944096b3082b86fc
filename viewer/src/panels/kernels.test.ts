import { expect, test } from 'vitest'
import type { Kind, Layer, Network } from '../generated/recording'
import type { Tensor } from '../recording/types'
import { columnPixel, kernelsOf, maxAbs, readsFrom, strongestInputs } from './kernels'

const counting = (...shape: number[]): Tensor => ({
  shape,
  data: Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, i) => i),
})
const layer = (kind: Kind, more: Partial<Layer> = {}): Layer => ({ id: kind, name: kind, kind, ...more })

test('a kernel per input map, in the order O, I, kH, kW', () => {
  const grids = kernelsOf(layer('conv2d'), counting(2, 3, 2, 2), 1)
  expect(grids.map(g => g.input)).toEqual([0, 1, 2])
  expect([...grids[2].values]).toEqual([20, 21, 22, 23])
})

test('with groups a map reads the inputs of its own group', () => {
  const grids = kernelsOf(layer('conv2d', { attributes: { groups: 2 } }), counting(4, 3, 1, 1), 2)
  expect(grids.map(g => g.input)).toEqual([3, 4, 5])
  expect(grids.map(g => g.values[0])).toEqual([6, 7, 8])
})

test('depthwise: one kernel, over the map of the same number', () => {
  const grids = kernelsOf(layer('depthwise_conv2d', { attributes: { groups: 4 } }), counting(4, 1, 3, 3), 3)
  expect(grids.map(g => [g.input, g.values[0]])).toEqual([[3, 27]])
})

test('transposed: the axes are I, O/groups', () => {
  const grids = kernelsOf(layer('conv_transpose2d'), counting(2, 3, 1, 1), 1)
  expect(grids.map(g => [g.input, g.values[0]])).toEqual([
    [0, 1],
    [1, 4],
  ])
  const grouped = kernelsOf(layer('conv_transpose2d', { attributes: { groups: 2 } }), counting(4, 3, 1, 1), 4)
  expect(grouped.map(g => [g.input, g.values[0]])).toEqual([
    [2, 7],
    [3, 10],
  ])
})

test('1-D kernels are one row high; dense kernels and maps that do not exist have none', () => {
  expect(kernelsOf(layer('conv1d'), counting(2, 1, 5), 0)[0]).toMatchObject({ height: 1, width: 5 })
  expect(kernelsOf(layer('dense'), counting(2, 5), 0)).toEqual([])
  expect(kernelsOf(layer('conv2d'), counting(2, 1, 3, 3), 2)).toEqual([])
})

test('the strongest inputs by |w|, largest first; NaN is none of them', () => {
  const tensor = { shape: [2, 5], data: Float32Array.from([9, 9, 9, 9, 9, 1, -4, Number.NaN, 2, -3]) }
  expect(strongestInputs(tensor, 1, 3)).toEqual([
    { index: 1, weight: -4 },
    { index: 4, weight: -3 },
    { index: 3, weight: 2 },
  ])
})

test('columns of a dense kernel after maps, in both orders', () => {
  const pool = layer('max_pool2d', { output_shapes: [[16, 3, 3]] })
  const hwc = layer('dense', { attributes: { input_order: 'HWC' } })
  expect(columnPixel(hwc, pool, 16 * 4 + 5)).toEqual({ map: 5, y: 1, x: 1 })
  expect(columnPixel(layer('dense'), pool, 9 * 5 + 4)).toEqual({ map: 5, y: 1, x: 1 })
  expect(columnPixel(layer('dense'), layer('dense', { output_shapes: [[16]] }), 3)).toBeNull()
})

test('what a layer reads, through flatten and dropout', () => {
  const layers = [
    layer('max_pool2d'),
    layer('flatten', { inputs: [{ layer: 'max_pool2d' }] }),
    layer('dropout', { inputs: [{ layer: 'flatten' }] }),
    layer('dense', { inputs: [{ layer: 'dropout' }] }),
  ]
  const network: Network = { layers, inputs: [], outputs: [] }
  expect(readsFrom(network, layers[3])).toBe(layers[0])
  expect(readsFrom(network, layers[0])).toBeNull()
})

test('largest |w| leaves out what is not finite', () => {
  expect(maxAbs({ shape: [3], data: Float32Array.from([1, -2, Number.NaN]) })).toBe(2)
  expect(maxAbs({ shape: [2], data: Float32Array.from([-Infinity, 0.5]) })).toBe(0.5)
})

import { describe, expect, test } from 'vitest'
import { BRANCHED, layer, network, ODD } from '../../tests/networks'
import type { Network } from '../generated/recording'
import { connections } from './connections'
import { drawnInputs, drawnLayers, mapShape } from './drawn'

function read(of: Network) {
  const drawn = drawnLayers(of)
  const links = connections(of, drawn)
  return { drawn, links, names: links.map(link => `${drawn[link.from].id} > ${link.layer}`) }
}

describe('drawn layers', () => {
  test('what only hands values on is not drawn', () => {
    expect(drawnLayers(ODD).map(l => `${l.index} ${l.id} ${l.maps}×${l.rows}×${l.columns}`)).toEqual([
      ...['0 input 2×9×6', '1 strided 4×5×6', '2 dilated 6×3×6', '3 depthwise 6×3×5', '4 relu 6×3×5', '5 pool 6×3×2'],
      ...['6 dense 5×1×1', '7 scores 3×1×1'],
    ])
  })

  test('shapes: a vector is maps of one pixel, a sequence maps of one row', () => {
    expect(mapShape([7])).toEqual([7, 1, 1])
    expect(mapShape([7, 20])).toEqual([7, 1, 20])
    expect(mapShape([7, 20, 30])).toEqual([7, 20, 30])
    expect(mapShape([])).toBe(null)
    expect(mapShape([2, 3, 4, 5])).toBe(null)
  })

  test('a layer of unknown or empty shape is passed through', () => {
    const of = network(
      layer('input', 'input', [1, 4, 4]),
      layer('volume', 'conv3d', [1, 2, 3, 4], ['input']),
      layer('empty', 'other', [0], ['volume']),
      layer('out', 'dense', [2], ['empty'], { kernel: [2, 16] }),
    )
    expect(read(of).names).toEqual(['input > out'])
  })

  test('two ways to the same layer are one input', () => {
    const of = network(
      layer('input', 'input', [3]),
      layer('a', 'dropout', [3], ['input']),
      layer('b', 'reshape', [3], ['input']),
      layer('sum', 'add', [3], ['a', 'b', 'input']),
    )
    const drawn = drawnLayers(of)
    expect(drawnInputs(of, drawn, of.layers[3]).map(l => l.id)).toEqual(['input'])
  })
})

describe('connections', () => {
  test('run from layer to layer, looking through flatten and dropout', () => {
    expect(read(ODD).names).toEqual([
      ...['input > strided', 'strided > dilated', 'dilated > depthwise', 'depthwise > relu', 'relu > pool'],
      ...['pool > dense', 'dense > scores'],
    ])
    const dense = read(ODD).links.find(l => l.layer === 'dense')!
    expect(dense).toMatchObject({ link: 'dense', inMaps: 6, inRows: 3, inColumns: 2, inputOrder: 'CHW', weights: 180 })
  })

  test('a convolution has its window, padding above and left, and its groups', () => {
    const [strided, dilated, depthwise] = read(ODD).links
    expect(strided).toMatchObject({
      ...{ link: 'conv', role: 'kernel', kernel: [4, 3], stride: [2, 1], dilation: [1, 1], padding: [1, 0] },
      ...{ inPerGroup: 2, outPerGroup: 4, weights: 4 * 2 * 4 * 3 },
    })
    expect(dilated).toMatchObject({
      ...{ dilation: [2, 1], padding: [0, 1], inPerGroup: 2, outPerGroup: 3, weights: 6 * 2 * 2 * 3 },
    })
    expect(depthwise).toMatchObject({ padding: [2, 0], inPerGroup: 1, outPerGroup: 1, weights: 6 * 3 * 2 })
  })

  test('what is put together counts its maps on', () => {
    const { links } = read(BRANCHED)
    const concat = links.filter(l => l.layer === 'concat')
    expect(concat.map(l => [l.mapOffset, l.weights])).toEqual([
      [0, 2],
      [2, 5],
    ])
    expect(links.find(l => l.layer === 'dense')).toMatchObject({ inputOrder: 'HWC', weights: 4 * 196 })
  })

  test('sums take every input at the same place', () => {
    const of = network(
      layer('input', 'input', [2, 3, 3]),
      layer('a', 'relu', [2, 3, 3], ['input']),
      layer('sum', 'add', [2, 3, 3], ['input', 'a']),
    )
    expect(
      read(of)
        .links.filter(l => l.layer === 'sum')
        .map(l => l.mapOffset),
    ).toEqual([0, 0])
  })

  test('a sequence has one row', () => {
    const of = network(
      layer('input', 'input', [2, 20]),
      layer('conv', 'conv1d', [3, 18], ['input'], {
        kernel: [3, 2, 5],
        attributes: { kernel: [5], stride: [1], padding: [[1, 1]], dilation: [1] },
      }),
    )
    expect(read(of).links[0]).toMatchObject({ kernel: [1, 5], stride: [1, 1], padding: [0, 1], weights: 30 })
  })

  test('a pool over everything has one window as large as the map', () => {
    const of = network(
      layer('input', 'input', [4, 6, 8]),
      layer('mean', 'global_average_pool', [4], ['input']),
      layer('quarter', 'adaptive_pool', [4, 3, 2], ['input']),
    )
    const [mean, quarter] = read(of).links
    expect(mean).toMatchObject({ link: 'pool', role: null, kernel: [6, 8], weights: 4 * 48 })
    expect(quarter).toMatchObject({ kernel: [2, 4], stride: [2, 4] })
  })

  test('without a recorded kernel there are no weights to draw', () => {
    const of = network(layer('input', 'input', [4]), layer('out', 'dense', [2], ['input']))
    expect(read(of).links[0]).toMatchObject({ link: 'dense', role: null })
  })
})

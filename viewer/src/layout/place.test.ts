import { describe, expect, test } from 'vitest'
import { BRANCHED, layer, network, ODD, placeNetwork } from '../../tests/networks'
import type { LayerPlace } from './place'

/** Like the demo: convolutions with their pools, two dense layers. */
const LENET = network(
  layer('input', 'input', [1, 28, 28]),
  layer('conv1', 'conv2d', [6, 28, 28], ['input'], { kernel: [6, 1, 5, 5], attributes: { kernel: [5, 5] } }),
  layer('pool1', 'max_pool2d', [6, 14, 14], ['conv1'], { attributes: { kernel: [2, 2], stride: [2, 2] } }),
  layer('conv2', 'conv2d', [64, 10, 10], ['pool1'], { kernel: [64, 6, 5, 5], attributes: { kernel: [5, 5] } }),
  layer('pool2', 'max_pool2d', [64, 5, 5], ['conv2'], { attributes: { kernel: [2, 2], stride: [2, 2] } }),
  layer('fc1', 'dense', [300], ['pool2'], { kernel: [300, 1600] }),
  layer('fc2', 'dense', [10], ['fc1'], { kernel: [10, 300] }),
)

const networks = { LENET, ODD, BRANCHED }

const front = (place: LayerPlace) => place.z + place.halfZ
const back = (place: LayerPlace) => place.z - place.halfZ

describe.each(Object.entries(networks))('%s', (_, of) => {
  test.each([
    [0, 0],
    [0, 1],
    [0.5, 0.4],
    [1, 0],
    [2, 0],
  ])('layers follow each other away from the reader and never meet: layout %d, depthwise %d', (layout, depthwise) => {
    for (const portrait of [false, true]) {
      const { placement } = placeNetwork(of, { layout, depthwise }, portrait)
      const standing = placement.layers.filter(place => !place.folded)
      expect(standing[0].z).toBe(0)
      for (const [i, a] of standing.entries()) {
        for (const b of standing.slice(i + 1)) {
          // Behind each other, or, for branches, above each other (on a high stage: beside each other).
          const beside = portrait ? Math.abs(a.x - b.x) - a.halfX - b.halfX : Math.abs(a.y - b.y) - a.halfY - b.halfY
          expect(Math.max(back(a) - front(b), beside), `${a.layer.id}, ${b.layer.id}`).toBeGreaterThan(10)
        }
      }
    }
  })

  test('every map stands inside the box of its layer', () => {
    const { placement } = placeNetwork(of, { layout: 1.4, depthwise: 0.3 })
    for (const place of placement.layers) {
      for (let m = 0; m < place.drawnMaps; m++) {
        const [x, y, z, scale] = placement.centres.slice(4 * (place.first + m))
        expect(Math.abs(x - place.x) + place.width / 2).toBeLessThan(place.halfX + 1e-3)
        expect(Math.abs(y - place.y) + place.height / 2).toBeLessThan(place.halfY + 1e-3)
        expect(Math.abs(z - place.z)).toBeLessThan(place.halfZ + 1e-3)
        expect(scale).toBe(1)
      }
      if (place.y === 0) expect(placement.floor).toBeLessThan(-place.halfY)
    }
  })

  test.each([0, 1, 2])('maps of a layer do not overlap, layout %d', layout => {
    const { placement } = placeNetwork(of, { layout })
    for (const place of placement.layers) {
      const at = (m: number) => placement.centres.slice(4 * (place.first + m))
      for (let a = 0; a < place.drawnMaps; a++) {
        for (let b = a + 1; b < place.drawnMaps; b++) {
          const apart =
            Math.abs(at(a)[0] - at(b)[0]) >= place.width - 1e-3 || Math.abs(at(a)[1] - at(b)[1]) >= place.height - 1e-3
          if (!apart) expect.unreachable(`${place.layer.id}: maps ${a} and ${b} overlap`)
        }
      }
    }
  })

  test('a small step of the layout moves every map a little', () => {
    for (let layout = 0; layout < 2; layout += 0.05) {
      const a = placeNetwork(of, { layout }).placement
      const b = placeNetwork(of, { layout: layout + 0.01 }).placement
      const reach = Math.max(...a.layers.map(l => Math.hypot(l.halfX, l.halfY)))
      for (let m = 0; m < a.maps; m++) {
        const moved = [0, 1].map(i => Math.abs(a.centres[4 * m + i] - b.centres[4 * m + i]))
        expect(Math.max(...moved)).toBeLessThan(0.05 * (reach + 200))
      }
    }
  })

  test('first maps follow each other; `maxMaps` limits maps but not units', () => {
    const { placement, drawn } = placeNetwork(of, { maxMaps: 2 })
    let first = 0
    for (const place of placement.layers) {
      expect(place.first).toBe(first)
      const { maps, rows, columns } = place.layer
      expect(place.drawnMaps).toBe(rows * columns === 1 ? maps : Math.min(2, maps))
      first += place.drawnMaps
    }
    expect(placement.maps).toBe(first)
    expect(placement.centres.length).toBe(4 * first)
    expect(placement.layers.length).toBe(drawn.length)
  })
})

test.each([0, 1, 2])('a pool stands level with the convolution that it reads, map by map, layout %d', layout => {
  const { placement } = placeNetwork(LENET, { layout })
  for (const [conv, pool] of [
    ['conv1', 'pool1'],
    ['conv2', 'pool2'],
  ]) {
    // biome-ignore format: pairs
    const [a, b] = [conv, pool].map(id => placement.layers.find(l => l.layer.id === id)!)
    expect(b.width).toBeLessThan(a.width)
    for (let m = 0; m < a.drawnMaps; m++) {
      for (const axis of [0, 1]) {
        expect(placement.centres[4 * (b.first + m) + axis]).toBe(placement.centres[4 * (a.first + m) + axis])
      }
    }
  }
})

test('pixels are square, and a picture that is wider than high stays so', () => {
  const { placement } = placeNetwork(BRANCHED)
  for (const { layer: l, cell, width, height } of placement.layers) {
    expect(width).toBeCloseTo(cell * l.columns, 4)
    expect(height).toBeCloseTo(cell * l.rows, 4)
  }
})

test('spread, spacing and gap stretch what they say', () => {
  const base = placeNetwork(LENET, { layout: 0 }).placement
  const of = (p: typeof base, id: string) => p.layers.find(l => l.layer.id === id)!
  const spread = placeNetwork(LENET, { layout: 0, spread: 2 }).placement
  expect(of(spread, 'conv1').halfX).toBeGreaterThan(1.7 * of(base, 'conv1').halfX)
  expect(of(spread, 'conv1').width).toBe(of(base, 'conv1').width)
  const spacing = placeNetwork(LENET, { layout: 0, pixelSpacing: 1.5 }).placement
  expect(of(spacing, 'conv1').cell).toBeCloseTo(1.5 * of(base, 'conv1').cell, 4)
  const gap = placeNetwork(LENET, { layout: 0, layerGap: 2 }).placement
  expect(of(gap, 'fc2').z).toBeCloseTo(2 * of(base, 'fc2').z, 3)
})

test('branches beside each other are wide instead of tall, and a chain of the same layers is as it was', () => {
  const conv = (id: string, from: string) => layer(id, 'conv2d', [24, 20, 20], [from], { kernel: [24, 24, 1, 1] })
  const join = layer('join', 'concat', [72, 20, 20], ['a', 'b', 'c'])
  const start = [layer('input', 'input', [1, 20, 20]), conv('stem', 'input')]
  const branched = network(...start, conv('a', 'stem'), conv('b', 'stem'), conv('c', 'stem'), join)
  const chain = network(...start, conv('a', 'stem'), conv('b', 'a'), conv('c', 'b'))
  for (const id of ['a', 'b', 'c']) {
    const [beside, behind] = [branched, chain].map(
      of => placeNetwork(of).placement.layers.find(l => l.layer.id === id)!,
    )
    expect(beside.halfY).toBeLessThan(beside.halfX)
    expect(behind.halfY).toBeGreaterThan(behind.halfX)
  }
})

test('a skip is as high as the placement says, above the layers that it passes', () => {
  const conv = (id: string, from: string) => layer(id, 'conv2d', [4, 9, 9], [from], { kernel: [4, 4, 1, 1] })
  const of = network(
    layer('input', 'input', [4, 9, 9]),
    conv('a', 'input'),
    conv('b', 'a'),
    layer('sum', 'add', [4, 9, 9], ['b', 'input']),
  )
  const { placement } = placeNetwork(of)
  expect(placement.arcs).toHaveLength(1)
  expect(placement.arcs[0][1]).toBeGreaterThan(Math.max(...placement.layers.map(l => l.halfY)))
})

describe('a stage higher than wide', () => {
  test('pools are folded into the layer that they read, as points', () => {
    const { placement } = placeNetwork(LENET, {}, true)
    const folded = placement.layers.filter(l => l.folded)
    expect(folded.map(l => l.layer.id)).toEqual(['pool1', 'pool2'])
    for (const place of folded) {
      expect(place.z).toBe(placement.layers[place.layer.index - 1].z)
      expect(placement.centres[4 * place.first + 3]).toBe(0)
    }
  })

  test('a grid lies down', () => {
    const high = placeNetwork(LENET, {}, true).placement.layers.find(l => l.layer.id === 'conv1')!
    const wide = placeNetwork(LENET).placement.layers.find(l => l.layer.id === 'conv1')!
    expect(wide.halfY).toBeGreaterThan(wide.halfX)
    expect(high.halfX).toBeGreaterThan(high.halfY)
  })
})

/**
 * Where edges begin and end, against plain loops over the definition of a convolution and of a flatten: none of the
 * formulas under test are used. That the GPU agrees is tested in tests/ends.browser.test.ts.
 */
import { describe, expect, test } from 'vitest'
import { BRANCHED, layer, network, ODD, type Placed, placeNetwork } from '../../tests/networks'
import type { Network } from '../generated/recording'
import { type Bend, bundleSources, curve, type EdgeView, edgeEnds, Mode, strandCount, weightAt } from './ends'

const view = (mode: Mode, expansion: number, more: Partial<EdgeView> = {}): EdgeView => ({
  mode,
  expansion,
  fixedMap: -1,
  fixedPixel: -1,
  ...more,
})

/** World position of a point of a map, by its layer's id: (0.5, 0.5) is the middle of the first pixel. */
function worldAt({ placement, drawn }: Placed, id: string, map: number, row: number, column: number): number[] {
  const place = placement.layers[drawn.findIndex(l => l.id === id)]
  const [x, y, z] = placement.centres.slice(4 * (place.first + map))
  const shape = drawn.find(l => l.id === id)!
  const left = x - (shape.columns * place.cell) / 2
  const top = y + (shape.rows * place.cell) / 2
  return [left + column * place.cell, top - row * place.cell, z]
}

const pixelAt = (placed: Placed, id: string, map: number, y: number, x: number) =>
  worldAt(placed, id, map, y + 0.5, x + 0.5)

function close(actual: readonly number[], expected: readonly number[], what: string): void {
  const off = Math.max(...actual.map((v, i) => Math.abs(v - expected[i])))
  if (!(off < 1e-3)) throw new Error(`${what}: ${actual} instead of ${expected}`)
}

const linkTo = ({ links }: Placed, id: string) => links.find(link => link.layer === id)!

interface Convolution {
  network: Network
  id: string
  from: string
  /** O, I/groups, kH, kW. */
  kernel: [number, number, number, number]
  stride: [number, number]
  dilation: [number, number]
  /** Above and left. */
  padding: [number, number]
  groups: number
  input: [number, number]
  output: [number, number]
}

const convolutions: Record<string, Convolution> = {
  'stride 2, an even kernel, padding that differs': {
    ...{ network: ODD, id: 'strided', from: 'input', kernel: [4, 2, 4, 3], stride: [2, 1], dilation: [1, 1] },
    ...{ padding: [1, 0], groups: 1, input: [9, 6], output: [5, 6] },
  },
  'dilation 2 downward, two groups': {
    ...{ network: ODD, id: 'dilated', from: 'strided', kernel: [6, 2, 2, 3], stride: [1, 1], dilation: [2, 1] },
    ...{ padding: [0, 1], groups: 2, input: [5, 6], output: [3, 6] },
  },
  'one channel each (depthwise)': {
    ...{ network: ODD, id: 'depthwise', from: 'dilated', kernel: [6, 1, 3, 2], stride: [1, 1], dilation: [1, 1] },
    ...{ padding: [2, 0], groups: 6, input: [3, 6], output: [3, 5] },
  },
  'three channels, 3×3': {
    ...{ network: BRANCHED, id: 'right', from: 'input', kernel: [5, 3, 3, 3], stride: [1, 1], dilation: [1, 1] },
    ...{ padding: [1, 1], groups: 1, input: [4, 7], output: [4, 7] },
  },
}

describe.each(Object.entries(convolutions))('convolution: %s', (_, c) => {
  const [outMaps, inPerGroup, kernelRows, kernelColumns] = c.kernel

  test.each([0, 1, 1.5, 2])('all calculations run from their input pixel to their output pixel, layout %d', layout => {
    const placed = placeNetwork(c.network, { layout })
    const link = linkTo(placed, c.id)
    const all = view(Mode.Calculation, 3)
    const weights = outMaps * inPerGroup * kernelRows * kernelColumns
    const seen = new Set<number>()
    for (let oy = 0; oy < c.output[0]; oy++) {
      for (let ox = 0; ox < c.output[1]; ox++) {
        let weight = 0
        // O, I, kH, kW as they lie in the tensor.
        for (let o = 0; o < outMaps; o++) {
          for (let i = 0; i < inPerGroup; i++) {
            for (let ky = 0; ky < kernelRows; ky++) {
              for (let kx = 0; kx < kernelColumns; kx++) {
                const strand = (oy * c.output[1] + ox) * weights + weight
                const e = edgeEnds(link, placed.placement, all, ...weightAt(link, all, strand))
                const channel = Math.floor(o / (outMaps / c.groups)) * inPerGroup + i
                const y = oy * c.stride[0] - c.padding[0] + ky * c.dilation[0]
                const x = ox * c.stride[1] - c.padding[1] + kx * c.dilation[1]
                const what = `${c.id} weight ${weight} at output (${oy}, ${ox})`
                expect([e.inMap, e.outMap], what).toEqual([channel, o])
                expect(e.inPixel, what).toEqual([y, x])
                expect(e.padded, what).toBe(y < 0 || x < 0 || y >= c.input[0] || x >= c.input[1])
                close(e.from, pixelAt(placed, c.from, channel, y, x), `${what}: start`)
                close(e.to, pixelAt(placed, c.id, o, oy, ox), `${what}: end`)
                seen.add(strand)
                weight++
              }
            }
          }
        }
      }
    }
    expect(seen.size).toBe(strandCount(link, all))
  })

  test('every input channel is read: not only the first one', () => {
    const placed = placeNetwork(c.network)
    const link = linkTo(placed, c.id)
    const read = new Set<number>()
    for (let w = 0; w < link.weights; w++) {
      read.add(edgeEnds(link, placed.placement, view(Mode.Weight, 1), w).inMap)
    }
    expect([...read].sort((a, b) => a - b)).toEqual(Array.from({ length: inPerGroup * c.groups }, (_, i) => i))
  })

  test('at 2, the taps are a grid over the whole input map, and end in the middle of the output map', () => {
    const placed = placeNetwork(c.network)
    const link = linkTo(placed, c.id)
    let weight = 0
    for (let o = 0; o < outMaps; o++) {
      for (let i = 0; i < inPerGroup; i++) {
        for (let ky = 0; ky < kernelRows; ky++) {
          for (let kx = 0; kx < kernelColumns; kx++) {
            const e = edgeEnds(link, placed.placement, view(Mode.Weight, 2), weight++)
            const row = ((ky + 0.5) / kernelRows) * c.input[0]
            const column = ((kx + 0.5) / kernelColumns) * c.input[1]
            close(e.from, worldAt(placed, c.from, e.inMap, row, column), `tap (${ky}, ${kx})`)
            close(e.to, worldAt(placed, c.id, o, c.output[0] / 2, c.output[1] / 2), `output ${o}`)
          }
        }
      }
    }
  })

  test('one map and one pixel are the same strands as in the whole', () => {
    const placed = placeNetwork(c.network)
    const link = linkTo(placed, c.id)
    const map = outMaps - 1
    const pixel = c.output[0] * c.output[1] - 2
    const one = view(Mode.Calculation, 3, { fixedMap: map, fixedPixel: pixel })
    expect(strandCount(link, one)).toBe(inPerGroup * kernelRows * kernelColumns)
    for (let id = 0; id < strandCount(link, one); id++) {
      expect(weightAt(link, one, id)).toEqual([map * inPerGroup * kernelRows * kernelColumns + id, pixel])
    }
  })
})

test('a tap moved down moves down on the screen, a tap moved right moves right', () => {
  const placed = placeNetwork(ODD)
  const link = linkTo(placed, 'strided')
  // Kernel of 4 rows and 3 columns: weight 0 is tap (0, 0), 1 is (0, 1), 3 is (1, 0).
  for (const expansion of [1, 2]) {
    const [first, right, below] = [0, 1, 3].map(w => edgeEnds(link, placed.placement, view(Mode.Weight, expansion), w))
    expect(right.from[0]).toBeGreaterThan(first.from[0])
    expect(right.from[1]).toBe(first.from[1])
    expect(below.from[1]).toBeLessThan(first.from[1])
    expect(below.from[0]).toBe(first.from[0])
  }
})

test.each([
  ['C,H,W', ODD, 'pool', [6, 3, 2], (m: number, y: number, x: number) => (m * 3 + y) * 2 + x],
  ['H,W,C', BRANCHED, 'concat', [7, 4, 7], (m: number, y: number, x: number) => (y * 7 + x) * 7 + m],
] as const)('dense after maps in %s: each weight starts at its own pixel', (_, of, from, [maps, rows, columns], at) => {
  const placed = placeNetwork(of)
  const link = linkTo(placed, 'dense')
  const inputs = maps * rows * columns
  for (let unit = 0; unit < link.outMaps; unit++) {
    for (let m = 0; m < maps; m++) {
      for (let y = 0; y < rows; y++) {
        for (let x = 0; x < columns; x++) {
          const e = edgeEnds(link, placed.placement, view(Mode.Weight, 2), unit * inputs + at(m, y, x))
          expect([e.inMap, e.outMap, e.inPixel]).toEqual([m, unit, [y, x]])
          close(e.from, pixelAt(placed, from, m, y, x), `unit ${unit}, map ${m} (${y}, ${x})`)
          close(e.to, worldAt(placed, 'dense', unit, 0.5, 0.5), `unit ${unit}`)
        }
      }
    }
  }
})

test('dense after a vector: weight i of unit o starts at unit i', () => {
  const placed = placeNetwork(ODD)
  const link = linkTo(placed, 'scores')
  for (let o = 0; o < 3; o++) {
    for (let i = 0; i < 5; i++) {
      const e = edgeEnds(link, placed.placement, view(Mode.Weight, 1), o * 5 + i)
      close(e.from, worldAt(placed, 'dense', i, 0.5, 0.5), `unit ${i}`)
      close(e.to, worldAt(placed, 'scores', o, 0.5, 0.5), `unit ${o}`)
    }
  }
})

test('one unit of a dense layer: all of its weights and no other', () => {
  const placed = placeNetwork(ODD)
  const link = linkTo(placed, 'dense')
  const one = view(Mode.Weight, 2, { fixedMap: 3 })
  expect(strandCount(link, one)).toBe(36)
  const weights = Array.from({ length: 36 }, (_, id) => weightAt(link, one, id))
  expect(weights).toEqual(Array.from({ length: 36 }, (_, i) => [3 * 36 + i, 0]))
})

test('pools read their own map; what is put together lands behind what came before', () => {
  const odd = placeNetwork(ODD)
  const pool = linkTo(odd, 'pool')
  for (let w = 0; w < pool.weights; w++) {
    const e = edgeEnds(pool, odd.placement, view(Mode.Weight, 2), w)
    expect([e.inMap, e.outMap]).toEqual([Math.floor(w / 6), Math.floor(w / 6)])
  }
  const branched = placeNetwork(BRANCHED)
  const [left, right] = branched.links.filter(link => link.layer === 'concat')
  expect(edgeEnds(left, branched.placement, view(Mode.Weight, 2), 1)).toMatchObject({ inMap: 1, outMap: 1 })
  expect(edgeEnds(right, branched.placement, view(Mode.Weight, 2), 1)).toMatchObject({ inMap: 1, outMap: 3 })
})

test('lines between corners join the same corners', () => {
  const placed = placeNetwork(ODD)
  const pool = linkTo(placed, 'pool')
  const corners = Array.from({ length: 4 }, (_, i) => edgeEnds(pool, placed.placement, view(Mode.Frame, 1), 4 * 2 + i))
  const from = corners.map(e => e.from)
  const to = corners.map(e => e.to)
  for (const [row, column] of [
    [0, 0],
    [0, 1],
    [1, 0],
    [1, 1],
  ]) {
    // biome-ignore format: a table
    const i = 2 * row + column
    close(from[i], worldAt(placed, 'relu', 2, 3 * row, 5 * column), `input corner ${i}`)
    close(to[i], worldAt(placed, 'pool', 2, 3 * row, 2 * column), `output corner ${i}`)
  }
})

test('bundles: every input leads into the middle, every output map out of it', () => {
  const placed = placeNetwork(ODD)
  for (const id of ['strided', 'dilated', 'dense']) {
    const link = linkTo(placed, id)
    for (const mode of [Mode.BundleMap, Mode.BundleTap]) {
      const sources = bundleSources(link, mode)
      const strands = Array.from({ length: strandCount(link, view(mode, 2)) }, (_, i) =>
        edgeEnds(link, placed.placement, view(mode, 2), i),
      )
      expect(strands.filter(e => e.leadsIn).length).toBe(sources)
      expect(strands.filter(e => e.leadsOut).map(e => e.outMap)).toEqual([...Array(link.outMaps).keys()])
      expect(new Set(strands.slice(0, sources).map(e => e.inMap)).size).toBe(link.inMaps)
    }
  }
})

describe('curve', () => {
  const bend: Bend = { middle: [1, 2, -5], bundle: 0, steepness: 6.6 }
  const [a, b]: [number, number, number][] = [[-10, 4, 0], [20, -6, -10]] // biome-ignore format: two points

  test('begins and ends where it should, with any bundling', () => {
    for (const bundle of [0, 0.3, 1]) {
      close(curve(a, b, 0, { ...bend, bundle }), a, 'start')
      close(curve(a, b, 1, { ...bend, bundle }), b, 'end')
    }
  })

  test('goes through the middle when bundled, through the half when free', () => {
    close(curve(a, b, 0.5, { ...bend, bundle: 1 }), [1, 2, -5], 'bundled')
    close(curve(a, b, 0.5, bend), [5, -1, -5], 'free')
    close(curve(a, b, 0.5, { ...bend, bundle: 0.5 }), [3, 0.5, -5], 'between')
  })

  test('runs along the network in even steps, leaves and arrives flat, and is straight at steepness 0', () => {
    expect(curve(a, b, 0.25, bend)[2]).toBeCloseTo(-2.5)
    const early = curve(a, b, 0.05, bend)[0] - a[0]
    expect(early).toBeGreaterThan(0)
    expect(early).toBeLessThan(0.05 * 30)
    close(curve(a, b, 0.25, { ...bend, steepness: 0 }), [-2.5, 1.5, -2.5], 'straight')
  })
})

test('a connection of one weight', () => {
  const placed = placeNetwork(
    network(layer('input', 'input', [1]), layer('scores', 'dense', [1], ['input'], { kernel: [1, 1] })),
  )
  const link = linkTo(placed, 'scores')
  expect(strandCount(link, view(Mode.Weight, 1))).toBe(1)
  expect(edgeEnds(link, placed.placement, view(Mode.Weight, 1), 0)).toMatchObject({ inMap: 0, outMap: 0, drawn: true })
})

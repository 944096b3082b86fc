/** Edges that walk in another way than a window: transposed kernels, moved and scaled pixels, a part of the maps. */
import { expect, test } from 'vitest'
import { MOVING, placeNetwork } from '../../tests/networks'
import { edgeWeights } from '../scene/kernels'
import { edgeEnds, Mode, strandCount, weightAt } from './ends'

const all = { mode: Mode.Calculation, expansion: 3, fixedMap: -1, fixedPixel: -1 }
const placed = placeNetwork(MOVING)
const linkTo = (id: string) => placed.links.find(link => link.layer === id)!

/** Every drawn calculation: "input map, row, column > output map, row, column" -> number of the weight. */
function calculations(id: string): Map<string, number> {
  const link = linkTo(id)
  const found = new Map<string, number>()
  for (let strand = 0; strand < strandCount(link, all); strand++) {
    const [weight, pixel] = weightAt(link, all, strand)
    const e = edgeEnds(link, placed.placement, all, weight, pixel)
    if (!e.drawn || e.padded) continue
    const out = [e.outMap, Math.floor(pixel / link.outColumns), pixel % link.outColumns]
    const words = `${[e.inMap, ...e.inPixel!]} > ${out}`
    expect(found.has(words), words).toBe(false)
    found.set(words, weight)
  }
  return found
}

test('transposed: from every input pixel through every tap to the pixel that it reaches', () => {
  const expected = new Map<string, number>()
  for (let o = 0; o < 4; o++)
    for (let i = 0; i < 3; i++)
      for (let ky = 0; ky < 2; ky++)
        for (let kx = 0; kx < 3; kx++)
          for (let y = 0; y < 3; y++)
            for (let x = 0; x < 3; x++) {
              const [oy, ox] = [2 * y + ky, 2 * x + kx - 1]
              if (oy < 5 && ox >= 0 && ox < 6)
                expected.set(`${[i, y, x]} > ${[o, oy, ox]}`, ((o * 3 + i) * 2 + ky) * 3 + kx)
            }
  expect(calculations('up')).toEqual(expected)
})

test('the weights of a transposed kernel, I,O,kH,kW, are counted O,I,kH,kW', () => {
  const data = Float32Array.from({ length: 72 }, (_, i) => i)
  const weights = edgeWeights(linkTo('up'), () => ({ shape: [3, 4, 2, 3], data }))!
  for (let o = 0; o < 4; o++)
    for (let i = 0; i < 3; i++)
      for (let tap = 0; tap < 6; tap++) expect(weights[(o * 3 + i) * 6 + tap]).toBe((i * 4 + o) * 6 + tap)
})

test('a separable convolution is drawn as what its two kernels amount to', () => {
  const number = (n: number) => Math.sin(n * n)
  const depthwise = Float32Array.from({ length: 48 }, (_, i) => number(i))
  const pointwise = Float32Array.from({ length: 40 }, (_, i) => number(i + 100))
  const link = linkTo('separable')
  expect(link).toMatchObject({ inPerGroup: 4, outPerGroup: 5, weights: 5 * 4 * 6, loose: false })
  const weights = edgeWeights(link, role => ({ shape: [], data: role === 'depthwise' ? depthwise : pointwise }))!
  // Output map 3, input map 2, tap (1, 0): channels 4 and 5 lie between them.
  const expected = pointwise[3 * 8 + 4] * depthwise[4 * 6 + 3] + pointwise[3 * 8 + 5] * depthwise[5 * 6 + 3]
  expect(weights[(3 * 4 + 2) * 6 + 3]).toBeCloseTo(expected, 6)
  expect(edgeWeights(link, role => (role === 'depthwise' ? { shape: [], data: depthwise } : null))).toBeNull()
})

test('the second part of a split is read from the layer that is split, map by map', () => {
  const link = linkTo('second')
  expect([placed.drawn[link.from].id, link.inOffset, link.inMaps, link.loose]).toEqual(['input', 2, 4, false])
  const maps = new Set([...calculations('second').keys()].map(words => words.split(',')[0]))
  expect([...maps].sort()).toEqual(['2', '3', '4', '5'])
})

test('a split and a slice: which maps, and which of their pixels', () => {
  const first = [...calculations('split').keys()]
  expect(first).toContain('1,2,3 > 1,2,3')
  expect(first).toHaveLength(2 * 3 * 4)
  const sliced = [...calculations('sliced').keys()]
  expect(sliced).toContain('1,1,0 > 0,0,0')
  expect(sliced).toContain('3,2,4 > 2,1,2')
  expect(sliced).toHaveLength(3 * 3 * 3)
})

test('padding moves pixels, and other sizes scale them', () => {
  const padded = [...calculations('padded').keys()]
  expect(padded).toContain('1,0,3 > 1,2,3')
  expect(padded).toHaveLength(4 * 5 * 6)
  const larger = [...calculations('larger').keys()]
  expect(larger).toContain('2,6,4 > 2,13,4')
  expect(larger).toContain('2,3,0 > 2,6,0')
  expect(larger).toHaveLength(4 * 14 * 7)
})

test('where maps become others, one arc stands for all', () => {
  expect(linkTo('turned')).toMatchObject({ loose: true, skip: true })
  expect(placed.links.filter(link => link.loose).map(link => link.layer)).toEqual(['turned'])
})

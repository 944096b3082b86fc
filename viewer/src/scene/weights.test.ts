import { describe, expect, test } from 'vitest'
import { BRANCHED, ODD, placeNetwork } from '../../tests/networks'
import type { Connection } from '../layout/connections'
import { fromHalf, toHalf } from '../recording/half'
import { Mode } from '../shaders/ends'
import { hasPairs, packWeights, risingOrder, sections } from './weights'

const links = [...placeNetwork(ODD).links, ...placeNetwork(BRANCHED).links]
const weighted = links.filter(link => link.role)

/** Values that float16 holds exactly, and that no two weights share: n/64, both signs. */
function kernelOf(c: Connection): Float32Array {
  return Float32Array.from({ length: c.weights }, (_, i) => ((i % 2 ? -1 : 1) * ((i * 37) % 512)) / 64)
}

/** Sum of the weights that `keep` says, by the tensor's own axes. */
function sumOf(
  c: Connection,
  kernel: Float32Array,
  keep: (o: number, channel: number, tap: number) => boolean,
): number {
  let sum = 0
  for (let i = 0; i < kernel.length; i++) {
    if (c.link === 'dense') {
      const inputs = c.weights / c.outMaps
      const pixels = c.inRows * c.inColumns
      const n = i % inputs
      const channel = c.inputOrder === 'HWC' ? n % c.inMaps : Math.floor(n / pixels)
      if (keep(Math.floor(i / inputs), channel, n)) sum += kernel[i]
    } else {
      const taps = c.kernel[0] * c.kernel[1]
      const o = Math.floor(i / (taps * c.inPerGroup))
      const channel = Math.floor(o / c.outPerGroup) * c.inPerGroup + (Math.floor(i / taps) % c.inPerGroup)
      if (keep(o, channel, i % taps)) sum += kernel[i]
    }
  }
  return sum
}

describe.each(weighted.map(link => [link.layer, link] as const))('%s', (_, c) => {
  const kernel = kernelOf(c)
  const { values, largest } = packWeights(c, kernel)
  const unpacked = fromHalf(values)
  const where = sections(c)
  // Sums of exact halves are rounded once: to 11 bits.
  const near = (actual: number, expected: number) =>
    expect(Math.abs(actual - expected)).toBeLessThanOrEqual(Math.abs(expected) * 2 ** -11 + 1e-6)

  test('the weights come first, as they lie in the tensor', () => {
    expect([...unpacked.subarray(0, c.weights)]).toEqual([...kernel])
    expect(values.length).toBe(where.length)
  })

  test('strands into and out of a bundle carry the sums of their weights', () => {
    for (let m = 0; m < c.inMaps; m++)
      near(
        unpacked[where.bundleMap + m],
        sumOf(c, kernel, (_, i) => i === m),
      )
    for (let o = 0; o < c.outMaps; o++) {
      const sum = sumOf(c, kernel, out => out === o)
      near(unpacked[where.bundleMap + c.inMaps + o], sum)
      near(unpacked[where.length - c.outMaps + o], sum)
    }
  })

  test('strands from single taps or pixels, too', () => {
    const taps = c.link === 'dense' ? c.inMaps * c.inRows * c.inColumns : c.kernel[0] * c.kernel[1]
    for (let s = 0; s < where.length - c.outMaps - where.bundleTap; s++) {
      const sum =
        c.link === 'dense'
          ? sumOf(c, kernel, (_, __, n) => n === s)
          : sumOf(c, kernel, (_, channel, tap) => channel === Math.floor(s / taps) && tap === s % taps)
      near(unpacked[where.bundleTap + s], sum)
    }
  })

  test('pairs of maps carry the sums of their weights, where there are any', () => {
    expect(hasPairs(c)).toBe(c.link === 'dense' && c.inRows * c.inColumns > 1)
    if (!hasPairs(c)) return
    for (let o = 0; o < c.outMaps; o++) {
      for (let m = 0; m < c.inMaps; m++) {
        near(
          unpacked[where.pair + o * c.inMaps + m],
          sumOf(c, kernel, (out, i) => out === o && i === m),
        )
      }
    }
  })

  test('the largest of each kind is known', () => {
    expect(largest[Mode.Weight]).toBe(Math.max(...kernel.map(Math.abs)))
    const sums = Array.from({ length: c.inMaps + c.outMaps }, (_, i) => Math.abs(unpacked[where.bundleMap + i]))
    near(largest[Mode.BundleMap]!, Math.max(...sums))
  })
})

test('what is not finite does not set the scale', () => {
  const c = weighted.find(link => link.layer === 'scores')!
  const kernel = kernelOf(c)
  kernel[3] = Number.NaN
  kernel[4] = Number.NEGATIVE_INFINITY
  kernel[5] = 20
  expect(packWeights(c, kernel).largest[Mode.Weight]).toBe(20)
})

test('connections without weights take no place', () => {
  for (const link of links.filter(l => !l.role)) expect(sections(link).length).toBe(0)
})

describe('rising order', () => {
  const random = (() => {
    let seed = 7
    return () => {
      seed = (seed * 48271) % 2147483647
      return seed / 2147483647 - 0.5
    }
  })()
  const values = Float32Array.from({ length: 5000 }, random)
  const halves = toHalf(values)
  const sizes = fromHalf(halves).map(Math.abs)

  test.each([1, 100, 4999, 5000, 9000])('the %d strongest, weakest first', most => {
    const order = risingOrder(halves, 0, 5000, most)
    expect(order.length).toBe(Math.min(most, 5000))
    expect(new Set(order).size).toBe(order.length)
    for (let i = 1; i < order.length; i++) expect(sizes[order[i]]).toBeGreaterThanOrEqual(sizes[order[i - 1]])
    const sorted = [...sizes].sort((a, b) => b - a).slice(0, most)
    expect([...order].map(i => sizes[i]).reverse()).toEqual(sorted)
  })

  test('counts from the beginning of its section', () => {
    const order = risingOrder(halves, 1000, 1010, 3)
    const expected = [...sizes.subarray(1000, 1010).keys()].sort((a, b) => sizes[1000 + a] - sizes[1000 + b]).slice(-3)
    expect([...order]).toEqual(expected)
  })

  test('nothing in, nothing out', () => {
    expect(risingOrder(halves, 10, 10, 5).length).toBe(0)
    expect(risingOrder(halves, 0, 10, 0).length).toBe(0)
  })
})

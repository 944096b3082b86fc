/** The weights of one connection as the GPU reads them: weights, sums per pair of maps, sums per bundle strand. */
import type { Connection } from '../layout/connections'
import { toHalf } from '../recording/half'
import { bundleSources, denseInput, Mode } from '../shaders/ends'

/** Where each mode's values begin in the packed texture; −1 where the connection has no such values. */
export interface Sections {
  weight: number
  pair: number
  bundleMap: number
  bundleTap: number
  length: number
}

export interface PackedWeights {
  /** float16 bits of all sections. */
  values: Uint16Array
  /** Largest |value| by mode: what the strongest ribbon stands for. */
  largest: Partial<Record<Mode, number>>
}

/** Pairs of maps are worth drawing only where a map has many weights to one output: dense layers after maps. */
export function hasPairs(c: Connection): boolean {
  return c.link === 'dense' && c.inRows * c.inColumns > 1
}

export function sections(c: Connection): Sections {
  if (!c.role) return { weight: -1, pair: -1, bundleMap: -1, bundleTap: -1, length: 0 }
  const pair = c.weights
  const bundleMap = pair + (hasPairs(c) ? c.inMaps * c.outMaps : 0)
  const bundleTap = bundleMap + c.inMaps + c.outMaps
  return {
    weight: 0,
    pair: hasPairs(c) ? pair : -1,
    bundleMap,
    bundleTap,
    length: bundleTap + bundleSources(c, Mode.BundleTap) + c.outMaps,
  }
}

/** O(weights), once when a checkpoint's tensor has arrived. `kernel` in canonical axes. */
export function packWeights(c: Connection, kernel: Float32Array): PackedWeights {
  const where = sections(c)
  const all = new Float32Array(where.length)
  all.set(kernel.subarray(0, c.weights))
  const pairs = where.pair >= 0 ? all.subarray(where.pair, where.bundleMap) : null
  const byMap = all.subarray(where.bundleMap, where.bundleTap)
  const byTap = all.subarray(where.bundleTap)
  if (c.link === 'dense') sumDense(c, kernel, pairs, byMap, byTap)
  else sumConvolution(c, kernel, byMap, byTap)
  return {
    values: toHalf(all),
    largest: {
      [Mode.Weight]: largestOf(kernel),
      [Mode.Calculation]: largestOf(kernel),
      [Mode.Pair]: pairs ? largestOf(pairs) : 0,
      [Mode.BundleMap]: largestOf(byMap),
      [Mode.BundleTap]: largestOf(byTap),
    },
  }
}

function sumDense(
  c: Connection,
  kernel: Float32Array,
  pairs: Float32Array | null,
  byMap: Float32Array,
  byTap: Float32Array,
): void {
  const inputs = c.inMaps * c.inRows * c.inColumns
  const mapOf = new Uint32Array(inputs)
  for (let n = 0; n < inputs; n++) mapOf[n] = denseInput(c, n)[0]
  for (let o = 0; o < c.outMaps; o++) {
    let sum = 0
    for (let n = 0; n < inputs; n++) {
      const w = kernel[o * inputs + n]
      sum += w
      byTap[n] += w
      byMap[mapOf[n]] += w
      if (pairs) pairs[o * c.inMaps + mapOf[n]] += w
    }
    byMap[c.inMaps + o] = sum
    byTap[inputs + o] = sum
  }
}

function sumConvolution(c: Connection, kernel: Float32Array, byMap: Float32Array, byTap: Float32Array): void {
  const taps = c.kernel[0] * c.kernel[1]
  const sources = c.inMaps * taps
  let at = 0
  for (let o = 0; o < c.outMaps; o++) {
    const firstInput = Math.floor(o / c.outPerGroup) * c.inPerGroup
    for (let i = 0; i < c.inPerGroup; i++) {
      for (let tap = 0; tap < taps; tap++) {
        const w = kernel[at++]
        byTap[(firstInput + i) * taps + tap] += w
        byTap[sources + o] += w
        byMap[firstInput + i] += w
        byMap[c.inMaps + o] += w
      }
    }
  }
}

/** Largest finite |value|. */
function largestOf(values: Float32Array): number {
  let largest = 0
  for (let i = 0; i < values.length; i++) {
    const size = Math.abs(values[i])
    if (size > largest && size < Number.POSITIVE_INFINITY) largest = size
  }
  return largest
}

/**
 * Indices of the `most` largest values, by rising |value|: the order of drawing, weakest first.
 * A counting sort over float16 bits: O(n), equal to half precision.
 */
export function risingOrder(halves: Uint16Array, start: number, end: number, most: number): Uint32Array {
  const counts = new Uint32Array(0x8000)
  for (let i = start; i < end; i++) counts[halves[i] & 0x7fff]++
  const total = end - start
  const kept = Math.min(most, total)
  // Place of each magnitude's first index; the weakest fall off the front.
  let place = kept - total
  const places = new Int32Array(0x8000)
  for (let bits = 0; bits < 0x8000; bits++) {
    places[bits] = place
    place += counts[bits]
  }
  const order = new Uint32Array(kept)
  for (let i = start; i < end; i++) {
    const at = places[halves[i] & 0x7fff]++
    if (at >= 0) order[at] = i - start
  }
  return order
}

/** Share of the squared norm that the `count` values of largest size hold, to half precision of the threshold. */
export function shareOfLargest(values: Float32Array, count: number): number {
  const halves = toHalf(values)
  const sums = new Float64Array(0x8000)
  const counts = new Uint32Array(0x8000)
  let all = 0
  for (let i = 0; i < values.length; i++) {
    const size = halves[i] & 0x7fff
    const square = values[i] * values[i]
    if (!Number.isFinite(square)) continue
    sums[size] += square
    counts[size]++
    all += square
  }
  let left = count
  let held = 0
  for (let size = 0x7fff; size >= 0 && left > 0; size--) {
    if (counts[size] === 0) continue
    held += sums[size] * Math.min(1, left / counts[size])
    left -= counts[size]
  }
  return all > 0 ? held / all : 1
}

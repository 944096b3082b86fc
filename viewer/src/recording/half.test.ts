import { describe, expect, test } from 'vitest'
import { fromHalf, toHalf } from './half'

const ALL = Uint16Array.from({ length: 65536 }, (_, i) => i)

/** The definition of IEEE 754 binary16, in float64 arithmetic. */
function ieee(half: number): number {
  const sign = half & 0x8000 ? -1 : 1
  const exponent = (half >> 10) & 31
  const fraction = half & 0x3ff
  if (exponent === 31) return fraction ? Number.NaN : sign * Number.POSITIVE_INFINITY
  return sign * (exponent === 0 ? fraction * 2 ** -24 : (1024 + fraction) * 2 ** (exponent - 25))
}

/** The nearest float16 by searching all finite ones; of two equally near the even one. */
const FINITE = Array.from({ length: 0x7c00 }, (_, half) => ieee(half))
function nearest(value: number): number {
  const sign = value < 0 || Object.is(value, -0) ? 0x8000 : 0
  const magnitude = Math.abs(value)
  if (magnitude >= 65520) return sign | 0x7c00
  let low = 0
  let high = FINITE.length - 1
  while (high - low > 1) {
    const middle = (low + high) >> 1
    if (FINITE[middle] <= magnitude) low = middle
    else high = middle
  }
  const [below, above] = [magnitude - FINITE[low], FINITE[high] - magnitude]
  if (below < above) return sign | low
  if (above < below) return sign | high
  return sign | (low & 1 ? high : low)
}

describe('float16', () => {
  test('all 65,536 values are exact as float32', () => {
    const values = fromHalf(ALL)
    for (let half = 0; half < 65536; half++) if (!Object.is(values[half], ieee(half))) throw new Error(`${half}`)
  })

  test('all come back, NaN as NaN', () => {
    const back = toHalf(fromHalf(ALL))
    for (let half = 0; half < 65536; half++) {
      if (Number.isNaN(ieee(half))) expect(Number.isNaN(ieee(back[half]))).toBe(true)
      else if (back[half] !== half) throw new Error(`${half} came back as ${back[half]}`)
    }
  })

  test('float32 is rounded to nearest, ties to even', () => {
    // All half-way points between neighbours, their float32 neighbours, and random bits.
    const values: number[] = [65504, 65519.99, 65520, 65536, 1e30, 2 ** -25, 2 ** -24 * 1.5, 1e-40, -0]
    const bits = new Uint32Array(1)
    const float = new Float32Array(bits.buffer)
    for (let half = 0; half < 0x7bff; half++) {
      float[0] = (FINITE[half] + FINITE[half + 1]) / 2
      const middle = bits[0]
      for (const near of [middle - 1, middle, middle + 1]) {
        bits[0] = Math.max(0, near)
        values.push(float[0], -float[0])
      }
    }
    let seed = 1
    for (let i = 0; i < 200_000; i++) {
      seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0
      bits[0] = seed
      if (!Number.isNaN(float[0])) values.push(float[0])
    }
    const floats = Float32Array.from(values)
    const halves = toHalf(floats)
    for (let i = 0; i < floats.length; i++) {
      if (halves[i] !== nearest(floats[i]))
        throw new Error(`${floats[i]} became ${halves[i]}, not ${nearest(floats[i])}`)
    }
  })

  test('a part of a larger array', () => {
    expect([...toHalf(new Float32Array([1, 2, 3, 4]).subarray(1, 3))]).toEqual([0x4000, 0x4200])
  })
})

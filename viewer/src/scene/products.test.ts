import { describe, expect, it } from 'vitest'
import type { Connection } from '../layout/connections'
import { products } from './products'

const BASE: Connection = {
  from: 0,
  to: 1,
  layer: 'b',
  link: 'conv',
  role: 'kernel',
  inMaps: 2,
  inRows: 4,
  inColumns: 5,
  outMaps: 3,
  outRows: 2,
  outColumns: 3,
  inPerGroup: 2,
  outPerGroup: 3,
  mapOffset: 0,
  inOffset: 0,
  walk: 'window',
  separable: false,
  loose: false,
  kernel: [3, 2],
  stride: [2, 2],
  dilation: [1, 1],
  padding: [1, 0],
  inputOrder: 'CHW',
  weights: 36,
  skip: false,
}

/** Numbers without a pattern that sums could hide. */
const numbers = (n: number) => Float32Array.from({ length: n }, (_, i) => Math.sin(1 + i * i) * 2)

describe('products of weights and inputs', () => {
  it('of a dense unit after maps add up to its pre-activation, in both orders', () => {
    for (const inputOrder of ['CHW', 'HWC'] as const) {
      const c: Connection = {
        ...BASE,
        link: 'dense',
        inputOrder,
        kernel: [1, 1],
        weights: 120,
        outRows: 1,
        outColumns: 1,
      }
      const kernel = numbers(120)
      const input = numbers(40)
      const made = products(c, kernel, input)
      for (let o = 0; o < 3; o++) {
        let expected = 0
        for (let map = 0; map < 2; map++)
          for (let y = 0; y < 4; y++)
            for (let x = 0; x < 5; x++) {
              const n = inputOrder === 'CHW' ? (map * 4 + y) * 5 + x : (y * 5 + x) * 2 + map
              expected += kernel[o * 40 + n] * input[(map * 4 + y) * 5 + x]
            }
        expect(made.subarray(o * 40, o * 40 + 40).reduce((a, b) => a + b, 0)).toBeCloseTo(expected, 4)
      }
    }
  })

  it('of a convolution add up to the mean pre-activation of its map, padding counted as 0', () => {
    const kernel = numbers(36)
    const input = numbers(40)
    const made = products(BASE, kernel, input)
    for (let o = 0; o < 3; o++) {
      let total = 0
      for (let oy = 0; oy < 2; oy++)
        for (let ox = 0; ox < 3; ox++)
          for (let i = 0; i < 2; i++)
            for (let ky = 0; ky < 3; ky++)
              for (let kx = 0; kx < 2; kx++) {
                const [y, x] = [2 * oy - 1 + ky, 2 * ox + kx]
                if (y < 0 || y >= 4 || x < 0 || x >= 5) continue
                total += kernel[((o * 2 + i) * 3 + ky) * 2 + kx] * input[(i * 4 + y) * 5 + x]
              }
      expect(made.subarray(o * 12, o * 12 + 12).reduce((a, b) => a + b, 0)).toBeCloseTo(total / 6, 5)
    }
  })

  it('read the maps of their own group', () => {
    const c: Connection = { ...BASE, inPerGroup: 1, outPerGroup: 1, outMaps: 2, weights: 12, padding: [0, 0] }
    const input = new Float32Array(40)
    input.fill(1, 20)
    const made = products(c, new Float32Array(12).fill(1), input)
    expect(Array.from(made.subarray(0, 6))).toEqual([0, 0, 0, 0, 0, 0])
    expect(made.subarray(6).every(v => v > 0)).toBe(true)
  })
})

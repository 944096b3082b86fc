import { expect, test } from 'vitest'
import { bars, summarise } from './histogram-bars'

const total = (list: { count: number }[]) => list.reduce((n, b) => n + b.count, 0)

test('bins are added up until at most 48 bars span the axis, and nothing is lost', () => {
  const counts = Array.from({ length: 256 }, (_, i) => i)
  const shown = bars({ low: -1, high: 1, counts }, 1)
  expect(shown.length).toBeLessThanOrEqual(48)
  expect(total(shown)).toBe(counts.reduce((a, b) => a + b, 0))
  expect(shown[0].low).toBe(-1)
  expect(shown.at(-1)!.high).toBeCloseTo(1)
})

test('few bins stay as they are; one value is one thin bar', () => {
  expect(bars({ low: 0, high: 1, counts: [1, 2] }, 1)).toHaveLength(2)
  const [bar] = bars({ low: 0.5, high: 0.5, counts: [7] }, 0.5)
  expect(bar.count).toBe(7)
  expect(bar.high).toBeGreaterThan(bar.low)
  expect(bars({ low: 0, high: 0, counts: [] }, 1)).toEqual([])
})

test('a summary of the values themselves', () => {
  const s = summarise(Float32Array.from([3, -4, Number.NaN]))
  expect(s).toMatchObject({ low: -4, high: 3, mean: -0.5, norm: 5, not_finite: 1 })
  expect(s.histogram.counts.reduce((a, b) => a + b, 0)).toBe(2)
})

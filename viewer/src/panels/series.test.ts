import { expect, test } from 'vitest'
import type { MetricRow } from '../recording/types'
import { chooseSeries, lossScale, nearest, pathOf, smooth, thin } from './series'

const row = (position: number, values: Record<string, number>): MetricRow => ({
  position,
  step: null,
  epoch: null,
  values,
})

test('the training’s own loss comes before validation, and that before the recorded samples', () => {
  const rows = [row(0, { loss: 2, val_loss: 3, sample_loss: 4 })]
  expect(chooseSeries(rows, 'loss', 11)?.key).toBe('loss')
  expect(chooseSeries([row(0, { val_loss: 3, sample_loss: 4 })], 'loss', 11)?.note).toBe('validation')
  expect(chooseSeries([row(0, { sample_accuracy: 1 })], 'accuracy', 11)?.note).toBe('on the 11 recorded samples')
  expect(chooseSeries([], 'loss', 11)).toBeNull()
})

test('rows without the metric and values that are not finite are left out', () => {
  const rows = [row(1, { loss: 1 }), row(0, { loss: 2 }), row(2, { accuracy: 1 }), row(3, { loss: Number.NaN })]
  expect(chooseSeries(rows, 'loss', 1)?.points).toEqual([
    { position: 0, value: 2 },
    { position: 1, value: 1 },
  ])
})

test('thinning keeps the ends and the one spike among thousands', () => {
  const points = Array.from({ length: 5000 }, (_, position) => ({ position, value: position === 2345 ? 9 : 1 }))
  const few = thin(points, 4999, 300)
  // First, lowest, highest and last of each column of pixels.
  expect(few.length).toBeLessThanOrEqual(4 * 301)
  expect(few[0]).toBe(points[0])
  expect(few.at(-1)).toBe(points[4999])
  expect(few.some(p => p.value === 9)).toBe(true)
  expect(few.every((p, i) => i === 0 || p.position > few[i - 1].position)).toBe(true)
})

test('ten thousand steps, or a million, are as many points as the plot has room for', () => {
  const noise = (count: number) =>
    Array.from({ length: count }, (_, i) => ({ position: i / 1000, value: Math.abs(Math.sin(i * i)) }))
  for (const count of [10_000, 1_000_000]) {
    const few = thin(noise(count), count / 1000, 900)
    expect(few.length).toBeLessThanOrEqual(4 * 901)
    expect(few.every((p, i) => i === 0 || p.position > few[i - 1].position)).toBe(true)
  }
  expect(thin(noise(100), 0.1, 900)).toEqual(noise(100))
})

test('smoothing gives the means of stretches', () => {
  const points = Array.from({ length: 400 }, (_, position) => ({ position, value: position % 2 }))
  for (const p of smooth(points, 4)) expect(p.value).toBe(0.5)
})

test('the number at the playhead is a measured one', () => {
  const series = { key: 'loss', note: '', points: [0, 1, 2].map(p => ({ position: p, value: p * 10 })) }
  expect(nearest(series, 0.4)).toBe(0)
  expect(nearest(series, 0.6)).toBe(10)
  expect(nearest(series, 9)).toBe(20)
})

test('loss is logarithmic unless some value is not positive', () => {
  const { scale, log } = lossScale([1, 0.01])
  expect(log).toBe(true)
  expect(scale(0.1)).toBeCloseTo(0.5)
  expect(lossScale([1, 0]).log).toBe(false)
  expect(lossScale([3]).scale(3)).toBe(0.5)
})

test('a path', () => {
  expect(
    pathOf(
      [
        { position: 0, value: 1 },
        { position: 1, value: 0 },
      ],
      x => x * 10,
      y => y * 5,
    ),
  ).toBe('M0.0 5.0L10.0 0.0')
})

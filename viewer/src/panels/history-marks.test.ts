import { expect, test } from 'vitest'
import { marksOf, tally } from './history-marks'

test('a mark for each checkpoint, right or wrong', () => {
  expect(marksOf([3, 1, null], 1, false)).toEqual([
    { from: 0, to: 0, prediction: 3, right: false },
    { from: 1, to: 1, prediction: 1, right: true },
    { from: 2, to: 2, prediction: null, right: null },
  ])
})

test('without a truth nothing is right or wrong', () => {
  expect(marksOf([3], null, false)[0].right).toBe(null)
  expect(tally([3, 3], null)).toEqual({ right: 0, wrong: 0, known: 2 })
})

test('many checkpoints: one stretch for as long as the prediction stays', () => {
  expect(marksOf([3, 3, 1, 1, 1, 3], 1, true).map(m => [m.from, m.to, m.prediction])).toEqual([
    [0, 1, 3],
    [2, 4, 1],
    [5, 5, 3],
  ])
})

test('how often it was right', () => {
  expect(tally([3, 1, 1, null], 1)).toEqual({ right: 2, wrong: 1, known: 3 })
})

import { expect, test } from 'vitest'
import type { Checkpoint } from '../generated/recording'
import { axisOf, fittingTicks, positionOf, tickLabels, valueAt } from './axis'

const epochs: Checkpoint[] = [0, 1, 2, 5].map((epoch, index) => ({ index, label: `epoch ${epoch}`, epoch }))

test('the axis is in epochs where every checkpoint has one', () => {
  expect(axisOf(epochs)).toEqual({ unit: 'epoch', values: [0, 1, 2, 5], digits: 1 })
})

test('parts of epochs get a second digit', () => {
  expect(
    axisOf([
      { index: 0, label: 'a', epoch: 0 },
      { index: 1, label: 'b', epoch: 0.25 },
    ]).digits,
  ).toBe(2)
})

test('without epochs the axis is in steps, without steps in checkpoints', () => {
  expect(
    axisOf([
      { index: 0, label: 'a', step: 0 },
      { index: 1, label: 'b', step: 64 },
    ]).unit,
  ).toBe('step')
  expect(
    axisOf([
      { index: 0, label: 'a' },
      { index: 1, label: 'b', step: 64 },
    ]).unit,
  ).toBe('checkpoint')
})

test('labels in steps win over epochs, so that the number and the ticks speak of the same thing', () => {
  const both = [0, 640].map((step, index) => ({ index, label: `step ${step}`, step, epoch: step / 64 }))
  expect(axisOf(both)).toEqual({ unit: 'step', values: [0, 640], digits: 0 })
})

test('epochs that do not rise are no axis', () => {
  expect(
    axisOf([
      { index: 0, label: 'a', epoch: 1 },
      { index: 1, label: 'b', epoch: 1 },
    ]).unit,
  ).toBe('checkpoint')
})

test('values and positions are inverse, also between unevenly spaced checkpoints', () => {
  const axis = axisOf(epochs)
  expect(valueAt(axis, 2.5)).toBe(3.5)
  expect(positionOf(axis, 3.5)).toBe(2.5)
  for (const p of [0, 0.3, 1, 2.75, 3]) expect(positionOf(axis, valueAt(axis, p))).toBeCloseTo(p)
  expect(positionOf(axis, -1)).toBe(0)
  expect(positionOf(axis, 99)).toBe(3)
})

test('a recording of one checkpoint has an axis too', () => {
  const axis = axisOf(epochs.slice(0, 1))
  expect(valueAt(axis, 0)).toBe(0)
  expect(positionOf(axis, 7)).toBe(0)
})

test('ticks leave out the word that all labels share, and only then', () => {
  expect(tickLabels(epochs)).toEqual(['0', '1', '2', '5'])
  const mixed = [
    { index: 0, label: 'step 5' },
    { index: 1, label: 'epoch 1' },
  ]
  expect(tickLabels(mixed)).toEqual(['step 5', 'epoch 1'])
  expect(tickLabels([{ index: 0, label: 'final' }])).toEqual(['final'])
})

test('labels are thinned until they fit; first and last stay', () => {
  const labels = Array.from({ length: 101 }, (_, i) => String(i))
  const shown = fittingTicks(labels, 400)
  expect(shown[0] && shown[100]).toBe(true)
  const places = shown.flatMap((s, i) => (s ? [i] : []))
  for (let i = 1; i < places.length; i++) expect((places[i] - places[i - 1]) * 4).toBeGreaterThan(12)
  expect(fittingTicks(['0', '1', '2'], 600)).toEqual([true, true, true])
  expect(fittingTicks([], 100)).toEqual([])
})

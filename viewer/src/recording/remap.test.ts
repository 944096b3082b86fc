import { describe, expect, test } from 'vitest'
import type { Checkpoint } from '../generated/recording'
import { remap } from './remap'

const at = (...steps: number[]): Checkpoint[] => steps.map(step => ({ index: step / 10, label: `step ${step}`, step }))
const all = at(0, 100, 200, 300, 400)

describe('the same moment in another list', () => {
  test('checkpoints that came move nothing', () => {
    const to = remap(all.slice(0, 3), all)
    expect([0, 0.25, 1, 2].map(to)).toEqual([0, 0.25, 1, 2])
  })

  test('what is still there keeps its place, what was taken away lies between its neighbours', () => {
    const to = remap(all, at(0, 200, 400))
    expect([0, 1, 2, 3, 4].map(to)).toEqual([0, 0.5, 1, 1.5, 2])
    expect(to(2.5)).toBe(1.25)
    expect(remap(all, at(0, 100, 400))(2)).toBeCloseTo(1 + 1 / 3)
  })

  test('beyond the ends it is clamped', () => {
    expect([0, 4].map(remap(all, at(100, 200)))).toEqual([0, 1])
  })

  test('without steps by epochs, without both by the numbers of the files', () => {
    const epochs = [0, 1, 3].map((epoch, i) => ({ index: 9 - i, label: '', epoch }))
    expect(remap(epochs, [epochs[0], epochs[2]])(1)).toBeCloseTo(1 / 3)
    const numbers = [2, 5, 6].map(index => ({ index, label: '' }))
    expect(remap(numbers, [numbers[0], numbers[2]])(1)).toBe(0.75)
    const mixed = [
      { index: 1, label: '', step: 7 },
      { index: 2, label: '' },
    ]
    expect(remap(mixed, [...mixed, { index: 3, label: '' }])(1)).toBe(1)
  })

  test('from nothing and to nothing', () => {
    expect(remap([], all)(0)).toBe(0)
    expect(remap(all, [])(3)).toBe(0)
    const unordered = [...all].reverse()
    expect(remap(unordered, unordered.slice(0, 2))(4)).toBe(1)
  })
})

import { describe, expect, it } from 'vitest'
import { laneOf } from './lanes'

const links = (...pairs: [number, number][]) => pairs.map(([from, to]) => ({ from, to }))

describe('lanes', () => {
  it('leave a chain on one line', () => {
    const { rank, lane } = laneOf(4, links([0, 1], [1, 2], [2, 3]))
    expect(rank).toEqual([0, 1, 2, 3])
    expect(lane).toEqual([0, 0, 0, 0])
  })

  it('put a shortcut beside the block that it passes, and join both on the main path', () => {
    // 0 → 1 → 2 → 4 (add), 0 → 3 → 4
    const { rank, lane } = laneOf(5, links([0, 1], [1, 2], [0, 3], [2, 4], [3, 4]))
    expect(rank).toEqual([0, 1, 2, 1, 3])
    expect(lane).toEqual([0, 0, 0, 1, 0])
  })

  it('keep four branches of different lengths apart', () => {
    // 0 → 1; 0 → 2 → 3; 0 → 4 → 5 → 6; 0 → 7; all → 8
    const all = links([0, 1], [0, 2], [2, 3], [0, 4], [4, 5], [5, 6], [0, 7], [1, 8], [3, 8], [6, 8], [7, 8])
    const { rank, lane } = laneOf(9, all)
    const places = rank.map((r, i) => `${r} ${lane[i]}`)
    expect(new Set(places).size).toBe(9)
    expect(lane[3]).toBe(lane[2])
    expect([lane[5], lane[6]]).toEqual([lane[4], lane[4]])
    expect(rank[8]).toBe(4)
    expect(lane[8]).toBe(0)
  })

  it('stand several inputs beside each other', () => {
    const { rank, lane } = laneOf(3, links([0, 2], [1, 2]))
    expect(rank).toEqual([0, 0, 1])
    expect(lane[0]).not.toBe(lane[1])
  })
})

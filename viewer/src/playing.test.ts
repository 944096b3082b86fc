import { beforeEach, describe, expect, test } from 'vitest'
import { type Played, Playing, stepped } from './playing'
import { buildIndex } from './recording/building.testing'
import type { Recording } from './recording/types'
import { defaultState, type State, type StatePatch } from './state'

/** A viewer with five checkpoints of which some have not arrived. */
class Screen implements Played {
  index = buildIndex({ checkpoints: 5 })
  recording = { get: () => this.index } as unknown as Recording
  state: { value: State } = { value: { ...defaultState(), follow: false } }
  missing = new Set<number>()
  asked = new Set<number>()
  places = 100
  live = false
  moved: number[] = []

  constructor() {
    Object.defineProperty(this.recording, 'index', { get: () => this.index })
  }
  set(patch: StatePatch) {
    this.state.value = { ...this.state.value, ...patch }
  }
  moveEpoch(epoch: number) {
    this.moved.push(epoch)
    this.set({ epoch })
  }
  ready(position: number) {
    this.asked.add(position)
    return !this.missing.has(position)
  }
  room() {
    return this.places
  }
  writing() {
    return this.live
  }
}

let screen: Screen
let playing: Playing
let now: number
beforeEach(() => {
  screen = new Screen()
  playing = new Playing(screen)
  now = 1000
})

/** Frames of 100 ms, an eighth of a checkpoint at speed 1; the epochs that they show. */
function frames(count: number): number[] {
  return Array.from({ length: count }, () => {
    now += 100
    playing.tick(now)
    return Number(screen.state.value.epoch.toFixed(3))
  })
}

describe('playing', () => {
  test('goes from the first checkpoint to the last and stops there', () => {
    screen.set({ epoch: 4, speed: 4 })
    playing.on.value = true
    expect(frames(9)).toEqual([0, 0.5, 1, 1.5, 2, 2.5, 3, 3.5, 4])
    expect(playing.on.value).toBe(false)
    expect(screen.state.value.follow).toBe(false)
  })

  test('speed is a factor', () => {
    for (const [speed, after] of [
      [0.25, 0.25],
      [1, 1],
      [2, 2],
    ]) {
      screen.set({ epoch: 0, speed })
      playing.on.value = true
      expect(frames(9).at(-1)).toBe(after)
      playing.on.value = false
      frames(1)
    }
  })

  test('a loop rests at the end and begins again', () => {
    screen.set({ epoch: 3, speed: 4, loop: true })
    playing.on.value = true
    expect(frames(7)).toEqual([3, 3.5, 4, 4, 0, 0.5, 1])
  })

  test('waits before a checkpoint that is not there, and shows nothing else instead', () => {
    screen.missing.add(2)
    screen.set({ epoch: 0, speed: 4 })
    playing.on.value = true
    expect(frames(6)).toEqual([0, 0.5, 1, 1, 1, 1])
    screen.missing.clear()
    expect(frames(2)).toEqual([1.5, 2])
  })

  test('who moves the playhead while it plays goes on from there', () => {
    screen.set({ epoch: 0, speed: 4 })
    playing.on.value = true
    frames(2)
    screen.set({ epoch: 3 })
    expect(frames(1)).toEqual([3.5])
  })

  test('asks ahead, more the faster it is, and never for more than fits', () => {
    const ahead = (speed: number, places: number) => {
      screen.asked.clear()
      screen.places = places
      screen.set({ epoch: 0, speed })
      playing.on.value = true
      frames(1)
      playing.on.value = false
      frames(1)
      return Math.max(...screen.asked)
    }
    expect([ahead(0.25, 100), ahead(1, 100), ahead(8, 100), ahead(8, 4), ahead(8, 2)]).toEqual([2, 3, 4, 2, 0])
  })

  test('with one checkpoint, or none, there is nothing to play', () => {
    for (const checkpoints of [0, 1]) {
      screen.index = buildIndex({ checkpoints })
      screen.set({ epoch: 0, loop: true })
      playing.on.value = true
      expect(frames(1)).toEqual([0])
      expect(playing.on.value).toBe(false)
    }
  })

  test('at the end of a training that goes on, what comes next is followed', () => {
    screen.live = true
    screen.set({ epoch: 3, speed: 8 })
    playing.on.value = true
    frames(3)
    expect(playing.on.value).toBe(false)
    expect(screen.state.value.follow).toBe(true)
  })
})

describe('following', () => {
  test('moves when the newest checkpoint can be drawn, not before', () => {
    screen.set({ epoch: 3, follow: true })
    screen.missing.add(4)
    expect(frames(3)).toEqual([3, 3, 3])
    screen.missing.clear()
    expect(frames(2)).toEqual([4, 4])
    expect(screen.moved).toEqual([4])
  })

  test('checkpoints that come faster than they arrive wait for their turn, wherever they stand in the list', () => {
    screen.set({ epoch: 3, follow: true })
    screen.missing.add(4)
    frames(1)
    screen.index = buildIndex({ checkpoints: 7 })
    screen.missing.add(6)
    frames(1)
    expect([...screen.asked]).toEqual([4])
    // One before it is taken away: what was awaited is the fourth now.
    screen.index.checkpoints = screen.index.checkpoints.filter((_, i) => i !== 1)
    screen.set({ epoch: 2 })
    screen.missing = new Set([5])
    expect(frames(2)).toEqual([3, 3])
    screen.missing.clear()
    expect(frames(1)).toEqual([5])
  })

  test('only where it is asked for', () => {
    screen.set({ epoch: 2 })
    expect(frames(3)).toEqual([2, 2, 2])
    expect(screen.asked.size).toBe(0)
  })
})

test('steps lead to whole checkpoints', () => {
  expect([stepped(2, 1), stepped(2.4, 1), stepped(2, -1), stepped(2.4, -1)]).toEqual([3, 3, 1, 2])
})

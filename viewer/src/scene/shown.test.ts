import { describe, expect, it } from 'vitest'
import { defaultState, layerView } from '../state'
import { Shown } from './shown'

const view = (patch: object) => layerView({ ...defaultState(), ...patch }, 'any')

describe('transitions', () => {
  it('glide to the target and are there after at most 400 ms', () => {
    const shown = new Shown(1)
    shown.tick(0)
    shown.view(0, view({ expansion: 1 }), false)
    const path: number[] = []
    for (let now = 16; now <= 432; now += 16) {
      shown.tick(now)
      path.push(shown.view(0, view({ expansion: 2 }), false).expansion)
    }
    expect(path[0]).toBeGreaterThan(1)
    expect(path[0]).toBeLessThan(1.5)
    for (let i = 1; i < path.length; i++) expect(path[i]).toBeGreaterThanOrEqual(path[i - 1])
    expect(path[26]).toBe(2)
    expect(shown.moving).toBe(false)
  })

  it('are left out when motion is off', () => {
    const shown = new Shown(1)
    shown.tick(0)
    shown.view(0, view({ layout: 0 }), false)
    shown.tick(16)
    expect(shown.view(0, view({ layout: 2 }), true).layout).toBe(2)
    expect(shown.moving).toBe(false)
  })

  it('follow a target that moves on, and names change at once', () => {
    const shown = new Shown(1)
    shown.tick(0)
    shown.view(0, view({ spread: 1 }), false)
    for (let now = 16; now <= 800; now += 16) {
      shown.tick(now)
      const drawn = shown.view(0, view({ spread: 1 + now / 1000, pixels: 'round' }), false)
      expect(drawn.pixels).toBe('round')
      expect(drawn.spread).toBeLessThanOrEqual(1 + now / 1000)
    }
    expect(shown.moving).toBe(true)
    for (let now = 816; now <= 1232; now += 16) {
      shown.tick(now)
      shown.view(0, view({ spread: 1.8, pixels: 'round' }), false)
    }
    expect(shown.moving).toBe(false)
  })

  it('blend neighbouring epochs and jump across several', () => {
    const shown = new Shown(1)
    shown.tick(0)
    shown.epoch(3, false)
    shown.tick(16)
    const near = shown.epoch(4, false)
    expect(near).toBeGreaterThan(3)
    expect(near).toBeLessThan(4)
    shown.tick(32)
    expect(shown.epoch(9, false)).toBe(9)
  })

  it('bundle in force glides, also when it is left to the expansion again', () => {
    const shown = new Shown(1)
    shown.tick(0)
    expect(shown.view(0, view({ bundle: 1, expansion: 1 }), false).bundle).toBe(1)
    shown.tick(16)
    const drawn = shown.view(0, view({ bundle: null, expansion: 1 }), false).bundle!
    expect(drawn).toBeLessThan(1)
    expect(drawn).toBeGreaterThan(0)
  })
})

import { describe, expect, test } from 'vitest'
import { BRANCHED, ODD, placeNetwork } from '../../tests/networks'
import type { CameraView } from '../state'
import {
  depthRange,
  fitView,
  framePoints,
  project,
  rayThrough,
  type Vec3,
  type Viewport,
  viewProjection,
} from './camera'
import { orbit, pan, zoom } from './gestures'

const viewports: Record<string, Viewport> = {
  'a desk, panels on all sides': { width: 1600, height: 1000, free: { left: 290, top: 118, right: 350, bottom: 190 } },
  'a small desk': { width: 1280, height: 720, free: { left: 270, top: 90, right: 330, bottom: 150 } },
  'a phone': { width: 390, height: 844, free: { left: 0, top: 76, right: 0, bottom: 350 } },
  'no panels': { width: 900, height: 900, free: { left: 0, top: 0, right: 0, bottom: 0 } },
}

const angles = [-170, -90, -44, 0, 8, 44, 90, 135].flatMap(yaw => [-60, 0, 17, 42, 85].map(pitch => ({ yaw, pitch })))

function screen(view: CameraView, viewport: Viewport, points: readonly Vec3[], p: Vec3) {
  return project(viewProjection(view, viewport, depthRange(points, view)), viewport, p)
}

describe.each(Object.entries(viewports))('%s', (_, viewport) => {
  const { free, width, height } = viewport

  test.each([
    ['a network', framePoints(placeNetwork(ODD).placement)],
    ['a line of maps', framePoints(placeNetwork(BRANCHED, { layout: 0 }).placement)],
    ['one map', [-4, 4].flatMap(x => [-3, 3].map((y): Vec3 => [20 + x, y, -50]))],
  ])('framed, all of it lies in the free area, from every side: %s', (_, points) => {
    for (const angle of angles) {
      const view = fitView(points, angle, viewport)
      for (const p of points) {
        const at = screen(view, viewport, points, p)
        const inside =
          at && at.x > free.left && at.x < width - free.right && at.y > free.top && at.y < height - free.bottom
        if (!inside) expect.unreachable(`yaw ${angle.yaw} pitch ${angle.pitch}: ${p} at ${at?.x}, ${at?.y}`)
      }
    }
  })

  test('framed, the network fills the free area in one direction', () => {
    const points = framePoints(placeNetwork(ODD).placement)
    for (const angle of angles) {
      const view = fitView(points, angle, viewport)
      const at = points.map(p => screen(view, viewport, points, p)!)
      const across = Math.max(...at.map(p => p.x)) - Math.min(...at.map(p => p.x))
      const down = Math.max(...at.map(p => p.y)) - Math.min(...at.map(p => p.y))
      // 20 px of air on each side.
      const share = Math.max(across / (width - free.left - free.right), down / (height - free.top - free.bottom))
      expect(share, JSON.stringify(angle)).toBeGreaterThan(0.8)
    }
  })

  test('room for text is kept free', () => {
    const points = framePoints(placeNetwork(ODD).placement)
    const text = { below: 40, right: 64, left: 30, above: 10 }
    const view = fitView(points, { yaw: 44, pitch: 17 }, viewport, text)
    for (const p of points) {
      const at = screen(view, viewport, points, p)!
      expect(at.x).toBeGreaterThan(free.left + text.left)
      expect(at.x).toBeLessThan(width - free.right - text.right)
      expect(at.y).toBeGreaterThan(free.top + text.above)
      expect(at.y).toBeLessThan(height - free.bottom - text.below)
    }
  })

  test('a ray through a point of the screen meets what is shown there', () => {
    const view: CameraView = { target: [4, -7, -60], yaw: 37, pitch: 21, distance: 300 }
    for (const p of [
      [0, 0, 0],
      [40, 20, -90],
      [-60, -30, -200],
    ] as Vec3[]) {
      // biome-ignore format: points
      const at = screen(view, viewport, [[0, 0, 0], [0, 0, -200]], p)! // biome-ignore format: points
      const { origin, direction } = rayThrough(view, viewport, at.x, at.y)
      const t = (p[2] - origin[2]) / direction[2]
      // Pixels are floats of 32 bits on their way through the matrix.
      for (const axis of [0, 1]) expect(origin[axis] + t * direction[axis]).toBeCloseTo(p[axis], 1)
      expect(at.distance).toBeCloseTo(t, 1)
    }
  })

  test('zooming keeps what is under the cursor', () => {
    const view: CameraView = { target: [4, -7, -60], yaw: -30, pitch: 12, distance: 280 }
    const [x, y] = [width * 0.6, height * 0.4]
    // A point on the plane through the target, across the view: what the cursor holds on to.
    const { origin, direction } = rayThrough(view, viewport, x, y)
    const held = origin.map((o, i) => o + direction[i] * view.distance) as Vec3
    for (const factor of [0.5, 0.9, 1.3, 3]) {
      const zoomed = zoom(view, viewport, factor, x, y)
      expect(zoomed.distance).toBeCloseTo(view.distance * factor)
      const at = screen(zoomed, viewport, [held], held)!
      expect(at.x).toBeCloseTo(x, 1)
      expect(at.y).toBeCloseTo(y, 1)
    }
  })

  test('panning takes the target along with the pointer', () => {
    const view: CameraView = { target: [4, -7, -60], yaw: 50, pitch: 30, distance: 280 }
    const held: Vec3 = [...view.target]
    const before = screen(view, viewport, [held], held)!
    const after = screen(pan(view, viewport, 35, -20), viewport, [held], held)!
    expect(after.x - before.x).toBeCloseTo(35, 1)
    expect(after.y - before.y).toBeCloseTo(-20, 1)
  })
})

test('the target of the camera appears in the middle of the free area', () => {
  for (const viewport of Object.values(viewports)) {
    const view: CameraView = { target: [11, 5, -30], yaw: 20, pitch: 10, distance: 200 }
    const at = screen(view, viewport, [view.target], view.target)!
    const { free, width, height } = viewport
    expect(at.x).toBeCloseTo((free.left + width - free.right) / 2, 1)
    expect(at.y).toBeCloseTo((free.top + height - free.bottom) / 2, 1)
  }
})

test('an orbit keeps its target and stops at the poles', () => {
  const view: CameraView = { target: [1, 2, 3], yaw: 10, pitch: 80, distance: 50 }
  const moved = orbit(view, 100, 400)
  expect(moved).toMatchObject({ target: [1, 2, 3], distance: 50, pitch: 89 })
  expect(moved.yaw).toBeLessThan(view.yaw)
  expect(orbit(view, 0, -4000).pitch).toBe(-89)
})

test('what is behind the eye has no place on the screen', () => {
  const view: CameraView = { target: [0, 0, 0], yaw: 0, pitch: 0, distance: 100 }
  expect(screen(view, viewports['no panels'], [[0, 0, 0]], [0, 0, 150])).toBe(null)
})

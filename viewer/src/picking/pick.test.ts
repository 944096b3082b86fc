import { describe, expect, test } from 'vitest'
import { BRANCHED, ODD, type Placed, placeNetwork } from '../../tests/networks'
import {
  depthRange,
  fitView,
  framePoints,
  project,
  rayThrough,
  type Vec3,
  type Viewport,
  viewProjection,
} from '../scene/camera'
import { pickMap } from './pick'

const viewport: Viewport = { width: 1280, height: 720, free: { left: 260, top: 90, right: 330, bottom: 140 } }

/** Middle of a pixel in the world, by its own arithmetic. */
function middleOf({ placement, drawn }: Placed, layer: number, map: number, y: number, x: number): Vec3 {
  const { first, cell } = placement.layers[layer]
  const { rows, columns } = drawn[layer]
  const [cx, cy, cz] = placement.centres.slice(4 * (first + map))
  return [cx + (x + 0.5 - columns / 2) * cell, cy - (y + 0.5 - rows / 2) * cell, cz]
}

describe.each([
  ['a grid', ODD, { layout: 2 }],
  ['a line', BRANCHED, { layout: 0 }],
  ['between circle and grid', ODD, { layout: 1.5, pixelSpacing: 1.3 }],
  ['behind each other', BRANCHED, { layout: 0, depthwise: 0.5 }],
] as const)('%s', (_, network, view) => {
  const placed = placeNetwork(network, view)
  const points = framePoints(placed.placement)

  test.each([
    { yaw: 44, pitch: 17 },
    { yaw: 8, pitch: 42 },
    { yaw: -120, pitch: -10 },
  ])('every pixel is picked where it is seen: %o', angles => {
    const camera = fitView(points, angles, viewport)
    const matrix = viewProjection(camera, viewport, depthRange(points, camera))
    let picked = 0
    for (const { index, rows, columns } of placed.drawn) {
      for (let map = 0; map < placed.placement.layers[index].drawnMaps; map++) {
        for (let y = 0; y < rows; y++) {
          for (let x = 0; x < columns; x++) {
            const at = project(matrix, viewport, middleOf(placed, index, map, y, x))!
            const { origin, direction } = rayThrough(camera, viewport, at.x, at.y)
            const hit = pickMap(placed.placement, origin, direction)!
            const mine = hit.layer === index && hit.map === map
            if (mine) {
              expect([hit.y, hit.x]).toEqual([y, x])
              picked++
              continue
            }
            // Something else may stand before it, but never behind it.
            const other = middleOf(placed, hit.layer, hit.map, hit.y, hit.x)
            const depth = project(matrix, viewport, other)!.distance
            expect(depth).toBeLessThan(at.distance + 0.1 + placed.placement.layers[hit.layer].cell)
          }
        }
      }
    }
    expect(picked).toBeGreaterThan(100)
  })
})

test('beside a map and behind the eye there is nothing', () => {
  const { placement } = placeNetwork(ODD)
  const aside: Vec3 = [placement.layers[0].halfX + 1, 0, 50]
  expect(pickMap(placement, aside, [0, 0, -1])?.layer).not.toBe(0)
  expect(pickMap(placement, [1e4, 0, 50], [0, 0, -1])).toBe(null)
  expect(pickMap(placement, [0, 0, 50], [0, 0, 1])).toBe(null)
  // Along the planes of the maps.
  expect(pickMap(placement, [-50, 0, 0], [1, 0, 0])).toBe(null)
})

test('rows run down and columns to the right', () => {
  const placed = placeNetwork(BRANCHED, { layout: 0 })
  const [x, y] = middleOf(placed, 0, 2, 3, 5)
  expect(pickMap(placed.placement, [x, y, 100], [0, 0, -1])).toEqual({ layer: 0, map: 2, y: 3, x: 5 })
})

test('layers folded into a point cannot be picked', () => {
  const { placement, drawn } = placeNetwork(ODD, {}, true)
  const pool = drawn.findIndex(l => l.id === 'pool')
  expect(placement.layers[pool].folded).toBe(true)
  const [x, y] = placement.centres.slice(4 * placement.layers[pool].first)
  expect(pickMap(placement, [x, y, placement.layers[pool].z + 1], [0, 0, -1])?.layer).not.toBe(pool)
})

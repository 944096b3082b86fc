/** A ray meets the planes of the maps; a division gives the pixel. Nothing is read back from the GPU. */
import type { Placement } from '../layout/place'
import type { Vec3 } from '../scene/camera'

export interface Hit {
  /** Drawn layer, by index. */
  layer: number
  map: number
  y: number
  x: number
}

/** The first map that the ray meets, and its pixel; null where it meets none. O(maps). */
export function pickMap(placement: Placement, origin: Vec3, direction: Vec3): Hit | null {
  let nearest = Number.POSITIVE_INFINITY
  let hit: Hit | null = null
  if (Math.abs(direction[2]) < 1e-9) return null
  for (const [index, place] of placement.layers.entries()) {
    for (let map = 0; map < place.drawnMaps; map++) {
      const [cx, cy, cz, scale] = placement.centres.subarray(4 * (place.first + map), 4 * (place.first + map) + 4)
      const t = (cz - origin[2]) / direction[2]
      if (t <= 0 || t >= nearest || scale <= 0) continue
      const column = (origin[0] + t * direction[0] - cx) / (place.cell * scale) + place.layer.columns / 2
      const row = place.layer.rows / 2 - (origin[1] + t * direction[1] - cy) / (place.cell * scale)
      if (column < 0 || row < 0 || column >= place.layer.columns || row >= place.layer.rows) continue
      nearest = t
      hit = { layer: index, map, y: Math.floor(row), x: Math.floor(column) }
    }
  }
  return hit
}

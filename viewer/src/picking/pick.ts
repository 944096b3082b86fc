/** A ray meets the planes of the maps; a division gives the pixel. Nothing is read back from the GPU. */
import type { LayerPlace, Placement, Wall } from '../layout/place'
import type { Vec3 } from '../scene/camera'

export interface Hit {
  /** Drawn layer, by index. */
  layer: number
  map: number
  y: number
  x: number
}

/** The first map that the ray meets (of the layers `only`, by index), and its pixel; null where it meets none. O(maps). */
export function pickMap(placement: Placement, origin: Vec3, direction: Vec3, only?: ReadonlySet<number>): Hit | null {
  let nearest = Number.POSITIVE_INFINITY
  let hit: Hit | null = null
  if (Math.abs(direction[2]) < 1e-9) return null
  for (const [index, place] of placement.layers.entries()) {
    if (only && !only.has(index)) continue
    const tile = place.wall && pickTile(place, place.wall, origin, direction)
    if (tile && tile.t > 0 && tile.t < nearest) {
      nearest = tile.t
      hit = { layer: index, map: tile.map, y: tile.y, x: tile.x }
    }
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

/** A tile of the wall of all maps, and the pixel in it. */
function pickTile(place: LayerPlace, wall: Wall, origin: Vec3, direction: Vec3) {
  const t = (place.z - origin[2]) / direction[2]
  const across = (origin[0] + t * direction[0] - place.x - wall.left) / wall.pitch
  const down = (place.y + wall.top - (origin[1] + t * direction[1])) / wall.pitch
  const map = Math.floor(down) * wall.columns + Math.floor(across)
  if (across < 0 || down < 0 || across >= wall.columns || map >= place.layer.maps) return null
  const { rows, columns } = place.layer
  return { t, map, y: Math.floor((down % 1) * rows), x: Math.floor((across % 1) * columns) }
}

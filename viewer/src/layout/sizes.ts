/** How large the maps of each layer are drawn and how its grid is cut, before any control moves. */
import type { Connection } from './connections'
import type { DrawnLayer } from './drawn'

export interface LayerSize {
  /** World units along the longer side of one map. */
  side: number
  /** Distance between the centres of neighbours. */
  pitch: number
  /** Columns of the standing grid. */
  columns: number
}

/** Tallest grid, in world units: what keeps layers of many maps in the picture. */
const TALLEST = 168
/** Two columns may be a little taller before the grid becomes a block. */
const TALLEST_PAIR = 1.25 * TALLEST
const MAP_PITCH = 1.1
const UNIT_SHARE = 0.72
const POOL_SHARE = 0.72
/** Rows to columns of a block. */
const BLOCK = 1.5

/** Sizes of all layers. Pools keep the grid of the layer they read, so that each stands level with its map. */
export function layerSizes(drawn: readonly DrawnLayer[], links: readonly Connection[]): LayerSize[] {
  const sizes: LayerSize[] = []
  for (const layer of drawn) {
    const input = links.find(l => l.to === layer.index && (l.link === 'pool' || l.link === 'each'))
    const before = input ? sizes[input.from] : undefined
    const sameMaps = before && drawn[input!.from].maps === layer.maps
    if (sameMaps && input!.link === 'each') sizes.push(before)
    else if (sameMaps && layer.rows * layer.columns > 1) sizes.push({ ...before, side: before.side * POOL_SHARE })
    else if (layer.rows * layer.columns === 1) sizes.push(unitSize(layer.maps))
    else sizes.push(mapSize(layer.maps, Math.max(layer.rows, layer.columns)))
  }
  return sizes
}

function unitSize(units: number): LayerSize {
  const pitch = Math.min(10, Math.max(4.5, 100 / units))
  return fitted(units, pitch, UNIT_SHARE)
}

function mapSize(maps: number, pixels: number): LayerSize {
  // 7, 14, 28 pixels: 16, 31, 34 units; larger pictures grow slowly.
  const side = pixels <= 28 ? Math.min(34, 2.25 * pixels) : 34 + 6 * Math.log2(pixels / 28)
  return fitted(maps, MAP_PITCH * side, 1 / MAP_PITCH)
}

/** One column while it fits, else two, else a block, shrunk where it would be too tall. */
function fitted(count: number, pitch: number, share: number): LayerSize {
  if (count * pitch <= TALLEST) return { side: pitch * share, pitch, columns: 1 }
  if (Math.ceil(count / 2) * pitch <= TALLEST_PAIR) return { side: pitch * share, pitch, columns: 2 }
  const columns = Math.ceil(Math.sqrt(count / BLOCK))
  const fits = Math.min(pitch, TALLEST / Math.ceil(count / columns))
  return { side: fits * share, pitch: fits, columns }
}

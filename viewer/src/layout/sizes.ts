/** How large the maps of each layer are drawn and how its grid is cut, before any control moves. */
import type { Connection } from './connections'
import type { DrawnLayer } from './drawn'
import type { Lanes } from './lanes'

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
const PAIR = 1.25
/** From this many branches beside each other on, the main path is as low as they are. */
const CROWDED = 3
const MAP_PITCH = 1.1
const UNIT_SHARE = 0.72
const POOL_SHARE = 0.72
/** Rows to columns of a block. */
const BLOCK = 1.5

/**
 * Sizes of all layers. Pools keep the grid of the layer they read, so that each stands level with its map; branches
 * that stand above each other are wide instead of tall.
 */
export function layerSizes(
  drawn: readonly DrawnLayer[],
  links: readonly Connection[],
  { rank, lane }: Lanes,
): LayerSize[] {
  const sizes: LayerSize[] = []
  const beside = new Map<number, number>()
  for (const r of rank) beside.set(r, (beside.get(r) ?? 0) + 1)
  for (const layer of drawn) {
    const input = links.find(l => l.to === layer.index && (l.link === 'pool' || l.link === 'each'))
    const before = input ? sizes[input.from] : undefined
    const lanes = beside.get(rank[layer.index])!
    const tallest = lane[layer.index] === 0 && lanes < CROWDED ? TALLEST : TALLEST / lanes
    const sameMaps = before && drawn[input!.from].maps === layer.maps
    if (sameMaps && input!.link === 'each') sizes.push(before)
    else if (sameMaps && layer.rows * layer.columns > 1) sizes.push({ ...before, side: before.side * POOL_SHARE })
    else if (layer.rows * layer.columns === 1) sizes.push(unitSize(layer.maps, tallest))
    else sizes.push(mapSize(layer.maps, Math.max(layer.rows, layer.columns), tallest))
  }
  return sizes
}

function unitSize(units: number, tallest: number): LayerSize {
  const pitch = Math.min(10, Math.max(4.5, 100 / units))
  return fitted(units, pitch, UNIT_SHARE, tallest)
}

function mapSize(maps: number, pixels: number, tallest: number): LayerSize {
  // 7, 14, 28 pixels: 16, 31, 34 units; larger pictures grow slowly.
  const side = pixels <= 28 ? Math.min(34, 2.25 * pixels) : 34 + 6 * Math.log2(pixels / 28)
  return fitted(maps, MAP_PITCH * side, 1 / MAP_PITCH, tallest)
}

/** One column while it fits, else two, else a block, shrunk where it would be too tall. */
function fitted(count: number, pitch: number, share: number, tallest: number): LayerSize {
  if (count * pitch <= tallest) return { side: pitch * share, pitch, columns: 1 }
  if (Math.ceil(count / 2) * pitch <= PAIR * tallest) return { side: pitch * share, pitch, columns: 2 }
  const columns = Math.ceil(Math.sqrt((count / BLOCK) * (TALLEST / tallest)))
  const fits = Math.min(pitch, tallest / Math.ceil(count / columns))
  return { side: fits * share, pitch: fits, columns }
}

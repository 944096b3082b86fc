/** Network + view -> positions in the world. Pure: no canvas, no state of its own. */
import type { LayerView } from '../state'
import { arrange } from './arrange'
import type { Connection } from './connections'
import type { DrawnLayer } from './drawn'
import { type LayerSize, layerSizes } from './sizes'

/**
 * The world: the network runs along −z, the input nearest to the reader; in every map x is to the right and y up,
 * so that an orbit to the right shows the network from left to right with all maps facing the input.
 */
export interface LayerPlace {
  layer: DrawnLayer
  z: number
  /** One pixel's cell, in world units. */
  cell: number
  /** Size of a map. */
  width: number
  height: number
  /** Index of the first map in `Placement.centres`, and how many maps are drawn. */
  first: number
  drawnMaps: number
  /** Extents of all drawn maps around (0, 0, z). */
  halfX: number
  halfY: number
  halfZ: number
  /** Drawn inside the layer that it reads, as a point: a pool on a high stage, where it would only crowd the column. */
  folded: boolean
  /** All maps as small tiles above, where fewer are drawn in full. */
  wall: Wall | null
}

/** A grid of tiles in the layer's plane: the left edge of the first and the top, the pitch of tiles, and how many columns. */
export interface Wall {
  left: number
  top: number
  pitch: number
  columns: number
  rows: number
}

/** The picture as people see it, standing before the input. */
export interface PicturePlace {
  z: number
  width: number
  height: number
}

export interface Placement {
  layers: LayerPlace[]
  /** (x, y, z, scale) of every drawn map, layer after layer: what the GPU reads. */
  centres: Float32Array
  maps: number
  /** Height of the floor on which the labels stand. */
  floor: number
  picture: PicturePlace | null
}

/** What differs from one stage to another. */
export interface StageShape {
  /** The stage is higher than wide: grids lie instead of stand, pools are folded into their layer. */
  portrait: boolean
  /** One map whose calculation is shown: it stands nearest to the reader; null: no map is special. */
  front: { layer: number; map: number } | null
  /** Rows and columns of the picture to show before the input; null: none. */
  picture: [rows: number, columns: number] | null
}

/** The wall of all maps, world units: least width, largest height, distance above the maps, columns to rows. */
const WALL_WIDTH = 60
const WALL_HEIGHT = 60
const WALL_GAP = 14
const WALL_ASPECT = 2

/** Units of a vector are cheap to draw; this many stand at most. */
const MOST_UNITS = 4096

/** Positions of all layers and maps, `views` by drawn layer. */
export function placeLayers(
  drawn: readonly DrawnLayer[],
  links: readonly Connection[],
  views: readonly LayerView[],
  stage: StageShape,
): Placement {
  const { portrait } = stage
  const sizes = layerSizes(drawn, links)
  const counts = drawn.map((layer, i) => drawnMaps(layer, views[i]))
  const maps = counts.reduce((a, b) => a + b, 0)
  const placement: Placement = { layers: [], centres: new Float32Array(4 * maps), maps, floor: 0, picture: null }
  let first = 0
  let z = 0
  for (const [i, layer] of drawn.entries()) {
    const host = portrait ? foldedInto(layer, links) : null
    const front = stage.front?.layer === i ? stage.front.map : -1
    const around = arrangeMaps(layer, views[i], counts[i], sizes[i], portrait, front)
    const place = measure(layer, views[i], sizes[i], around, first)
    if (host !== null) place.folded = true
    else if (i > 0) {
      const before = placement.layers.findLast(l => !l.folded)!
      z -= gap(before, place, hasWeights(links, i), portrait) * views[before.layer.index].layerGap
    }
    place.z = z
    const centres = placement.centres.subarray(4 * first)
    for (let m = 0; m < counts[i]; m++) {
      centres.set([around[3 * m], around[3 * m + 1], z + around[3 * m + 2], place.folded ? 0 : 1], 4 * m)
    }
    first += counts[i]
    placement.layers.push(place)
  }
  const input = placement.layers[0]
  if (stage.picture && input) placement.picture = placePicture(stage.picture, input, portrait)
  placement.floor = Math.min(0, ...placement.layers.map(l => -l.halfY)) - 8
  return placement
}

/** The layer that a pool reads map by map, right before it; null where there is none. */
function foldedInto(layer: DrawnLayer, links: readonly Connection[]): number | null {
  const input = links.find(l => l.to === layer.index && l.link === 'pool')
  const follows = input && input.from === layer.index - 1 && input.inMaps === layer.maps
  return follows && layer.rows * layer.columns > 1 ? input.from : null
}

function drawnMaps(layer: DrawnLayer, view: LayerView): number {
  const most = layer.rows * layer.columns === 1 ? MOST_UNITS : Math.max(1, Math.round(view.maxMaps))
  return Math.min(layer.maps, most)
}

function arrangeMaps(
  layer: DrawnLayer,
  view: LayerView,
  count: number,
  size: LayerSize,
  portrait: boolean,
  front: number,
) {
  const longest = Math.max(layer.rows, layer.columns)
  const pitch = Math.max(0, size.pitch + (view.pixelSpacing - 1) * size.side) * view.spread
  const columns = Math.min(count, size.columns)
  return arrange({
    maps: count,
    // Maps that are not square stand closer along their short side.
    pitchX: pitch * Math.max(0.35, layer.columns / longest),
    pitchY: pitch * Math.max(0.35, layer.rows / longest),
    columns: portrait ? Math.ceil(count / columns) : columns,
    layout: view.layout,
    depthwise: view.depthwise,
    collapse: view.collapse,
    front,
  })
}

function measure(layer: DrawnLayer, view: LayerView, size: LayerSize, around: Float32Array, first: number): LayerPlace {
  const cell = (size.side / Math.max(layer.rows, layer.columns)) * view.pixelSpacing
  const width = cell * layer.columns
  const height = cell * layer.rows
  let [halfX, halfY, halfZ] = [0, 0, 0]
  for (let m = 0; m < around.length; m += 3) {
    halfX = Math.max(halfX, Math.abs(around[m]) + width / 2)
    halfY = Math.max(halfY, Math.abs(around[m + 1]) + height / 2)
    halfZ = Math.max(halfZ, Math.abs(around[m + 2]))
  }
  const drawnMaps = around.length / 3
  const wall = drawnMaps < layer.maps && layer.rows * layer.columns > 1 ? placeWall(layer, halfX, halfY) : null
  return { layer, z: 0, cell, width, height, first, drawnMaps, halfX, halfY, halfZ, folded: false, wall }
}

/** Above the maps, as wide as they are or a little wider. */
function placeWall(layer: DrawnLayer, halfX: number, halfY: number): Wall {
  const width = Math.max(2 * halfX, WALL_WIDTH)
  const columns = Math.min(layer.maps, Math.ceil(Math.sqrt(WALL_ASPECT * layer.maps)))
  const rows = Math.ceil(layer.maps / columns)
  const pitch = Math.min(width / columns, WALL_HEIGHT / rows)
  return { left: (-columns * pitch) / 2, top: halfY + WALL_GAP + rows * pitch, pitch, columns, rows }
}

function placePicture([rows, columns]: [number, number], input: LayerPlace, portrait: boolean): PicturePlace {
  const side = Math.max(input.width, input.height)
  const longest = Math.max(rows, columns)
  const extent = portrait ? input.halfY : input.halfX
  const z = input.z + input.halfZ + 30 + 0.42 * (extent + side / 2)
  return { z, width: (side * columns) / longest, height: (side * rows) / longest }
}

function hasWeights(links: readonly Connection[], to: number): boolean {
  return links.some(l => l.to === to && (l.link === 'conv' || l.link === 'dense'))
}

/** Distance between two layers: weights need room to be seen, and wide layers must not hide the next one. */
function gap(before: LayerPlace, after: LayerPlace, weights: boolean, portrait: boolean): number {
  const extent = portrait ? before.halfY + after.halfY : before.halfX + after.halfX
  return (weights ? (portrait ? 46 : 58) : 24) + 0.42 * Math.min(extent, 130) + before.halfZ + after.halfZ
}

/** Network + view -> positions in the world. Pure: no canvas, no state of its own. */
import type { LayerView } from '../state'
import { arrange } from './arrange'
import type { Connection } from './connections'
import type { DrawnLayer } from './drawn'
import { type Lanes, laneOf } from './lanes'
import { type LayerSize, layerSizes } from './sizes'

/**
 * The world: the network runs along −z, the input nearest to the reader; in every map x is to the right and y up,
 * so that an orbit to the right shows the network from left to right with all maps facing the input.
 */
export interface LayerPlace {
  layer: DrawnLayer
  /** Middle of the layer; x and y are 0 on the main path. */
  x: number
  y: number
  z: number
  /** One pixel's cell, in world units. */
  cell: number
  /** Size of a map. */
  width: number
  height: number
  /** Index of the first map in `Placement.centres`, and how many maps are drawn. */
  first: number
  drawnMaps: number
  /** Extents of all drawn maps around the middle. */
  halfX: number
  halfY: number
  halfZ: number
  /** Drawn inside the layer that it reads, as a point: a pool on a high stage, where it would only crowd the column. */
  folded: boolean
  /** All maps as small tiles above, where fewer are drawn in full. */
  wall: Wall | null
}

/** A grid of tiles in the layer's plane: left edge of the first and top, from the layer's middle; pitch and counts. */
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
  /** Highest points of the skips. */
  arcs: Point[]
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

/** Between lanes, world units: room for names. */
const LANE_GAP = 40
/** What a branch's ribbons climb makes its gap longer by this share: steep ones would lie on each other. */
const CLIMB = 0.3

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
  const lanes = laneOf(drawn.length, links)
  const sizes = layerSizes(drawn, links, lanes)
  const counts = drawn.map((layer, i) => drawnMaps(layer, views[i]))
  const maps = counts.reduce((a, b) => a + b, 0)
  const placement: Placement = {
    layers: [],
    centres: new Float32Array(4 * maps),
    maps,
    floor: 0,
    arcs: [],
    picture: null,
  }
  const around: Float32Array[] = []
  let first = 0
  for (const [i, layer] of drawn.entries()) {
    const front = stage.front?.layer === i ? stage.front.map : -1
    around.push(arrangeMaps(layer, views[i], counts[i], sizes[i], portrait, front))
    placement.layers.push(measure(layer, views[i], sizes[i], around[i], first))
    first += counts[i]
  }
  // One calculation shows every map that it reads.
  const folds = portrait && stage.front === null
  for (const place of placement.layers) place.folded = folds && isFolded(place.layer, links)
  standInLanes(placement.layers, lanes, links, views, portrait)
  for (const [i, place] of placement.layers.entries()) fillCentres(placement.centres, place, around[i])
  placement.arcs = links
    .filter(link => link.skip)
    .map(link => arcTop(placement.layers[link.from], placement.layers[link.to]))
  const input = placement.layers[0]
  if (stage.picture && input) placement.picture = placePicture(stage.picture, input, portrait)
  placement.floor = Math.min(0, ...placement.layers.filter(l => l.y === 0).map(l => -l.halfY)) - 8
  return placement
}

function fillCentres(centres: Float32Array, place: LayerPlace, around: Float32Array): void {
  const scale = place.folded ? 0 : 1
  for (let m = 0; m < place.drawnMaps; m++) {
    const [x, y, z] = around.subarray(3 * m, 3 * m + 3)
    centres.set([place.x + x, place.y + y, place.z + z, scale], 4 * (place.first + m))
  }
}

/** A chain stands on one line; branches stand above and below the main path, or beside it on a high stage. */
function standInLanes(
  layers: readonly LayerPlace[],
  { rank, lane }: Lanes,
  links: readonly Connection[],
  views: readonly LayerView[],
  portrait: boolean,
): void {
  const offsets = laneOffsets(layers, lane, portrait)
  const offset = (place: LayerPlace) => offsets.get(lane[place.layer.index])!
  const standing = layers.filter(place => !place.folded)
  // What comes right before, by rank: a folded layer stands where the layer it reads does.
  let z = 0
  let before: LayerPlace[] = []
  for (let r = 0; r <= Math.max(0, ...rank); r++) {
    const here = layers.filter(place => rank[place.layer.index] === r)
    const shown = here.filter(place => standing.includes(place))
    if (shown.length > 0 && before.length > 0) {
      const climb = (from: LayerPlace, to: LayerPlace) => Math.abs(offset(to) - offset(from))
      z -= Math.max(
        ...shown.flatMap(to => before.map(from => spaced(from, to, links, views, portrait) + CLIMB * climb(from, to))),
      )
    }
    for (const place of here) {
      place.z = z
      if (portrait) place.x = offset(place)
      else place.y = offset(place)
    }
    if (shown.length > 0) before = shown
  }
}

function spaced(
  from: LayerPlace,
  to: LayerPlace,
  links: readonly Connection[],
  views: readonly LayerView[],
  portrait: boolean,
): number {
  return gap(from, to, hasWeights(links, to.layer.index), portrait) * views[from.layer.index].layerGap
}

/** Distance of each lane from the main path, so that no two lanes touch. */
function laneOffsets(layers: readonly LayerPlace[], lane: readonly number[], portrait: boolean): Map<number, number> {
  const half = new Map<number, number>()
  for (const place of layers) {
    const l = lane[place.layer.index]
    half.set(l, Math.max(half.get(l) ?? 0, portrait ? place.halfX : place.halfY))
  }
  const offsets = new Map([[0, 0]])
  for (const side of [1, -1]) {
    let edge = half.get(0) ?? 0
    for (let l = side; half.has(l); l += side) {
      edge += LANE_GAP + half.get(l)!
      offsets.set(l, side * edge)
      edge += half.get(l)!
    }
  }
  return offsets
}

/** A pool that reads the layer right before it map by map. */
function isFolded(layer: DrawnLayer, links: readonly Connection[]): boolean {
  const input = links.find(l => l.to === layer.index && l.link === 'pool')
  const follows = input !== undefined && input.from === layer.index - 1 && input.inMaps === layer.maps
  return follows && layer.rows * layer.columns > 1
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
  return { layer, x: 0, y: 0, z: 0, cell, width, height, first, drawnMaps, halfX, halfY, halfZ, folded: false, wall }
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

export type Point = [x: number, y: number, z: number]

/** Where the bundled edges between two layers meet. */
export function meeting(from: LayerPlace, to: LayerPlace): Point {
  return [(from.x + to.x) / 2, (from.y + to.y) / 2, (from.z + to.z) / 2]
}

/** The highest point of a skip, near enough: over its middle. */
function arcTop(from: LayerPlace, to: LayerPlace): Point {
  const [a, b, rise] = skipArc(from, to)
  return [(a[0] + b[0]) / 2, Math.max((a[1] + b[1]) / 2 + rise, a[1], b[1]), (a[2] + b[2]) / 2]
}

/** A skip goes from the top of one layer to the top of another, and rises between them. */
export function skipArc(from: LayerPlace, to: LayerPlace): [from: Point, to: Point, rise: number] {
  const top = (place: LayerPlace): Point => [
    place.x,
    place.y + (place.wall ? place.wall.top : place.halfY) + 2,
    place.z,
  ]
  return [top(from), top(to), 16 + 0.16 * Math.abs(from.z - to.z)]
}

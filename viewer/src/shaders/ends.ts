/** Where an edge begins and ends: the TypeScript twin of ends.glsl and curve.glsl, term by term. */
import { mix } from '../layout/arrange'
import type { Connection } from '../layout/connections'
import { type LayerPlace, type Placement, skipArc } from '../layout/place'

/** What one draw shows: lines between corners, one edge per pair of maps, every weight, every calculation, or a bundle. */
export enum Mode {
  Frame = 0,
  Pair = 1,
  Weight = 2,
  Calculation = 3,
  BundleMap = 4,
  BundleTap = 5,
  /** One arc over the layers in between: neither maps nor weights are told apart. */
  Skip = 6,
}

export type Vec3 = [number, number, number]

export interface EdgeView {
  mode: Mode
  expansion: number
  /** Only this output map (weights, calculations) and pixel (calculations); −1: all. */
  fixedMap: number
  fixedPixel: number
}

export interface EdgeEnds {
  from: Vec3
  to: Vec3
  inMap: number
  outMap: number
  /** Row and column of the input pixel; null where the edge stands for the whole map. */
  inPixel: [number, number] | null
  padded: boolean
  drawn: boolean
  leadsIn: boolean
  leadsOut: boolean
}

type Offset = [x: number, y: number]

const clamp01 = (t: number) => Math.min(1, Math.max(0, t))

/** Strands that lead into the middle of a bundle. */
export function bundleSources(c: Connection, mode: Mode): number {
  if (mode === Mode.BundleMap) return c.inMaps
  return c.link === 'dense' ? c.inMaps * c.inRows * c.inColumns : c.inMaps * c.kernel[0] * c.kernel[1]
}

/** How many strands a mode has in all. */
export function strandCount(c: Connection, view: EdgeView): number {
  const pixels = view.fixedPixel >= 0 ? 1 : c.outRows * c.outColumns
  const weights = view.fixedMap >= 0 ? weightsPerMap(c) : c.weights
  switch (view.mode) {
    case Mode.Skip:
      return 1
    case Mode.Frame:
      return 4 * c.inMaps
    case Mode.Pair:
      return c.inMaps * c.outMaps
    case Mode.Weight:
      return weights
    case Mode.Calculation:
      return weights * pixels
    default:
      return bundleSources(c, view.mode) + c.outMaps
  }
}

/** A column of a dense kernel -> map, row, column. */
export function denseInput(c: Connection, n: number): Vec3 {
  if (c.inputOrder === 'HWC') {
    const pixel = Math.floor(n / c.inMaps)
    return [n % c.inMaps, Math.floor(pixel / c.inColumns), pixel % c.inColumns]
  }
  const pixels = c.inRows * c.inColumns
  return [Math.floor(n / pixels), Math.floor((n % pixels) / c.inColumns), n % c.inColumns]
}

/** Offset of a point of a map from its centre; row and column in pixels, 0 the outer corner of the first one. */
function inMapPlane(row: number, column: number, rows: number, columns: number, cell: number): Offset {
  return [(column - 0.5 * columns) * cell, (0.5 * rows - row) * cell]
}

function tapPlace(
  c: Connection,
  cell: number,
  tap: [number, number],
  out: [number, number],
  expansion: number,
): Offset {
  const at = [0, 1].map(axis => {
    const size = axis === 0 ? c.inRows : c.inColumns
    const own = 0.5 * size + (tap[axis] - 0.5 * (c.kernel[axis] - 1)) * c.dilation[axis]
    const spread = ((tap[axis] + 0.5) / c.kernel[axis]) * size
    const patch = pixelUnder(c, axis, tap[axis], out[axis])[0] + 0.5
    return mix(mix(own, spread, clamp01(expansion - 1)), patch, clamp01(expansion - 2))
  })
  return inMapPlane(at[0], at[1], c.inRows, c.inColumns, cell)
}

/** Row or column of the input that an output pixel reads under a tap, and whether the tap reaches it at all. */
export function pixelUnder(c: Connection, axis: number, tap: number, out: number): [pixel: number, reached: boolean] {
  if (c.walk === 'scaled') {
    const [size, outSize] = axis === 0 ? [c.inRows, c.outRows] : [c.inColumns, c.outColumns]
    return [Math.floor(((2 * out + 1) * size) / (2 * outSize)), true]
  }
  if (c.walk === 'transposed') {
    // From input pixel i the tap reaches i · stride − padding + tap · dilation: not every tap reaches every pixel.
    const place = out + c.padding[axis] - tap * c.dilation[axis]
    const pixel = Math.floor(place / c.stride[axis])
    return [pixel, pixel * c.stride[axis] === place]
  }
  return [out * c.stride[axis] - c.padding[axis] + tap * c.dilation[axis], true]
}

/** Weights of one output map (taps, for pools). */
function weightsPerMap(c: Connection): number {
  const taps = c.kernel[0] * c.kernel[1]
  if (c.link === 'dense') return c.inMaps * c.inRows * c.inColumns
  return c.link === 'conv' ? c.inPerGroup * taps : taps
}

/** Strand number `id` -> weight and output pixel: of all maps and pixels, or of the fixed ones. */
export function weightAt(c: Connection, view: EdgeView, id: number): [weight: number, pixel: number] {
  if (view.mode !== Mode.Calculation && view.fixedMap < 0) return [id, 0]
  const perMap = weightsPerMap(c)
  const perPixel = view.fixedMap >= 0 ? perMap : c.weights
  const weighted = c.link === 'conv' || c.link === 'dense'
  const first = view.fixedMap < 0 ? 0 : weighted ? view.fixedMap : view.fixedMap - c.mapOffset
  return [(id % perPixel) + first * perMap, view.fixedPixel >= 0 ? view.fixedPixel : Math.floor(id / perPixel)]
}

/** Ends of one strand in world units. `weight` and `pixel` as `weightAt` gives them; for other modes pixel is 0. */
export function edgeEnds(c: Connection, placement: Placement, view: EdgeView, weight: number, pixel = 0): EdgeEnds {
  const source = placement.layers[c.from]
  const target = placement.layers[c.to]
  const e: EdgeEnds = {
    from: [0, 0, 0],
    to: [0, 0, 0],
    inMap: 0,
    outMap: 0,
    inPixel: null,
    padded: false,
    drawn: true,
    leadsIn: false,
    leadsOut: false,
  }
  if (view.mode === Mode.Skip) {
    const [from, to] = skipArc(source, target)
    return { ...e, from, to }
  }
  const offsets = locate(e, c, source, target, view, weight, pixel)
  e.inMap += c.inOffset
  e.drawn &&=
    (e.leadsOut || e.inMap < source.drawnMaps) && (e.leadsIn || (e.outMap >= 0 && e.outMap < target.drawnMaps))
  e.from = worldPoint(placement, source, e.inMap, offsets[0])
  e.to = worldPoint(placement, target, e.outMap, offsets[1])
  return e
}

function worldPoint(placement: Placement, place: LayerPlace, map: number, offset: Offset): Vec3 {
  const at = 4 * (place.first + map)
  const [x, y, z, scale] = placement.centres.subarray(at, at + 4)
  return [x + offset[0] * scale, y + offset[1] * scale, z]
}

function locate(
  e: EdgeEnds,
  c: Connection,
  source: LayerPlace,
  target: LayerPlace,
  view: EdgeView,
  id: number,
  pixel: number,
): [from: Offset, to: Offset] {
  switch (view.mode) {
    case Mode.Frame: {
      e.inMap = Math.floor(id / 4)
      e.outMap = e.inMap + c.mapOffset
      const corner = [(id & 2) >> 1, id & 1]
      return [
        inMapPlane(corner[0] * c.inRows, corner[1] * c.inColumns, c.inRows, c.inColumns, source.cell),
        inMapPlane(corner[0] * c.outRows, corner[1] * c.outColumns, c.outRows, c.outColumns, target.cell),
      ]
    }
    case Mode.Pair:
      e.outMap = Math.floor(id / c.inMaps)
      e.inMap = id % c.inMaps
      return [
        [0, 0],
        [0, 0],
      ]
    case Mode.BundleMap:
    case Mode.BundleTap:
      return locateBundled(e, c, source, view, id)
    default:
      return c.link === 'dense'
        ? locateDense(e, c, source, view, id)
        : locateWindow(e, c, source, target, view, id, pixel)
  }
}

function densePlace(c: Connection, cell: number, row: number, column: number, expansion: number): Offset {
  const [x, y] = inMapPlane(row + 0.5, column + 0.5, c.inRows, c.inColumns, cell)
  const open = clamp01(expansion - 1)
  return [x * open, y * open]
}

function locateDense(e: EdgeEnds, c: Connection, source: LayerPlace, view: EdgeView, id: number): [Offset, Offset] {
  const inputs = c.inMaps * c.inRows * c.inColumns
  const [map, row, column] = denseInput(c, id % inputs)
  e.outMap = Math.floor(id / inputs)
  e.inMap = map
  e.inPixel = [row, column]
  return [densePlace(c, source.cell, row, column, view.expansion), [0, 0]]
}

function locateWindow(
  e: EdgeEnds,
  c: Connection,
  source: LayerPlace,
  target: LayerPlace,
  view: EdgeView,
  id: number,
  pixel: number,
): [Offset, Offset] {
  const taps = c.kernel[0] * c.kernel[1]
  const tap: [number, number] = [Math.floor((id % taps) / c.kernel[1]), id % c.kernel[1]]
  const rest = Math.floor(id / taps)
  if (c.link === 'conv') {
    e.outMap = Math.floor(rest / c.inPerGroup)
    e.inMap = Math.floor(e.outMap / c.outPerGroup) * c.inPerGroup + (rest % c.inPerGroup)
  } else {
    e.inMap = rest
    e.outMap = rest + c.mapOffset
  }
  const out: [number, number] = [Math.floor(pixel / c.outColumns), pixel % c.outColumns]
  let to: Offset = [0, 0]
  if (view.mode === Mode.Calculation) {
    const [row, column] = [0, 1].map(axis => pixelUnder(c, axis, tap[axis], out[axis]))
    e.inPixel = [row[0], column[0]]
    e.padded = row[0] < 0 || column[0] < 0 || row[0] >= c.inRows || column[0] >= c.inColumns
    e.drawn = row[1] && column[1]
    const [x, y] = inMapPlane(out[0] + 0.5, out[1] + 0.5, c.outRows, c.outColumns, target.cell)
    const open = clamp01(view.expansion - 2)
    to = [x * open, y * open]
  }
  return [tapPlace(c, source.cell, tap, out, view.expansion), to]
}

function locateBundled(e: EdgeEnds, c: Connection, source: LayerPlace, view: EdgeView, id: number): [Offset, Offset] {
  const sources = bundleSources(c, view.mode)
  e.leadsIn = id < sources
  e.leadsOut = !e.leadsIn
  let from: Offset = [0, 0]
  if (e.leadsOut) {
    e.outMap = id - sources
  } else if (view.mode === Mode.BundleMap) {
    e.inMap = id
  } else if (c.link === 'dense') {
    const [map, row, column] = denseInput(c, id)
    e.inMap = map
    e.inPixel = [row, column]
    from = densePlace(c, source.cell, row, column, view.expansion)
  } else {
    const taps = c.kernel[0] * c.kernel[1]
    e.inMap = Math.floor(id / taps)
    from = tapPlace(c, source.cell, [Math.floor((id % taps) / c.kernel[1]), id % c.kernel[1]], [0, 0], view.expansion)
  }
  return [from, [0, 0]]
}

/** How a ribbon bends. */
export interface Bend {
  /** Where bundled edges meet, and how much they do, 0 … 1. */
  middle: Vec3
  bundle: number
  /** Steepness of the logistic curve; 0: straight. */
  steepness: number
  /** How far the middle is lifted (skips). */
  arc?: number
}

function sigmoid(t: number, steepness: number): number {
  if (steepness < 0.01) return t
  const low = 1 / (1 + Math.exp(0.5 * steepness))
  return (1 / (1 + Math.exp(steepness * (0.5 - t))) - low) / (1 - 2 * low)
}

function between(a: Vec3, b: Vec3, t: number, steepness: number): Vec3 {
  const across = sigmoid(t, steepness)
  return [mix(a[0], b[0], across), mix(a[1], b[1], across), mix(a[2], b[2], t)]
}

/** Point of an edge at t, 0 at its input and 1 at its output. */
export function curve(from: Vec3, to: Vec3, t: number, bend: Bend): Vec3 {
  const { middle, bundle, steepness, arc = 0 } = bend
  const free = between(from, to, t, steepness)
  free[1] += arc * Math.sin(Math.PI * t)
  if (bundle === 0) return free
  const tied = t < 0.5 ? between(from, middle, 2 * t, steepness) : between(middle, to, 2 * t - 1, steepness)
  return [0, 1, 2].map(i => mix(free[i], tied[i], bundle)) as Vec3
}

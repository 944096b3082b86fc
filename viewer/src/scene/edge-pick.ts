/** The ribbon under the cursor, found by arithmetic, and what it stands for. Asked when the cursor rests, not per frame. */
import type { mat4 } from 'gl-matrix'
import type { Connection } from '../layout/connections'
import type { DrawnLayer } from '../layout/drawn'
import { meeting, type Placement } from '../layout/place'
import type { EdgePick } from '../model'
import { bundleSources, curve, denseInput, type EdgeEnds, edgeEnds, Mode, type Vec3, weightAt } from '../shaders/ends'
import { bundleInForce, type LayerView } from '../state'
import { project, type Viewport } from './camera'
import type { Strands } from './strands'

/** Reach of the cursor, CSS pixels. */
const REACH = 5
/** Beyond this many strands a single one can't be told from its neighbours. */
const MOST_STRANDS = 12_000
const STEPS = 16

export interface EdgeScene {
  drawn: readonly DrawnLayer[]
  links: readonly Connection[]
  placement: Placement
  views: readonly LayerView[]
  strands: readonly Strands[][]
  matrix: mat4
  viewport: Viewport
  /** Kernel of a connection at the shown epoch, canonical axes; null while not loaded. */
  kernel(link: number): Float32Array | null
  /** The other side's, while two things are compared. */
  otherKernel?(link: number): Float32Array | null
}

interface Found {
  link: number
  strand: Strands
  weight: number
  ends: EdgeEnds
  distance: number
  strength: number
}

/** The strongest ribbon within reach of the point; null where there is none. */
export function pickEdge(scene: EdgeScene, x: number, y: number): EdgePick | null {
  let best: Found | null = null
  for (const [i, link] of scene.links.entries()) {
    if (!link.role || !isNear(scene, link, x)) continue
    const kernel = scene.kernel(i)
    for (const strand of scene.strands[i] ?? []) {
      if (!kernel || strand.alpha < 0.5 || strand.count > MOST_STRANDS || strand.count < strand.total) continue
      for (const found of near(scene, i, strand, kernel, x, y)) {
        if (!best || found.strength > best.strength) best = found
      }
    }
  }
  return best && describe(scene, best)
}

/** Connections whose gap is elsewhere on the screen are passed over. */
function isNear(scene: EdgeScene, link: Connection, x: number): boolean {
  const xs: number[] = []
  for (const place of [scene.placement.layers[link.from], scene.placement.layers[link.to]]) {
    for (const side of [-place.halfX, place.halfX]) {
      const p = project(scene.matrix, scene.viewport, [place.x + side, place.y, place.z])
      if (p) xs.push(p.x)
    }
  }
  return x >= Math.min(...xs) - REACH && x <= Math.max(...xs) + REACH
}

function* near(scene: EdgeScene, i: number, s: Strands, kernel: Float32Array, x: number, y: number): Generator<Found> {
  const link = scene.links[i]
  const view = { mode: s.mode, expansion: s.expansion, fixedMap: s.fixedMap, fixedPixel: s.fixedPixel }
  const look = scene.views[link.to]
  const { layers } = scene.placement
  const middle = meeting(layers[link.from], layers[link.to])
  const bundled = s.mode === Mode.BundleMap || s.mode === Mode.BundleTap
  const bend = { middle, bundle: bundled ? 1 : bundleInForce(look), steepness: look.curve }
  for (let id = 0; id < s.count; id++) {
    const [weight, pixel] = weightAt(link, view, id)
    const ends = edgeEnds(link, scene.placement, view, weight, pixel)
    if (!ends.drawn) continue
    const [begin, end] = ends.leadsIn ? [0, 0.5] : ends.leadsOut ? [0.5, 1] : [0, 1]
    const distance = distanceTo(scene, t => curve(ends.from, ends.to, begin + (end - begin) * t, bend), x, y)
    if (distance > REACH) continue
    yield { link: i, strand: s, weight, ends, distance, strength: Math.abs(sumOf(link, s.mode, weight, kernel).sum) }
  }
}

function distanceTo(scene: EdgeScene, at: (t: number) => Vec3, x: number, y: number): number {
  let nearest = Number.POSITIVE_INFINITY
  let before: { x: number; y: number } | null = null
  for (let step = 0; step <= STEPS; step++) {
    const p = project(scene.matrix, scene.viewport, at(step / STEPS))
    if (p && before) nearest = Math.min(nearest, toSegment(before, p, x, y))
    before = p
  }
  return nearest
}

function toSegment(a: { x: number; y: number }, b: { x: number; y: number }, x: number, y: number): number {
  const [dx, dy] = [b.x - a.x, b.y - a.y]
  const length = dx * dx + dy * dy
  const t = length === 0 ? 0 : Math.min(1, Math.max(0, ((x - a.x) * dx + (y - a.y) * dy) / length))
  return Math.hypot(x - a.x - t * dx, y - a.y - t * dy)
}

/** How many weights a strand stands for, and their sum. */
export function sumOf(c: Connection, mode: Mode, id: number, kernel: Float32Array): { weights: number; sum: number } {
  if (mode === Mode.Weight || mode === Mode.Calculation) return { weights: 1, sum: kernel[id] }
  let weights = 0
  let sum = 0
  for (const index of weightsOf(c, mode, id)) {
    weights++
    sum += kernel[index]
  }
  return { weights, sum }
}

/** Indices of the weights that a pair or a bundle's strand stands for. */
export function* weightsOf(c: Connection, mode: Mode, id: number): Generator<number> {
  const inputs = c.inMaps * c.inRows * c.inColumns
  const perMap = c.weights / c.outMaps
  if (mode === Mode.Pair) {
    const [output, map] = [Math.floor(id / c.inMaps), id % c.inMaps]
    for (let n = 0; n < inputs; n++) if (denseInput(c, n)[0] === map) yield output * inputs + n
    return
  }
  const sources = bundleSources(c, mode)
  if (id >= sources) {
    for (let i = 0; i < perMap; i++) yield (id - sources) * perMap + i
    return
  }
  for (let index = 0; index < c.weights; index++) if (sourceOf(c, mode, index) === id) yield index
}

/** The bundle strand into which a weight goes. */
function sourceOf(c: Connection, mode: Mode, index: number): number {
  if (c.link === 'dense') {
    const n = index % (c.inMaps * c.inRows * c.inColumns)
    return mode === Mode.BundleMap ? denseInput(c, n)[0] : n
  }
  const taps = c.kernel[0] * c.kernel[1]
  const rest = Math.floor(index / taps)
  const output = Math.floor(rest / c.inPerGroup)
  const map = Math.floor(output / c.outPerGroup) * c.inPerGroup + (rest % c.inPerGroup)
  return mode === Mode.BundleMap ? map : map * taps + (index % taps)
}

function describe(scene: EdgeScene, { link, strand, weight, ends }: Found): EdgePick {
  const c = scene.links[link]
  const { weights, sum } = sumOf(c, strand.mode, weight, scene.kernel(link)!)
  const theirs = scene.otherKernel?.(link)
  const other = theirs ? sumOf(c, strand.mode, weight, theirs).sum : null
  const place = (layer: number, map: number, pixel: [number, number] | null) => {
    const { name, rows, columns } = scene.drawn[layer]
    return `${name} · ${map}${pixel && rows * columns > 1 ? ` (${pixel[0]}, ${pixel[1]})` : ''}`
  }
  return {
    layer: c.layer,
    from: ends.leadsOut ? null : place(c.from, ends.inMap, ends.inPixel),
    to: ends.leadsIn ? null : place(c.to, ends.outMap, null),
    weights,
    sum,
    ...(scene.otherKernel ? { other } : {}),
  }
}

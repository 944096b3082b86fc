/** Draws the ribbons: at most two draws a connection, pulled from vertex numbers. */
import type { Connection } from '../layout/connections'
import { meeting, skipArc } from '../layout/place'
import { Mode } from '../shaders/ends'
import { programs } from '../shaders/sources'
import { bundleInForce, type LayerView } from '../state'
import { focalLength } from './camera'
import { checkpointPairs, samplesOf } from './differences'
import type { Compared, Frame } from './frame'
import { Program } from './gl'
import { bindSamples, type Values } from './maps-pass'
import { type Color, palettes, type RibbonStyle, ribbonStyle, SKIP_STYLE, VALUE_STYLE } from './palette'
import { type Order, otherSide, type Pair, type ResidentWeights, type Resources } from './resources'
import type { Strands } from './strands'
import type { Sections } from './weights'

/** Strands drawn by one instance. */
const BATCH = 1024
/** Segments of a ribbon, and up to how many strands. */
const LEVELS = [
  { segments: 24, most: 3_000 },
  { segments: 14, most: 30_000 },
  { segments: 8, most: Number.POSITIVE_INFINITY },
]

export class EdgesPass {
  private readonly program: Program
  private readonly indices: { buffer: WebGLBuffer; segments: number; most: number }[]

  /** Call with the vertex array bound that the passes draw with. */
  constructor(private readonly resources: Resources) {
    const { gl } = resources
    this.program = new Program(gl, programs.edges, { Frame: 0, Connection: 1 })
    this.indices = LEVELS.map(level => ({ ...level, buffer: indexBuffer(gl, level.segments) }))
  }

  get compiled(): boolean {
    return this.program.compiled
  }

  draw(frame: Frame, plans: readonly Strands[][], values: Values): void {
    const { program, resources } = this
    const { gl } = resources
    program.use()
    gl.depthMask(false)
    program.texture('uCentres', 0, resources.centres)
    program.int('uBatch', BATCH)
    bindSamples(program, resources, values)
    for (const i of backToFront(frame, resources.links)) {
      const link = resources.links[i]
      const view = frame.views[link.to]
      if (view.lineWidth === 0) continue
      for (const strands of plans[i]) {
        if (strands.count === 0 || !this.bindValues(frame, i, strands, view, values)) continue
        this.setShape(frame, link, strands, view)
        this.setLook(frame, link, strands, view)
        this.drawStrands(strands.count)
      }
    }
  }

  /** Binds values and order of a draw; false while the weights have not arrived. */
  private bindValues(frame: Frame, i: number, strands: Strands, view: LayerView, values: Values): boolean {
    const { program, resources } = this
    const link = resources.links[i]
    resources.gl.bindBufferBase(resources.gl.UNIFORM_BUFFER, 1, resources.blocks[i])
    if (!link.role) {
      program.int('uValueStart', -1)
      program.int('uOrdered', 0)
      program.int('uTimesActivation', 0)
      this.bindWeights('uValues', 1, null)
      this.bindWeights('uOtherValues', 6, null)
      program.texture('uOrder', 5, resources.blankOrder.handle)
      return true
    }
    // Calculations multiply by their own pixel on the GPU; all else reads products that were summed once.
    const perPixel = view.weightTimesActivation && strands.mode === Mode.Calculation
    const products = view.weightTimesActivation && !perPixel
    const { compared } = frame
    const difference = compared !== null && differs(compared, view)
    const own = resources.weightsAt(i, frame.epoch, frame.side, products ? String(frame.sample) : '')
    const other =
      compared &&
      resources.weightsAt(i, compared.other.epoch, otherSide(frame.side), products ? String(compared.other.sample) : '')
    const order = difference ? resources.differenceOrders[i] : resources.orders[i]
    const start = order && orderStart(order, strands)
    // Without an order the strongest can't be told from the rest.
    const cut = strands.mode <= Mode.Weight && strands.count < strands.total
    if (!own || (difference && !other) || (cut && start === null)) return false
    this.bindWeights('uValues', 1, own)
    this.bindWeights('uOtherValues', 6, difference ? other : null)
    program.float('uBlend', own.t)
    program.float('uOtherBlend', other?.t ?? 0)
    program.int('uDifference', difference ? 1 : 0)
    program.texture('uOrder', 5, (order?.texture ?? resources.blankOrder).handle)
    program.int('uValueStart', valueStart(resources.sections[i], strands.mode))
    program.int('uOrdered', start === null ? 0 : 1)
    program.int('uOrderStart', start ?? 0)
    const from = resources.drawn[link.from].id
    const [offset, otherOffset] = [values.own?.a.offset.get(from), values.other?.a.offset.get(from)]
    const times = perPixel && offset !== undefined && (!difference || otherOffset !== undefined)
    program.int('uTimesActivation', times ? 1 : 0)
    program.int('uActivationStart', offset ?? 0)
    program.int('uOtherActivationStart', otherOffset ?? 0)
    const weights = Math.max(largestOf(own, strands.mode), other ? largestOf(other, strands.mode) : 0)
    if (!difference) {
      program.float('uLargest', weights * (times ? (frame.ranges?.[link.from][1] ?? 1) : 1))
      return true
    }
    const apart = this.differenceScale(frame, compared, i, strands.mode, products)
    if (apart === null) return false
    // |w′a′ − wa| ≤ |w′ − w| |a′| + |w| |a′ − a|
    const inputs = Math.max(values.own?.a.layerLargest[link.from] ?? 1, values.other?.a.layerLargest[link.from] ?? 1)
    program.float('uLargest', times ? apart * inputs + weights * (frame.ranges?.[link.from][1] ?? inputs) : apart)
    return true
  }

  private differenceScale(frame: Frame, compared: Compared, i: number, mode: Mode, products: boolean): number | null {
    if (!compared.weights && !products) return 0
    const pairs = checkpointPairs(frame.epoch, compared.other.epoch)
    return this.resources.differences.weightScale(i, mode, pairs, products ? samplesOf(frame, compared.other) : null)
  }

  private bindWeights(name: string, unit: number, pair: Pair<ResidentWeights> | null): void {
    const { program, resources } = this
    program.texture(`${name}Before`, unit, (pair?.a.texture ?? resources.blank).handle)
    program.texture(`${name}After`, unit + 1, (pair?.b.texture ?? resources.blank).handle)
  }

  private setShape(frame: Frame, link: Connection, strands: Strands, view: LayerView): void {
    const { program } = this
    const from = frame.placement.layers[link.from]
    const to = frame.placement.layers[link.to]
    const bundled = strands.mode === Mode.BundleMap || strands.mode === Mode.BundleTap
    program.int('uMode', strands.mode)
    program.int('uCount', strands.count)
    program.float('uExpansion', strands.expansion)
    program.vector('uCells', from.cell, to.cell)
    program.int('uFixedMap', strands.fixedMap)
    program.int('uFixedPixel', strands.fixedPixel)
    program.int('uSources', bundled ? strands.total - link.outMaps : 0)
    program.vector('uMiddle', ...meeting(from, to))
    const [begin, end, rise] = skipArc(from, to)
    program.vector('uSkipFrom', ...begin)
    program.vector('uSkipTo', ...end)
    program.float('uArc', strands.mode === Mode.Skip ? rise : 0)
    program.float('uBundle', bundled ? 1 : link.role && strands.fixedPixel < 0 ? bundleInForce(view) : 0)
    program.float('uSteepness', straight(strands.mode) ? 0 : view.curve)
  }

  private setLook(frame: Frame, link: Connection, strands: Strands, view: LayerView): void {
    const { program } = this
    const palette = palettes[frame.state.theme]
    const style = styleOf(link, strands)
    // Where many ribbons lie on each other, less cover would add up to a glow.
    const dense = link.link === 'dense' || bundleInForce(view) > 0 || strands.count > 1500
    program.float('uGain', view.weightGain)
    program.vector('uStyle', style[0], style[1], style[2], style[3])
    program.float('uStyleGamma', style[4])
    program.float('uLineWidth', view.lineWidth * stageScale(frame))
    program.float('uPerspectiveWidth', view.perspectiveWidth)
    program.float('uAlpha', strands.alpha)
    program.float('uFade', view.fade)
    program.vectors3('uColors', link.role ? palette.weights[view.weightColors] : threeTimes(palette.frame))
    program.float('uCover', frame.state.theme === 'light' ? 1 : dense ? 0.97 : 0.78)
    this.setFocus(frame, link, strands)
  }

  /** A hovered map lifts its ribbons; a pinned one leaves only its own. */
  private setFocus(frame: Frame, link: Connection, strands: Strands): void {
    const focus = frame.pinned ?? frame.hot
    const single = strands.fixedPixel >= 0 && strands.fixedMap >= 0
    const outMap = focus?.layer === link.to && !single ? focus.map : -1
    const inMap = focus?.layer === link.from && !single ? focus.map : -1
    this.program.ints('uHot', inMap, outMap)
    const own = inMap >= 0 || outMap >= 0
    this.program.float('uOthers', !frame.pinned || single ? 1 : own ? 0 : 0.25)
  }

  private drawStrands(count: number): void {
    const { program, resources } = this
    const { gl } = resources
    const { buffer, segments } = this.indices.find(level => count <= level.most)!
    program.int('uSegments', segments)
    gl.bindBuffer(gl.ELEMENT_ARRAY_BUFFER, buffer)
    const indices = Math.min(count, BATCH) * segments * 6
    gl.drawElementsInstanced(gl.TRIANGLES, indices, gl.UNSIGNED_INT, 0, Math.ceil(count / BATCH))
    resources.counters.drawCalls++
  }
}

/** Whether ribbons differ between the two sides: the weights do, or what they are multiplied by. */
export function differs(compared: Compared, view: LayerView): boolean {
  return compared.difference && (compared.weights || view.weightTimesActivation)
}

function largestOf({ a, b, t }: Pair<ResidentWeights>, mode: Mode): number {
  return (a.largest[mode] ?? 0) * (1 - t) + (b.largest[mode] ?? 0) * t
}

const straight = (mode: Mode) => mode === Mode.Frame || mode === Mode.Skip

/** Farthest connection first. From behind the network, that is the input's. */
function backToFront(frame: Frame, links: readonly Connection[]): number[] {
  const yaw = (frame.camera.yaw * Math.PI) / 180
  const sign = Math.cos(yaw) >= 0 ? 1 : -1
  const depth = (link: Connection) => sign * frame.placement.layers[link.to].z
  return links.map((_, i) => i).sort((a, b) => depth(links[a]) - depth(links[b]))
}

/** Lines between corners are hints; taps and windows of pools are shown like weak weights. */
function styleOf(link: Connection, strands: Strands): RibbonStyle {
  if (strands.fixedPixel >= 0 && strands.fixedMap >= 0) return link.role ? VALUE_STYLE : [1.2, 1.2, 0.6, 0.6, 1]
  if (strands.mode === Mode.Skip) return SKIP_STYLE
  if (link.role) return ribbonStyle(strands.count)
  // The more lines, the fainter each: together they stay a veil through which the maps are seen.
  const alpha = strands.mode === Mode.Frame ? 0.2 : Math.min(0.3, Math.max(0.012, 60 / strands.count))
  return [1, 1, alpha, alpha, 1]
}

/** Ribbons keep their proportion to the maps where the whole network is small on the screen. */
function stageScale(frame: Frame): number {
  const pixelsPerUnit = focalLength(frame.viewport) / frame.camera.distance
  return Math.min(1.25, Math.max(0.45, pixelsPerUnit / 2.2))
}

function threeTimes(color: Color): Float32Array {
  return new Float32Array([...color, ...color, ...color])
}

function valueStart(where: Sections, mode: Mode): number {
  switch (mode) {
    case Mode.Pair:
      return where.pair
    case Mode.BundleMap:
      return where.bundleMap
    case Mode.BundleTap:
      return where.bundleTap
    default:
      return where.weight
  }
}

/** Where the order of the strongest `count` strands begins; null where strands are drawn as they come. */
function orderStart(order: Order, strands: Strands): number | null {
  if (strands.fixedMap >= 0) return null
  if (strands.mode === Mode.Weight && strands.count <= order.weights) return order.weights - strands.count
  if (strands.mode === Mode.Pair && strands.count <= order.pairs) return order.pairStart + order.pairs - strands.count
  return null
}

/** Two triangles a segment for `BATCH` ribbons of 2 (segments + 1) vertices: the same for all edges of all networks. */
function indexBuffer(gl: WebGL2RenderingContext, segments: number): WebGLBuffer {
  const indices = new Uint32Array(BATCH * segments * 6)
  let at = 0
  for (let strand = 0; strand < BATCH; strand++) {
    for (let s = 0; s < segments; s++) {
      const v = strand * 2 * (segments + 1) + 2 * s
      indices.set([v, v + 1, v + 2, v + 2, v + 1, v + 3], at)
      at += 6
    }
  }
  const buffer = gl.createBuffer()!
  gl.bindBuffer(gl.ELEMENT_ARRAY_BUFFER, buffer)
  gl.bufferData(gl.ELEMENT_ARRAY_BUFFER, indices, gl.STATIC_DRAW)
  return buffer
}

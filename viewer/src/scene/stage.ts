/** The stage: everything that is on the GPU and how one frame of it is drawn. Knows nothing of files or panels. */
import type { mat4 } from 'gl-matrix'
import type { Connection } from '../layout/connections'
import type { DrawnLayer } from '../layout/drawn'
import type { Placement } from '../layout/place'
import type { SampleActivations } from '../recording/types'
import { Mode } from '../shaders/ends'
import { programs } from '../shaders/sources'
import type { CameraView, LayerView, State } from '../state'
import { bundleInForce } from '../state'
import { mapStatistics } from './activations'
import { cornersOf, depthRange, focalLength, type Viewport, viewProjection } from './camera'
import { CENTRES_WIDTH, type Counters, fillPacked, Program, packedTexture, plainTexture, type Texture } from './gl'
import { type Color, type Palette, palettes, type RibbonStyle, ribbonStyle } from './palette'
import { Residency } from './residency'
import { planStrands, type Strands } from './strands'
import { packWeights, risingOrder, type Sections, sections } from './weights'

/** Strands drawn by one instance. */
const BATCH = 1024
const SEGMENTS = [24, 14, 8]
const GPU_BUDGET = 384 * 2 ** 20

/** One thing blended between two checkpoints. */
export interface Blend {
  before: number
  after: number
  t: number
}

export interface Frame {
  state: State
  /** The view of each drawn layer. */
  views: LayerView[]
  placement: Placement
  camera: CameraView
  viewport: Viewport
  pixelRatio: number
  epoch: Blend
  /** Value at which each layer's activation ramp ends; null: every map its own. */
  ranges: number[] | null
  hot: { layer: number; map: number; y: number; x: number } | null
  pinned: { layer: number; map: number; y: number; x: number } | null
  /** Edges that may be drawn in all. */
  budget: number
  /** Leave the background out of depth cueing: pictures with a transparent background. */
}

export interface FrameCounts {
  edgesDrawn: number
  edgesTotal: number
  mapsDrawn: number
  mapsTotal: number
  /** What was drawn of each connection. */
  strands: Strands[][]
}

interface ResidentWeights {
  texture: Texture
  largest: Partial<Record<Mode, number>>
}

interface ResidentSample {
  texture: Texture
  offset: SampleActivations['offset']
  means: number[]
  largest: number[]
  layerLargest: number[]
}

interface Order {
  texture: Texture
  /** Where the pairs' order begins; the weights' begins at 0. */
  pairStart: number
  weights: number
  pairs: number
}

export class Stage {
  readonly counters: Counters = { drawCalls: 0, bytesUploaded: 0, gpuBytes: 0 }
  private readonly edges: Program
  private readonly maps: Program
  private readonly frameBlock: WebGLBuffer
  private readonly connectionBlocks: WebGLBuffer[] = []
  private readonly centres: WebGLTexture
  private readonly indices: { buffer: WebGLBuffer; segments: number }[]
  private readonly array: WebGLVertexArrayObject
  private readonly weights: Residency<ResidentWeights>
  private readonly samples: Residency<ResidentSample>
  private readonly orders: (Order | null)[]
  private readonly where: Sections[]
  private readonly blank: Texture
  private readonly blankOrder: Texture
  private centreRows = 0

  constructor(
    readonly gl: WebGL2RenderingContext,
    readonly drawn: readonly DrawnLayer[],
    readonly links: readonly Connection[],
  ) {
    const blocks = { Frame: 0, Connection: 1 }
    this.edges = new Program(gl, programs.edges, blocks)
    this.maps = new Program(gl, programs.maps, blocks)
    this.frameBlock = gl.createBuffer()!
    gl.bindBuffer(gl.UNIFORM_BUFFER, this.frameBlock)
    gl.bufferData(gl.UNIFORM_BUFFER, 28 * 4, gl.DYNAMIC_DRAW)
    this.array = gl.createVertexArray()!
    gl.bindVertexArray(this.array)
    this.indices = SEGMENTS.map(segments => ({ buffer: indexBuffer(gl, segments), segments }))
    this.centres = plainTexture(gl)
    this.weights = new Residency(gl, this.counters, GPU_BUDGET)
    this.samples = new Residency(gl, this.counters, GPU_BUDGET / 2)
    this.orders = links.map(() => null)
    this.where = links.map(sections)
    this.blank = packedTexture(gl, this.counters, 'R32F', 1)
    this.blankOrder = packedTexture(gl, this.counters, 'R32UI', 1)
    this.connectionBlocks = links.map(link => connectionBlock(gl, link, drawn))
  }

  hasWeights(link: number, checkpoint: number): boolean {
    return this.weights.has(`${link}:${checkpoint}`)
  }

  /** Uploads a kernel of a connection; the first one also fixes the order of drawing. */
  addWeights(link: number, checkpoint: number, kernel: Float32Array, budget: number): void {
    const { gl, counters } = this
    const packed = packWeights(this.links[link], kernel)
    const texture = packedTexture(gl, counters, 'R16F', packed.values.length)
    fillPacked(gl, counters, texture, packed.values, 0)
    this.weights.add(`${link}:${checkpoint}`, { texture, largest: packed.largest })
    this.orders[link] ??= this.makeOrder(link, packed.values, budget)
  }

  /**
   * Weakest first, by the checkpoint that was shown first, for all checkpoints: an order that changed
   * while the epoch moves would make crossings pop.
   */
  private makeOrder(link: number, halves: Uint16Array, budget: number): Order {
    const { gl, counters } = this
    const where = this.where[link]
    const weights = risingOrder(halves, where.weight, this.links[link].weights, Math.max(budget, 65536))
    const pairs = where.pair >= 0 ? risingOrder(halves, where.pair, where.bundleMap, budget) : new Uint32Array(0)
    const texture = packedTexture(gl, counters, 'R32UI', weights.length + pairs.length)
    fillPacked(gl, counters, texture, weights, 0)
    fillPacked(gl, counters, texture, pairs, weights.length)
    return { texture, pairStart: weights.length, weights: weights.length, pairs: pairs.length }
  }

  hasSample(checkpoint: number, sample: number): boolean {
    return this.samples.has(`${checkpoint}:${sample}`)
  }

  addSample(checkpoint: number, sample: number, activations: SampleActivations): void {
    const { gl, counters } = this
    const statistics = mapStatistics(this.drawn, activations)
    const texture = packedTexture(gl, counters, 'R32F', activations.data.length + statistics.values.length)
    fillPacked(gl, counters, texture, activations.data, 0)
    fillPacked(gl, counters, texture, statistics.values, activations.data.length)
    this.samples.add(`${checkpoint}:${sample}`, {
      texture,
      offset: activations.offset,
      means: statistics.means,
      largest: statistics.largest,
      layerLargest: statistics.largest.map((start, i) => {
        const first = start - activations.data.length
        return Math.max(...statistics.values.subarray(first, first + this.drawn[i].maps)) || 1
      }),
    })
  }

  /** Largest value of a layer over the sample shown: stands in where the recording has no summary. */
  sampleRange(layer: number, epoch: Blend, sample: number): number {
    const resident = this.samples.get(`${epoch.before}:${sample}`)
    return resident?.layerLargest[layer] ?? 1
  }

  /** Map centres: 16 bytes a map, the only thing that a moving layout uploads. */
  setPlacement(placement: Placement): void {
    const { gl } = this
    const rows = Math.max(1, Math.ceil(placement.maps / CENTRES_WIDTH))
    gl.bindTexture(gl.TEXTURE_2D, this.centres)
    if (rows !== this.centreRows) {
      this.counters.gpuBytes += (rows - this.centreRows) * CENTRES_WIDTH * 16
      gl.texImage2D(gl.TEXTURE_2D, 0, gl.RGBA32F, CENTRES_WIDTH, rows, 0, gl.RGBA, gl.FLOAT, null)
      this.centreRows = rows
    }
    for (let row = 0; row < rows; row++) {
      const first = row * CENTRES_WIDTH
      const count = Math.min(CENTRES_WIDTH, placement.maps - first)
      if (count <= 0) break
      const values = placement.centres.subarray(4 * first, 4 * (first + count))
      gl.texSubImage2D(gl.TEXTURE_2D, 0, 0, row, count, 1, gl.RGBA, gl.FLOAT, values)
      this.counters.bytesUploaded += values.byteLength
    }
    for (const [i, link] of this.links.entries()) this.updateBlock(i, link, placement)
  }

  private readonly blockKeys: string[] = []

  /** First maps and drawn maps change with `maxMaps` only; the rest of a block never does. */
  private updateBlock(i: number, link: Connection, placement: Placement): void {
    const from = placement.layers[link.from]
    const to = placement.layers[link.to]
    const key = `${from.first},${to.first},${from.drawnMaps},${to.drawnMaps}`
    if (this.blockKeys[i] === key) return
    this.blockKeys[i] = key
    const { gl } = this
    gl.bindBuffer(gl.UNIFORM_BUFFER, this.connectionBlocks[i])
    const values = blockValues(link, from.first, to.first, from.drawnMaps, to.drawnMaps)
    gl.bufferSubData(gl.UNIFORM_BUFFER, 0, values)
    this.counters.bytesUploaded += values.byteLength
  }

  draw(frame: Frame): FrameCounts {
    const { gl } = this
    const palette = palettes[frame.state.theme]
    this.weights.beginFrame()
    this.samples.beginFrame()
    this.counters.drawCalls = 0
    this.fillFrameBlock(frame, palette)
    gl.bindVertexArray(this.array)
    gl.viewport(0, 0, gl.drawingBufferWidth, gl.drawingBufferHeight)
    gl.clearColor(0, 0, 0, 0)
    gl.depthMask(true)
    gl.clear(gl.COLOR_BUFFER_BIT | gl.DEPTH_BUFFER_BIT)
    gl.enable(gl.DEPTH_TEST)
    gl.depthFunc(gl.LEQUAL)
    gl.enable(gl.BLEND)
    gl.blendFunc(gl.ONE, gl.ONE_MINUS_SRC_ALPHA)
    this.drawMaps(frame, palette)
    return this.drawEdges(frame, palette)
  }

  private fillFrameBlock(frame: Frame, palette: Palette): void {
    const { gl } = this
    const [near, far] = depthRange(cornersOf(frame.placement), frame.camera)
    const matrix = viewProjection(frame.camera, frame.viewport, [near, far])
    const block = new Float32Array(28)
    block.set(matrix as mat4 & Float32Array, 0)
    const ratio = frame.pixelRatio
    block.set([gl.drawingBufferWidth, gl.drawingBufferHeight, ratio, focalLength(frame.viewport) * ratio], 16)
    block.set([near, far, frame.camera.distance, 1], 20)
    block.set([...palette.background, frame.state.theme === 'light' ? 1 : 0], 24)
    gl.bindBuffer(gl.UNIFORM_BUFFER, this.frameBlock)
    gl.bufferSubData(gl.UNIFORM_BUFFER, 0, block)
    gl.bindBufferBase(gl.UNIFORM_BUFFER, 0, this.frameBlock)
  }

  private bind(unit: number, texture: WebGLTexture): void {
    this.gl.activeTexture(this.gl.TEXTURE0 + unit)
    this.gl.bindTexture(this.gl.TEXTURE_2D, texture)
  }

  /** The two samples to blend; the nearest one that is resident stands in for one that has not arrived. */
  private blendedSamples(frame: Frame): { a: ResidentSample; b: ResidentSample; t: number } | null {
    const { before, after, t } = frame.epoch
    const a = this.samples.get(`${before}:${frame.state.sample}`)
    const b = t > 0 ? this.samples.get(`${after}:${frame.state.sample}`) : a
    if (a && b) return { a, b, t: a === b ? 0 : t }
    const one = a ?? b
    return one ? { a: one, b: one, t: 0 } : null
  }

  private drawMaps(frame: Frame, palette: Palette): void {
    const { gl, maps: program } = this
    program.use()
    gl.depthMask(true)
    // Ribbons end in the plane of a map: the map gives way a little.
    gl.enable(gl.POLYGON_OFFSET_FILL)
    gl.polygonOffset(1, 1)
    const samples = this.blendedSamples(frame)
    this.bindSamples(program, samples)
    this.bind(0, this.centres)
    program.int('uCentres', 0)
    program.vector('uPaper', ...palette.paper)
    program.vector('uBorder', ...palette.border)
    program.vector('uAccent', ...palette.accent)
    program.vector('uAccentEdge', ...palette.accentEdge)
    for (const [i, place] of frame.placement.layers.entries()) {
      if (place.folded) continue
      const view = frame.views[i]
      const start = samples?.a.offset.get(place.layer.id) ?? -1
      const hot = frame.hot?.layer === i ? frame.hot : frame.pinned?.layer === i ? frame.pinned : null
      program.int('uFirst', place.first)
      program.vector('uSize', place.width, place.height)
      program.ints('uPixels', place.layer.rows, place.layer.columns)
      program.ints('uActivationStart', start, samples?.a.largest[i] ?? -1)
      program.float('uRange', frame.ranges ? frame.ranges[i] : -1)
      program.float('uGain', view.activationGain)
      program.vectors3('uRamp', palette.activations[view.activationColors])
      program.int('uSigned', view.activationColors === 'blue-red' ? 1 : 0)
      program.float('uShare', view.pixelSize)
      program.int('uRound', view.pixels === 'round' ? 1 : 0)
      program.int('uHotMap', hot ? hot.map : -1)
      program.ints('uHotPixel', hot?.y ?? -1, hot?.x ?? -1)
      program.int('uPinnedMap', frame.pinned?.layer === i ? frame.pinned.map : -1)
      program.int('uDim', frame.pinned?.layer === i ? 1 : 0)
      gl.drawArraysInstanced(gl.TRIANGLE_STRIP, 0, 4, place.drawnMaps)
      this.counters.drawCalls++
    }
    gl.disable(gl.POLYGON_OFFSET_FILL)
  }

  private bindSamples(program: Program, samples: { a: ResidentSample; b: ResidentSample; t: number } | null): void {
    this.bind(3, samples?.a.texture.handle ?? this.blank.handle)
    this.bind(4, samples?.b.texture.handle ?? this.blank.handle)
    program.int('uActivationsA', 3)
    program.int('uActivationsB', 4)
    program.float('uActivationBlend', samples?.t ?? 0)
  }

  private drawEdges(frame: Frame, palette: Palette): FrameCounts {
    const { gl, edges: program } = this
    const counts: FrameCounts = {
      edgesDrawn: 0,
      edgesTotal: 0,
      mapsDrawn: frame.placement.maps,
      mapsTotal: this.drawn.reduce((sum, layer) => sum + layer.maps, 0),
      strands: [],
    }
    const plans = this.plan(frame)
    counts.strands = plans
    program.use()
    gl.depthMask(false)
    this.bind(0, this.centres)
    program.int('uCentres', 0)
    program.int('uValuesA', 1)
    program.int('uValuesB', 2)
    program.int('uOrder', 5)
    program.int('uBatch', BATCH)
    const samples = this.blendedSamples(frame)
    this.bindSamples(program, samples)
    for (const i of this.backToFront(frame)) {
      const link = this.links[i]
      if (link.role) counts.edgesTotal += link.weights
      const view = frame.views[link.to]
      const { layers } = frame.placement
      // What joins a folded layer to its host has no length.
      if (view.lineWidth === 0 || (layers[link.to].folded && layers[link.from].z === layers[link.to].z)) continue
      for (const strands of plans[i]) {
        if (strands.count === 0) continue
        if (!this.bindValues(program, frame, i, strands, view, samples)) continue
        this.setLook(program, frame, palette, i, strands, view)
        this.drawStrands(program, strands.count)
        if (link.role) counts.edgesDrawn += strands.count
      }
    }
    return counts
  }

  /** Budget: small connections get what they need, what is left is shared among the large ones. */
  private plan(frame: Frame): Strands[][] {
    const need = this.links.map(link => (link.role ? link.weights : 0))
    const bySize = need.map((_, i) => i).sort((a, b) => need[a] - need[b])
    const plans: Strands[][] = this.links.map(() => [])
    let left = frame.budget
    for (const [done, i] of bySize.entries()) {
      const link = this.links[i]
      const share = Math.floor(left / (bySize.length - done))
      const pinned = frame.pinned?.layer === link.to ? frame.pinned : null
      const focus = pinned ?? (frame.hot?.layer === link.to ? frame.hot : null)
      const selected = frame.state.selected === link.layer ? 0 : -1
      plans[i] = planStrands(link, frame.views[link.to], share, focus?.map ?? selected)
      left -= plans[i].reduce((sum, s) => sum + (link.role ? s.count : 0), 0)
    }
    return plans
  }

  private backToFront(frame: Frame): number[] {
    const yaw = (frame.camera.yaw * Math.PI) / 180
    const pitch = (frame.camera.pitch * Math.PI) / 180
    // Farther from an eye that looks along −z means a smaller z.
    const sign = Math.cos(yaw) * Math.cos(pitch) >= 0 ? 1 : -1
    return this.links.map((_, i) => i).sort((a, b) => sign * (this.depth(frame, a) - this.depth(frame, b)))
  }

  private depth(frame: Frame, link: number): number {
    return frame.placement.layers[this.links[link].to].z
  }

  /** Binds values and order of a draw; false while the weights have not arrived. */
  private bindValues(
    program: Program,
    frame: Frame,
    i: number,
    strands: Strands,
    view: LayerView,
    samples: { a: ResidentSample } | null,
  ): boolean {
    const { gl } = this
    const link = this.links[i]
    program.int('uMode', strands.mode)
    gl.bindBufferBase(gl.UNIFORM_BUFFER, 1, this.connectionBlocks[i])
    if (!link.role) {
      program.int('uValueStart', -1)
      program.int('uOrdered', 0)
      this.bind(1, this.blank.handle)
      this.bind(2, this.blank.handle)
      this.bind(5, this.blankOrder.handle)
      return true
    }
    const { before, after, t } = frame.epoch
    const first = this.weights.get(`${i}:${before}`)
    const second = t > 0 ? this.weights.get(`${i}:${after}`) : first
    const a = first ?? second
    const b = second ?? first
    const order = this.orders[i]
    if (!a || !b || !order) return false
    const blend = a === b ? 0 : t
    this.bind(1, a.texture.handle)
    this.bind(2, b.texture.handle)
    this.bind(5, order.texture.handle)
    program.float('uBlend', blend)
    program.int('uValueStart', valueStart(this.where[i], strands.mode))
    const largest = (a.largest[strands.mode] ?? 0) * (1 - blend) + (b.largest[strands.mode] ?? 0) * blend
    const ordered = orderFor(order, strands)
    program.int('uOrdered', ordered === null ? 0 : 1)
    program.int('uOrderStart', ordered ?? 0)
    // Sums over bundles would need the activations of all their edges: the product is shown where edges are single.
    const offset = samples?.a.offset.get(this.drawn[link.from].id)
    const times =
      view.weightTimesActivation && offset !== undefined && strands.mode !== Mode.Pair && strands.mode < Mode.BundleMap
    program.int('uTimesActivation', times ? 1 : 0)
    program.ints(
      'uActivationStart',
      offset ?? 0,
      samples && offset !== undefined ? (samples.a as ResidentSample).means[link.from] : 0,
    )
    program.float('uLargest', times ? largest * (frame.ranges?.[link.from] || 1) : largest)
    return true
  }

  private setLook(
    program: Program,
    frame: Frame,
    palette: Palette,
    i: number,
    strands: Strands,
    view: LayerView,
  ): void {
    const link = this.links[i]
    const from = frame.placement.layers[link.from]
    const to = frame.placement.layers[link.to]
    const guide = !link.role
    const style: RibbonStyle = guide ? guideStyle(strands) : ribbonStyle(strands.count)
    const bundle = guide ? 0 : bundleInForce(view)
    const light = frame.state.theme === 'light'
    program.int('uCount', strands.count)
    program.float('uExpansion', strands.expansion)
    program.vector('uCells', from.cell, to.cell)
    program.int('uFixedMap', strands.fixedMap)
    program.int('uFixedPixel', strands.fixedPixel)
    program.int('uSources', strands.mode >= Mode.BundleMap ? strands.total - link.outMaps : 0)
    program.vector('uMiddle', 0, 0, (from.z + to.z) / 2)
    program.float('uBundle', strands.mode >= Mode.BundleMap ? 1 : bundle)
    program.float('uStraight', strands.mode === Mode.Frame ? 1 : 0)
    program.float('uGain', view.weightGain)
    program.vector('uStyle', style[0], style[1], style[2], style[3])
    program.float('uStyleGamma', style[4])
    program.float('uLineWidth', view.lineWidth * stageScale(frame))
    program.float('uPerspectiveWidth', view.perspectiveWidth)
    program.float('uAlpha', strands.alpha)
    program.vectors3('uColors', guide ? threeTimes(palette.frame) : palette.weights[view.weightColors])
    program.float('uCover', light ? 1 : bundle > 0 || link.link === 'dense' ? 0.97 : 0.78)
    this.setFocus(program, frame, link)
  }

  /** A hovered map lifts its ribbons; a pinned one leaves only its own. */
  private setFocus(program: Program, frame: Frame, link: Connection): void {
    const focus = frame.pinned ?? frame.hot
    const outMap = focus?.layer === link.to ? focus.map : -1
    const inMap = focus?.layer === link.from ? focus.map : -1
    program.ints('uHot', inMap, outMap)
    program.float('uOthers', frame.pinned ? (inMap >= 0 || outMap >= 0 ? 0 : 0.25) : 1)
  }

  private drawStrands(program: Program, count: number): void {
    const { gl } = this
    const { buffer, segments } = this.indices[count <= 3000 ? 0 : count <= 30000 ? 1 : 2]
    program.int('uSegments', segments)
    gl.bindBuffer(gl.ELEMENT_ARRAY_BUFFER, buffer)
    const perInstance = Math.min(count, BATCH)
    gl.drawElementsInstanced(gl.TRIANGLES, perInstance * segments * 6, gl.UNSIGNED_INT, 0, Math.ceil(count / BATCH))
    this.counters.drawCalls++
  }

  dispose(): void {
    this.weights.clear()
    this.samples.clear()
  }
}

/** Ribbons keep their proportion to the maps where the whole network is small on the screen. */
function stageScale(frame: Frame): number {
  const pixelsPerUnit = focalLength(frame.viewport) / frame.camera.distance
  return Math.min(1.25, Math.max(0.45, pixelsPerUnit / 2.2))
}

/** Lines between corners are hints; taps and windows of pools are shown like weak weights. */
function guideStyle(strands: Strands): RibbonStyle {
  const alpha = strands.mode === Mode.Frame ? 0.2 : strands.count <= 500 ? 0.3 : strands.count <= 5000 ? 0.12 : 0.06
  return [1, 1, alpha, alpha, 1]
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
function orderFor(order: Order, strands: Strands): number | null {
  if (strands.mode === Mode.Weight) return order.weights - strands.count
  if (strands.mode === Mode.Pair) return order.pairStart + order.pairs - strands.count
  return null
}

function blockValues(
  c: Connection,
  fromFirst: number,
  toFirst: number,
  fromDrawn: number,
  toDrawn: number,
): Int32Array {
  const link = { conv: 0, dense: 1, pool: 2, each: 3 }[c.link]
  return new Int32Array([
    ...[link, fromFirst, toFirst, c.mapOffset],
    ...[c.inMaps, c.inRows, c.inColumns, fromDrawn],
    ...[c.outMaps, c.outRows, c.outColumns, toDrawn],
    ...[...c.kernel, c.inPerGroup, c.outPerGroup],
    ...[...c.stride, ...c.dilation],
    ...[...c.padding, c.inputOrder === 'HWC' ? 1 : 0, c.weights],
  ])
}

function connectionBlock(gl: WebGL2RenderingContext, c: Connection, drawn: readonly DrawnLayer[]): WebGLBuffer {
  const buffer = gl.createBuffer()!
  gl.bindBuffer(gl.UNIFORM_BUFFER, buffer)
  gl.bufferData(gl.UNIFORM_BUFFER, blockValues(c, 0, 0, drawn[c.from].maps, drawn[c.to].maps), gl.DYNAMIC_DRAW)
  return buffer
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

/** The stage: how one frame of everything on the GPU is drawn. Knows nothing of files or panels. */
import type { Connection } from '../layout/connections'
import type { DrawnLayer } from '../layout/drawn'
import { cornersOf, depthRange, focalLength, viewProjection } from './camera'
import { EdgesPass } from './edges-pass'
import type { Blend, Frame, Moment, SideIndex, Spot } from './frame'
import type { Counters } from './gl'
import { MapsPass, type Values } from './maps-pass'
import { palettes } from './palette'
import { Picture } from './picture'
import { otherSide, type Pair, type ResidentSample, Resources } from './resources'
import { planStrands, type Strands } from './strands'

export interface FrameCounts {
  edgesDrawn: number
  edgesTotal: number
  mapsDrawn: number
  mapsTotal: number
  /** What was drawn of each connection. */
  strands: Strands[][]
  /** False while the driver still prepares the ribbons: maps come first, another frame has to follow. */
  complete: boolean
}

/** Floats of the uniform block `Frame`. */
const FRAME_FLOATS = 28

export class Stage {
  readonly counters: Counters = { drawCalls: 0, bytesUploaded: 0, gpuBytes: 0 }
  readonly resources: Resources
  private readonly array: WebGLVertexArrayObject
  private readonly frameBlock: WebGLBuffer
  private readonly maps: MapsPass
  private readonly edges: EdgesPass
  private readonly picture: Picture

  constructor(
    readonly gl: WebGL2RenderingContext,
    readonly drawn: readonly DrawnLayer[],
    readonly links: readonly Connection[],
  ) {
    this.array = gl.createVertexArray()!
    gl.bindVertexArray(this.array)
    this.frameBlock = gl.createBuffer()!
    gl.bindBuffer(gl.UNIFORM_BUFFER, this.frameBlock)
    gl.bufferData(gl.UNIFORM_BUFFER, FRAME_FLOATS * 4, gl.DYNAMIC_DRAW)
    this.resources = new Resources(gl, this.counters, drawn, links)
    this.maps = new MapsPass(this.resources)
    this.edges = new EdgesPass(this.resources)
    this.picture = new Picture(gl, this.counters)
  }

  /** Largest value of a layer over the sample shown: stands in where the recording has no summary. */
  sampleRange(layer: number, epoch: Blend, sample: number, side: SideIndex = 0): number {
    return this.resources.samplesAt(epoch, sample, side)?.a.layerLargest[layer] ?? 1
  }

  /** One picture: one frame that fills the canvas, or two that share it. Counts are those of one of them. */
  draw(frames: readonly Frame[]): FrameCounts {
    const { gl, resources } = this
    resources.beginFrame()
    this.counters.drawCalls = 0
    gl.bindVertexArray(this.array)
    gl.disable(gl.SCISSOR_TEST)
    gl.clearColor(0, 0, 0, 0)
    gl.depthMask(true)
    gl.clear(gl.COLOR_BUFFER_BIT | gl.DEPTH_BUFFER_BIT)
    gl.enable(gl.DEPTH_TEST)
    gl.depthFunc(gl.LEQUAL)
    gl.enable(gl.BLEND)
    gl.blendFunc(gl.ONE, gl.ONE_MINUS_SRC_ALPHA)
    const counts = frames.map(frame => this.drawFrame(frame))
    return counts[0]
  }

  private drawFrame(frame: Frame): FrameCounts {
    this.fillFrameBlock(frame)
    this.setPart(frame)
    const values: Values = { own: this.samplesOf(frame), other: null }
    if (frame.compared?.difference)
      values.other = this.samplesOf({ ...frame.compared.other, side: otherSide(frame.side) })
    const { picture } = frame.placement
    if (picture && frame.images && !frame.only) this.picture.draw(picture, frame, palettes[frame.state.theme].border)
    this.maps.draw(frame, values)
    const plans = this.links.map(() => [] as Strands[])
    this.plan(frame, plans)
    const complete = this.edges.compiled
    if (complete) this.edges.draw(frame, plans, values)
    return { ...this.count(frame, plans), complete }
  }

  private samplesOf({ epoch, sample, side }: Moment & { side: SideIndex }): Pair<ResidentSample> | null {
    return this.resources.samplesAt(epoch, sample, side)
  }

  private setPart({ part, pixelRatio }: Frame): void {
    const { gl } = this
    const [width, height] = [gl.drawingBufferWidth, gl.drawingBufferHeight]
    const pixels = (length: number) => Math.round(length * pixelRatio)
    const [right, down] = part?.move ?? [0, 0]
    gl.viewport(pixels(right), -pixels(down), width, height)
    if (!part) return
    const { clip } = part
    const top = pixels(clip.top)
    const [w, h] = [pixels(clip.left + clip.width) - pixels(clip.left), pixels(clip.top + clip.height) - top]
    gl.enable(gl.SCISSOR_TEST)
    gl.scissor(pixels(clip.left), height - top - h, w, h)
  }

  private fillFrameBlock(frame: Frame): void {
    const { gl } = this
    const [near, far] = depthRange(cornersOf(frame.placement, frame.only ?? undefined), frame.camera)
    const all = depthRange(cornersOf(frame.placement), frame.camera)
    const block = new Float32Array(FRAME_FLOATS)
    block.set(viewProjection(frame.camera, frame.viewport, all), 0)
    const ratio = frame.pixelRatio
    block.set([gl.drawingBufferWidth, gl.drawingBufferHeight, ratio, focalLength(frame.viewport) * ratio], 16)
    block.set([near, far, frame.camera.distance, 1], 20)
    block.set([...palettes[frame.state.theme].background, frame.state.theme === 'light' ? 1 : 0], 24)
    gl.bindBuffer(gl.UNIFORM_BUFFER, this.frameBlock)
    gl.bufferSubData(gl.UNIFORM_BUFFER, 0, block)
    gl.bindBufferBase(gl.UNIFORM_BUFFER, 0, this.frameBlock)
  }

  /**
   * Budget: every connection has a claim to its weights, small ones first and large ones to equal shares; what is left
   * goes to the calculations, those of the layer that is looked at first.
   */
  private plan(frame: Frame, plans: Strands[][]): void {
    const claims = shares(
      this.links.map(link => (link.role ? link.weights : 0)),
      frame.budget,
    )
    let spare = frame.budget - claims.reduce((a, b) => a + b, 0)
    const focuses = this.links.map(link => focusOf(frame, link))
    const order = this.links.map((_, i) => i).sort((a, b) => focuses[b].map - focuses[a].map)
    for (const i of order) {
      const link = this.links[i]
      if (!shown(frame, link)) continue
      plans[i] = planStrands(link, frame.views[link.to], claims[i] + spare, focuses[i])
      const count = plans[i].reduce((sum, s) => sum + s.count, 0)
      spare = Math.max(0, spare - Math.max(0, count - claims[i]))
    }
  }

  private count(frame: Frame, plans: Strands[][]): Omit<FrameCounts, 'complete'> {
    const weighted = plans.filter((_, i) => this.links[i].role && frame.views[this.links[i].to].lineWidth > 0)
    return {
      edgesDrawn: weighted.flat().reduce((sum, s) => sum + s.count, 0),
      edgesTotal: this.links.reduce((sum, link) => sum + (link.role ? link.weights : 0), 0),
      mapsDrawn: frame.placement.maps,
      mapsTotal: this.drawn.reduce((sum, layer) => sum + layer.maps, 0),
      strands: plans,
    }
  }

  dispose(): void {
    this.resources.dispose()
  }
}

/** What joins a folded layer to its host has no length; a single calculation shows its own connection only. */
function shown(frame: Frame, link: Connection): boolean {
  const { layers } = frame.placement
  if (layers[link.to].folded && layers[link.from].z === layers[link.to].z) return false
  return !frame.only || (frame.only.has(link.to) && frame.only.has(link.from))
}

/** The output map and pixel that are looked at, for what would be too much for all maps. */
function focusOf(frame: Frame, link: Connection): { map: number; pixel: number } {
  const { pinned, hot } = frame
  const spot: Spot | null = pinned?.layer === link.to ? pinned : hot?.layer === link.to ? hot : null
  const selected = frame.state.selected === link.layer ? 0 : -1
  const single = frame.only !== null && spot !== null
  return { map: spot?.map ?? selected, pixel: single ? spot.y * link.outColumns + spot.x : -1 }
}

/** Splits a budget: who needs less than an equal share gets what it needs, the others share the rest. */
function shares(needs: readonly number[], budget: number): number[] {
  const bySize = needs.map((_, i) => i).sort((a, b) => needs[a] - needs[b])
  const given = needs.map(() => 0)
  let left = budget
  for (const [done, i] of bySize.entries()) {
    given[i] = Math.min(needs[i], Math.floor(left / (bySize.length - done)))
    left -= given[i]
  }
  return given
}

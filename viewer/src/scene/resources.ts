/** What is on the GPU: map centres, kernels, samples, the order of drawing. Uploads happen here and nowhere else. */
import type { Connection } from '../layout/connections'
import type { DrawnLayer } from '../layout/drawn'
import type { Placement } from '../layout/place'
import type { SampleActivations } from '../recording/types'
import type { Mode } from '../shaders/ends'
import { mapStatistics } from './activations'
import { Differences } from './differences'
import type { Blend, Moment, SideIndex } from './frame'
import { CENTRES_WIDTH, type Counters, fillPacked, freeTexture, packedTexture, plainTexture, type Texture } from './gl'
import { Residency } from './residency'
import { packWeights, risingOrder, type Sections, sections } from './weights'

const GPU_BUDGET = 384 * 2 ** 20
/** The order of drawing covers at least this many weights, so that a raised budget finds them in order. */
const LEAST_ORDER = 65_536

export interface ResidentWeights {
  texture: Texture
  /** Largest |value| by mode. */
  largest: Partial<Record<Mode, number>>
}

export interface ResidentSample {
  texture: Texture
  offset: SampleActivations['offset']
  /** By drawn layer: where its means and its largest values lie. */
  means: number[]
  largest: number[]
  layerLargest: number[]
  /** Largest value of every map of every drawn layer, one layer after the other. */
  mapLargest: Float32Array
}

export interface Order {
  texture: Texture
  /** The checkpoint by whose weights it is, by number; or what names the difference. */
  by: number | string
  /** Where the pairs' order begins; the weights' begins at 0. */
  pairStart: number
  weights: number
  pairs: number
}

/** Two resident things and how far between them; t 0 where both are the same. */
export interface Pair<T> {
  a: T
  b: T
  t: number
}

export function otherSide(side: SideIndex): SideIndex {
  return side === 0 ? 1 : 0
}

/** Bytes uploaded so far, by what they were. */
export interface Uploaded {
  weights: number
  activations: number
  layout: number
}

export class Resources {
  readonly uploaded: Uploaded = { weights: 0, activations: 0, layout: 0 }
  readonly centres: WebGLTexture
  readonly blocks: WebGLBuffer[]
  readonly blank: Texture
  readonly blankOrder: Texture
  readonly sections: Sections[]
  readonly orders: (Order | null)[]
  /** What differences of weights and maps reach to; and the order in which those of a connection are drawn. */
  readonly differences = new Differences()
  readonly differenceOrders: (Order | null)[]
  private readonly weights: Residency<ResidentWeights>
  private readonly samples: Residency<ResidentSample>
  /** What was drawn last on each side: shown on until what was asked for has arrived. */
  private readonly lastWeights: Pair<string>[][] = [[], []]
  private readonly lastSample: (Pair<string> | null)[] = [null, null]
  private rangesOver: { of: Pair<ResidentSample>[]; values: Float32Array } | null = null
  private centreRows = 0
  private readonly blockKeys: string[] = []

  constructor(
    readonly gl: WebGL2RenderingContext,
    readonly counters: Counters,
    readonly drawn: readonly DrawnLayer[],
    readonly links: readonly Connection[],
  ) {
    this.centres = plainTexture(gl)
    this.weights = new Residency(gl, counters, GPU_BUDGET)
    this.samples = new Residency(gl, counters, GPU_BUDGET / 2)
    this.orders = links.map(() => null)
    this.differenceOrders = links.map(() => null)
    this.sections = links.map(sections)
    this.blank = packedTexture(gl, counters, 'R32F', 1)
    this.blankOrder = packedTexture(gl, counters, 'R32UI', 1)
    this.blocks = links.map(link => connectionBlock(gl, link, drawn))
  }

  /** How many checkpoints fit onto the GPU together. */
  get room(): number {
    const bytes = this.sections.reduce((sum, { length }) => sum + 2 * length, 0)
    const values = this.drawn.reduce((sum, layer) => sum + layer.maps * layer.rows * layer.columns, 0)
    return Math.floor(Math.min(GPU_BUDGET / (bytes + 1), GPU_BUDGET / 2 / (4 * values + 1)))
  }

  beginFrame(): void {
    this.weights.beginFrame()
    this.samples.beginFrame()
  }

  /** `checkpoint` is the number of its files everywhere here. `variant` tells kernels from their products with a sample's activations. */
  hasWeights(link: number, checkpoint: number, variant = ''): boolean {
    return this.weights.has(`${link}:${checkpoint}:${variant}`)
  }

  /** Uploads a kernel of a connection, in canonical axes. */
  addWeights(link: number, checkpoint: number, kernel: Float32Array, variant = ''): void {
    const { gl, counters } = this
    const before = counters.bytesUploaded
    const packed = packWeights(this.links[link], kernel)
    const texture = packedTexture(gl, counters, 'R16F', packed.values.length)
    fillPacked(gl, counters, texture, packed.values, 0)
    this.uploaded.weights += counters.bytesUploaded - before
    this.weights.add(`${link}:${checkpoint}:${variant}`, { texture, largest: packed.largest })
  }

  /**
   * Fixes the order of drawing of a connection, weakest first, by one kernel for all checkpoints: an order that
   * changed while the epoch moves would make crossings pop. Covers the `budget` strongest at least.
   */
  setOrder(link: number, by: number, kernel: Float32Array, budget: number): void {
    const before = this.orders[link]
    this.orders[link] = this.orderOf(link, by, packWeights(this.links[link], kernel).values, budget)
    if (before) freeTexture(this.gl, this.counters, before.texture)
  }

  /** Notes what the difference of two kernels of a connection reaches to, and with a `budget` the order in which it is drawn. */
  addDifference(link: number, key: string, difference: Float32Array, budget: number | null): void {
    const packed = packWeights(this.links[link], difference)
    this.differences.addWeights(link, key, packed.largest)
    if (budget === null) return
    const before = this.differenceOrders[link]
    this.differenceOrders[link] = this.orderOf(link, key, packed.values, budget)
    if (before) freeTexture(this.gl, this.counters, before.texture)
  }

  /** `halves`: packed weights. */
  private orderOf(link: number, by: Order['by'], halves: Uint16Array, budget: number): Order {
    const { gl, counters } = this
    const where = this.sections[link]
    const weights = risingOrder(halves, where.weight, this.links[link].weights, Math.max(budget, LEAST_ORDER))
    const pairs = where.pair >= 0 ? risingOrder(halves, where.pair, where.bundleMap, budget) : new Uint32Array(0)
    const texture = packedTexture(gl, counters, 'R32UI', weights.length + pairs.length)
    fillPacked(gl, counters, texture, weights, 0)
    fillPacked(gl, counters, texture, pairs, weights.length)
    return { texture, by, pairStart: weights.length, weights: weights.length, pairs: pairs.length }
  }

  /** The kernels to blend for an epoch; what was shown last while they have not arrived; null before the first. */
  weightsAt(link: number, epoch: Blend, side: SideIndex, variant = ''): Pair<ResidentWeights> | null {
    const last = this.lastWeights[side]
    const keys = { a: `${link}:${epoch.before}:${variant}`, b: `${link}:${epoch.after}:${variant}`, t: epoch.t }
    const found = pairOf(this.weights, keys)
    if (found) {
      last[link] = keys
      return found
    }
    return last[link] ? pairOf(this.weights, last[link]) : null
  }

  hasSample(checkpoint: number, sample: number): boolean {
    return this.samples.has(`${checkpoint}:${sample}`)
  }

  addSample(checkpoint: number, sample: number, activations: SampleActivations): void {
    const { gl, counters } = this
    const before = counters.bytesUploaded
    const statistics = mapStatistics(this.drawn, activations)
    const texture = packedTexture(gl, counters, 'R32F', activations.data.length + statistics.values.length)
    fillPacked(gl, counters, texture, activations.data, 0)
    fillPacked(gl, counters, texture, statistics.values, activations.data.length)
    this.uploaded.activations += counters.bytesUploaded - before
    const layerLargest = statistics.largest.map((start, i) => {
      const first = start - activations.data.length
      return Math.max(...statistics.values.subarray(first, first + this.drawn[i].maps)) || 1
    })
    const { means, largest } = statistics
    const mapLargest = statistics.values.slice(statistics.values.length / 2)
    const { offset } = activations
    this.samples.add(`${checkpoint}:${sample}`, { texture, offset, means, largest, layerLargest, mapLargest })
  }

  samplesAt(epoch: Blend, sample: number, side: SideIndex): Pair<ResidentSample> | null {
    const keys = { a: `${epoch.before}:${sample}`, b: `${epoch.after}:${sample}`, t: epoch.t }
    const found = pairOf(this.samples, keys)
    if (found) {
      this.lastSample[side] = keys
      return found
    }
    const last = this.lastSample[side]
    return last && pairOf(this.samples, last)
  }

  /** Largest value of every map over two moments; the same array while it says the same, null before anything is here. */
  mapRanges([a, b]: readonly [Moment, Moment]): Float32Array | null {
    const found = [this.samplesAt(a.epoch, a.sample, 0), this.samplesAt(b.epoch, b.sample, 1)].filter(
      pair => pair !== null,
    )
    const before = this.rangesOver
    const same = before?.of.every((pair, i) => pair.a === found[i]?.a && pair.b === found[i].b && pair.t === found[i].t)
    if (found.length < 2 || same) return before?.values ?? null
    const values = new Float32Array(found[0].a.mapLargest.length)
    for (const { a, b, t } of found) {
      for (let map = 0; map < values.length; map++) {
        values[map] = Math.max(values[map], a.mapLargest[map] * (1 - t) + b.mapLargest[map] * t)
      }
    }
    this.rangesOver = { of: found, values }
    return values
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
      this.countLayout(values.byteLength)
    }
    for (const [i, link] of this.links.entries()) this.updateBlock(i, link, placement)
  }

  /** First maps and drawn maps change with `maxMaps` only; the rest of a block never does. */
  private updateBlock(i: number, link: Connection, placement: Placement): void {
    const from = placement.layers[link.from]
    const to = placement.layers[link.to]
    const key = `${from.first},${to.first},${from.drawnMaps},${to.drawnMaps}`
    if (this.blockKeys[i] === key) return
    this.blockKeys[i] = key
    const { gl } = this
    gl.bindBuffer(gl.UNIFORM_BUFFER, this.blocks[i])
    const values = blockValues(link, from.first, to.first, from.drawnMaps, to.drawnMaps)
    gl.bufferSubData(gl.UNIFORM_BUFFER, 0, values)
    this.countLayout(values.byteLength)
  }

  private countLayout(bytes: number): void {
    this.counters.bytesUploaded += bytes
    this.uploaded.layout += bytes
  }

  dispose(): void {
    this.weights.clear()
    this.samples.clear()
    for (const order of this.orders) if (order) this.gl.deleteTexture(order.texture.handle)
    for (const order of this.differenceOrders) if (order) this.gl.deleteTexture(order.texture.handle)
    for (const block of this.blocks) this.gl.deleteBuffer(block)
    this.gl.deleteTexture(this.centres)
  }
}

/** Both resident entries, or one of them for both; null when neither is there. */
function pairOf<T extends { texture: Texture }>(store: Residency<T>, keys: Pair<string>): Pair<T> | null {
  const a = store.get(keys.a)
  if (keys.t === 0) return a ? { a, b: a, t: 0 } : null
  const b = store.get(keys.b)
  if (a && b) return { a, b, t: keys.t }
  const one = a ?? b
  return one ? { a: one, b: one, t: 0 } : null
}

/** The uniform block `Connection` of ends.glsl. */
export function blockValues(
  c: Connection,
  fromFirst: number,
  toFirst: number,
  fromDrawn: number,
  toDrawn: number,
): Int32Array {
  const link = { conv: 0, dense: 1, pool: 2, each: 3 }[c.link]
  const walk = { window: 0, transposed: 1, scaled: 2 }[c.walk]
  return new Int32Array([
    ...[link, fromFirst, toFirst, c.mapOffset],
    ...[c.inMaps, c.inRows, c.inColumns, fromDrawn],
    ...[c.outMaps, c.outRows, c.outColumns, toDrawn],
    ...[...c.kernel, c.inPerGroup, c.outPerGroup],
    ...[...c.stride, ...c.dilation],
    ...[...c.padding, c.inputOrder === 'HWC' ? 1 : 0, c.weights],
    ...[c.inOffset, walk, 0, 0],
  ])
}

function connectionBlock(gl: WebGL2RenderingContext, c: Connection, drawn: readonly DrawnLayer[]): WebGLBuffer {
  const buffer = gl.createBuffer()!
  gl.bindBuffer(gl.UNIFORM_BUFFER, buffer)
  gl.bufferData(gl.UNIFORM_BUFFER, blockValues(c, 0, 0, drawn[c.from].maps, drawn[c.to].maps), gl.DYNAMIC_DRAW)
  return buffer
}

/** `window.cutaway`: the same object for embedding pages, for tests and for the console. */
import type { Calculation } from './explain/calculation'
import type { Checkpoint, Network } from './generated/recording'
import type { Connection } from './layout/connections'
import type { Pick, Stats } from './model'
import { products } from './scene/products'
import { edgeEnds, Mode } from './shaders/ends'
import type { State, StatePatch } from './state'
import type { Viewer } from './viewer'

export const VERSION = '0.1.0'

export interface ApiEdge {
  /** Input layer, map and, where the edge starts at one pixel, its row and column. */
  layer: string
  input: number
  pixel: [number, number] | null
  /** Row and column of the kernel; null for dense layers. */
  tap: [number, number] | null
  weight: number
  /** What its colour stands for: the weight, or with `weightTimesActivation` the weight × its input. */
  value: number
  from: [number, number, number]
  to: [number, number, number]
}

export interface Api {
  readonly version: string
  readonly network: Network
  /** Grows while the training is being recorded. */
  readonly checkpoints: readonly Checkpoint[]
  /** Read it; change it through `set`. */
  readonly state: State
  set(patch: StatePatch): void
  /** Data loaded, transitions over, frame drawn. */
  settled(): Promise<void>
  stats(): Stats
  /** SHA-256 of the canvas' pixels, as hexadecimal digits. */
  hash(): Promise<string>
  /** CSS pixels of the stage -> what is there. */
  pick(x: number, y: number): Pick | null
  /** The inverse of `pick`: the middle of a pixel. */
  screenPosition(
    layer: string,
    map: number,
    y: number,
    x: number,
    /** The half of the stage, while two things are shown beside each other; A unless told. */
    side?: 'A' | 'B',
  ): { x: number; y: number } | null
  /** Exact edges of one output unit or map at the shown epoch; empty while its weights (or inputs) are not loaded. */
  edges(layer: string, output: number): ApiEdge[]
  /** Every term of one value at the nearest checkpoint; null while a tensor that it needs is not loaded. */
  calculation(layer: string, map: number, y: number, x: number): Calculation | null
}

declare global {
  interface Window {
    cutaway?: Api
  }
}

export function makeApi(viewer: Viewer): Api {
  return {
    version: VERSION,
    network: viewer.recording.index.network,
    get checkpoints() {
      return viewer.recording.index.checkpoints
    },
    get state() {
      return structuredClone(viewer.state.value)
    },
    set: patch => viewer.set(patch),
    settled: () => viewer.settled(),
    stats: () => ({ ...viewer.stats.value }),
    hash: () => hashOf(viewer),
    pick: (x, y) => viewer.pick(x, y),
    screenPosition: (layer, map, y, x, side) => viewer.screenPosition(layer, map, y, x, side),
    edges: (layer, output) => edgesOf(viewer, layer, output),
    calculation: (layer, map, y, x) => viewer.readings.calculationOf({ layer, map, y, x }),
  }
}

async function hashOf(viewer: Viewer): Promise<string> {
  await viewer.settled()
  const { data } = viewer.pixels()
  const digest = await crypto.subtle.digest('SHA-256', data as Uint8Array<ArrayBuffer>)
  return Array.from(new Uint8Array(digest), byte => byte.toString(16).padStart(2, '0')).join('')
}

function edgesOf(viewer: Viewer, layer: string, output: number): ApiEdge[] {
  const placement = viewer.placed
  const edges: ApiEdge[] = []
  for (const c of viewer.links) {
    if (c.layer !== layer || !c.role || !placement) continue
    const kernel = viewer.readings.edgeWeights(c)
    if (!kernel) continue
    const perOutput = c.weights / c.outMaps
    const taps = c.kernel[0] * c.kernel[1]
    const values = viewer.viewOf(c.to).weightTimesActivation ? productsOf(viewer, c, kernel) : kernel
    if (!values) continue
    const view = { mode: Mode.Weight, expansion: viewer.viewOf(c.to).expansion, fixedMap: -1, fixedPixel: -1 }
    for (let i = output * perOutput; i < (output + 1) * perOutput; i++) {
      const e = edgeEnds(c, placement, view, i)
      edges.push({
        layer: viewer.drawn[c.from].id,
        input: e.inMap,
        pixel: e.inPixel,
        tap: c.link === 'dense' ? null : [Math.floor((i % taps) / c.kernel[1]), i % c.kernel[1]],
        weight: kernel[i],
        value: values[i],
        from: e.from,
        to: e.to,
      })
    }
  }
  return edges
}

/** Weights × the inputs that they multiply, at the shown epoch and sample; null while the inputs are not loaded. */
function productsOf(viewer: Viewer, c: Connection, kernel: Float32Array): Float32Array | null {
  const from = viewer.drawn[c.from]
  const input = viewer.readings.outputOf(from.id, 0, from.maps * from.rows * from.columns)
  return input && products(c, kernel, input)
}

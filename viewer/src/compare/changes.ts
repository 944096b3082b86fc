/** How much every layer changed between two moments: the weights of its kernel, or what it puts out for two samples. */
import type { DrawnLayer } from '../layout/drawn'
import type { Tensor } from '../recording/types'
import { differenceKey } from '../scene/differences'
import type { Loader } from '../scene/loader'
import type { AskedSide } from './needs'

export interface Change {
  layer: string
  name: string
  /** ‖B − A‖ / ‖A‖; with `exact` false the least that it can be, by the norms alone. */
  share: number
  exact: boolean
}

/** Kernels with more weights than this are judged by their recorded norms: they alone would be hundreds of megabytes. */
const MOST_WEIGHTS = 8e6
/** Weights of both sides that are fetched for the list alone; what the stage has in memory costs nothing. */
const MOST_FETCHED = 16e6

const KERNELS = new Set(['kernel', 'depthwise', 'pointwise'])

/** ‖b − a‖ / ‖a‖; pairs of which one is not finite are left out. */
export function relativeChange(a: Float32Array, b: Float32Array): number {
  let apart = 0
  let norm = 0
  for (let i = 0; i < a.length; i++) {
    const step = b[i] - a[i]
    if (!Number.isFinite(step)) continue
    apart += step * step
    norm += a[i] * a[i]
  }
  return ratio(Math.sqrt(apart), Math.sqrt(norm))
}

function ratio(apart: number, norm: number): number {
  return norm > 0 ? apart / norm : apart > 0 ? Number.POSITIVE_INFINITY : 0
}

export class Changes {
  private readonly known = new Map<string, number>()
  private fetched = 0

  constructor(
    private readonly drawn: readonly DrawnLayer[],
    private readonly loader: Loader,
  ) {}

  /** Largest first; without those that are still being read. `by` activations: of the two sides' samples. */
  list(a: AskedSide, b: AskedSide, by: 'weights' | 'activations'): Change[] {
    const changes = this.drawn.flatMap(layer => {
      const found = by === 'weights' ? this.ofWeights(layer, a, b) : this.ofOutput(layer, a, b)
      return found ? [{ layer: layer.id, name: layer.name, ...found }] : []
    })
    return changes.sort((p, q) => q.share - p.share)
  }

  private ofWeights({ id, layer }: DrawnLayer, a: AskedSide, b: AskedSide) {
    const parameter = layer.parameters?.find(p => KERNELS.has(p.role))
    if (!parameter) return null
    const size = parameter.shape.reduce((n, side) => n * side, 1)
    const key = `${id}:${nearestKey(a, b)}`
    const known = this.known.get(key)
    if (known !== undefined) return { share: known, exact: true }
    if (size > MOST_WEIGHTS) return boundOf(id, parameter.role, a, b)
    const now = [a, b].map(side => side.recording.parameterNow(id, parameter.role, nearest(side)))
    if (now[0] && now[1]) return { share: this.remember(key, now[0], now[1]), exact: true }
    if (this.fetched + 2 * size > MOST_FETCHED) return boundOf(id, parameter.role, a, b)
    queueMicrotask(() => this.fetch(key, id, parameter.role, 2 * size, a, b))
    return null
  }

  private fetch(key: string, layer: string, role: string, weights: number, a: AskedSide, b: AskedSide): void {
    if (this.known.has(key)) return
    this.loader.load(
      `change of ${key}`,
      async () => {
        this.fetched += weights
        const [from, to] = await Promise.all([a, b].map(side => side.recording.parameter(layer, role, nearest(side))))
        this.remember(key, from, to)
      },
      true,
    )
  }

  private remember(key: string, a: Tensor, b: Tensor): number {
    const share = relativeChange(a.data, b.data)
    this.known.set(key, share)
    return share
  }

  private ofOutput(layer: DrawnLayer, a: AskedSide, b: AskedSide) {
    const key = `${layer.id}:${nearestKey(a, b)}:${a.sample}>${b.sample}`
    const known = this.known.get(key)
    if (known !== undefined) return { share: known, exact: true }
    const [from, to] = [a, b].map(side => side.recording.outputNow(nearest(side), side.sample, layer.id))
    if (!from || !to) return null
    const share = relativeChange(from, to)
    this.known.set(key, share)
    return { share, exact: true }
  }
}

/** | ‖b‖ − ‖a‖ | ≤ ‖b − a‖: the least change, by what the summaries tell. */
function boundOf(layer: string, role: string, a: AskedSide, b: AskedSide) {
  const norms = [a, b].map(side => side.recording.summaryNow(nearest(side))?.[layer]?.parameters?.[role]?.norm)
  const [from, to] = norms
  return from === undefined || to === undefined ? null : { share: ratio(Math.abs(to - from), from), exact: false }
}

function nearest({ epoch, position }: AskedSide): number {
  return position(epoch.t < 0.5 ? epoch.before : epoch.after)
}

function nearestKey(a: AskedSide, b: AskedSide): string {
  const number = ({ epoch }: AskedSide) => (epoch.t < 0.5 ? epoch.before : epoch.after)
  return differenceKey({ a: number(a), b: number(b), share: 1 }, null)
}

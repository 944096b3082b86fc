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

/** ‖b − a‖ / ‖a‖ over several arrays; pairs of which one is not finite are left out. */
export function relativeChange(a: readonly Float32Array[], b: readonly Float32Array[]): number {
  let apart = 0
  let norm = 0
  for (const [part, from] of a.entries()) {
    for (let i = 0; i < from.length; i++) {
      const step = b[part][i] - from[i]
      if (!Number.isFinite(step)) continue
      apart += step * step
      norm += from[i] * from[i]
    }
  }
  return ratio(Math.sqrt(apart), Math.sqrt(norm))
}

function allThere(tensors: readonly (Tensor | null)[]): tensors is Tensor[] {
  return tensors.every(tensor => tensor !== null)
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
    const kernels = (layer.parameters ?? []).filter(p => KERNELS.has(p.role))
    if (kernels.length === 0) return null
    const size = kernels.reduce((sum, { shape }) => sum + shape.reduce((n, side) => n * side, 1), 0)
    const key = `${id}:${nearestKey(a, b)}`
    const known = this.known.get(key)
    if (known !== undefined) return { share: known, exact: true }
    const roles = kernels.map(p => p.role)
    if (size > MOST_WEIGHTS) return boundOf(id, roles, a, b)
    const [from, to] = [a, b].map(side => roles.map(role => side.recording.parameterNow(id, role, nearest(side))))
    if (allThere(from) && allThere(to)) return { share: this.remember(key, from, to), exact: true }
    if (this.fetched + 2 * size > MOST_FETCHED) return boundOf(id, roles, a, b)
    queueMicrotask(() => this.fetch(key, id, roles, 2 * size, a, b))
    return null
  }

  private fetch(key: string, layer: string, roles: string[], weights: number, a: AskedSide, b: AskedSide): void {
    if (this.known.has(key)) return
    const load = (side: AskedSide) =>
      Promise.all(roles.map(role => side.recording.parameter(layer, role, nearest(side))))
    this.loader.load(
      `change of ${key}`,
      async () => {
        this.fetched += weights
        const [from, to] = await Promise.all([load(a), load(b)])
        this.remember(key, from, to)
      },
      true,
    )
  }

  private remember(key: string, a: readonly Tensor[], b: readonly Tensor[]): number {
    const data = (tensors: readonly Tensor[]) => tensors.map(tensor => tensor.data)
    const share = relativeChange(data(a), data(b))
    this.known.set(key, share)
    return share
  }

  private ofOutput(layer: DrawnLayer, a: AskedSide, b: AskedSide) {
    const key = `${layer.id}:${nearestKey(a, b)}:${a.sample}>${b.sample}`
    const known = this.known.get(key)
    if (known !== undefined) return { share: known, exact: true }
    const [from, to] = [a, b].map(side => side.recording.outputNow(nearest(side), side.sample, layer.id))
    if (!from || !to) return null
    const share = relativeChange([from], [to])
    this.known.set(key, share)
    return { share, exact: true }
  }
}

/** | ‖b‖ − ‖a‖ | ≤ ‖b − a‖: the least change, by what the summaries tell. */
function boundOf(layer: string, roles: readonly string[], a: AskedSide, b: AskedSide) {
  const [from, to] = [a, b].map(side => {
    const summary = side.recording.summaryNow(nearest(side))?.[layer]
    return Math.hypot(...roles.map(role => summary?.parameters?.[role]?.norm ?? Number.NaN))
  })
  return Number.isFinite(from + to) ? { share: ratio(Math.abs(to - from), from), exact: false } : null
}

function nearest({ epoch, position }: AskedSide): number {
  return position(epoch.t < 0.5 ? epoch.before : epoch.after)
}

function nearestKey(a: AskedSide, b: AskedSide): string {
  const number = ({ epoch }: AskedSide) => (epoch.t < 0.5 ? epoch.before : epoch.after)
  return differenceKey({ a: number(a), b: number(b), share: 1 }, null)
}

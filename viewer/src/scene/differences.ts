/** How far two moments lie apart: what the colours of a difference reach to. Scanned once for a pair of checkpoints. */
import type { DrawnLayer } from '../layout/drawn'
import type { SampleActivations } from '../recording/types'
import type { Mode } from '../shaders/ends'
import type { Blend, Moment } from './frame'

/** A checkpoint of A, one of B, by their numbers, and the share that they have in what is shown. */
export interface CheckpointPair {
  a: number
  b: number
  share: number
}

/** All that is blended, those with the largest share first. */
export function checkpointPairs(a: Blend, b: Blend): CheckpointPair[] {
  const pairs = ends(a).flatMap(from => ends(b).map(to => ({ a: from.at, b: to.at, share: from.share * to.share })))
  return pairs.filter(pair => pair.share > 0).sort((p, q) => q.share - p.share)
}

function ends({ before, after, t }: Blend): { at: number; share: number }[] {
  return [
    { at: before, share: 1 - t },
    { at: after, share: t },
  ]
}

/** Names what differs: a pair of checkpoints, and of samples where those count. */
export function differenceKey(pair: CheckpointPair, samples: readonly [number, number] | null): string {
  return `${pair.a}>${pair.b}${samples ? `:${samples[0]}>${samples[1]}` : ''}`
}

export function samplesOf(a: Moment, b: Moment): [number, number] {
  return [a.sample, b.sample]
}

/** b − a, value by value. */
export function difference(a: Float32Array, b: Float32Array): Float32Array {
  const out = new Float32Array(a.length)
  for (let i = 0; i < a.length; i++) out[i] = b[i] - a[i]
  return out
}

/** Largest |b − a| of every map of every drawn layer, one layer after the other; 0 for what one of the two lacks. */
export function mapDifferences(drawn: readonly DrawnLayer[], a: SampleActivations, b: SampleActivations): Float32Array {
  const largest = new Float32Array(drawn.reduce((sum, layer) => sum + layer.maps, 0))
  let map = 0
  for (const { id, maps, rows, columns } of drawn) {
    const [fromA, fromB] = [a.offset.get(id), b.offset.get(id)]
    for (let m = 0; m < maps; m++, map++) {
      if (fromA === undefined || fromB === undefined) continue
      const first = m * rows * columns
      for (let p = first; p < first + rows * columns; p++) {
        const size = Math.abs(b.data[fromB + p] - a.data[fromA + p])
        if (size > largest[map] && size < Number.POSITIVE_INFINITY) largest[map] = size
      }
    }
  }
  return largest
}

/** Pairs remembered for each connection, and for the maps: a few hundred bytes each, a few kilobytes. */
const MOST_PAIRS = 256

export class Differences {
  private readonly weights = new Map<string, Partial<Record<Mode, number>>>()
  private readonly maps = new Map<string, Float32Array>()
  /** What was in force last, until what is asked for is known. */
  private readonly lastWeights = new Map<string, number>()
  private lastMaps: { key: string; values: Float32Array } | null = null

  knowsWeights(link: number, key: string): boolean {
    return this.weights.has(`${link}:${key}`)
  }

  /** `largest`: |difference| by mode. */
  addWeights(link: number, key: string, largest: Partial<Record<Mode, number>>): void {
    remember(this.weights, `${link}:${key}`, largest)
  }

  knowsMaps(key: string): boolean {
    return this.maps.has(key)
  }

  addMaps(key: string, largest: Float32Array): void {
    remember(this.maps, key, largest)
  }

  /** Largest |difference| of the weights of a connection in a mode, blended as they are; null before the first. */
  weightScale(
    link: number,
    mode: Mode,
    pairs: readonly CheckpointPair[],
    samples: [number, number] | null,
  ): number | null {
    let scale = 0
    for (const pair of pairs) {
      const largest = this.weights.get(`${link}:${differenceKey(pair, samples)}`)
      if (!largest) return this.lastWeights.get(`${link}:${mode}`) ?? null
      scale += pair.share * (largest[mode] ?? 0)
    }
    this.lastWeights.set(`${link}:${mode}`, scale)
    return scale
  }

  /** The same for every map; the same array while it says the same. */
  mapScales(pairs: readonly CheckpointPair[], samples: [number, number]): Float32Array | null {
    const key = JSON.stringify([pairs, samples])
    if (this.lastMaps?.key === key) return this.lastMaps.values
    const found = pairs.map(pair => this.maps.get(differenceKey(pair, samples)))
    if (found.length === 0 || found.some(values => values === undefined)) return this.lastMaps?.values ?? null
    const values = new Float32Array(found[0]!.length)
    for (const [i, pair] of pairs.entries()) {
      for (let map = 0; map < values.length; map++) values[map] += pair.share * found[i]![map]
    }
    this.lastMaps = { key, values }
    return values
  }
}

function remember<T>(map: Map<string, T>, key: string, value: T): void {
  map.set(key, value)
  for (const oldest of map.keys()) {
    if (map.size <= MOST_PAIRS) break
    map.delete(oldest)
  }
}

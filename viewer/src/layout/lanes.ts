/** Where the layers of a graph stand beside each other: how far along (rank), and on which lane. Pure. */
import type { Connection } from './connections'

export interface Lanes {
  /** Longest way from an input, in layers. */
  rank: number[]
  /** 0: the main path; 1, −1, 2, … above and below it. */
  lane: number[]
}

/** Layers come in an order in which they can be computed. A branch keeps its lane until it joins another. */
export function laneOf(layers: number, links: readonly Pick<Connection, 'from' | 'to'>[]): Lanes {
  const rank = Array.from({ length: layers }, () => 0)
  const lane = Array.from({ length: layers }, () => 0)
  const taken = new Set<string>()
  for (let i = 0; i < layers; i++) {
    const inputs = links.filter(link => link.to === i).map(link => link.from)
    rank[i] = inputs.length > 0 ? 1 + Math.max(...inputs.map(from => rank[from])) : 0
    // Where branches join, the one nearest to the main path goes on.
    const wanted = inputs.length > 0 ? inputs.map(from => lane[from]).reduce(nearer) : 0
    lane[i] = freeLane(wanted, at => !taken.has(`${rank[i]} ${at}`))
    taken.add(`${rank[i]} ${lane[i]}`)
  }
  return { rank, lane }
}

function nearer(a: number, b: number): number {
  return Math.abs(b) < Math.abs(a) ? b : a
}

/** The wanted lane, or the nearest free one: above first, then below. */
function freeLane(wanted: number, free: (lane: number) => boolean): number {
  for (let step = 0; ; step++) {
    if (free(wanted + step)) return wanted + step
    if (free(wanted - step)) return wanted - step
  }
}

/** What is left out of the picture, in words: nothing is dropped in silence. */
import type { Connection } from '../layout/connections'
import type { DrawnLayer } from '../layout/drawn'
import type { Placement } from '../layout/place'
import { formatCount, formatPercent } from '../numbers'
import { Mode } from '../shaders/ends'
import type { Strands } from './strands'

/**
 * `normShare`: the share of the squared norm that a connection's strongest weights hold; null while not known. Without it,
 * a difference is drawn.
 */
export function omissions(
  drawn: readonly DrawnLayer[],
  links: readonly Connection[],
  placement: Placement,
  strands: readonly Strands[][],
  normShare: ((link: number, count: number) => number | null) | null,
): string[] {
  const sentences: string[] = []
  for (const [i, link] of links.entries()) {
    const name = drawn[link.to].name
    for (const s of strands[i] ?? []) {
      if (s.mode !== Mode.Weight || s.count === s.total) continue
      sentences.push(`${cutWeights(name, s)}, ${normShare ? byNorm(normShare(i, s.count)) : 'those that differ most'}`)
    }
    const limited = strands[i]?.find(s => s.limited)
    if (limited) sentences.push(limitedCalculations(name, link, limited))
  }
  for (const place of placement.layers) {
    const { layer } = place
    if (place.drawnMaps === layer.maps) continue
    const kind = place.wall ? 'maps' : 'units'
    const rest = place.wall ? ', all of them as tiles above' : ''
    sentences.push(
      `drawn ${formatCount(place.drawnMaps)} of ${formatCount(layer.maps)} ${kind} of ${layer.name}${rest}`,
    )
  }
  return sentences
}

function cutWeights(name: string, s: Strands): string {
  return `drawn ${formatCount(s.count)} of ${formatCount(s.total)} weights of ${name}`
}

function byNorm(share: number | null): string {
  return `the largest by |w|${share === null ? '' : `, ${formatPercent(share, 0)} of the squared norm`}`
}

function limitedCalculations(name: string, link: Connection, s: Strands): string {
  const all = formatCount(link.weights * link.outRows * link.outColumns)
  if (s.fixedMap >= 0) return `${name}: the calculations of map ${s.fixedMap}; those of all maps would be ${all} edges`
  return `${name}: all calculations would be ${all} edges; point at a map to see its own`
}

/** What the tooltip says about a ribbon. */
import type { Index } from '../generated/recording'
import type { EdgePick } from '../model'
import { formatCount, formatSigned, formatValue } from '../numbers'

/** "pool0 · 3 → conv1 · 6"; an end that a bundle shares has no name. */
export function edgeWords(edge: EdgePick, index: Index): string {
  const layer = index.network.layers.find(l => l.id === edge.layer)?.name ?? edge.layer
  if (edge.from && edge.to) return `${edge.from} → ${edge.to}`
  if (edge.from) return `${edge.from} → all of ${layer}`
  return edge.to ? `all inputs → ${edge.to}` : layer
}

/** One weight exactly, several by their number and sum. */
export function edgeValue({ weights, sum }: Pick<EdgePick, 'weights' | 'sum'>): string {
  return weights === 1 ? formatValue(sum) : `${formatCount(weights)} weights, Σ ${formatSigned(sum, 3)}`
}

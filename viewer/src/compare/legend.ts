/** What colours stand for while two things are compared: over both, or how far they lie apart. */

import type { Connection } from '../layout/connections'
import type { DrawnLayer } from '../layout/drawn'
import type { Legend } from '../model'
import { checkpointPairs } from '../scene/differences'
import type { Resources } from '../scene/resources'
import { Mode } from '../shaders/ends'
import { layerView, type State } from '../state'
import { differenceRanges } from './frames'
import type { AskedSide } from './needs'

export function legendOfBoth(a: Legend, b: Legend | null): Legend {
  if (!b) return a
  return {
    ...a,
    weight: a.weight === null ? b.weight : Math.max(a.weight, b.weight ?? 0),
    activationLow: Math.min(a.activationLow, b.activationLow),
    activationHigh: Math.max(a.activationHigh, b.activationHigh),
  }
}

/** `weights`: they differ, too. Null numbers until they are known. */
export function legendOfDifference(
  a: Legend,
  [from, to]: readonly [AskedSide, AskedSide],
  resources: Resources,
  state: State,
): Legend {
  const { drawn, links, differences } = resources
  const layer = drawn.find(l => l.id === a.layer)!
  const pairs = checkpointPairs(from.epoch, to.epoch)
  const maps = differences.mapScales(pairs, [from.sample, to.sample])
  const most = differenceRanges(drawn, maps, state.range === 'map' ? 'layer' : state.range)![layer.index][1]
  const legend = { ...a, difference: true, activationLow: -most, activationHigh: most }
  const times = layerView(state, a.layer).weightTimesActivation
  if (state.compare?.with === 'sample') return { ...legend, weightDifference: times }
  const weight = a.weight === null ? null : weightScale(links, layer, pairs, resources)
  return { ...legend, weight: weight ?? a.weight, weightDifference: weight !== null || times }
}

function weightScale(
  links: readonly Connection[],
  layer: DrawnLayer,
  pairs: ReturnType<typeof checkpointPairs>,
  { differences }: Resources,
): number | null {
  const link = links.findIndex(l => l.to === layer.index && l.role)
  return differences.weightScale(link, Mode.Weight, pairs, null)
}

/** What a difference needs beside the two things themselves: how far they lie apart, scanned once when both are there. */
import type { Recording } from '../recording/types'
import { type CheckpointPair, checkpointPairs, difference, differenceKey, mapDifferences } from '../scene/differences'
import type { Moment } from '../scene/frame'
import { loadEdgeWeights } from '../scene/kernels'
import type { Loader } from '../scene/loader'
import { products } from '../scene/products'
import type { Stage } from '../scene/stage'
import { layerView, type State } from '../state'

/** One side as it is asked for. `positions`: by number, where its checkpoints stand in its index. */
export interface AskedSide extends Moment {
  recording: Recording
  position(number: number): number
}

/** Requests what is missing; cheap when nothing is. */
export function needDifference(
  stage: Stage,
  loader: Loader,
  [a, b]: readonly [AskedSide, AskedSide],
  state: State,
  weights: boolean,
  budget: number,
): void {
  const samples: [number, number] = [a.sample, b.sample]
  const pairs = checkpointPairs(a.epoch, b.epoch)
  for (const [rank, pair] of pairs.entries()) {
    needMaps(stage, loader, [a, b], pair, samples)
    for (const link of stage.links.keys()) {
      const times = layerView(state, stage.links[link].layer).weightTimesActivation
      // Calculations need the weights' own difference whatever is shown of the rest.
      if (weights) needWeights(stage, loader, [a, b], link, pair, null, rank === 0 && !times ? budget : null)
      if (times) needWeights(stage, loader, [a, b], link, pair, samples, rank === 0 ? budget : null)
    }
  }
}

function needMaps(
  { resources, drawn }: Stage,
  loader: Loader,
  [a, b]: readonly [AskedSide, AskedSide],
  pair: CheckpointPair,
  samples: [number, number],
): void {
  const key = differenceKey(pair, samples)
  if (resources.differences.knowsMaps(key)) return
  if (Math.min(a.recording.index.samples.count, b.recording.index.samples.count) === 0) return
  loader.load(`difference of maps ${key}`, async () => {
    const [ours, theirs] = await Promise.all([
      a.recording.activations(a.position(pair.a), a.sample),
      b.recording.activations(b.position(pair.b), b.sample),
    ])
    resources.differences.addMaps(key, mapDifferences(drawn, ours, theirs))
  })
}

/** `samples`: of the products with what they show. `budget`: where the order of drawing is wanted too. */
function needWeights(
  stage: Stage,
  loader: Loader,
  [a, b]: readonly [AskedSide, AskedSide],
  i: number,
  pair: CheckpointPair,
  samples: [number, number] | null,
  budget: number | null,
): void {
  const { resources } = stage
  const link = stage.links[i]
  const key = differenceKey(pair, samples)
  const ordered = budget === null || resources.differenceOrders[i]?.by === key
  if (!link.role || (ordered && resources.differences.knowsWeights(i, key))) return
  const values = async (side: AskedSide, number: number) => {
    const position = side.position(number)
    const weights = await loadEdgeWeights(side.recording, link, position)
    if (!samples) return weights
    const shown = await side.recording.activations(position, side.sample)
    const start = shown.offset.get(stage.drawn[link.from].id)
    return start === undefined ? null : products(link, weights, shown.data.subarray(start))
  }
  loader.load(`difference of weights ${i} ${key} ${ordered}`, async () => {
    const [ours, theirs] = await Promise.all([values(a, pair.a), values(b, pair.b)])
    if (ours && theirs) resources.addDifference(i, key, difference(ours, theirs), budget)
  })
}

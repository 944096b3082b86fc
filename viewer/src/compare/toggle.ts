/** Comparing switched on and off, and A and B exchanged. */
import type { ViewerModel } from '../model'
import type { Compared, State } from '../state'

/** On: as it was last, or with what there is: the second recording, the first checkpoint, another sample. */
export function toggleCompare(model: ViewerModel): void {
  const { comparison, state } = model
  const { compare } = state.value
  if (compare) comparison.last = compare
  model.set({ compare: compare ? null : (comparison.last ?? firstChoice(model)) })
}

function firstChoice({ comparison, recording, state }: ViewerModel): Compared {
  if (comparison.second.value) return { with: 'recording', show: 'side' }
  const { checkpoints, samples } = recording.index
  const { epoch, sample } = state.value
  const last = checkpoints.length - 1
  if (last < 1 && samples.count > 1) return { with: 'sample', sample: sample === 0 ? 1 : 0, show: 'side' }
  return { with: 'checkpoint', epoch: epoch < 0.5 ? last : 0, show: 'side' }
}

/** B takes A's place and A takes B's; null where they can't, because the two recordings are what they are. */
export function swapped({ compare, epoch, sample }: State): Partial<State> | null {
  if (compare?.with === 'checkpoint') return { epoch: compare.epoch, compare: { ...compare, epoch } }
  if (compare?.with === 'sample') return { sample: compare.sample, compare: { ...compare, sample } }
  return null
}

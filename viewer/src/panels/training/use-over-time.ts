import { type ReadonlySignal, useComputed, useSignalEffect } from '@preact/signals'
import { useMemo } from 'preact/hooks'
import type { ViewerModel } from '../../model'
import { OverTime, spread } from '../../training/over-time'

/** What is known of one thing at one checkpoint. */
export interface Moment<T> {
  position: number
  label: string
  value: T
}

/**
 * One thing at all checkpoints (or many, spread evenly), oldest first; those that are not here yet, or were not
 * recorded, are left out. `name` names the thing: a component that shows another one has another key.
 */
export function useOverTime<T>(
  model: ViewerModel,
  name: string,
  fetch: (checkpoint: number) => Promise<T | null>,
): ReadonlySignal<Moment<T>[]> {
  const store = useMemo(() => new OverTime<T>(name, (key, request) => model.loadLater(key, request), fetch), [model])
  useSignalEffect(() => {
    const { checkpoints } = model.recording.index
    store.need(spread(checkpoints.length), checkpoints)
  })
  return useComputed(() => {
    const { checkpoints } = model.recording.index
    const known = store.moments.value
    return spread(checkpoints.length).flatMap(position => {
      const value = known.get(checkpoints[position].index)
      return value == null ? [] : [{ position, label: checkpoints[position].label, value }]
    })
  })
}

import { type ReadonlySignal, useComputed } from '@preact/signals'
import { useRef } from 'preact/hooks'
import { blendOf, numbered } from '../blending'
import type { LayerSummary } from '../generated/recording'
import type { ViewerModel } from '../model'
import type { Tensor } from '../recording/types'

/**
 * A parameter at the shown epoch, as a signal that changes with the epoch and with what arrives, and with nothing else.
 * The model blends anew on each call and may read its whole state for it; a slider must not cost that.
 */
export function useParameter(model: ViewerModel, layer: string, role: string): ReadonlySignal<Tensor | null> {
  const moment = useMoment(model)
  const known = useRef<{ moment: string; tensor: Tensor | null } | null>(null)
  return useComputed(() => {
    const now = moment.value
    if (known.current?.moment !== now || !known.current.tensor) {
      known.current = { moment: now, tensor: model.parameterAt(layer, role) }
    }
    return known.current.tensor
  })
}

/** Names the checkpoints that are blended and how far: it changes with them, not with their places in the list. */
function useMoment(model: ViewerModel): ReadonlySignal<string> {
  return useComputed(() => {
    const { checkpoints } = model.recording.index
    return JSON.stringify(numbered(blendOf(model.state.value.epoch, checkpoints.length), checkpoints))
  })
}

/** The summary of a layer at the nearest checkpoint; recorded objects are compared by identity. */
export function useSummary(model: ViewerModel, layer: string): ReadonlySignal<LayerSummary | null> {
  return useComputed(() => model.summaryAt(layer))
}

/** Largest |w| behind the stage's colours for a layer, so that both show the same weight alike; null where it has none. */
export function useStageScale(model: ViewerModel, layer: { id: string; name: string }): ReadonlySignal<number | null> {
  return useComputed(() => {
    const legend = model.legend.value
    return legend && (legend.layer === layer.id || legend.layer === layer.name) ? legend.weight : null
  })
}

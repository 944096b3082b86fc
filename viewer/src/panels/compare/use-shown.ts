import { type ReadonlySignal, useComputed } from '@preact/signals'
import { blendOf, numbered } from '../../blending'
import type { Whose } from '../../compare/comparison'
import type { ViewerModel } from '../../model'
import type { Tensor } from '../../recording/types'
import { difference } from '../../scene/differences'
import { useParameter } from '../use-recorded'

/** Whose weights are listed: as chosen, or as the picture shows them. Null where there is nothing to choose. */
export function useWhose(model: ViewerModel): ReadonlySignal<Whose | null> {
  return useComputed(() => {
    const { compare } = model.state.value
    // Two samples share their weights.
    if (!compare || compare.with === 'sample' || !model.comparison.other.value) return null
    return model.comparison.whose.value ?? (compare.show === 'difference' ? 'B − A' : 'A')
  })
}

/** A parameter of A, of B, or how far they lie apart, as the inspector lists it. */
export function useShownParameter(model: ViewerModel, layer: string, role: string): ReadonlySignal<Tensor | null> {
  const a = useParameter(model, layer, role)
  const whose = useWhose(model)
  // A slider that changes neither may not blend anew.
  const moment = useComputed(() => {
    const other = model.comparison.other.value
    if (!other || whose.value === null || whose.value === 'A') return null
    const { checkpoints } = other.recording.index
    return JSON.stringify(
      numbered(blendOf(model.comparison.state.value.epoch, checkpoints.length), checkpoints, other.first),
    )
  })
  return useComputed(() => {
    const other = model.comparison.other.value
    if (moment.value === null || !other) return a.value
    const b = other.readings.parameterAt(layer, role)
    if (whose.value === 'B' || !b || !a.value) return b && (whose.value === 'B' ? b : null)
    return { shape: b.shape, data: difference(a.value.data, b.data) }
  })
}

import { type ReadonlySignal, useComputed } from '@preact/signals'
import { blendOf, outputAt } from '../blending'
import type { Layer } from '../generated/recording'
import type { ViewerModel } from '../model'
import type { Target } from '../state'
import { outputShape } from './text'

/** Where a pixel or unit stands in its layer's output; null for a whole map, and where there is no such place. */
export function indexIn(layer: Layer, target: Target): number | null {
  const [maps, height = 1, width = 1] = outputShape(layer)
  const { map, y = height === 1 ? 0 : undefined, x = width === 1 ? 0 : undefined } = target
  if (map === undefined || y === undefined || x === undefined) return null
  return map < maps && y < height && x < width ? (map * height + y) * width + x : null
}

/**
 * The recorded value of what the inspector shows, at the shown epoch and sample.
 * undefined: it is no single value; null: not recorded, or not loaded yet.
 */
export function useInspectedValue(model: ViewerModel, layer: Layer): ReadonlySignal<number | null | undefined> {
  return useComputed(() => {
    const target = model.inspected.value
    const at = target?.layer === layer.id ? indexIn(layer, target) : null
    if (at === null) return undefined
    // Read for its subscription: it changes whenever something has been loaded.
    model.summaryAt(layer.id)
    const { epoch, sample } = model.state.value
    const { recording } = model
    const blend = blendOf(epoch, recording.index.checkpoints.length)
    return outputAt(recording, blend, sample, layer.id, at, at + 1)?.[0] ?? null
  })
}

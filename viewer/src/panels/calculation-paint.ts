/** The colours' scales for a calculation, as a hook. */
import { useComputed } from '@preact/signals'
import { useMemo } from 'preact/hooks'
import type { Calculation } from '../explain/calculation'
import type { ViewerModel } from '../model'
import type { Paint } from './calculation-cells'

export function usePaint(model: ViewerModel, calculation: Calculation): Paint {
  const theme = useComputed(() => model.state.value.theme).value
  const weights = useComputed(() => model.state.value.weightColors).value
  const activations = useComputed(() => model.state.value.activationColors).value
  const inputs = [...new Set(calculation.parts.map(part => part.layer))]
  // The stage's own scale where there are summaries, so that both show the same colour for the same number.
  const highs = inputs.map(layer => model.summaryAt(layer)?.activations?.high ?? null)
  const parameters = model.summaryAt(calculation.layer)?.parameters ?? {}
  const kernel = parameters.kernel ?? parameters.depthwise
  const recorded = kernel ? Math.max(Math.abs(kernel.low), Math.abs(kernel.high)) : null
  // Written out, because an array is new every time.
  return useMemo(() => {
    const high = new Map(
      inputs.map((layer, i) => {
        const parts = calculation.parts.filter(part => part.layer === layer)
        return [layer, highs[i] ?? largestOf(parts.flatMap(part => part.patch.flat()))]
      }),
    )
    const largest = recorded ?? largestOf(calculation.parts.flatMap(part => part.kernel?.flat() ?? []))
    return { theme, weights, activations, largest, high: layer => high.get(layer) ?? 1 }
  }, [theme, weights, activations, calculation, recorded, highs.join()])
}

/** Largest |value| that is a number. */
function largestOf(values: (number | null)[]): number {
  let largest = 0
  for (const value of values) {
    const magnitude = Math.abs(value ?? 0)
    if (magnitude > largest && magnitude < Infinity) largest = magnitude
  }
  return largest
}

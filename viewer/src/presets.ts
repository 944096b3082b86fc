/** Three looks at one click. Each sets everything that another one may have moved. */
import type { DrawnLayer } from './layout/drawn'
import type { Recording } from './recording/types'
import { DEFAULT_VIEW, type LayerView, type StatePatch, type Target } from './state'

export type PresetName = 'overview' | 'weights' | 'calculation'

const LOOKS: Record<PresetName, Partial<LayerView>> = {
  overview: {},
  // Every weight on its own, kernels spread over their maps; the maps step back.
  weights: { expansion: 2, weightGain: 1.2, activationGain: 0.35 },
  calculation: {},
}

/** The patch for a look. A calculation shows what is pinned, or else the strongest pixel of the second convolution. */
export function presetPatch(name: PresetName, pinned: Target | null, strongest: () => Target | null): StatePatch {
  const look: StatePatch = { ...DEFAULT_VIEW, ...LOOKS[name], layers: {}, camera: null, calculation: false }
  if (name !== 'calculation') return { ...look, pinned: null, selected: null }
  const target = pinned?.y === undefined ? strongest() : pinned
  return target ? { ...look, pinned: target, selected: target.layer, calculation: true } : look
}

/** The pixel with the largest value in the second convolution (or the only one, or the first layer that reads another). */
export function strongestPixel(
  recording: Recording,
  drawn: readonly DrawnLayer[],
  checkpoint: number,
  sample: number,
): Target | null {
  const convolutions = drawn.filter(l => l.kind === 'conv2d')
  const layer = convolutions[1] ?? convolutions[0] ?? drawn[1]
  const activations = recording.activationsNow(checkpoint, sample)
  const start = layer && activations?.offset.get(layer.id)
  if (!activations || start === undefined) return null
  const pixels = layer.rows * layer.columns
  const values = activations.data.subarray(start, start + layer.maps * pixels)
  let largest = 0
  for (let i = 1; i < values.length; i++) if (values[i] > values[largest]) largest = i
  const pixel = largest % pixels
  return {
    layer: layer.id,
    map: Math.floor(largest / pixels),
    y: Math.floor(pixel / layer.columns),
    x: pixel % layer.columns,
  }
}

import type { Index } from '../generated/recording'
import type { LayerView, State } from '../state'

/**
 * Where every view starts: the last checkpoint, the first sample, everything framed; where there is a `second` recording,
 * beside that one.
 */
export function defaultState(index?: Pick<Index, 'checkpoints'>, second = false): State {
  return {
    ...DEFAULT_VIEW,
    epoch: Math.max(0, (index?.checkpoints.length ?? 0) - 1),
    follow: true,
    speed: 1,
    loop: false,
    sample: 0,
    compare: second ? { with: 'recording', show: 'side' } : null,
    theme: 'dark',
    range: 'layer',
    budget: null,
    steps: false,
    layers: {},
    selected: null,
    pinned: null,
    calculation: false,
    greyInput: false,
    picture: null,
    camera: null,
    panels: true,
    animate: true,
  }
}

export const DEFAULT_VIEW: Readonly<LayerView> = {
  expansion: 1,
  layout: 2,
  depthwise: 0,
  bundle: null,
  collapse: 0,
  spread: 1,
  pixelSpacing: 1,
  // The gap between pixels is 0.09 of a pixel.
  pixelSize: 0.91,
  layerGap: 1,
  maxMaps: 64,
  step: -1,
  lineWidth: 1,
  perspectiveWidth: 1,
  weightGain: 1,
  activationGain: 1,
  weightTimesActivation: false,
  pixels: 'square',
  activationColors: 'calm',
  weightColors: 'blue-red',
  curve: 6.6,
  fade: 1,
}

/** What is in force for one layer: the global values, and over them what was set for this layer alone. */
export function layerView(state: State, layer: string): LayerView {
  const view = {} as Record<string, unknown>
  for (const field of VIEW_FIELDS) view[field] = state[field]
  // hasOwn: a layer may be called "constructor".
  return (Object.hasOwn(state.layers, layer) ? { ...view, ...state.layers[layer] } : view) as unknown as LayerView
}

export const VIEW_FIELDS = Object.keys(DEFAULT_VIEW) as (keyof LayerView)[]

/** 1: the edges between two layers meet in one point · 0: each goes its own way. */
export function bundleInForce(view: Pick<LayerView, 'bundle' | 'expansion'>): number {
  return view.bundle ?? Math.max(0, 1 - view.expansion)
}

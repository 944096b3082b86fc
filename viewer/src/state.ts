/** The whole view state. Everything a link has to carry is here; everything else is derived from it. */

/** Names of the two colour maps for weights and the three for activations; both defaults are safe for colour-blind eyes. */
export type WeightColors = 'blue-red' | 'purple-green'
export type ActivationColors = 'calm' | 'grey' | 'viridis' | 'blue-red'
export type Theme = 'dark' | 'light'

/** What can be set for all layers and overridden for one. Reals are continuous. */
export interface LayerView {
  /** 0 bundled · 1 unbundled · 2 all weights · 3 all calculations. */
  expansion: number
  /** Where the maps of a layer stand: 0 line · 1 circle · 2 grid. */
  layout: number
  /** 0 … 1: the line of maps turns from beside each other (x) to behind each other (z). */
  depthwise: number
  /** 0 … 1, or null: what `expansion` implies (1 − expansion, at least 0). */
  bundle: number | null
  /** 0 … 1: the maps of a layer shrink to one. */
  collapse: number
  /** Distance between maps, as a factor. */
  spread: number
  /** Distance between pixels, as a factor. */
  pixelSpacing: number
  /** Drawn size of a pixel, as a share of its cell. */
  pixelSize: number
  /** Distance to the next layer, as a factor. */
  layerGap: number
  /** How many maps of a layer are drawn. */
  maxMaps: number
  /** −1, or the output pixel (y · width + x) at which the kernel stands. */
  step: number
  /** Factor on the width of ribbons; 0 hides them. */
  lineWidth: number
  /** 0: same width near and far · 1: as perspective has it. */
  perspectiveWidth: number
  weightGain: number
  activationGain: number
  /** Edge colour = weight × the input activation that it multiplies. */
  weightTimesActivation: boolean
  pixels: 'square' | 'round'
  activationColors: ActivationColors
  weightColors: WeightColors
  /** Steepness of the ribbons' curve, 0 … 12; 0: straight. */
  curve: number
  /** 0 … 1: how much ribbons fade towards their ends. */
  fade: number
}

/** A layer, one of its maps, or one pixel of a map. */
export interface Target {
  layer: string
  map?: number
  y?: number
  x?: number
}

/** The camera looks at `target` (world units) from `distance`; angles in degrees. */
export interface CameraView {
  target: [number, number, number]
  yaw: number
  pitch: number
  distance: number
}

/** What the view, A, is compared with: B. It is shown by the same settings but for what is said here. */
export interface Compared {
  /** Another checkpoint, another sample, or the second recording. */
  with: 'checkpoint' | 'sample' | 'recording'
  /** B's own epoch, as `State.epoch`; absent beside a second recording: the same moment as A's. */
  epoch?: number
  /** B's own sample, where it is another one. */
  sample?: number
  /** Beside each other, or B − A in one picture. */
  show: 'side' | 'difference'
}

export interface State extends LayerView {
  /** 0 … checkpoints − 1, real: neighbours are blended. */
  epoch: number
  /** The epoch keeps to the newest checkpoint. Setting another epoch lets go. */
  follow: boolean
  /** How fast the training plays, as a factor; and whether it begins again at the end. */
  speed: number
  loop: boolean
  sample: number
  /** null: nothing is compared. */
  compare: Compared | null
  theme: Theme
  /** Over what the colour of an activation is scaled. */
  range: 'map' | 'layer' | 'network'
  /** Largest number of edges drawn; null: 200,000, or 30,000 on a phone or in software rendering. */
  budget: number | null
  /** Attached norms and activations stand as layers of their own, where the recording holds what lies between. */
  steps: boolean
  layers: Record<string, Partial<LayerView>>
  /** The layer whose panel is open. */
  selected: string | null
  pinned: Target | null
  /** The pinned pixel's calculation fills the stage. */
  calculation: boolean
  /** Inputs of three channels in grey instead of red, green and blue. */
  greyInput: boolean
  /** The picture as people see it, before the input's maps; null: where it differs from them. */
  picture: boolean | null
  /** null: framed on the whole network. */
  camera: CameraView | null
  /** Panels shown; Tab hides them all. */
  panels: boolean
  animate: boolean
}

export type StatePatch = Partial<State>

export { type Clamped, type Context, clampPatch } from './state/clamp'
export { bundleInForce, DEFAULT_VIEW, defaultState, layerView } from './state/defaults'
export { History } from './state/history'
export { type Limit, type LimitedField, limits } from './state/limits'
export { fromQuery, toQuery } from './state/query'

/** What one frame is drawn from. */
import type { Placement } from '../layout/place'
import type { CameraView, LayerView, State } from '../state'
import type { Viewport } from './camera'
import type { Images } from './picture'

/** One thing blended between two checkpoints: by position among them, or on the GPU by the numbers of their files. */
export interface Blend {
  before: number
  after: number
  t: number
}

/** What is shown of the recordings. */
export interface Moment {
  /** By the numbers of the checkpoints' files. */
  epoch: Blend
  sample: number
}

/** Two moments that are compared: 0 is A, 1 is B. */
export type SideIndex = 0 | 1

/** How a frame stands to the other side: scales reach over both. */
export interface Compared {
  other: Moment
  /** B − A is drawn instead of this side alone. */
  difference: boolean
  /** Whether the two have weights of their own; two samples share theirs. */
  weights: boolean
  /** The largest value (or difference) of every map of every drawn layer, one layer after the other; null: by layer or network. */
  mapRanges: Float32Array | null
}

/** The part of the canvas that a frame fills, CSS pixels: it is drawn as if it were the whole, moved and clipped. */
export interface Part {
  move: [right: number, down: number]
  clip: { left: number; top: number; width: number; height: number }
}

/** A map of a drawn layer (by index), and one of its pixels; −1: none. */
export interface Spot {
  layer: number
  map: number
  y: number
  x: number
}

/** Pixels of input maps that one value reads. */
export interface Patch {
  /** Drawn layer, by index, and its maps from `firstMap` up to `endMap`. */
  layer: number
  firstMap: number
  endMap: number
  /** First row and column, row and column after the last; may reach into the padding. */
  box: [number, number, number, number]
}

export interface Frame extends Moment {
  side: SideIndex
  compared: Compared | null
  /** null: the whole canvas. */
  part: Part | null
  state: State
  /** The view of each drawn layer. */
  views: LayerView[]
  placement: Placement
  camera: CameraView
  viewport: Viewport
  pixelRatio: number
  /** Values at which each layer's activation ramp begins and ends; null: every map its own. */
  ranges: [low: number, high: number][] | null
  hot: Spot | null
  pinned: Spot | null
  /** One calculation fills the stage: only these layers are drawn. */
  only: ReadonlySet<number> | null
  patches: Patch[]
  images: Images | null
  /** How many samples the recording has. */
  samples: number
  /** Edges that may be drawn in all. */
  budget: number
}

/** What panels see of the viewer. Panels read signals and call these functions; they never touch the scene. */
import type { ReadonlySignal, Signal } from '@preact/signals'
import type { Comparison } from './compare/comparison'
import type { Calculation } from './explain/calculation'
import type { LayerSummary } from './generated/recording'
import type { LiveStatus } from './live'
import type { PresetName } from './presets'
import type { MetricRow, Recording, Tensor } from './recording/types'
import type { State, StatePatch, Target } from './state'
import type { PlacedInsight } from './training/insights'

/** What is under the cursor, with the exact recorded value (blended when `epoch` is between checkpoints). */
export interface Pick extends Target {
  layer: string
  /** null: not recorded or not loaded yet. In a difference, A's. */
  value: number | null
  /** Whose value it is, while two things are compared; and what the other one has there. */
  side?: 'A' | 'B'
  other?: number | null
}

/** Class scores of the shown sample at the shown epoch. */
export interface Scores {
  values: number[]
  classes: string[]
  prediction: number
  truth: number | null
  /** True where the network's output is no distribution and softmax was applied for showing. */
  softmaxed: boolean
}

/** Something that could not be loaded, as one sentence for the screen. */
export interface Notice {
  key: string
  text: string
  /** What can be done about it. */
  remedy?: 'reload'
}

export interface Stats {
  drawCalls: number
  edgesDrawn: number
  edgesTotal: number
  mapsDrawn: number
  mapsTotal: number
  frames: number
  jsMsLastFrame: number
  bytesFetched: number
  bytesUploaded: number
  /** The same by what it was; the rest is set-up. */
  uploaded: { weights: number; activations: number; layout: number }
  gpuBytes: number
  /** Bytes of edge or pixel geometry uploaded since the scene was built. */
  edgeGeometryBytes: number
}

/** Ranges behind the colours of one layer at the shown epoch. */
export interface Legend {
  layer: string
  /** Largest |w| of its kernel; null without a kernel. */
  weight: number | null
  activationLow: number
  activationHigh: number
  /** B − A is shown, of the maps; and of the weights. */
  difference?: boolean
  weightDifference?: boolean
}

/** A ribbon under the cursor, and what it stands for. */
export interface EdgePick {
  /** The later layer, whose weights they are. */
  layer: string
  /** Input and output in words ("pool1 · 3", "(4, 5)"), null where a bundle has many. */
  from: string | null
  to: string | null
  /** How many weights it stands for, and their sum. */
  weights: number
  sum: number
  /** Whose it is, while two things are compared; and the other one's sum, null while it is not loaded. */
  side?: 'A' | 'B'
  other?: number | null
}

export interface ViewerModel {
  readonly recording: Recording
  readonly state: ReadonlySignal<State>
  set(patch: StatePatch): void
  /** What is under the cursor; the pinned target is `state.pinned`. */
  readonly hover: Signal<Pick | null>
  /** What the inspector shows: hovered, else pinned, else selected. */
  readonly inspected: ReadonlySignal<Target | null>
  readonly scores: ReadonlySignal<Scores | null>
  /** What the view is compared with. */
  readonly comparison: Comparison
  /** Parameter at the shown (blended) epoch; null until it is loaded. Reading it subscribes. */
  parameterAt(layer: string, role: string): Tensor | null
  /** Summary of a layer at the checkpoint nearest to the shown epoch; null until loaded. Reading it subscribes. */
  summaryAt(layer: string): LayerSummary | null
  readonly metrics: ReadonlySignal<MetricRow[]>
  /** What is known of a training that is still being recorded. */
  readonly live: ReadonlySignal<LiveStatus>
  readonly images: ReadonlySignal<{ shape: [number, number, number, number]; data: Uint8Array } | null>
  readonly notices: ReadonlySignal<Notice[]>
  readonly legend: ReadonlySignal<Legend | null>
  /** Updated after each frame. */
  readonly stats: ReadonlySignal<Stats>
  /** The bundling in force (the override, or what `expansion` implies). */
  readonly bundleInForce: ReadonlySignal<number>
  /** Largest number of edges drawn: `state.budget`, or what suits this machine and the size of the stage. */
  edgeBudget(): number
  readonly playing: Signal<boolean>
  /** What the value in view is made of; null unless a pixel is pinned and its tensors are loaded. */
  readonly calculation: ReadonlySignal<Calculation | null>
  readonly hoveredEdge: ReadonlySignal<EdgePick | null>
  /** Predicted class of the shown sample at every checkpoint; null where not loaded yet. */
  readonly predictions: ReadonlySignal<(number | null)[]>
  /** What happened in the training, in the order of the file. */
  readonly insights: ReadonlySignal<readonly PlacedInsight[]>
  /** Runs a request that no frame waits for, once at a time; a failure becomes a notice. */
  loadLater(key: string, request: () => Promise<unknown>): void
  /** What is left out of the picture, one sentence each ("drawn 2,000 of 1,638,400 weights of fc1, the largest by |w|"). */
  readonly omissions: ReadonlySignal<string[]>
  home(): void
  focus(target: Target): void
  /** One of the three looks. */
  preset(name: PresetName): void
  /** Steps through the changes of the view; `canUndo` and `canRedo` say whether there are any. */
  undo(): void
  redo(): void
  readonly canUndo: ReadonlySignal<boolean>
  readonly canRedo: ReadonlySignal<boolean>
  /** Address of this page with this view. */
  link(): string
  /** A PNG of the stage with its names: `scale` times the screen's size, 1 … 4. */
  savePicture(scale: number, transparent: boolean): Promise<Blob>
}

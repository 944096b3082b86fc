// Made by `python -m cutaway.recording.typescript` from src/cutaway/network.py and src/cutaway/recording/schema.py.
// Don't edit: change the structs and make it again. A field with `?` is absent while it has its default.

export const FORMAT = 'cutaway-recording'
export const VERSION = 1

export type Kind =
  | 'input'
  | 'conv1d'
  | 'conv2d'
  | 'conv3d'
  | 'conv_transpose2d'
  | 'depthwise_conv2d'
  | 'dense'
  | 'max_pool2d'
  | 'average_pool2d'
  | 'global_average_pool'
  | 'adaptive_pool'
  | 'batch_norm'
  | 'layer_norm'
  | 'group_norm'
  | 'relu'
  | 'leaky_relu'
  | 'prelu'
  | 'sigmoid'
  | 'tanh'
  | 'gelu'
  | 'silu'
  | 'softmax'
  | 'activation'
  | 'add'
  | 'multiply'
  | 'subtract'
  | 'concat'
  | 'flatten'
  | 'reshape'
  | 'permute'
  | 'pad'
  | 'crop'
  | 'upsample'
  | 'dropout'
  | 'embedding'
  | 'attention'
  | 'recurrent'
  | 'constant'
  | 'output'
  | 'other'

export type Role =
  | 'kernel'
  | 'depthwise'
  | 'pointwise'
  | 'bias'
  | 'gamma'
  | 'beta'
  | 'mean'
  | 'variance'
  | 'alpha'

/** One input of a layer: the output `output` of the layer `layer`. */
export interface Edge {
  layer: string
  output?: number
}

/**
 * What a layer was built with; only what its kind needs is set.
 *
 * Pairs are (vertical, horizontal): `kernel`, `stride`, `dilation`; `padding` is
 * ((top, bottom), (left, right)) in pixels.
 */
export interface Attributes {
  kernel?: number[] | null
  stride?: number[] | null
  padding?: [number, number][] | null
  dilation?: number[] | null
  groups?: number | null
  axis?: number | null
  epsilon?: number | null
  slope?: number | null
  /** Dense after maps: in which order the maps' pixels are the columns of the kernel. */
  input_order?: 'CHW' | 'HWC' | null
  /** Average pools: whether padding counts in the mean. */
  count_include_pad?: boolean | null
  extra?: Record<string, unknown>
}

/** One weight tensor of a layer. `key` is its name in every checkpoint file. */
export interface Parameter {
  role: Role
  key: string
  shape: number[]
  trainable?: boolean
  /** The axes it had in the framework, where they were converted (for example "HWIO"). */
  source_axes?: string | null
}

/** A node of the network. `output_shapes` have no batch axis: (C, H, W) for maps, (C,) for vectors. */
export interface Layer {
  id: string
  name: string
  kind: Kind
  path?: string[]
  op?: string
  inputs?: Edge[]
  output_shapes?: number[][]
  attributes?: Attributes
  parameters?: Parameter[]
  /** What the recorded output already contains, in order: batch_norm, relu, softmax, dropout, flatten, … */
  fused?: string[]
  /** Names under which what comes before each of `fused` is recorded, the operation's own output first; often none. */
  steps?: string[]
  call?: number
  source?: string | null
}

/** A graph of layers in an order in which they can be computed. */
export interface Network {
  layers: Layer[]
  inputs: string[]
  outputs: string[]
}

/** One recorded moment of the training. Its files are named by `index`, six digits. */
export interface Checkpoint {
  index: number
  label: string
  epoch?: number | null
  step?: number | null
}

/** The recorded inputs. `labels` are class indices, None where not known. */
export interface Samples {
  count: number
  names?: string[]
  labels?: (number | null)[] | null
  /** What turned the picture that a person sees into the model's input, in words (for example "÷ 255"). */
  preprocessing?: string | null
}

/** What a recording holds of the network and what it lacks; `notes` say it in words. */
export interface Completeness {
  graph: boolean
  parameters: boolean
  biases: boolean
  activations: boolean
  runnable: boolean
  notes: string[]
  /** Per layer id, what was not recorded in words: {"conv1": ("bias", "batch norm")}. */
  missing: Record<string, string[]>
}

/** `recording.json`. */
export interface Index {
  format: string
  version: number
  name: string
  created: string
  producer: string
  network: Network
  checkpoints: Checkpoint[]
  samples: Samples
  classes: string[] | null
  completeness: Completeness
}

/** Counts of values in equal bins between `low` and `high`; non-finite values are not in it. */
export interface Histogram {
  low: number
  high: number
  counts: number[]
}

/** One tensor at one checkpoint: finite range, moments, histogram, and how many values are not finite. */
export interface TensorSummary {
  low: number
  high: number
  mean: number
  /** Euclidean norm of all finite values. */
  norm: number
  histogram: Histogram
  not_finite?: number
}

/** One layer at one checkpoint, its activations taken over all recorded samples. */
export interface LayerSummary {
  activations?: TensorSummary | null
  parameters?: Record<string, TensorSummary>
  map_low?: number[]
  map_high?: number[]
  map_mean?: number[]
  /** Maps that are zero (or one constant value) on every recorded sample. */
  dead?: number[]
  /** ‖w − w before‖ / ‖w before‖ of the kernel against the checkpoint before. */
  update_ratio?: number | null
  /** ‖Δw‖ / ‖w‖ of the kernel in one step of the optimiser, where it was measured. */
  step_update_ratio?: number | null
  /** Of the parameters with these roles, where gradients were recorded. */
  gradients?: Record<string, TensorSummary>
  /** Share of the outputs of a sigmoid, tanh or the like that lie within 1 % of its range from a limit. */
  saturated?: number | null
  /** Per map, counts in 16 equal bins between `low` and `high` of `activations`; of maps of more than one pixel. */
  map_histograms?: number[][]
}

/** `summary/NNNNNN.json`: one entry per layer id. */
export interface Summary {
  layers: Record<string, LayerSummary>
  /** The network's output [sample][class], where it is one score a class of at most 1,000; null where not finite. */
  scores?: ((number | null)[])[] | null
}

/** One line of `insights.jsonl`: something that happened in the training, said at the moment where it appeared. */
export interface Insight {
  /** Which rule found it: "dead-units", "vanishing-gradients", … */
  rule: string
  level: 'warning' | 'note'
  /** One sentence with its figure. */
  text: string
  /** The rule in words, with its threshold. */
  why: string
  /** The figure that the rule looked at; null where it is not finite. */
  value?: number | null
  layer?: string | null
  sample?: number | null
  epoch?: number | null
  step?: number | null
}

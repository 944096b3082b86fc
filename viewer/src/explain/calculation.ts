/** Every term of one value: what `window.cutaway.calculation()` returns and the calculation panel shows. */

/** What one input map contributes. Matrices are rows of columns. */
export interface CalculationPart {
  /** Input layer and map. */
  layer: string
  map: number
  /** Top left pixel of the patch; negative where it begins in the padding. Dilation spreads its rows and columns. */
  y: number
  x: number
  /** Values of the input under the kernel; null lies in the padding (counted as 0, never chosen by a max pool). */
  patch: (number | null)[][]
  /** Weights on them; null for pools and everything else without weights. */
  kernel: number[][] | null
  /** null where the patch is null. */
  products: (number | null)[][]
  /** Sum of the products (average pools: their share; max pools: the largest value). */
  sum: number
}

/** What follows the sum, in order: norm, activation, softmax. */
export interface CalculationStep {
  /** As in `fused`: "batch_norm", "relu", "softmax", … */
  name: string
  value: number
  /** The numbers that a norm or a slope brings in: gamma, beta, mean, variance, epsilon; slope; alpha. */
  terms?: Record<string, number>
  /** Softmax only: what goes in and what comes out, for all maps at this pixel. */
  inputs?: number[]
  outputs?: number[]
}

export interface Calculation {
  layer: string
  map: number
  y: number
  x: number
  /** Position among the recording's checkpoints of the one whose values these are: between two, the nearest. */
  checkpoint: number
  /** How the parts come together. */
  operation: 'sum' | 'max' | 'mean' | 'product' | 'difference' | 'same'
  /**
   * One for each input map that is read: for a dense layer after maps the whole map, after a vector a single part whose
   * one row holds all units.
   */
  parts: CalculationPart[]
  /** null: not recorded, or the layer has none (`missing` tells which). */
  bias: number | null
  /** Parts and bias together. */
  preActivation: number
  steps: CalculationStep[]
  /** What the recorded terms give. */
  value: number
  /** What the recording holds; null where it holds nothing. */
  recorded: number | null
  /** value − recorded. */
  difference: number | null
  /** What the network has and the recording leaves out ("bias", "batch norm"): with any of these, the two need not meet. */
  missing: string[]
}

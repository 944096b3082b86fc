/** Every term of one value: what `window.cutaway.calculation()` returns and the calculation panel shows. */

/** What one input map contributes. Matrices are rows of columns. */
export interface CalculationPart {
  /** Input layer and map; of a constant, the layer that has it. */
  layer: string
  map: number
  /** Set where the value is none of an input: "constant", "padding", or the role of a parameter ("gamma"). */
  constant?: string
  /** Top left pixel of the patch; negative where it begins in the padding. Dilation spreads its rows and columns. */
  y: number
  x: number
  /** Values of the input under the kernel; null lies in the padding (counted as 0, never chosen by a max pool). */
  patch: (number | null)[][]
  /** Weights on them; null for pools and everything else without weights. */
  kernel: number[][] | null
  /** null where the patch is null. */
  products: (number | null)[][]
  /** Separable convolutions: the pointwise weight, by which the sum of the products is multiplied. */
  factor?: number
  /** Sum of the products (average pools: their share; max pools: the largest value), times the factor. */
  sum: number
}

/** What follows the sum, in order: norm, activation, softmax. */
export interface CalculationStep {
  /** As in `fused`: "batch_norm", "relu", "softmax", … */
  name: string
  value: number
  /** The numbers that a norm or a function brings in: gamma, beta, mean, variance, epsilon; slope; alpha; min, max. */
  terms?: Record<string, number>
  /** Softmax only: what goes in and what comes out, for all values that it runs over (`axis`). */
  inputs?: number[]
  outputs?: number[]
  /** Softmax only: which of them this value is. */
  own?: number
}

export interface Calculation {
  layer: string
  map: number
  y: number
  x: number
  /** Position among the recording's checkpoints of the one whose values these are: between two, the nearest. */
  checkpoint: number
  /** How the parts come together. */
  operation: 'sum' | 'max' | 'min' | 'mean' | 'product' | 'difference' | 'quotient' | 'same'
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
  /**
   * What the terms leave out: what the network has and the recording does not ("bias", "batch norm"), and what is not
   * taken apart here ("rounding to 8-bit integers"). With any of these, the two values need not meet.
   */
  missing: string[]
}

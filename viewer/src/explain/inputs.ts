/** What `calculate` is given: one drawn layer, what feeds it, and where to find the numbers. */
import type { Connection } from '../layout/connections'
import type { DrawnLayer } from '../layout/drawn'
import type { Tensor } from '../recording/types'

export interface CalculationInput {
  /** The layer whose output is taken apart. */
  to: DrawnLayer
  /** The connections into it, in the order of its inputs. */
  links: readonly Connection[]
  /** All drawn layers: connections name them by position. */
  drawn: readonly DrawnLayer[]
  map: number
  y: number
  x: number
  /** Position among the recording's checkpoints that `parameter` and `output` belong to. */
  checkpoint: number
  /** A parameter of `to` by role, in canonical axes; null while it is not loaded. Asked only for roles that `to` has. */
  parameter(role: string): Tensor | null
  /** The whole recorded output of a drawn layer, row-major C,H,W; null where it is not recorded or not loaded. */
  output(layer: string): Float32Array | null
  /** What the recording says it lacks of `to`, in words. */
  missing: readonly string[]
  /** Whether the recording holds the biases that the network has. */
  biases: boolean
}

/** Position of a pixel in a layer's output. */
export function pixelIndex(layer: DrawnLayer, map: number, y: number, x: number): number {
  return (map * layer.rows + y) * layer.columns + x
}

/** Reads kernels and dense rows out of parameter tensors (axes as in the recording). */
import type { Layer, Network } from '../generated/recording'
import type { Tensor } from '../recording/types'
import { outputShape } from './text'

export interface KernelGrid {
  /** Input map that this kernel reads. */
  input: number
  height: number
  width: number
  /** height × width values. A view into the tensor, except for transposed convolutions of no copy either. */
  values: Float32Array
}

/** The kernels of one output map, one per input map that it reads: [] where the tensor is no kernel of maps. */
export function kernelsOf(layer: Layer, tensor: Tensor, map: number): KernelGrid[] {
  const shape = tensor.shape.length === 3 ? [tensor.shape[0], tensor.shape[1], 1, tensor.shape[2]] : tensor.shape
  if (shape.length !== 4) return []
  const [a, b, height, width] = shape
  const groups = layer.attributes?.groups ?? 1
  const size = height * width
  const at = (row: number, column: number) =>
    tensor.data.subarray((row * b + column) * size, (row * b + column + 1) * size)
  const grids: KernelGrid[] = []
  if (layer.kind === 'conv_transpose2d') {
    // I, O/groups: the map's own column in every row of its group.
    const rows = a / groups
    const group = Math.floor(map / b)
    if (group >= groups) return []
    for (let i = group * rows; i < (group + 1) * rows; i++)
      grids.push({ input: i, height, width, values: at(i, map % b) })
    return grids
  }
  if (map >= a) return []
  const group = Math.floor(map / (a / groups))
  for (let i = 0; i < b; i++) grids.push({ input: group * b + i, height, width, values: at(map, i) })
  return grids
}

export interface DenseInput {
  index: number
  weight: number
}

/** The largest weights of one unit by |w|, largest first. */
export function strongestInputs(tensor: Tensor, unit: number, count: number): DenseInput[] {
  const inputs = tensor.shape[1] ?? 0
  const best: DenseInput[] = []
  for (let i = 0; i < inputs; i++) {
    const weight = tensor.data[unit * inputs + i]
    if (Number.isNaN(weight)) continue
    if (best.length === count && Math.abs(weight) <= Math.abs(best[count - 1].weight)) continue
    const at = best.findIndex(b => Math.abs(b.weight) < Math.abs(weight))
    best.splice(at < 0 ? best.length : at, 0, { index: i, weight })
    if (best.length > count) best.pop()
  }
  return best
}

const passing = new Set(['flatten', 'dropout', 'reshape'])

/** The layer whose maps or units a layer reads, looking through flatten and dropout. */
export function readsFrom(network: Network, layer: Layer): Layer | null {
  let at: Layer | undefined = layer
  do {
    const from: string | undefined = at.inputs?.[0]?.layer
    at = from === undefined ? undefined : network.layers.find(l => l.id === from)
  } while (at && passing.has(at.kind))
  return at ?? null
}

/** Which pixel of which map the column `index` of a dense kernel stands for; null for plain vectors. */
export function columnPixel(layer: Layer, from: Layer, index: number): { map: number; y: number; x: number } | null {
  const shape = outputShape(from)
  if (shape.length !== 3) return null
  const [maps, height, width] = shape
  if (layer.attributes?.input_order === 'HWC') {
    const pixel = Math.floor(index / maps)
    return { map: index % maps, y: Math.floor(pixel / width), x: pixel % width }
  }
  const map = Math.floor(index / (height * width))
  const pixel = index % (height * width)
  return { map, y: Math.floor(pixel / width), x: pixel % width }
}

const largest = new WeakMap<Float32Array, number>()

/** Largest finite |w|; computed once per tensor. */
export function maxAbs(tensor: Tensor): number {
  let found = largest.get(tensor.data)
  if (found === undefined) {
    found = 0
    for (const v of tensor.data) {
      const m = Math.abs(v)
      if (m > found && m < Infinity) found = m
    }
    largest.set(tensor.data, found)
  }
  return found
}

/** Words for shapes, kinds and targets; every panel says the same thing in the same words. */
import type { Index, Kind, Layer } from '../generated/recording'
import { formatCount, formatShape } from '../numbers'
import type { Target } from '../state'

export function outputShape(layer: Layer): number[] {
  return layer.output_shapes?.[0] ?? []
}

/** "8 × 14×14", "16 units". */
export function shapeLong(shape: readonly number[]): string {
  if (shape.length === 0) return 'not recorded'
  return shape.length === 1 ? plural(shape[0], 'unit') : formatShape(shape)
}

const kindWords: Partial<Record<Kind, string>> = {
  conv1d: 'convolution, 1-D',
  conv2d: 'convolution',
  conv3d: 'convolution, 3-D',
  conv_transpose2d: 'transposed convolution',
  depthwise_conv2d: 'depthwise convolution',
  max_pool2d: 'max pooling',
  average_pool2d: 'average pooling',
  global_average_pool: 'global average',
  adaptive_pool: 'adaptive pooling',
  batch_norm: 'batch norm',
  layer_norm: 'layer norm',
  group_norm: 'group norm',
  relu: 'ReLU',
  leaky_relu: 'leaky ReLU',
  prelu: 'PReLU',
  gelu: 'GELU',
  silu: 'SiLU',
}

/** What a layer computes, in words: "convolution", "max pooling", or the op's own name when we don't know it. */
export function kindWord(kind: Kind, op = ''): string {
  if (kind === 'other' && op) return op
  return kindWords[kind] ?? kind.replaceAll('_', ' ')
}

/** What the recorded output already contains: "batch norm, ReLU". */
export function fusedWords(layer: Layer): string {
  return (layer.fused ?? []).map(f => kindWord(f as Kind)).join(', ')
}

/** A unit of a vector has no pixels; a map of a conv layer does. */
export function isVector(layer: Layer): boolean {
  return outputShape(layer).length === 1
}

/** "map 7", "unit 3", or for the network's output with named classes "unit 3, cat". */
export function mapWord(layer: Layer, map: number, index: Index): string {
  if (!isVector(layer)) return `map ${map}`
  const name = index.network.outputs.includes(layer.id) ? index.classes?.[map] : undefined
  return name !== undefined && name !== String(map) ? `unit ${map}, ${name}` : `unit ${map}`
}

/** "conv1 · map 7 · (10, 5)". */
export function targetWords(target: Target, index: Index): string {
  const layer = index.network.layers.find(l => l.id === target.layer)
  if (!layer) return target.layer
  const words = [layer.name]
  if (target.map !== undefined) words.push(mapWord(layer, target.map, index))
  if (target.y !== undefined && target.x !== undefined && !isVector(layer)) words.push(`(${target.y}, ${target.x})`)
  return words.join(' · ')
}

/** "1 epoch", "11 epochs". */
export function plural(count: number, one: string, many = `${one}s`): string {
  return `${formatCount(count)} ${count === 1 ? one : many}`
}

/** What a layer reads: through the layers that are not drawn, down to one that is. */
import type { Edge, Layer, Network } from '../generated/recording'
import { type DrawnLayer, mapShape } from './drawn'
import { type Move, moveOf } from './moves'

/** One input of a layer as that layer sees it: a view of the output of a drawn layer. */
export interface Reading {
  from: DrawnLayer
  /** As the network has it. */
  shape: readonly number[]
  /** As the reader sees it. */
  maps: number
  rows: number
  columns: number
  /** Position in the reader's view -> position in the output of `from`, both row by row. */
  at: (position: number) => number
  /** Whether the two are the same everywhere. */
  plain: boolean
}

/**
 * Follows an input through layers that only move values: those that are not drawn, and those of which it reads another
 * output than the first, which is the only one that recordings hold. null where something else is in between.
 */
export function readingOf(network: Network, drawn: readonly DrawnLayer[], edge: Edge): Reading | null {
  const seen = shapeOf(network, edge)
  const view = mapShape(seen)
  let [id, output, shape] = [edge.layer, edge.output ?? 0, seen]
  let moved: Move = at => at
  let plain = true
  while (view) {
    const from = drawn.find(layer => layer.id === id)
    if (from && output === 0) {
      const [maps, rows, columns] = view
      return { from, shape: seen, maps, rows, columns, at: moved as (position: number) => number, plain }
    }
    const layer = network.layers.find(l => l.id === id)
    const before = layer?.inputs?.length === 1 ? layer.inputs[0] : undefined
    const given = before && shapeOf(network, before)
    const move = given && moveOf(layer!, given, shape, output)
    if (!move || (layer!.fused ?? []).some(name => name !== 'dropout' && name !== 'flatten')) return null
    const after = moved
    moved = at => move(after(at) ?? 0)
    plain &&= output === 0 && inOrder(layer!, given, shape)
    ;[id, output, shape] = [before!.layer, before!.output ?? 0, given]
  }
  return null
}

function shapeOf(network: Network, { layer, output }: Edge): readonly number[] {
  return network.layers.find(l => l.id === layer)?.output_shapes?.[output ?? 0] ?? []
}

/** Whether values stay in the order in which they lie in memory. */
function inOrder(layer: Layer, from: readonly number[], to: readonly number[]): boolean {
  if (layer.kind === 'dropout' || layer.kind === 'output') return true
  if (layer.kind !== 'flatten' && layer.kind !== 'reshape') return false
  return layer.attributes?.input_order !== 'HWC' || sameMaps(from, to)
}

const sameMaps = (a: readonly number[], b: readonly number[]) => mapShape(a)?.join() === mapShape(b)?.join()

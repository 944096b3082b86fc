/** Which layers of a network are drawn, and what their outputs look like: maps × rows × columns. */
import type { Layer, Network } from '../generated/recording'

export interface DrawnLayer {
  id: string
  name: string
  kind: Layer['kind']
  /** Position in the order of drawing, input first. */
  index: number
  /** Maps (or units) × rows × columns; a unit of a vector is a map of one pixel. */
  maps: number
  rows: number
  columns: number
  layer: Layer
}

/** Layers that only hand values on: what follows them is joined to what they follow. */
const PASSED_THROUGH = new Set<Layer['kind']>(['flatten', 'dropout', 'output'])

/** Output shape without a batch axis -> maps, rows, columns; null where it can't be drawn as maps. */
export function mapShape(shape: readonly number[]): [maps: number, rows: number, columns: number] | null {
  switch (shape.length) {
    case 1:
      return [shape[0], 1, 1]
    case 2:
      return [shape[0], 1, shape[1]]
    case 3:
      return [shape[0], shape[1], shape[2]]
    default:
      return null
  }
}

/** The layers that stand on the stage, in the network's order. */
export function drawnLayers(network: Network): DrawnLayer[] {
  const drawn: DrawnLayer[] = []
  for (const layer of network.layers) {
    const shape = mapShape(layer.output_shapes?.[0] ?? [])
    if (!shape || PASSED_THROUGH.has(layer.kind) || shape.some(n => n < 1)) continue
    if (layer.kind === 'reshape' && !makesMaps(network, layer, shape)) continue
    const [maps, rows, columns] = shape
    drawn.push({ id: layer.id, name: layer.name, kind: layer.kind, index: drawn.length, maps, rows, columns, layer })
  }
  return drawn
}

/** Whether a reshape makes other maps out of what it is given, which is then no longer what is seen before it. */
function makesMaps(network: Network, layer: Layer, [maps, rows, columns]: [number, number, number]): boolean {
  const edge = layer.inputs?.[0]
  const given = network.layers.find(l => l.id === edge?.layer)?.output_shapes?.[edge?.output ?? 0]
  return rows * columns > 1 && mapShape(given ?? [])?.join() !== [maps, rows, columns].join()
}

/** Drawn layers that `layer` reads, looking through those that are not drawn. */
export function drawnInputs(network: Network, drawn: readonly DrawnLayer[], layer: Layer): DrawnLayer[] {
  const byId = new Map(network.layers.map(l => [l.id, l]))
  const found: DrawnLayer[] = []
  const visited = new Set<string>()
  const visit = (id: string) => {
    if (visited.has(id)) return
    visited.add(id)
    const here = drawn.find(d => d.id === id)
    if (here) found.push(here)
    else for (const edge of byId.get(id)?.inputs ?? []) visit(edge.layer)
  }
  for (const edge of layer.inputs ?? []) visit(edge.layer)
  return found
}

/**
 * What is fused to a layer as layers of their own, where the recording holds the outputs between them (`Layer.steps`).
 * The twin of `recording/steps.py`: the operation comes first, and the last step keeps the layer's id.
 */
import type { Layer } from '../generated/recording'
import type { FullIndex, FullLayer } from './index'

type Kind = Layer['kind']

const OWN_ROLES: Record<string, readonly string[]> = {
  batch_norm: ['gamma', 'beta', 'mean', 'variance'],
  prelu: ['alpha'],
}

const KINDS = new Set<string>([
  ...['batch_norm', 'layer_norm', 'group_norm', 'relu', 'leaky_relu', 'prelu', 'sigmoid', 'tanh', 'gelu', 'silu'],
  ...['softmax', 'dropout'],
])

export function hasSteps(layers: readonly Layer[]): boolean {
  return layers.some(layer => (layer.steps ?? []).length > 0)
}

export function separated(index: FullIndex): FullIndex {
  return { ...index, network: { ...index.network, layers: index.network.layers.flatMap(parts) } }
}

function parts(layer: FullLayer): FullLayer[] {
  if (layer.steps.length === 0) return [layer]
  const attached = new Set(layer.fused.flatMap(what => OWN_ROLES[what] ?? []))
  const parameters = layer.parameters.filter(({ role }) => !attached.has(role))
  const found: FullLayer[] = [{ ...layer, id: layer.steps[0], parameters, fused: [], steps: [] }]
  for (const [i, what] of layer.fused.entries()) {
    found.push(step(layer, what, layer.steps[i + 1] ?? layer.id, found[i].id))
  }
  return found
}

/** One of the things fused to a layer, as a layer that reads the one before. */
function step(layer: FullLayer, what: string, id: string, before: string): FullLayer {
  const kind = (KINDS.has(what) ? what : 'activation') as Kind
  const { epsilon, slope, extra } = layer.attributes
  return {
    ...layer,
    id,
    kind,
    name: what.replaceAll('_', ' '),
    op: what,
    inputs: [{ layer: before, output: 0 }],
    output_shapes: layer.output_shapes.slice(0, 1),
    attributes: {
      ...(kind === 'batch_norm' ? { epsilon } : {}),
      ...(kind === 'leaky_relu' ? { slope } : {}),
      ...(kind === 'softmax' && typeof extra.softmax_axis === 'number' ? { axis: extra.softmax_axis } : {}),
      extra: kind === 'activation' ? { name: what } : {},
    },
    parameters: layer.parameters.filter(({ role }) => OWN_ROLES[what]?.includes(role)),
    fused: [],
    steps: [],
  }
}

/** Networks in which no two sizes are equal that could be mixed up, for tests of geometry. */
import type { Attributes, Edge, Kind, Layer, Network, Role } from '../src/generated/recording'
import { type Connection, connections } from '../src/layout/connections'
import { type DrawnLayer, drawnLayers } from '../src/layout/drawn'
import { type Placement, placeLayers } from '../src/layout/place'
import type { LayerView } from '../src/state'
import { DEFAULT_VIEW } from '../src/state/defaults'

interface More {
  kernel?: number[]
  /** Other parameters, by role. */
  roles?: Partial<Record<Role, number[]>>
  /** Shapes of the outputs after the first. */
  others?: number[][]
  attributes?: Attributes
}

export function layer(id: string, kind: Kind, shape: number[], inputs: (string | Edge)[] = [], more: More = {}): Layer {
  const roles = { ...(more.kernel ? { kernel: more.kernel } : {}), ...more.roles }
  return {
    id,
    name: id,
    kind,
    inputs: inputs.map(from => (typeof from === 'string' ? { layer: from } : from)),
    output_shapes: [shape, ...(more.others ?? [])],
    attributes: more.attributes ?? {},
    parameters: Object.entries(roles).map(([role, shape]) => ({ role: role as Role, key: `${id}/${role}`, shape })),
  }
}

export function network(...layers: Layer[]): Network {
  return { layers, inputs: [layers[0].id], outputs: [layers[layers.length - 1].id] }
}

function window_(kernel: number[], more: Attributes = {}): Attributes {
  return {
    kernel,
    stride: [1, 1],
    dilation: [1, 1],
    padding: [
      [0, 0],
      [0, 0],
    ],
    groups: 1,
    ...more,
  }
}

/** 2 × 9×6 pixels in; strides, an even kernel, dilation, groups, padding that differs on all four sides, dense after C,H,W. */
export const ODD = network(
  layer('input', 'input', [2, 9, 6]),
  layer('strided', 'conv2d', [4, 5, 6], ['input'], {
    kernel: [4, 2, 4, 3],
    attributes: window_([4, 3], {
      stride: [2, 1],
      padding: [
        [1, 2],
        [0, 2],
      ],
    }),
  }),
  layer('dilated', 'conv2d', [6, 3, 6], ['strided'], {
    kernel: [6, 2, 2, 3],
    attributes: window_([2, 3], {
      dilation: [2, 1],
      padding: [
        [0, 0],
        [1, 1],
      ],
      groups: 2,
    }),
  }),
  layer('depthwise', 'depthwise_conv2d', [6, 3, 5], ['dilated'], {
    kernel: [6, 1, 3, 2],
    attributes: window_([3, 2], {
      padding: [
        [2, 0],
        [0, 0],
      ],
      groups: 6,
    }),
  }),
  layer('relu', 'relu', [6, 3, 5], ['depthwise']),
  layer('pool', 'max_pool2d', [6, 3, 2], ['relu'], {
    attributes: window_([2, 3], {
      stride: [1, 2],
      padding: [
        [1, 0],
        [0, 0],
      ],
    }),
  }),
  layer('flatten', 'flatten', [36], ['pool']),
  layer('dense', 'dense', [5], ['flatten'], { kernel: [5, 36], attributes: { input_order: 'CHW' } }),
  layer('drop', 'dropout', [5], ['dense']),
  layer('scores', 'dense', [3], ['drop'], { kernel: [3, 5] }),
)

/** A branch that is put together again, and a dense layer that reads its maps as H,W,C. */
export const BRANCHED = network(
  layer('input', 'input', [3, 4, 7]),
  layer('left', 'conv2d', [2, 4, 7], ['input'], {
    kernel: [2, 3, 1, 1],
    attributes: window_([1, 1]),
  }),
  layer('right', 'conv2d', [5, 4, 7], ['input'], {
    kernel: [5, 3, 3, 3],
    attributes: window_([3, 3], {
      padding: [
        [1, 1],
        [1, 1],
      ],
    }),
  }),
  layer('concat', 'concat', [7, 4, 7], ['left', 'right']),
  layer('dense', 'dense', [4], ['concat'], { kernel: [4, 196], attributes: { input_order: 'HWC' } }),
)

/** Half of a split, a transposed convolution, pixels that move, a separable convolution, and maps that become others. */
export const MOVING = network(
  layer('input', 'input', [6, 3, 4]),
  layer('split', 'crop', [2, 3, 4], ['input'], {
    attributes: { axis: 0, extra: { split: [2, 4] } },
    others: [[4, 3, 4]],
  }),
  layer('second', 'conv2d', [3, 3, 3], [{ layer: 'split', output: 1 }], {
    kernel: [3, 4, 1, 2],
    attributes: window_([1, 2]),
  }),
  layer('up', 'conv_transpose2d', [4, 5, 6], ['second'], {
    kernel: [3, 4, 2, 3],
    attributes: window_([2, 3], {
      stride: [2, 2],
      padding: [
        [0, 1],
        [1, 0],
      ],
    }),
  }),
  layer('padded', 'pad', [4, 7, 7], ['up'], {
    attributes: {
      padding: [
        [2, 0],
        [0, 1],
      ],
    },
  }),
  layer('larger', 'upsample', [4, 14, 7], ['padded'], { attributes: { extra: { size: [14, 7] } } }),
  layer('separable', 'conv2d', [5, 13, 5], ['larger'], {
    roles: { depthwise: [8, 1, 2, 3], pointwise: [5, 8, 1, 1] },
    attributes: window_([2, 3], { groups: 4 }),
  }),
  layer('sliced', 'crop', [3, 3, 3], ['separable'], {
    attributes: {
      extra: {
        slices: [
          [1, 4, 1],
          [1, 4, 1],
          [null, null, 2],
        ],
      },
    },
  }),
  layer('turned', 'permute', [13, 5, 5], ['separable'], { attributes: { extra: { permutation: [1, 0, 2] } } }),
)

export interface Placed {
  drawn: DrawnLayer[]
  links: Connection[]
  views: LayerView[]
  placement: Placement
}

/** The network as it stands on the stage; all layers have the same view. */
export function placeNetwork(of: Network, view: Partial<LayerView> = {}, portrait = false): Placed {
  const drawn = drawnLayers(of)
  const links = connections(of, drawn)
  const views = drawn.map((): LayerView => ({ ...DEFAULT_VIEW, ...view }))
  const placement = placeLayers(drawn, links, views, { portrait, front: null, picture: null })
  return { drawn, links, views, placement }
}

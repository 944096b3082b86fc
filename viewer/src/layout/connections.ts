/** What joins two drawn layers: which input each weight reads and which output it feeds. */
import type { Layer, Network } from '../generated/recording'
import { type DrawnLayer, drawnInputs } from './drawn'
import { laneOf } from './lanes'

/**
 * conv: kernel O,I/groups,kH,kW · dense: kernel O,N, where N are units or the pixels of maps ·
 * pool: each output map reads its own input map through a window · each: map to map, pixel to pixel.
 */
export type Link = 'conv' | 'dense' | 'pool' | 'each'

export interface Connection {
  /** Drawn layers, by index. */
  from: number
  to: number
  /** The layer whose view and parameters count: the later one. */
  layer: string
  link: Link
  /** Role of the parameter that holds the weights; null where there are none. */
  role: string | null
  inMaps: number
  inRows: number
  inColumns: number
  outMaps: number
  outRows: number
  outColumns: number
  /** Input maps that one output map reads, and output maps that share them (groups). */
  inPerGroup: number
  outPerGroup: number
  /** First input map's place among the output's maps (concat), for `each`. */
  mapOffset: number
  kernel: [rows: number, columns: number]
  stride: [number, number]
  dilation: [number, number]
  /** Padding above and left, in pixels. */
  padding: [number, number]
  /** Dense after maps: how the kernel's columns run over the maps' pixels. */
  inputOrder: 'CHW' | 'HWC'
  /** How many weights (or taps, for pools) there are: what `expansion` 2 draws. */
  weights: number
  /** It passes over layers in between and only hands values on: drawn as one arc. */
  skip: boolean
}

const CONVOLUTIONS = new Set<Layer['kind']>(['conv1d', 'conv2d', 'depthwise_conv2d'])
const POOLS = new Set<Layer['kind']>(['max_pool2d', 'average_pool2d', 'adaptive_pool', 'global_average_pool'])

/** All connections between drawn layers, in the order of the layers that they feed. */
export function connections(network: Network, drawn: readonly DrawnLayer[]): Connection[] {
  const all: Connection[] = []
  for (const to of drawn) {
    let mapOffset = 0
    for (const from of drawnInputs(network, drawn, to.layer)) {
      all.push(connect(from, to, mapOffset))
      if (to.kind === 'concat') mapOffset += from.maps
    }
  }
  const { rank } = laneOf(drawn.length, all)
  return all.map(link => ({ ...link, skip: link.link === 'each' && rank[link.to] - rank[link.from] > 1 }))
}

function connect(from: DrawnLayer, to: DrawnLayer, mapOffset: number): Connection {
  const attributes = to.layer.attributes ?? {}
  const pair = (value: readonly number[] | null | undefined, fallback: [number, number]): [number, number] => {
    if (!value || value.length === 0) return fallback
    return value.length === 1 ? [1, value[0]] : [value[0], value[1]]
  }
  const padding = attributes.padding ?? []
  const before = padding.length === 1 ? [0, padding[0][0]] : [padding[0]?.[0] ?? 0, padding[1]?.[0] ?? 0]
  const base: Connection = {
    from: from.index,
    to: to.index,
    layer: to.id,
    link: 'each',
    role: null,
    inMaps: from.maps,
    inRows: from.rows,
    inColumns: from.columns,
    outMaps: to.maps,
    outRows: to.rows,
    outColumns: to.columns,
    inPerGroup: 1,
    outPerGroup: 1,
    mapOffset,
    kernel: [1, 1],
    stride: [1, 1],
    dilation: [1, 1],
    padding: [0, 0],
    inputOrder: attributes.input_order ?? 'CHW',
    weights: Math.min(from.maps, to.maps),
    skip: false,
  }
  const window = {
    kernel: pair(attributes.kernel, [1, 1]),
    stride: pair(attributes.stride, [1, 1]),
    dilation: pair(attributes.dilation, [1, 1]),
    padding: [before[0], before[1]] as [number, number],
  }
  if (CONVOLUTIONS.has(to.kind)) return convolution(base, window, to, attributes.groups ?? 1)
  if (POOLS.has(to.kind)) return pool(base, window, to)
  if (to.kind === 'dense') return dense(base, to)
  return base
}

type Window = Pick<Connection, 'kernel' | 'stride' | 'dilation' | 'padding'>

function kernelRole(layer: Layer): string | null {
  return (layer.parameters ?? []).find(p => p.role === 'kernel' || p.role === 'depthwise')?.role ?? null
}

function convolution(base: Connection, window: Window, to: DrawnLayer, groups: number): Connection {
  const inPerGroup = base.inMaps / groups
  const weights = base.outMaps * inPerGroup * window.kernel[0] * window.kernel[1]
  return {
    ...base,
    ...window,
    link: 'conv',
    role: kernelRole(to.layer),
    inPerGroup,
    outPerGroup: base.outMaps / groups,
    weights,
  }
}

function pool(base: Connection, window: Window, to: DrawnLayer): Connection {
  // A pool over everything has one window: the whole map.
  const whole = to.kind === 'global_average_pool' || !to.layer.attributes?.kernel
  const kernel: [number, number] = whole
    ? [Math.ceil(base.inRows / base.outRows), Math.ceil(base.inColumns / base.outColumns)]
    : window.kernel
  const shape = whole
    ? { kernel, stride: kernel, dilation: [1, 1] as [number, number], padding: window.padding }
    : window
  return { ...base, ...shape, link: 'pool', weights: base.outMaps * kernel[0] * kernel[1] }
}

function dense(base: Connection, to: DrawnLayer): Connection {
  const inputs = base.inMaps * base.inRows * base.inColumns
  return {
    ...base,
    link: 'dense',
    role: kernelRole(to.layer),
    inPerGroup: base.inMaps,
    outPerGroup: base.outMaps,
    weights: inputs * base.outMaps,
  }
}

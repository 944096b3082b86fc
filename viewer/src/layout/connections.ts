/** What joins two drawn layers: which input each weight reads and which output it feeds. */
import type { Layer, Network } from '../generated/recording'
import { type DrawnLayer, drawnInputs } from './drawn'
import { laneOf } from './lanes'
import { moveOf } from './moves'
import { type Reading, readingOf } from './reading'

/**
 * conv: kernel O,I/groups,kH,kW · dense: kernel O,N, where N are units or the pixels of maps ·
 * pool: each output map reads its own input map through a window · each: map to map, pixel to pixel.
 */
export type Link = 'conv' | 'dense' | 'pool' | 'each'

/**
 * From an output pixel to the input pixel under a tap. window: the kernel stands there · transposed: the other way
 * round, from the input pixel the kernel reaches the output pixel · scaled: the same place of a map of another size.
 */
export type Walk = 'window' | 'transposed' | 'scaled'

export interface Connection {
  /** Drawn layers, by index. */
  from: number
  to: number
  /** The layer whose view and parameters count: the later one. */
  layer: string
  link: Link
  /** Role of the parameter that holds the weights; null where there are none. */
  role: string | null
  /** The weights are those of a depthwise and a pointwise kernel together: each output map reads all input maps. */
  separable: boolean
  inMaps: number
  inRows: number
  inColumns: number
  outMaps: number
  outRows: number
  outColumns: number
  /** First of the input's maps that is read: inputs are counted from there. */
  inOffset: number
  /** Input maps that one output map reads, and output maps that share them (groups). */
  inPerGroup: number
  outPerGroup: number
  /** First input map's place among the output's maps (concat), for `each`. */
  mapOffset: number
  walk: Walk
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
  /** Which maps belong together can't be said map by map: always drawn as one arc. */
  loose: boolean
}

const CONVOLUTIONS = new Set<Layer['kind']>(['conv1d', 'conv2d', 'depthwise_conv2d', 'conv_transpose2d'])
const POOLS = new Set<Layer['kind']>(['max_pool2d', 'average_pool2d', 'adaptive_pool', 'global_average_pool'])

/** All connections between drawn layers, in the order of the layers that they feed. */
export function connections(network: Network, drawn: readonly DrawnLayer[]): Connection[] {
  const all: Connection[] = []
  for (const to of drawn) all.push(...into(network, drawn, to))
  const { rank } = laneOf(drawn.length, all)
  return all.map(link => ({
    ...link,
    skip: link.loose || (link.link === 'each' && rank[link.to] - rank[link.from] > 1),
  }))
}

function into(network: Network, drawn: readonly DrawnLayer[], to: DrawnLayer): Connection[] {
  const found: Connection[] = []
  const joins = to.kind === 'concat'
  let place: [map: number, row: number, column: number] = [0, 0, 0]
  for (const edge of to.layer.inputs ?? []) {
    const reading = readingOf(network, drawn, edge)
    const links = reading
      ? [connect(reading.from, to, reading, place)]
      : drawnInputs(network, drawn, { ...to.layer, inputs: [edge] }).map(from => connect(from, to, null, place))
    // A layer that reads the same values twice is joined to them once.
    for (const link of links) {
      const twice = found.some(l => l.from === link.from && l.inOffset === link.inOffset)
      if (joins || !twice) found.push(link)
    }
    if (joins && reading) place = following(place, reading, to)
  }
  return found
}

/** Where the next input of a concat begins: it joins maps, or rows or columns of each. */
function following(
  [map, row, column]: [number, number, number],
  input: Reading,
  to: DrawnLayer,
): [number, number, number] {
  const rank = to.layer.output_shapes?.[0]?.length ?? 0
  const given = to.layer.attributes?.axis ?? 0
  const axis = given < 0 ? given + rank : given
  if (axis === 0) return [map + input.maps, row, column]
  return axis === rank - 1 ? [map, row, column + input.columns] : [map, row + input.rows, column]
}

/** `reading` is null where it is not known which values are read, `place` where they begin in the output (concat). */
function connect(
  from: DrawnLayer,
  to: DrawnLayer,
  reading: Reading | null,
  place: [map: number, row: number, column: number],
): Connection {
  const attributes = to.layer.attributes ?? {}
  const pair = (value: readonly number[] | null | undefined, fallback: [number, number]): [number, number] => {
    if (!value || value.length === 0) return fallback
    return value.length === 1 ? [1, value[0]] : [value[0], value[1]]
  }
  const padding = attributes.padding ?? []
  const before = padding.length === 1 ? [0, padding[0][0]] : [padding[0]?.[0] ?? 0, padding[1]?.[0] ?? 0]
  const offset = reading && offsetOf(reading)
  const base: Connection = {
    from: from.index,
    to: to.index,
    layer: to.id,
    link: 'each',
    role: null,
    separable: false,
    inMaps: offset === null ? from.maps : reading!.maps,
    inRows: from.rows,
    inColumns: from.columns,
    inOffset: offset ?? 0,
    outMaps: to.maps,
    outRows: to.rows,
    outColumns: to.columns,
    inPerGroup: 1,
    outPerGroup: 1,
    mapOffset: place[0],
    walk: 'scaled',
    kernel: [1, 1],
    stride: [1, 1],
    dilation: [1, 1],
    padding: [0, 0],
    inputOrder: attributes.input_order ?? 'CHW',
    weights: Math.min(from.maps, to.maps),
    skip: false,
    loose: false,
  }
  const window = {
    kernel: pair(attributes.kernel, [1, 1]),
    stride: pair(attributes.stride, [1, 1]),
    dilation: pair(attributes.dilation, [1, 1]),
    padding: [before[0], before[1]] as [number, number],
  }
  const known = offset !== null
  if (CONVOLUTIONS.has(to.kind)) return { ...convolution(base, window, to), loose: !known }
  if (POOLS.has(to.kind)) return { ...pool(base, window, to), loose: !known }
  if (to.kind === 'dense') return dense(base, to, reading)
  if (to.kind === 'crop') return crop(base, to, reading)
  return { ...each(base, to, place), loose: !known || !mapToMap(base, to) }
}

/** Number of the first map that is read; null where what is read is no run of whole maps. */
function offsetOf({ from, maps, rows, columns, at, plain }: Reading): number | null {
  const pixels = rows * columns
  if (plain && maps === from.maps && pixels === from.rows * from.columns) return 0
  const first = at(0)
  const whole = rows === from.rows && columns === from.columns && first % pixels === 0
  const runs =
    whole && Array.from({ length: maps }, (_, map) => at(map * pixels) - map * pixels).every(f => f === first)
  return runs && at(maps * pixels - 1) === first + maps * pixels - 1 ? first / pixels : null
}

/** Whether output map i of a layer that is joined map to map is made of input map i. */
function mapToMap(c: Connection, { kind }: DrawnLayer): boolean {
  const moves = kind === 'reshape' || kind === 'permute'
  return !moves && (kind === 'concat' || c.inMaps === c.outMaps || c.inMaps === 1)
}

/** A part of the maps, and of each every n-th pixel from one on: told by where the first ones and the last one come from. */
function crop(base: Connection, to: DrawnLayer, reading: Reading | null): Connection {
  const move = reading && moveOf(to.layer, reading.shape, to.layer.output_shapes?.[0] ?? [])
  if (!move || !reading) return { ...base, loose: true }
  const origin = (map: number, row: number, column: number): number[] => {
    const at = reading.at(move((map * to.rows + row) * to.columns + column) ?? 0)
    const pixels = base.inRows * base.inColumns
    return [Math.floor(at / pixels), Math.floor((at % pixels) / base.inColumns), at % base.inColumns]
  }
  const first = origin(0, 0, 0)
  const step = [origin(1, 0, 0)[0], origin(0, 1, 0)[1], origin(0, 0, 1)[2]].map((place, axis) => place - first[axis])
  const sizes = [to.maps, to.rows, to.columns]
  const by = step.map((n, axis) => (sizes[axis] > 1 ? n : 1))
  const last = origin(to.maps - 1, to.rows - 1, to.columns - 1)
  const runs = last.every((place, axis) => place === first[axis] + (sizes[axis] - 1) * by[axis])
  return {
    ...base,
    walk: 'window',
    inOffset: first[0],
    inMaps: to.maps,
    weights: to.maps,
    stride: [by[1], by[2]],
    padding: [-first[1], -first[2]],
    loose: !runs || by[0] !== 1,
  }
}

/** Pixel to pixel: moved by a padding, or where a concat puts it. */
function each(base: Connection, { kind, layer }: DrawnLayer, [, row, column]: [number, number, number]): Connection {
  const sides = layer.attributes?.padding ?? []
  const [top, left] = sides.length === 1 ? [0, sides[0][0]] : [sides[0]?.[0] ?? 0, sides[1]?.[0] ?? 0]
  if (kind === 'pad') return { ...base, walk: 'window', padding: [top, left] }
  return kind === 'concat' ? { ...base, walk: 'window', padding: [row, column] } : base
}

type Window = Pick<Connection, 'kernel' | 'stride' | 'dilation' | 'padding'>

function kernelRole(layer: Layer): string | null {
  return (layer.parameters ?? []).find(p => p.role === 'kernel' || p.role === 'depthwise')?.role ?? null
}

function convolution(base: Connection, window: Window, to: DrawnLayer): Connection {
  const separable = (to.layer.parameters ?? []).some(p => p.role === 'pointwise')
  const groups = separable ? 1 : (to.layer.attributes?.groups ?? 1)
  const inPerGroup = base.inMaps / groups
  const weights = base.outMaps * inPerGroup * window.kernel[0] * window.kernel[1]
  return {
    ...base,
    ...window,
    link: 'conv',
    separable,
    walk: to.kind === 'conv_transpose2d' ? 'transposed' : 'window',
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
  return { ...base, ...shape, link: 'pool', walk: 'window', weights: base.outMaps * kernel[0] * kernel[1] }
}

/** Over a vector or all pixels of maps; along an axis it is applied many times, and no weight has one place. */
function dense(base: Connection, to: DrawnLayer, reading: Reading | null): Connection {
  const inputs = base.inMaps * base.inRows * base.inColumns
  const order = to.rows * to.columns === 1 && reading ? orderOf(base, reading) : null
  return {
    ...base,
    link: 'dense',
    role: order ? kernelRole(to.layer) : null,
    inputOrder: order ?? base.inputOrder,
    inPerGroup: base.inMaps,
    outPerGroup: base.outMaps,
    weights: inputs * base.outMaps,
    loose: !order,
  }
}

/** In which order a dense layer's columns run over the pixels of its input; null where they do in neither. */
function orderOf(c: Connection, { from, maps, rows, columns, at, plain }: Reading): Connection['inputOrder'] | null {
  const pixels = from.rows * from.columns
  if (plain || pixels === 1) return c.inputOrder
  if (rows * columns > 1) return null
  // Behind a flatten, a few columns tell.
  const asked = [0, 1, from.maps, pixels, maps - 1].filter(n => n < maps)
  if (asked.every(n => at(n) === n)) return 'CHW'
  const hwc = (n: number) => (n % from.maps) * pixels + Math.floor(n / from.maps)
  return asked.every(n => at(n) === hwc(n)) ? 'HWC' : null
}

/** Layers that only move values: which value of the input each value of the output is. */
import type { Attributes, Layer } from '../generated/recording'

type Shape = readonly number[]

/**
 * Position in the output -> position in the input, both counted through row by row, channels first; null where no
 * value of the input stands (padding).
 */
export type Move = (at: number) => number | null

/** What `layer` does with its only input to make its output number `output`; null where it does not only move values. */
export function moveOf(layer: Layer, from: Shape, to: Shape, output = 0): Move | null {
  const { kind, attributes = {} } = layer
  const extra: Record<string, unknown> = attributes.extra ?? {}
  if (output > 0 && !(kind === 'crop' && extra.split)) return null
  switch (kind) {
    case 'dropout':
    case 'output':
      return at => at
    case 'flatten':
      return attributes.input_order === 'HWC' && to.length === 1 ? reordered(from, to) : at => at
    case 'reshape':
      return attributes.input_order === 'HWC' ? reordered(from, to) : at => at
    case 'permute':
      return permuted(from, to, extra.permutation)
    case 'pad':
      return padded(from, to, attributes, extra.mode)
    case 'crop':
      return cropped(from, to, attributes, extra, output)
    case 'upsample':
      return resized(from, to, extra)
    case 'other':
      return blocks(from, to, extra)
    default:
      return null
  }
}

/** A position along every axis. */
export function unravel(shape: Shape, at: number): number[] {
  const places = shape.map(() => 0)
  for (let axis = shape.length - 1, rest = at; axis >= 0; axis--) {
    places[axis] = rest % shape[axis]
    rest = Math.floor(rest / shape[axis])
  }
  return places
}

export function ravel(shape: Shape, places: readonly number[]): number {
  return shape.reduce((at, size, axis) => at * size + places[axis], 0)
}

const lastFirst = (places: readonly number[]) => [places.at(-1)!, ...places.slice(0, -1)]
const firstLast = (places: readonly number[]) => [...places.slice(1), places[0]]

/** As a framework does it whose channels come last. */
function reordered(from: Shape, to: Shape): Move {
  const [fromLast, toLast] = [firstLast(from), firstLast(to)]
  return at => ravel(from, lastFirst(unravel(fromLast, ravel(toLast, firstLast(unravel(to, at))))))
}

function permuted(from: Shape, to: Shape, permutation: unknown): Move | null {
  if (!isNumbers(permutation) || permutation.length !== from.length) return null
  return at => {
    const places = from.map(() => 0)
    for (const [axis, place] of unravel(to, at).entries()) places[permutation[axis]] = place
    return ravel(from, places)
  }
}

/** Axis by axis: place in the output -> place in the input, null outside. */
function alongAxes(from: Shape, to: Shape, axes: readonly ((place: number) => number | null)[]): Move {
  return at => {
    const places = unravel(to, at).map((place, axis) => axes[axis](place))
    return places.some(place => place === null) ? null : ravel(from, places as number[])
  }
}

/** How a place outside of `size` comes back in; null: it does not. */
const FOLDS: Readonly<Record<string, ((place: number, size: number) => number) | null>> = {
  constant: null,
  zeros: null,
  edge: (place, size) => Math.min(size - 1, Math.max(0, place)),
  replicate: (place, size) => Math.min(size - 1, Math.max(0, place)),
  wrap: (place, size) => modulo(place, size),
  circular: (place, size) => modulo(place, size),
  symmetric: (place, size) => mirrored(place, size, 2 * size, 1),
  reflect: (place, size) => (size === 1 ? 0 : mirrored(place, size, 2 * size - 2, 0)),
}

const modulo = (place: number, size: number) => ((place % size) + size) % size

function mirrored(place: number, size: number, period: number, repeated: number): number {
  const inside = modulo(place, period)
  return inside < size ? inside : period - inside - repeated
}

function padded(from: Shape, to: Shape, { padding }: Attributes, mode: unknown): Move | null {
  const fold = FOLDS[String(mode ?? 'constant')]
  if (fold === undefined) return null
  const sides = sidesOf(from, padding)
  // Negative padding cuts off first.
  return alongAxes(
    from,
    to,
    sides.map(([low, high], axis) => place => {
      const cut = Math.max(0, -low)
      const size = from[axis] - cut - Math.max(0, -high)
      const at = place - Math.max(0, low)
      if (at >= 0 && at < size) return at + cut
      return fold ? fold(at, size) + cut : null
    }),
  )
}

/** Padding of all axes: those that are not named have none. */
function sidesOf(shape: Shape, padding: Attributes['padding']): [low: number, high: number][] {
  const given = padding ?? []
  const lead = shape.length - given.length
  return shape.map((_, axis): [number, number] => {
    const [low, high] = axis < lead ? [0, 0] : given[axis - lead]
    return [low, high]
  })
}

function cropped(
  from: Shape,
  to: Shape,
  { axis, padding }: Attributes,
  { split, slices }: Record<string, unknown>,
  output: number,
): Move | null {
  if (isNumbers(split)) {
    const along = (axis ?? 0) < 0 ? (axis ?? 0) + from.length : (axis ?? 0)
    const first = split.slice(0, output).reduce((a, b) => a + b, 0)
    return alongAxes(
      from,
      to,
      from.map((_, a) => place => place + (a === along ? first : 0)),
    )
  }
  if (Array.isArray(slices)) return sliced(from, to, slices)
  const sides = sidesOf(from, padding)
  return alongAxes(
    from,
    to,
    sides.map(
      ([low]) =>
        place =>
          place + low,
    ),
  )
}

/** Per axis [start, stop, step] as Python has it, or one position, whose axis vanishes. */
function sliced(from: Shape, to: Shape, slices: readonly unknown[]): Move {
  return at => {
    const rest = unravel(to, at)
    const places = from.map((size, axis) => {
      const slice = slices[axis]
      if (typeof slice === 'number') return modulo(slice, size)
      const place = rest.shift() ?? 0
      const [start, , step] = (slice ?? [null, null, null]) as (number | null)[]
      const by = step ?? 1
      const edge = by > 0 ? 0 : size - 1
      const first = start === null ? edge : start < 0 ? Math.max(0, start + size) : Math.min(start, size - 1)
      return first + place * by
    })
    return ravel(from, places)
  }
}

/** Nearest neighbours and pixel shuffles; blends of several pixels are no moves. */
function resized(from: Shape, to: Shape, extra: Record<string, unknown>): Move | null {
  const mode = extra.mode ?? 'nearest'
  if (mode === 'pixel_shuffle' && typeof extra.scale === 'number') return shuffled(from, to, extra.scale)
  if (mode !== 'nearest') return null
  const rounded = ROUNDINGS[String(extra.rounding ?? 'floor')]
  if (!rounded) return null
  return alongAxes(
    from,
    to,
    from.map((size, axis) => place => {
      if (axis === 0) return place
      const at = positionOf(place, size, to[axis], 'asymmetric', extra, axis - 1)
      return Math.min(size - 1, Math.max(0, rounded(at)))
    }),
  )
}

const ROUNDINGS: Readonly<Record<string, (at: number) => number>> = {
  // 1/3 · 3 is 1, whatever floating point makes of it.
  floor: at => Math.floor(at + 1e-6),
  ceil: at => Math.ceil(at - 1e-6),
  round_prefer_floor: at => Math.ceil(at - 0.5),
  round_prefer_ceil: at => Math.floor(at + 0.5),
}

/** Where a pixel of the output lies among the pixels of the input, along one of the axes behind the channels. */
export function positionOf(
  place: number,
  size: number,
  length: number,
  otherwise: string,
  extra: Record<string, unknown>,
  axis: number,
): number {
  const way = extra.align_corners ? 'align_corners' : String(extra.coordinates ?? otherwise)
  const scales = extra.scale
  const scale = typeof scales === 'number' ? scales : isNumbers(scales) ? scales[axis] : undefined
  const step = scale ? 1 / scale : size / length
  if (way === 'align_corners') return length > 1 ? (place * (size - 1)) / (length - 1) : 0
  if (way === 'asymmetric') return place * step
  if (way === 'pytorch_half_pixel' && length === 1) return 0
  return (place + 0.5) * step - 0.5
}

/** Shi et al., 2016: the channels' fast index becomes the place in the block. */
function shuffled(from: Shape, to: Shape, block: number): Move | null {
  if (from.length !== 3) return null
  return at => {
    const [map, y, x] = unravel(to, at)
    const channel = (map * block + (y % block)) * block + (x % block)
    return ravel(from, [channel, Math.floor(y / block), Math.floor(x / block)])
  }
}

/** TensorFlow's blocks: the place in the block is the slower index of the channels. */
function blocks(from: Shape, to: Shape, { name, block }: Record<string, unknown>): Move | null {
  if (name === 'identity') return at => at
  if (typeof block !== 'number' || from.length !== 3) return null
  if (name === 'tf.SpaceToDepth') {
    return at => {
      const [channel, y, x] = unravel(to, at)
      const place = Math.floor(channel / from[0])
      const [down, across] = [Math.floor(place / block), place % block]
      return ravel(from, [channel % from[0], y * block + down, x * block + across])
    }
  }
  if (name !== 'tf.DepthToSpace') return null
  return at => {
    const [map, y, x] = unravel(to, at)
    const place = (y % block) * block + (x % block)
    return ravel(from, [place * to[0] + map, Math.floor(y / block), Math.floor(x / block)])
  }
}

function isNumbers(value: unknown): value is number[] {
  return Array.isArray(value) && value.every(item => typeof item === 'number')
}

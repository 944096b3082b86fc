/** What `calculate` is given: one drawn layer, what feeds it, and where to find the numbers. */
import type { Network } from '../generated/recording'
import type { Connection } from '../layout/connections'
import type { DrawnLayer } from '../layout/drawn'
import { readingOf } from '../layout/reading'
import type { Tensor } from '../recording/types'

export interface CalculationInput {
  network: Network
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

export type Place = readonly [map: number, y: number, x: number]

/** A tensor that the recording has is not in memory yet: there is no calculation for now. */
export class NotLoaded extends Error {}

/** One input of the layer as the layer sees it, and where each of its values lies on the stage. */
export interface Operand {
  from: DrawnLayer
  maps: number
  rows: number
  columns: number
  /** Row by row, in the reader's view. */
  values: Float32Array
  /** Position in `values` -> place in the output of `from`. */
  placeOf(position: number): Place
}

/** Position of a pixel in a layer's output. */
export function pixelIndex(layer: { rows: number; columns: number }, map: number, y: number, x: number): number {
  return (map * layer.rows + y) * layer.columns + x
}

export function placeIn(layer: { rows: number; columns: number }, position: number): Place {
  const pixels = layer.rows * layer.columns
  const pixel = position % pixels
  return [Math.floor(position / pixels), Math.floor(pixel / layer.columns), pixel % layer.columns]
}

/** The layer's inputs, in order. Throws NotLoaded for one whose values are not there. */
export function operandsOf(input: CalculationInput): Operand[] {
  return (input.to.layer.inputs ?? []).map(edge => {
    const reading = readingOf(input.network, input.drawn, edge)
    const recorded = reading && input.output(reading.from.id)
    if (!reading || !recorded) throw new NotLoaded()
    const { from, maps, rows, columns, at, plain } = reading
    const values = plain ? recorded : Float32Array.from({ length: maps * rows * columns }, (_, i) => recorded[at(i)])
    return { from, maps, rows, columns, values, placeOf: position => placeIn(from, at(position)) }
  })
}

export function hasRole(input: CalculationInput, role: string): boolean {
  return input.to.layer.parameters?.some(parameter => parameter.role === role) ?? false
}

/** A parameter that the layer has. Throws NotLoaded. */
export function parameterOf(input: CalculationInput, role: string): Tensor {
  const tensor = hasRole(input, role) ? input.parameter(role) : null
  if (!tensor) throw new NotLoaded()
  return tensor
}

/** Sizes of the output along every axis, as the network has them. */
export function shapeOf(input: CalculationInput): readonly number[] {
  return input.to.layer.output_shapes?.[0] ?? []
}

/**
 * Which entry of a parameter or constant belongs to a place. One axis is that of the maps; several are laid below the
 * output, last axes first. Sizes of one stand for every place.
 */
export function entryOf(input: CalculationInput, shape: readonly number[], place: Place): number {
  const rank = shapeOf(input).length
  const places = rank === 2 ? [place[0], place[2]] : place.slice(0, rank)
  const lead = shape.length === 1 ? 0 : places.length - shape.length
  return shape.reduce((at, size, axis) => at * size + (size === 1 ? 0 : (places[axis + lead] ?? 0)), 0)
}

/** The operation's own words: `extra.name`, else the end of the framework's. */
export function operationName({ to: { layer } }: CalculationInput): string {
  const { name } = layer.attributes?.extra ?? {}
  return typeof name === 'string' ? name : (layer.op?.split('.').at(-1) ?? '')
}

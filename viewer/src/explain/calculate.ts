/** Takes one recorded value apart into every term that makes it, in double precision on the recorded float32 values. */
import type { Connection } from '../layout/connections'
import type { Calculation, CalculationPart } from './calculation'
import { type CalculationInput, pixelIndex } from './inputs'
import { poolOperation, poolPart } from './pools'
import { applySteps, NotLoaded, OWN_FUNCTION } from './steps'
import { emptyPart, weightedParts, weightedSum } from './weights'

/** Layers that join values of the same place in several inputs. */
const JOINS: Readonly<Record<string, Calculation['operation']>> = {
  add: 'sum',
  subtract: 'difference',
  multiply: 'product',
  concat: 'same',
}

/** Whether values of this kind of layer can be taken apart. */
export function explains(link: Connection['link'], kind: string): boolean {
  return link !== 'each' || OWN_FUNCTION.has(kind) || kind in JOINS
}

/**
 * Every term of the output value at (map, y, x); units of a vector are maps of one pixel. null where a tensor that it
 * needs is not loaded or an input is not recorded, where the place lies outside, and for kinds that are not taken apart.
 * What the recording lacks is listed in `missing`, and the value is then what the recorded terms give.
 */
export function calculate(input: CalculationInput): Calculation | null {
  const { to, links, map, y, x } = input
  const outside = !(map >= 0 && map < to.maps && y >= 0 && y < to.rows && x >= 0 && x < to.columns)
  if (outside || links.length === 0 || !explains(links[0].link, to.kind)) return null
  try {
    return terms(input)
  } catch (error) {
    if (error instanceof NotLoaded) return null
    throw error
  }
}

function terms(input: CalculationInput): Calculation {
  const { to, links, map, y, x, checkpoint } = input
  const missing = new Set(input.missing)
  const parts = partsOf(input)
  const biases = biasesOf(input)
  const bias = biases?.[map] ?? null
  const weighted = links[0].link === 'conv' || links[0].link === 'dense'
  if (weighted && !biases && !input.biases) missing.add('bias')
  for (const lack of lacks(input)) missing.add(lack)
  const operation = operationOf(input)
  const preActivation = joined(parts, operation) + (bias ?? 0)
  const stepped = applySteps(input, preActivation, other => before(input, other, biases))
  for (const lack of stepped.missing) missing.add(lack)
  const recorded = input.output(to.id)?.[pixelIndex(to, map, y, x)] ?? null
  return {
    layer: to.id,
    map,
    y,
    x,
    checkpoint,
    operation,
    parts,
    bias,
    preActivation,
    steps: stepped.steps,
    value: stepped.value,
    recorded,
    difference: recorded === null ? null : stepped.value - recorded,
    missing: [...missing],
  }
}

function operationOf({ to, links }: CalculationInput): Calculation['operation'] {
  const { link } = links[0]
  if (link === 'pool') return poolOperation(to)
  return link === 'each' ? (JOINS[to.kind] ?? 'same') : 'sum'
}

function joined(parts: readonly CalculationPart[], operation: Calculation['operation']): number {
  const sums = parts.map(part => part.sum)
  if (operation === 'product') return sums.reduce((a, b) => a * b, 1)
  if (operation === 'difference') return sums.slice(1).reduce((a, b) => a - b, sums[0])
  return sums.reduce((a, b) => a + b, 0)
}

function partsOf(input: CalculationInput, map = input.map): CalculationPart[] {
  const { to, links, drawn, y, x } = input
  const [first] = links
  const source = drawn[first.from].id
  if (first.link === 'conv' || first.link === 'dense') {
    return weightedParts(first, source, kernelOf(input), outputOf(input, source), map, y, x)
  }
  if (first.link === 'pool') return [poolPart(first, to, source, outputOf(input, source), map, y, x)]
  return links.flatMap(link => samePlace(input, link, map) ?? [])
}

/** The value that an `each` connection hands on to a place; null where a concat takes that map from another input. */
function samePlace(input: CalculationInput, c: Connection, map: number): CalculationPart | null {
  const source = input.drawn[c.from]
  const inMap = input.to.kind === 'concat' ? map - c.mapOffset : map
  if (inMap < 0 || (input.to.kind === 'concat' && inMap >= source.maps)) return null
  const place = placeIn(c, inMap, input.y, input.x)
  const value = outputOf(input, source.id)[pixelIndex(source, ...place)]
  return { ...emptyPart(source.id, ...place), patch: [[value]], products: [[value]], sum: value }
}

/** Map, row and column of the input; sizes of one are broadcast, a flattened input is counted through. */
function placeIn(c: Connection, map: number, y: number, x: number): [map: number, y: number, x: number] {
  const flattened = c.outRows * c.outColumns === 1 && c.inRows * c.inColumns > 1 && c.outMaps > c.inMaps
  if (flattened) {
    const pixels = c.inRows * c.inColumns
    const pixel = c.inputOrder === 'HWC' ? Math.floor(map / c.inMaps) : map % pixels
    const inMap = c.inputOrder === 'HWC' ? map % c.inMaps : Math.floor(map / pixels)
    return [inMap, Math.floor(pixel / c.inColumns), pixel % c.inColumns]
  }
  return [c.inMaps === 1 ? 0 : map, c.inRows === 1 ? 0 : y, c.inColumns === 1 ? 0 : x]
}

/** The value of another map at the same pixel, before the steps. */
function before(input: CalculationInput, map: number, biases: Float32Array | null): number {
  const [first] = input.links
  if (first.link !== 'conv' && first.link !== 'dense') return joined(partsOf(input, map), operationOf(input))
  const values = outputOf(input, input.drawn[first.from].id)
  return weightedSum(first, kernelOf(input), values, map, input.y, input.x) + (biases?.[map] ?? 0)
}

/** Inputs and weights that the layer has and this arithmetic leaves out. */
function lacks({ to, links }: CalculationInput): string[] {
  const found: string[] = []
  if (links[0].link === 'conv' && to.layer.parameters?.some(p => p.role === 'pointwise')) found.push('pointwise kernel')
  if (to.kind in JOINS && links.length !== (to.layer.inputs?.length ?? 0)) found.push('an input')
  return found
}

function biasesOf(input: CalculationInput): Float32Array | null {
  return input.to.layer.parameters?.some(p => p.role === 'bias') ? parameter(input, 'bias') : null
}

function kernelOf(input: CalculationInput): Float32Array {
  const { role } = input.links[0]
  if (role === null) throw new NotLoaded()
  return parameter(input, role)
}

function parameter(input: CalculationInput, role: string): Float32Array {
  const tensor = input.parameter(role)
  if (!tensor) throw new NotLoaded()
  return tensor.data
}

function outputOf(input: CalculationInput, layer: string): Float32Array {
  const values = input.output(layer)
  if (!values) throw new NotLoaded()
  return values
}

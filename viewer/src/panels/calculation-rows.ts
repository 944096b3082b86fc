/** What the calculation panel lists, and in which words. */
import type { Calculation, CalculationPart } from '../explain/calculation'
import { plainName } from '../explain/functions'
import type { Index, Layer } from '../generated/recording'
import { formatCount } from '../numbers'
import { isVector, kindWord, mapWord, outputShape, plural } from './text'

/** One line of the table: an input map, or a unit of a vector. */
export interface Row extends CalculationPart {
  key: string
  /** Name of the input layer, or what a constant is called; "pool0 · 3" is `name`. */
  from: string
  /** "3"; empty where there is only one. */
  number: string
  name: string
}

/** Constants that have no entry for each map. */
const PLAIN: ReadonlySet<string> = new Set(['constant', 'padding'])

/** Lines in the order of the input's maps. A vector is one part: here each of its units gets a line. */
export function rowsOf(calculation: Calculation, index: Index): Row[] {
  return calculation.parts.flatMap((part, position): Row[] => {
    const layer = layerOf(index, part.layer)
    const named = (map: number): Row => {
      const short = part.constant ?? (layer ? layer.name : part.layer)
      const single = part.constant !== undefined && PLAIN.has(part.constant)
      const number = single ? '' : String(map)
      return {
        ...part,
        map,
        key: `${position}:${map}`,
        from: short,
        number,
        name: number ? `${short} · ${map}` : short,
      }
    }
    const units = part.patch[0]?.length ?? 0
    const [maps = 0, ...sides] = layer ? outputShape(layer) : []
    const vector = part.kernel !== null && units === maps && units > 1 && sides.every(side => side === 1)
    if (!vector) return [named(part.map)]
    return part.patch[0].map((value, unit) => {
      const product = part.products[0][unit]
      return {
        ...named(unit),
        patch: [[value]],
        kernel: [[part.kernel![0][unit]]],
        products: [[product]],
        sum: product ?? 0,
      }
    })
  })
}

export interface Chosen {
  rows: Row[]
  /** How many were left out, and their sum. */
  others: number
  othersSum: number
}

/** All rows in order where they fit, else the largest by |Σ|, largest first. */
export function chooseRows(rows: Row[], count: number): Chosen {
  if (rows.length <= count) return { rows, others: 0, othersSum: 0 }
  const falling = rows.toSorted((a, b) => magnitude(b.sum) - magnitude(a.sum))
  const rest = falling.slice(count)
  return { rows: falling.slice(0, count), others: rest.length, othersSum: rest.reduce((sum, row) => sum + row.sum, 0) }
}

/** NaN comes first: it is what spoils the sum. */
function magnitude(value: number): number {
  return Number.isNaN(value) ? Number.POSITIVE_INFINITY : Math.abs(value)
}

export function layerOf(index: Index, id: string): Layer | undefined {
  return index.network.layers.find(layer => layer.id === id)
}

/** "conv1 · map 6 · pixel (10, 5)", "fc2 · unit 3". */
export function placeWords(at: { layer: string; map: number; y: number; x: number }, index: Index): string[] {
  const layer = layerOf(index, at.layer)
  if (!layer) return [at.layer]
  const words = [layer.name, mapWord(layer, at.map, index)]
  return isVector(layer) ? words : [...words, `pixel (${at.y}, ${at.x})`]
}

/** "one 3×3 kernel over 4 maps, 36 products", "largest of 2×2 values". */
export function summaryWords(calculation: Calculation, rows: Row[], index: Index): string {
  const [first] = rows
  if (!first) return ''
  const size = `${first.patch.length}×${first.patch[0].length}`
  const values = first.patch.flat().filter(value => value !== null).length
  const products = formatCount(rows.reduce((sum, row) => sum + row.patch.flat().length, 0))
  if (rows.length > 1 && !first.kernel) return joinWords(calculation.operation, rows)
  switch (calculation.operation) {
    case 'max':
    case 'min':
      return `the ${calculation.operation === 'max' ? 'largest' : 'smallest'} of ${size} values`
    case 'mean':
      return values === first.patch.flat().length ? `the mean of ${size} values` : `the mean of a ${size} window`
    case 'sum': {
      if (!first.kernel) return `the sum of ${plural(first.patch.flat().length, 'value')}`
      const kind = layerOf(index, calculation.layer)?.kind
      if (kind === 'upsample') return `between ${plural(first.patch.flat().length, 'pixel')}, nearer ones count more`
      if (kind === 'conv_transpose2d')
        return `the ${size} taps that reach this pixel, over ${plural(rows.length, 'map')}`
      if (first.factor !== undefined)
        return `a ${size} kernel for each map, then one weight for each, ${products} products`
      const dense = kind === 'dense'
      if (!dense) return `one ${size} kernel over ${plural(rows.length, 'map')}, ${products} products`
      return size === '1×1' ? `${products} weights, one an input` : `${products} weights over ${rows.length} maps`
    }
    default:
      if (first.constant) return `nothing is read here: ${first.constant}`
      return isSamePlace(calculation, first)
        ? 'from the same place of the layer before'
        : `from ${placeOf(first, index)}`
  }
}

const JOINS: Partial<Record<Calculation['operation'], string>> = {
  max: 'the larger of',
  min: 'the smaller of',
  mean: 'the mean of',
  product: 'the product of',
  difference: 'the difference of',
  quotient: 'one divided by the other of',
}

function joinWords(operation: Calculation['operation'], rows: Row[]): string {
  return `${JOINS[operation] ?? 'the sum of'} ${plural(rows.length, 'value')}`
}

function isSamePlace(to: Calculation, { y, x }: Row): boolean {
  return to.y === y && to.x === x
}

/** "map 3, pixel (0, 4)" */
function placeOf({ layer, map, y, x }: Row, index: Index): string {
  const from = layerOf(index, layer)
  if (!from) return `map ${map}`
  return isVector(from) ? mapWord(from, map, index) : `${mapWord(from, map, index)}, pixel (${y}, ${x})`
}

/** Functions whose names are short for something. */
const STEP_WORDS: Readonly<Record<string, string>> = {
  relu6: 'ReLU6',
  elu: 'ELU',
  selu: 'SELU',
  celu: 'CELU',
  hardswish: 'hard swish',
  hardsigmoid: 'hard sigmoid',
  hardtanh: 'hard tanh',
  logsigmoid: 'log sigmoid',
  logsoftmax: 'log softmax',
  lrn: 'norm over neighbouring maps',
}

/** "ReLU", "batch norm". */
export function stepWord(name: string): string {
  return STEP_WORDS[plainName(name)] ?? kindWord(name as Layer['kind'])
}

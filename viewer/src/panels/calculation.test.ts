/** What the calculation panel says: lines, bars, formula, verdict, cells. */
import { describe, expect, test } from 'vitest'
import type { Calculation, CalculationPart } from '../explain/calculation'
import type { Index, Layer } from '../generated/recording'
import { barsOf } from './calculation-bars'
import { cellText, groundOf } from './calculation-cells'
import { tableLayout } from './calculation-layout'
import { chooseRows, placeWords, rowsOf, summaryWords } from './calculation-rows'
import { formulaLines, verdictOf } from './calculation-words'
import { css } from './ramps'

const layers: Layer[] = [
  { id: 'block.pool', name: 'pool', kind: 'max_pool2d', output_shapes: [[4, 6, 6]] },
  { id: 'conv', name: 'conv', kind: 'conv2d', output_shapes: [[2, 6, 6]] },
  { id: 'units', name: 'units', kind: 'dense', output_shapes: [[3]] },
  { id: 'out', name: 'out', kind: 'dense', output_shapes: [[2]] },
]
const index = { network: { layers, inputs: [], outputs: ['out'] }, classes: ['cat', 'dog'] } as unknown as Index

function part(map: number, sum: number, layer = 'block.pool'): CalculationPart {
  return { layer, map, y: 0, x: 0, patch: [[sum]], kernel: [[1]], products: [[sum]], sum }
}

function made(sums: number[], more: Partial<Calculation> = {}): Calculation {
  const total = sums.reduce((a, b) => a + b, more.bias ?? 0)
  return {
    layer: 'conv',
    map: 1,
    y: 4,
    x: 5,
    checkpoint: 0,
    operation: 'sum',
    parts: sums.map((sum, map) => part(map, sum)),
    bias: null,
    preActivation: total,
    steps: [],
    value: total,
    recorded: total,
    difference: 0,
    missing: [],
    ...more,
  }
}

/** As the concept has it. */
const concept = made([0.428, 2.288, -0.323, 0.673], {
  bias: 0.019,
  steps: [{ name: 'relu', value: 3.085 }],
  recorded: 3.08512,
  difference: 0.00002,
})
const chosenOf = (calculation: Calculation, count = 99) => chooseRows(rowsOf(calculation, index), count)
const plain = (text: string) => text.replaceAll('\u2212', '-')

describe('lines', () => {
  test('one for each input map, named by the layer and the map', () => {
    expect(rowsOf(concept, index).map(row => row.name)).toEqual(['pool · 0', 'pool · 1', 'pool · 2', 'pool · 3'])
  })

  test('a vector is one part, and each of its units gets a line', () => {
    const parts = [{ ...part(0, 5, 'units'), patch: [[1, 2, 3]], kernel: [[4, -1, 1]], products: [[4, -2, 3]] }]
    const rows = rowsOf(made([5], { layer: 'out', parts }), index)
    expect(rows.map(row => [row.name, row.patch, row.kernel, row.sum])).toEqual([
      ['units · 0', [[1]], [[4]], 4],
      ['units · 1', [[2]], [[-1]], -2],
      ['units · 2', [[3]], [[1]], 3],
    ])
    expect(new Set(rows.map(row => row.key)).size).toBe(3)
  })

  test('where they do not fit, the largest by |Σ| and the sum of the others', () => {
    const chosen = chosenOf(concept, 2)
    expect(chosen.rows.map(row => row.map)).toEqual([1, 3])
    expect(chosen.others).toBe(2)
    expect(chosen.othersSum).toBeCloseTo(0.105, 12)
    expect(chosenOf(made([1, Number.NaN, 9]), 1).rows[0].map).toBe(1)
  })

  test('head and summary', () => {
    expect(placeWords(concept, index)).toEqual(['conv', 'map 1', 'pixel (4, 5)'])
    expect(placeWords({ layer: 'out', map: 1, y: 0, x: 0 }, index)).toEqual(['out', 'unit 1, dog'])
    const kernels = concept.parts.map(p => ({ ...p, patch: [p.patch[0].concat([1, null])], kernel: [[1, 2, 3]] }))
    expect(summaryWords(concept, rowsOf({ ...concept, parts: kernels }, index), index)).toBe(
      'one 1×3 kernel over 4 maps, 12 products',
    )
  })
})

describe('formula', () => {
  const words = (calculation: Calculation, count = 99) =>
    formulaLines(calculation, chosenOf(calculation, count)).map(line => plain(`${line.left} = ${line.text}`))

  test('one line for a plain activation', () => {
    expect(words(concept)).toEqual(['ReLU( 0.428 + 2.288 - 0.323 + 0.673 + 0.019 ) = 3.085'])
  })

  test('what does not fit is one term', () => {
    expect(words(concept, 2)).toEqual(['ReLU( 2.288 + 0.673 + 0.105 (2 more) + 0.019 ) = 3.085'])
  })

  test('a line for each step where a norm comes in', () => {
    const terms = { gamma: 2, beta: -0.5, mean: 1, variance: 4, epsilon: 0.001 }
    const steps = [
      { name: 'batch_norm', value: 1.5, terms },
      { name: 'relu', value: 1.5 },
    ]
    expect(words(made([3], { steps }))).toEqual([
      '3.000 = 3.000',
      'batch norm: 2.000 · (3.000 - 1.000) ÷ √(4.000 + 0.001) - 0.500 = 1.500',
      'ReLU( 1.500 ) = 1.500',
    ])
  })

  test('pools', () => {
    const patch = [
      [0.5, null],
      [-1, 2],
    ]
    const one = (operation: 'max' | 'mean', products: (number | null)[][]) =>
      words(made([2], { operation, parts: [{ ...part(0, 2), patch, kernel: null, products }] }))
    expect(one('max', patch)).toEqual(['max( 0.500, -1.000, 2.000 ) = 2.000'])
    const shares = patch.map(row => row.map(value => (value === null ? null : value / 4)))
    expect(one('mean', shares)[0]).toBe('( 0.500 - 1.000 + 2.000 ) ÷ 4 = 2.000')
  })

  test('constants, functions with constants, and what only moves', () => {
    const join = [part(0, 1.5), { ...part(1, -2), kernel: null, constant: 'constant' }]
    expect(words(made([], { operation: 'product', parts: join, value: -3, preActivation: -3 }))).toEqual([
      '1.500 × (-2.000) = -3.000',
    ])
    expect(rowsOf(made([], { parts: join }), index).map(row => row.name)).toEqual(['pool · 0', 'constant'])
    const steps = [{ name: 'elu', value: -0.5, terms: { alpha: 0.7 } }]
    expect(words(made([-1], { steps }))).toEqual(['-1.000 = -1.000', 'ELU( -1.000 ), alpha 0.700 = -0.500'])
    const moved = made([2], { operation: 'same', parts: [{ ...part(3, 2), kernel: null, y: 1, x: 0 }] })
    expect(words(moved)).toEqual(['pool · 3 = 2.000'])
    expect(summaryWords(moved, rowsOf(moved, index), index)).toBe('from map 3, pixel (1, 0)')
  })

  test('a blend of pixels is written out; a separable kernel says so', () => {
    const blend = { ...part(0, 0.25), patch: [[1, -2]], kernel: [[0.75, 0.25]], products: [[0.75, -0.5]] }
    expect(words(made([0.25], { parts: [blend] }))).toEqual(['0.750 · 1.000 + 0.250 · (-2.000) = 0.250'])
    const separable = made([1], { parts: [{ ...part(0, 1), factor: 0.5 }, part(1, 0)] })
    expect(summaryWords(separable, rowsOf(separable, index), index)).toBe(
      'a 1×1 kernel for each map, then one weight for each, 2 products',
    )
  })

  test('norms of the sample', () => {
    const terms = { gamma: 2, beta: -0.5, mean: 1, variance: 4, epsilon: 0.001 }
    expect(words(made([3], { steps: [{ name: 'layer_norm', value: 1.5, terms }] })).at(-1)).toBe(
      'layer norm: 2.000 · (3.000 - 1.000) ÷ √(4.000 + 0.001) - 0.500 = 1.500',
    )
    const lrn = { name: 'lrn', value: 1, terms: { bias: 1, alpha: 0.3, squares: 5, beta: 0.75 } }
    expect(words(made([2], { steps: [lrn] })).at(-1)).toBe(
      'norm over neighbouring maps: 2.000 ÷ ( 1.000 + 0.300 · 5.000 )^0.750 = 1.000',
    )
  })

  test('a share close to 1 is not rounded to it', () => {
    const steps = [{ name: 'softmax', value: 0.999719, inputs: [9, 1], outputs: [0.999719, 0.000281] }]
    expect(words(made([9], { steps })).at(-1)).toBe('softmax: e^9.000 ÷ Σ e^z = 0.99972')
  })
})

describe('verdict', () => {
  test('same, near, other, and open where something was not recorded', () => {
    expect(verdictOf(concept)).toEqual({ kind: 'same', recorded: '3.08512', words: 'differs by < 0.0001' })
    expect(verdictOf({ ...concept, difference: 0.04 })).toMatchObject({ kind: 'other', words: 'differs by 0.04' })
    expect(verdictOf({ ...concept, difference: 0.002 })).toMatchObject({ kind: 'near', words: 'differs by 0.002' })
    const open = verdictOf({ ...concept, missing: ['bias', 'batch norm'] })
    expect(open.kind).toBe('open')
    expect(open.words).toBe('left out: bias, batch norm \u2014 the terms above do not make it up')
    expect(verdictOf({ ...concept, recorded: null, difference: null })).toMatchObject({ recorded: 'not recorded' })
  })
})

describe('waterfall', () => {
  const spans = (calculation: Calculation, most: number) =>
    barsOf(calculation, chosenOf(calculation), most).map(b => [b.label, b.kind, +b.from.toFixed(3), +b.to.toFixed(3)])

  test('each bar begins where the one before ends', () => {
    expect(spans(concept, 12)).toEqual([
      ['pool · 0', 'term', 0, 0.428],
      ['pool · 1', 'term', 0.428, 2.716],
      ['pool · 2', 'term', 2.716, 2.393],
      ['pool · 3', 'term', 2.393, 3.066],
      ['bias', 'term', 3.066, 3.085],
      ['before ReLU', 'total', 0, 3.085],
      ['ReLU', 'result', 0, 3.085],
    ])
  })

  test('the smallest share one bar where there is no room', () => {
    expect(spans(concept, 5).map(([label]) => label)).toEqual(['pool · 1', '3 more', 'bias', 'before ReLU', 'ReLU'])
  })

  test('what the terms do not make up stands apart', () => {
    const open = { ...concept, missing: ['bias'], bias: null }
    expect(spans(open, 12).slice(-3)).toEqual([
      ['recorded terms', 'total', 0, 3.085],
      ['ReLU', 'total', 0, 3.085],
      ['recorded', 'recorded', 0, 3.085],
    ])
  })
})

describe('cells', () => {
  test.each([
    [-0.087, 6, '-0.09'],
    [-0.087, 4, '-.09'],
    [12.345, 5, '12.35'],
    [12.345, 4, '12.3'],
    [-123.4, 4, '-123'],
    [54321, 4, '5e4'],
    [0, 4, '0.00'],
    [-0.001, 5, '0.00'],
  ])('%d in %d characters', (value, characters, expected) => {
    expect(plain(cellText(value, characters))).toBe(expected)
  })

  test('kernels and products share the scale of the largest weight', () => {
    const paint = {
      theme: 'dark' as const,
      weights: 'blue-red' as const,
      activations: 'calm' as const,
      largest: 2,
      high: () => 4,
    }
    expect(css(groundOf(paint, 'kernel', 'pool', 2))).toBe('rgb(255 85 70)')
    expect(css(groundOf(paint, 'product', 'pool', -5))).toBe('rgb(61 139 255)')
    expect(css(groundOf(paint, 'patch', 'pool', 3))).toBe('rgb(251 246 220)')
    expect(groundOf(paint, 'patch', 'pool', -1)).toEqual(groundOf(paint, 'patch', 'pool', 0))
  })

  test('numbers stay as long as they can be read', () => {
    expect(tableLayout(726, 3, 3, 3, false).matrix).toMatchObject({ cellWidth: 44, cellHeight: 33, characters: 6 })
    expect(tableLayout(582, 5, 5, 3, false).matrix.characters).toBe(4)
    expect(tableLayout(726, 14, 14, 3, false).matrix.characters).toBe(0)
    for (const [width, rows, columns] of [
      [726, 5, 5],
      [582, 3, 3],
      [726, 56, 56],
      [560, 1, 9],
    ]) {
      const layout = tableLayout(width, rows, columns, 3, false)
      const used = layout.name + layout.sum + 3 * layout.matrix.width + 2 * layout.operator + 2 * layout.padding
      expect(used).toBeLessThanOrEqual(width + 1)
    }
  })
})

/** Recordings that leave something out: it is named, and what is there is still added up. */
import { describe, expect, test } from 'vitest'
import type { Layer } from '../generated/recording'
import { connections } from '../layout/connections'
import { drawnLayers } from '../layout/drawn'
import { agrees } from './agreement'
import { calculate } from './calculate'
import type { Calculation } from './calculation'
import { erf } from './erf'

interface Made {
  layer?: Partial<Layer>
  missing?: string[]
  biases?: boolean
  recorded?: number
  parameters?: Record<string, number[]>
}

/** A dense layer of one unit with the weights 2 and −1 on the values 3 and 5: its sum is 1. */
function unit({ layer: more, missing = [], biases = true, recorded = 1, parameters = {} }: Made): Calculation | null {
  const all: Record<string, number[]> = { kernel: [2, -1], ...parameters }
  const layer: Layer = {
    id: 'fc',
    name: 'fc',
    kind: 'dense',
    inputs: [{ layer: 'in' }],
    output_shapes: [[1]],
    parameters: Object.keys(all).map(role => ({
      role: role as 'kernel',
      key: `fc/${role}`,
      shape: [all[role].length],
    })),
    ...more,
  }
  const network = {
    layers: [{ id: 'in', name: 'in', kind: 'input' as const, output_shapes: [[2]] }, layer],
    inputs: ['in'],
    outputs: ['fc'],
  }
  const drawn = drawnLayers(network)
  return calculate({
    network,
    to: drawn[1],
    links: connections(network, drawn),
    drawn,
    map: 0,
    y: 0,
    x: 0,
    checkpoint: 0,
    parameter: role => ({ shape: [all[role].length], data: Float32Array.from(all[role]) }),
    output: id => Float32Array.from(id === 'in' ? [3, 5] : [recorded]),
    missing,
    biases,
  })
}

test('as nn-visualizer writes it: neither bias nor norm, and the two values do not meet', () => {
  const found = unit({ biases: false, missing: ['bias', 'batch norm'], recorded: 4, layer: { fused: ['relu'] } })!
  expect(found).toMatchObject({ bias: null, preActivation: 1, value: 1, recorded: 4, difference: -3 })
  expect(found.steps).toEqual([{ name: 'relu', value: 1 }])
  expect(found.missing).toEqual(['bias', 'batch norm'])
  expect(agrees(found)).toBe(false)
  // Nor is it said when they meet by chance.
  expect(agrees(unit({ missing: ['bias'], recorded: 1 })!)).toBe(false)
})

test('a recording without biases lacks them in each layer with weights; one with them has layers without', () => {
  expect(unit({ biases: false })!.missing).toEqual(['bias'])
  expect(unit({ biases: true })!.missing).toEqual([])
  expect(unit({ biases: false, parameters: { bias: [0.5] }, recorded: 1.5 })).toMatchObject({ missing: [], bias: 0.5 })
})

test('steps that the numbers are not enough for are named and passed over', () => {
  const found = unit({ layer: { fused: ['batch_norm', 'golu', 'tanh'] } })!
  expect(found.missing).toEqual(['batch norm', 'golu'])
  expect(found.steps).toEqual([{ name: 'tanh', value: Math.tanh(1) }])
})

test('a leaky ReLU needs its slope below zero only', () => {
  const fused = ['leaky_relu']
  expect(unit({ layer: { fused } })).toMatchObject({ value: 1, missing: [] })
  const below = { bias: [-3] }
  expect(unit({ layer: { fused }, parameters: below })).toMatchObject({ value: -2, missing: ['leaky ReLU'] })
  expect(unit({ layer: { fused, attributes: { slope: 0.25 } }, parameters: below })).toMatchObject({ value: -0.5 })
})

test('a norm without a recorded epsilon is close, not exact', () => {
  const parameters = { mean: [0], variance: [4], gamma: [3] }
  const found = unit({ layer: { fused: ['batch_norm'] }, parameters })!
  expect(found.value).toBeCloseTo(1.5, 4)
  expect(found.missing).toEqual(['epsilon of the batch norm'])
  expect(found.steps[0].terms).toMatchObject({ gamma: 3, beta: 0, mean: 0, variance: 4 })
})

test('kinds that are not taken apart have no calculation', () => {
  expect(unit({ layer: { kind: 'attention' } })).toBeNull()
})

test('NaN stays NaN, and is no agreement', () => {
  const found = unit({ parameters: { bias: [Number.NaN] }, layer: { fused: ['relu'] } })!
  expect(found.value).toBeNaN()
  expect(agrees(found)).toBe(false)
})

describe('the error function', () => {
  test.each([
    [0, 0],
    [0.5, 0.5204998778130465],
    [1, 0.8427007929497149],
    [2.4, 0.999311486103355],
    [2.6, 0.9997639655834707],
    [4, 0.9999999845827421],
    [-1.5, -0.9661051464753106],
    [7, 1],
  ])('erf(%d)', (x, expected) => expect(Math.abs(erf(x) - expected)).toBeLessThan(2e-15))
})

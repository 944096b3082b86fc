import { expect, test } from 'vitest'
import type { Index } from '../generated/recording'
import { edgeValue, edgeWords } from './edge-words'

const index = { network: { layers: [{ id: 'l3', name: 'conv1' }] } } as unknown as Index
const edge = { layer: 'l3', from: 'pool0 · 3', to: 'conv1 · 6', weights: 1, sum: -0.123456 }

test('a ribbon goes from somewhere to somewhere', () => {
  expect(edgeWords(edge, index)).toBe('pool0 · 3 → conv1 · 6')
  expect(edgeWords({ ...edge, to: null }, index)).toBe('pool0 · 3 → all of conv1')
  expect(edgeWords({ ...edge, from: null }, index)).toBe('all inputs → conv1 · 6')
})

test('one weight is exact, several are a number and a sum', () => {
  expect(edgeValue(edge)).toBe('−0.123456')
  expect(edgeValue({ weights: 25, sum: -0.123456 })).toBe('25 weights, Σ −0.123')
})

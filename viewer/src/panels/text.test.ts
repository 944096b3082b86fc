import { expect, test } from 'vitest'
import type { Index, Layer } from '../generated/recording'
import { fusedWords, kindWord, plural, shapeLong, targetWords } from './text'

const conv: Layer = {
  id: 'c',
  name: 'conv1',
  kind: 'conv2d',
  output_shapes: [[8, 14, 14]],
  fused: ['batch_norm', 'relu'],
}
const out: Layer = { id: 'o', name: 'fc_out', kind: 'dense', output_shapes: [[2]] }
const index = {
  network: { layers: [conv, out], inputs: [], outputs: ['o'] },
  classes: ['cat', 'dog'],
} as unknown as Index

test('targets in words', () => {
  expect(targetWords({ layer: 'c' }, index)).toBe('conv1')
  expect(targetWords({ layer: 'c', map: 7 }, index)).toBe('conv1 · map 7')
  expect(targetWords({ layer: 'c', map: 7, y: 10, x: 5 }, index)).toBe('conv1 · map 7 · (10, 5)')
  expect(targetWords({ layer: 'o', map: 1, y: 0, x: 0 }, index)).toBe('fc_out · unit 1, dog')
  expect(targetWords({ layer: 'gone' }, index)).toBe('gone')
})

test('kinds, fused layers and shapes in words', () => {
  expect(kindWord('max_pool2d')).toBe('max pooling')
  expect(kindWord('other', 'aten::roll')).toBe('aten::roll')
  expect(fusedWords(conv)).toBe('batch norm, ReLU')
  expect(shapeLong([8, 14, 14])).toBe('8 × 14×14')
  expect(shapeLong([1])).toBe('1 unit')
  expect(shapeLong([])).toBe('not recorded')
  expect(plural(1640, 'sample')).toBe('1,640 samples')
})

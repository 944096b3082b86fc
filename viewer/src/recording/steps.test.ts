import { expect, test } from 'vitest'
import { layer, network } from '../../tests/networks'
import { buildIndex } from './building.testing'
import { normalise } from './index'
import { hasSteps, separated } from './steps'

const roles = { bias: [4], gamma: [4], beta: [4], mean: [4], variance: [4] }
const conv = {
  ...layer('conv', 'conv2d', [4, 6, 5], ['image'], { kernel: [4, 1, 3, 3], roles, attributes: { epsilon: 0.01 } }),
  fused: ['batch_norm', 'hard_swish', 'dropout'],
  steps: ['conv/conv2d', 'conv/batch_norm', 'conv/hard_swish'],
}
const plain = { ...layer('fc', 'dense', [3], ['conv'], { kernel: [3, 120] }), fused: ['softmax'] }
const index = normalise({ ...buildIndex(), network: network(layer('image', 'input', [1, 6, 5]), conv, plain) })

test('each step is a layer that reads the one before, and the last has the name that others read', () => {
  const { layers } = separated(index).network
  expect(layers.map(l => [l.id, l.name, l.kind, l.inputs.map(i => i.layer)])).toEqual([
    ['image', 'image', 'input', []],
    ['conv/conv2d', 'conv', 'conv2d', ['image']],
    ['conv/batch_norm', 'batch norm', 'batch_norm', ['conv/conv2d']],
    ['conv/hard_swish', 'hard swish', 'activation', ['conv/batch_norm']],
    ['conv', 'dropout', 'dropout', ['conv/hard_swish']],
    ['fc', 'fc', 'dense', ['conv']],
  ])
  expect(layers[1].parameters.map(p => p.role)).toEqual(['kernel', 'bias'])
  expect(layers[2].parameters.map(p => [p.role, p.key])).toEqual(
    ['gamma', 'beta', 'mean', 'variance'].map(role => [role, `conv/${role}`]),
  )
  expect(layers[2].attributes).toEqual({ epsilon: 0.01, extra: {} })
  expect(layers[3].attributes).toEqual({ extra: { name: 'hard_swish' } })
  expect(layers.every(l => l.steps.length === 0)).toBe(true)
  expect(layers.at(-1)?.fused).toEqual(['softmax'])
})

test('only a network that has steps has them', () => {
  expect(hasSteps(index.network.layers)).toBe(true)
  expect(hasSteps(separated(index).network.layers)).toBe(false)
})

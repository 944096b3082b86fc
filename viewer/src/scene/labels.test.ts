import { expect, test } from 'vitest'
import { layer, network } from '../../tests/networks'
import { drawnLayers } from '../layout/drawn'
import { pictureName, pushDown } from './labels'

test('a bare number is written with what it is a part of', () => {
  const named = (name: string, path: string[]) => {
    const [drawn] = drawnLayers(network({ ...layer('input', 'input', [1, 2, 2]), name, path }))
    return pictureName(drawn)
  }
  expect(named('conv1', ['layer1', '0'])).toBe('conv1')
  expect(named('0', ['features', '1', 'expand'])).toBe('expand.0')
  expect(named('2', ['features', '1'])).toBe('features.1.2')
  expect(named('7', [])).toBe('7')
})

test('a name moves down until it is free, as far as it may, and goes where there is no room', () => {
  const area = { x: 0, y: 0, width: 100, height: 60 }
  const box = { x: 50, y: 10, width: 40, height: 12 }
  const [first, second] = pushDown([box, { ...box, x: 55 }], area)
  expect(first).toMatchObject(box)
  expect(second!.y).toBeGreaterThanOrEqual(box.y + box.height)
  expect(pushDown([box, { ...box, x: 55, most: 4 }], area)[1]).toBeNull()
  expect(pushDown([{ ...box, y: 55 }], area)[0]).toBeNull()
})

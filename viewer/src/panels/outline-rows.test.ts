import { expect, test } from 'vitest'
import type { Kind, Layer } from '../generated/recording'
import { outlineRows } from './outline-rows'

const layer = (id: string, kind: Kind = 'conv2d'): Layer => {
  const path = id.split('.')
  return { id, name: path.pop()!, kind, path }
}
const layers = [
  layer('input', 'input'),
  layer('stage1.0.conv1'),
  layer('stage1.0.relu', 'relu'),
  layer('stage1.1.conv1'),
  layer('stage1.1.relu', 'relu'),
  layer('head.fc', 'dense'),
]
const text = (rows: ReturnType<typeof outlineRows>) =>
  rows.map(r => `${'  '.repeat(r.depth)}${r.module ?? r.layer?.id}${r.module === null ? '' : ` (${r.count})`}`)

test('closed modules are one row; a module of one layer is that layer', () => {
  expect(text(outlineRows(layers, '', () => false))).toEqual(['input', 'stage1 (4)', 'head.fc'])
})

test('open modules nest', () => {
  expect(text(outlineRows(layers, '', () => true))).toEqual([
    'input',
    'stage1 (4)',
    '  0 (2)',
    '    stage1.0.conv1',
    '    stage1.0.relu',
    '  1 (2)',
    '    stage1.1.conv1',
    '    stage1.1.relu',
    'head.fc',
  ])
})

test('a module entered twice stands twice, under different keys', () => {
  const rows = outlineRows([layer('a.x'), layer('a.y'), layer('b'), layer('a.x2'), layer('a.y2')], '', () => false)
  expect(text(rows)).toEqual(['a (2)', 'b', 'a (2)'])
  expect(new Set(rows.map(r => r.key)).size).toBe(3)
})

test('a search lists layers by id, name or kind, whatever is closed', () => {
  expect(text(outlineRows(layers, ' RELU ', () => false))).toEqual(['stage1.0.relu', 'stage1.1.relu'])
  expect(text(outlineRows(layers, '1.1.c', () => false))).toEqual(['stage1.1.conv1'])
  expect(outlineRows([layer('p', 'max_pool2d')], 'max pool', () => false)).toHaveLength(1)
  expect(outlineRows(layers, 'nothing', () => true)).toEqual([])
})

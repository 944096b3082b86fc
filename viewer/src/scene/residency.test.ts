import { expect, test } from 'vitest'
import type { Counters, Texture } from './gl'
import { Residency } from './residency'

function setup(budget: number) {
  const deleted: unknown[] = []
  const gl = { deleteTexture: (handle: unknown) => deleted.push(handle) } as unknown as WebGL2RenderingContext
  const counters: Counters = { drawCalls: 0, bytesUploaded: 0, gpuBytes: 0 }
  const residency = new Residency<{ texture: Texture }>(gl, counters, budget)
  const add = (key: string, bytes: number) => {
    counters.gpuBytes += bytes
    residency.add(key, { texture: { handle: key as unknown as WebGLTexture, bytes } })
  }
  return { residency, counters, deleted, add }
}

test('the longest unused leaves first', () => {
  const { residency, add, deleted, counters } = setup(30)
  for (const key of ['a', 'b', 'c']) add(key, 10)
  residency.beginFrame()
  residency.get('a')
  residency.beginFrame()
  add('d', 10)
  expect(deleted).toEqual(['b'])
  expect(['a', 'b', 'c', 'd'].map(key => residency.has(key))).toEqual([true, false, true, true])
  expect(counters.gpuBytes).toBe(30)
})

test('what the frame being drawn uses stays, whatever the budget says', () => {
  const { residency, add, deleted } = setup(20)
  add('a', 10)
  add('b', 10)
  residency.beginFrame()
  residency.get('a')
  residency.get('b')
  add('c', 10)
  expect(deleted).toEqual([])
  residency.beginFrame()
  residency.get('c')
  add('d', 10)
  expect(deleted).toEqual(['a', 'b'])
})

test('one that alone is larger than the budget stays until the next one comes', () => {
  const { residency, add, deleted } = setup(5)
  residency.beginFrame()
  add('large', 10)
  expect(residency.get('large')).toBeDefined()
  residency.beginFrame()
  add('next', 4)
  expect(deleted).toEqual(['large'])
})

test('asking whether something is there is no use of it', () => {
  const { residency, add, deleted } = setup(20)
  add('a', 10)
  add('b', 10)
  residency.beginFrame()
  residency.has('a')
  add('c', 10)
  expect(deleted).toEqual(['a'])
})

test('clear frees everything', () => {
  const { residency, add, deleted, counters } = setup(100)
  add('a', 10)
  add('b', 10)
  residency.clear()
  expect(deleted).toEqual(['a', 'b'])
  expect(counters.gpuBytes).toBe(0)
  expect(residency.get('a')).toBe(undefined)
})

import { describe, expect, test } from 'vitest'
import { MemorySource } from '../source/memory'
import { assemble, f16, f32, safetensors, u8 } from './building.testing'
import { decode, openFile, parseHeader } from './safetensors'

const buffer = (bytes: Uint8Array) => bytes.slice().buffer
const one = (entry: unknown) => buffer(assemble({ a: entry }, [f32([2], [1, 2])]))
const parse = (file: ArrayBuffer, size: number | null = file.byteLength) => parseHeader('a.safetensors', file, size)

describe('the header', () => {
  test('names, dtypes, shapes and places; metadata is no tensor', () => {
    const file = buffer(safetensors({ a: f32([2, 3], [1, 2, 3, 4, 5, 6]), 'b/c': u8([1], [7]) }, { made: 'by a test' }))
    const header = parse(file)
    expect([...header.tensors.keys()]).toEqual(['a', 'b/c'])
    expect(header.tensors.get('a')).toEqual({
      dtype: 'F32',
      shape: [2, 3],
      begin: header.bytes,
      end: header.bytes + 24,
    })
    expect(header.fileBytes).toBe(file.byteLength)
  })

  test.each([
    ['nothing at all', () => new ArrayBuffer(0), 'a.safetensors: the file ends after 0 bytes'],
    [
      'an absurd length',
      () => new Uint8Array(64).fill(255).buffer,
      'this is no safetensors file (its header would have',
    ],
    ['HTML', () => buffer(new TextEncoder().encode('<!doctype html><html></html>')), 'this is no safetensors file'],
    ['no header', () => new ArrayBuffer(8), 'this is no safetensors file (its header would have 0 bytes)'],
    ['a cut header', () => one({}).slice(0, 12), 'the file ends inside its header, at byte 12'],
    ['a list', () => buffer(assemble([1], [])), 'its header is no JSON object'],
    ['null for an entry', () => one(null), 'tensor a has the unknown dtype undefined'],
    [
      'an unknown dtype',
      () => one({ dtype: 'F8', shape: [2], data_offsets: [0, 8] }),
      'tensor a has the unknown dtype "F8"',
    ],
    [
      'a dtype from Object',
      () => one({ dtype: 'toString', shape: [2], data_offsets: [0, 8] }),
      'unknown dtype "toString"',
    ],
    [
      'a negative size',
      () => one({ dtype: 'F32', shape: [-2], data_offsets: [0, 8] }),
      'tensor a has no readable shape',
    ],
    [
      'a size in words',
      () => one({ dtype: 'F32', shape: ['2'], data_offsets: [0, 8] }),
      'tensor a has no readable shape',
    ],
    ['offsets backwards', () => one({ dtype: 'F32', shape: [2], data_offsets: [8, 0] }), 'no readable offsets'],
    ['one offset', () => one({ dtype: 'F32', shape: [2], data_offsets: [8] }), 'tensor a has no readable offsets'],
    [
      'a wrong size',
      () => one({ dtype: 'F32', shape: [3], data_offsets: [0, 8] }),
      'has 8 bytes, its shape and dtype make 12',
    ],
    ['offsets outside', () => one({ dtype: 'F32', shape: [2], data_offsets: [80, 88] }), 'the file is truncated ('],
  ])('%s', (_, file, message) => {
    expect(() => parse(file())).toThrow(message)
  })

  test('a file that is longer or shorter than its header says', () => {
    const file = buffer(safetensors({ a: f32([2], [1, 2]) }))
    const size = file.byteLength
    expect(() => parse(file, size - 1)).toThrow(`the file is truncated (${size - 1} bytes, ${size} expected)`)
    expect(() => parse(file, size + 1)).toThrow(`the file is longer than its header says (${size + 1} bytes`)
    expect(parse(file, null).fileBytes).toBe(size)
  })
})

describe('opening a file', () => {
  const many = Object.fromEntries(Array.from({ length: 2000 }, (_, i) => [`layer${i}/kernel`, f32([4], [i, 0, 0, 0])]))
  const file = safetensors(many)
  const recorded = () => {
    const memory = new MemorySource([['a', buffer(file)]])
    const ranges: [number, number][] = []
    const getRange = memory.getRange.bind(memory)
    memory.getRange = (key, start, end) => {
      ranges.push([start, end])
      return getRange(key, start, end)
    }
    return { memory, ranges }
  }

  test('a header larger than the guess takes a second request, and no byte comes twice', async () => {
    const { memory, ranges } = recorded()
    const { header, prefix } = await openFile(memory, 'a', 0)
    expect(ranges).toEqual([
      [0, 65536],
      [65536, header.bytes],
    ])
    expect(prefix.byteLength).toBe(header.bytes)
    expect(header.tensors.size).toBe(2000)
  })

  test('a small file comes whole', async () => {
    const { memory, ranges } = recorded()
    const { prefix } = await openFile(memory, 'a', 2 ** 20, 1000)
    expect(Buffer.from(prefix).equals(file)).toBe(true)
    expect(ranges.reduce((sum, [start, end]) => sum + end - start, 0)).toBe(file.length)
  })

  test('a header like the last one is not parsed again', async () => {
    const { memory } = recorded()
    const first = await openFile(memory, 'a', 0)
    const second = await openFile(memory, 'a', 0, first.header.bytes, first)
    expect(second.header).toBe(first.header)
  })
})

describe('values', () => {
  test('float32 is a view, not a copy, where it is aligned; else it is copied', () => {
    const file = new Float32Array([1, 2, 3]).buffer
    expect(decode('F32', file, 4, 2).buffer).toBe(file)
    const shifted = new Uint8Array(13)
    shifted.set(new Uint8Array(file), 1)
    expect([...decode('F32', shifted.buffer, 1, 3)]).toEqual([1, 2, 3])
  })

  test('all dtypes', () => {
    const values = [0, 1, 2, 100]
    const arrays = {
      F64: new Float64Array(values),
      F32: new Float32Array(values),
      F16: f16([4], values).bytes,
      BF16: new Uint16Array(values.map(value => new Uint32Array(new Float32Array([value]).buffer)[0] >>> 16)),
      I64: new BigInt64Array(values.map(BigInt)),
      U64: new BigUint64Array(values.map(BigInt)),
      I32: new Int32Array(values),
      U32: new Uint32Array(values),
      I16: new Int16Array(values),
      U16: new Uint16Array(values),
      I8: new Int8Array(values),
      U8: new Uint8Array(values),
    }
    for (const [dtype, array] of Object.entries(arrays)) {
      const decoded = decode(dtype as keyof typeof arrays, array.buffer as ArrayBuffer, 0, 4)
      expect([dtype, ...decoded]).toEqual([dtype, ...values])
    }
    expect([...decode('I8', new Int8Array([-3]).buffer, 0, 1)]).toEqual([-3])
    expect([...decode('BF16', new Uint16Array([0xbf80]).buffer, 0, 1)]).toEqual([-1])
    expect([...decode('BOOL', new Uint8Array([0, 1]).buffer, 0, 2)]).toEqual([0, 1])
  })
})

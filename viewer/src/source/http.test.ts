import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { HttpSource } from './http'
import { startServer, type TestServer } from './server.testing'
import { KeyMissing, SourceUnreachable } from './source'

const BYTES = Uint8Array.from({ length: 1000 }, (_, i) => i % 251)
let server: TestServer
let source: HttpSource

beforeEach(async () => {
  server = await startServer([
    ['a.bin', BYTES],
    ['empty.bin', new Uint8Array(0)],
    ['deep folder/b#1.bin', BYTES],
  ])
  source = new HttpSource(server.base)
})
afterEach(() => server.close())

const part = (start: number, end: number) => [...BYTES.subarray(start, end)]
const read = async (start: number, end: number, key = 'a.bin') => [
  ...new Uint8Array(await source.getRange(key, start, end)),
]

describe('a server that honours ranges', () => {
  test('sends what was asked for, and no more', async () => {
    expect(await read(10, 20)).toEqual(part(10, 20))
    expect(server.requests).toEqual(['a.bin 10-19'])
    expect(source.bytesFetched).toBe(10)
    expect(source.bytesHeld).toBe(0)
    expect(source.sizeNow('a.bin')).toBe(1000)
  })

  test('cuts at the end of the file; what lies beyond is empty, and costs nothing once the size is known', async () => {
    expect(await read(990, 2000)).toEqual(part(990, 1000))
    expect(await read(1000, 1010)).toEqual([])
    expect(await read(5000, 5010)).toEqual([])
    expect(await read(7, 7)).toEqual([])
    expect(server.requests).toEqual(['a.bin 990-1999'])
  })

  test('an empty file is empty', async () => {
    expect(await read(0, 10, 'empty.bin')).toEqual([])
    expect(source.sizeNow('empty.bin')).toBe(0)
  })

  test('keys with spaces and marks reach the server whole; a base without slash and with a token works', async () => {
    const address = `${server.base.slice(0, -1)}?token=x`
    const bytes = await new HttpSource(address).getRange('deep folder/b#1.bin', 1, 3)
    expect([...new Uint8Array(bytes)]).toEqual(part(1, 3))
  })

  test('after the first answer, ranges run beside each other', async () => {
    await read(0, 1)
    let waiting = 0
    let most = 0
    server.before = async () => {
      most = Math.max(most, ++waiting)
      await new Promise(resolve => setTimeout(resolve, 30))
      waiting--
    }
    await Promise.all([read(0, 10), read(10, 20), read(20, 30)])
    expect(most).toBe(3)
  })

  test('a file that is replaced in between is not mixed with the old one', async () => {
    await read(0, 10)
    server.files.set(
      'a.bin',
      BYTES.map(byte => byte + 1),
    )
    await expect(read(10, 20)).rejects.toThrow('a.bin could not be loaded: it was changed while it was open')
  })
})

describe('a server that answers 200', () => {
  beforeEach(() => {
    server.behaviour = 'whole'
  })

  test('is asked once for each file; all ranges come from memory', async () => {
    const parts = await Promise.all([read(0, 10), read(500, 510), read(990, 2000)])
    expect(parts).toEqual([part(0, 10), part(500, 510), part(990, 1000)])
    expect(await read(3, 5)).toEqual(part(3, 5))
    expect(await read(1000, 1001)).toEqual([])
    expect((await source.get('a.bin')).byteLength).toBe(1000)
    expect(server.requests.length).toBe(1)
    expect(source.bytesFetched).toBe(1000)
    expect(source.bytesHeld).toBe(1000)
  })

  test('a download that failed is tried again', async () => {
    server.behaviour = 'hanging up'
    await expect(read(0, 10)).rejects.toBeInstanceOf(SourceUnreachable)
    server.behaviour = 'whole'
    expect(await read(0, 10)).toEqual(part(0, 10))
  })

  test('ranges that were honoured until now: the whole file is taken once', async () => {
    server.behaviour = 'ranges'
    await read(0, 10)
    server.behaviour = 'whole'
    const parts = await Promise.all([read(0, 10), read(10, 20)])
    expect(parts).toEqual([part(0, 10), part(10, 20)])
    expect(await read(20, 30)).toEqual(part(20, 30))
    expect(source.bytesFetched).toBe(1010)
  })
})

describe('whole files', () => {
  test('are fetched again at each call, and shared by calls at the same time', async () => {
    const [a, b] = await Promise.all([source.get('a.bin'), source.get('a.bin')])
    expect(a).toBe(b)
    expect(server.requests).toEqual(['a.bin'])
    await source.get('a.bin')
    expect(server.requests.length).toBe(2)
  })
})

describe('failures', () => {
  test('404 is KeyMissing', async () => {
    const error = await source.getRange('no/such.bin', 0, 10).catch(e => e)
    expect(error).toBeInstanceOf(KeyMissing)
    expect(error).toMatchObject({
      tag: 'KeyMissing',
      key: 'no/such.bin',
      message: 'no/such.bin is not in this recording',
    })
    await expect(source.get('no/such.bin')).rejects.toBeInstanceOf(KeyMissing)
  })

  test.each([
    ['failing', 500, 'a.bin could not be loaded: the server answers 500 (Internal Server Error)'],
    ['hanging up', null, 'a.bin could not be loaded: the server does not answer'],
    ['truncating', 206, 'a.bin could not be loaded: the connection broke off'],
    ['short', 206, 'a.bin could not be loaded: 50 of 100 bytes arrived'],
    ['shifted', 206, 'a.bin could not be loaded: asked for bytes 100 to 199, the server sent 101 to 199'],
  ] as const)('%s', async (behaviour, status, message) => {
    server.behaviour = behaviour
    const error = await source.getRange('a.bin', 100, 200).catch(e => e)
    expect(error).toMatchObject({ tag: 'SourceUnreachable', key: 'a.bin', status, message })
    server.behaviour = 'ranges'
    expect(await read(100, 200)).toEqual(part(100, 200))
  })

  test('a failed first request does not hold up those that wait for it', async () => {
    server.behaviour = 'failing'
    const results = await Promise.allSettled([read(0, 10), read(10, 20), read(20, 30)])
    expect(results.map(result => result.status)).toEqual(['rejected', 'rejected', 'rejected'])
  })

  test('a server that is gone', async () => {
    await server.close()
    await expect(read(0, 1)).rejects.toThrow('a.bin could not be loaded: the server does not answer')
  })

  test('without Content-Range, a short body is taken as the end of the file', async () => {
    server.behaviour = 'silent'
    expect(await read(0, 100)).toEqual(part(0, 100))
    expect(source.sizeNow('a.bin')).toBe(null)
    expect(await read(900, 1100)).toEqual(part(900, 1000))
    expect(source.sizeNow('a.bin')).toBe(1000)
  })
})

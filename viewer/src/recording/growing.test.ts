import { afterEach, beforeEach, expect, test } from 'vitest'
import { HttpSource } from '../source/http'
import { startServer, type TestServer } from '../source/server.testing'
import { GrowingFile } from './growing'

let server: TestServer
let text = ''
beforeEach(async () => {
  server = await startServer()
  text = ''
})
afterEach(() => server.close())

function grow(more: string): void {
  text += more
  server.files.set('metrics.jsonl', new TextEncoder().encode(text))
}

function opened() {
  const parsed: string[] = []
  const file = new GrowingFile(new HttpSource(server.base), 'metrics.jsonl', line => {
    if (line) parsed.push(line)
    return line.startsWith('#') || !line ? null : line
  })
  return { file, parsed }
}

test.each(['ranges', 'whole'] as const)(
  '%s: what has been added is fetched and parsed, nothing else',
  async behaviour => {
    server.behaviour = behaviour
    const { file, parsed } = opened()
    expect(await file.read()).toEqual([])
    grow('één\n# no\ntwo\n')
    expect(await file.read()).toEqual(['één', 'two'])
    const before = await file.read()
    grow('three\nfo')
    expect(await file.read()).toEqual(['één', 'two', 'three', 'fo'])
    grow('ur\n')
    expect(await file.read()).toEqual(['één', 'two', 'three', 'four'])
    expect(before).toEqual(['één', 'two'])
    expect(parsed).toEqual(['één', '# no', 'two', 'three', 'fo', 'four'])
    const asked = server.requests.at(-1)
    // From the last whole line that was known, "three", on.
    if (behaviour === 'ranges') expect(asked).toBe('metrics.jsonl 15-')
  },
)

test('nothing added: the same array', async () => {
  grow('one\ntwo')
  const { file } = opened()
  const before = await file.read()
  expect(await file.read()).toBe(before)
  grow(' and a half')
  expect(await file.read()).toEqual(['one', 'two and a half'])
})

test('a file that was replaced is read anew, whether shorter or not; one that was deleted is empty', async () => {
  grow('one\ntwo\nthree\n')
  const { file } = opened()
  await file.read()
  text = ''
  grow('1\n')
  expect(await file.read()).toEqual(['1'])
  text = ''
  grow('2\n3\n')
  expect(await file.read()).toEqual(['2', '3'])
  server.files.clear()
  expect(await file.read()).toEqual([])
  grow('4\n')
  expect(await file.read()).toEqual(['2', '3', '4'])
})

test('reads come one after the other, and a failed one leaves all as it was', async () => {
  grow('one\n')
  const { file } = opened()
  await file.read()
  grow('two\n')
  server.behaviour = 'failing'
  await expect(file.read()).rejects.toThrow('500')
  server.behaviour = 'ranges'
  const [a, b] = await Promise.all([file.read(), file.read()])
  expect([a, b]).toEqual([
    ['one', 'two'],
    ['one', 'two'],
  ])
})

/** What is fetched and when, and what the screen says where something is missing. */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import type { Browser } from 'playwright-core'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { launch, newPage, type OpenPage, openViewer, settle } from './browser'
import { readIndex } from './files'
import { BUNDLE, DEMO } from './paths'
import { type Options, TestServer } from './server'

const index = readIndex(DEMO)
const LAST = index.checkpoints[index.checkpoints.length - 1]

let browser: Browser
let server: TestServer
let opened: OpenPage

beforeAll(async () => {
  browser = await launch()
})
afterEach(async () => {
  await opened?.page.context().close()
  await server?.close()
  expect(opened.errors).toEqual([])
})
afterAll(() => browser?.close())

async function open(options: Options = {}, query = 'budget=200') {
  server = await TestServer.start(options)
  opened = await newPage(browser)
  return openViewer(opened, server.url, query)
}

/** Opens a recording that cannot be opened; what the screen says instead. */
async function refused(options: Options): Promise<string> {
  server = await TestServer.start(options)
  opened = await newPage(browser)
  await opened.page.goto(server.url)
  return (await opened.page.locator('.failure').textContent()) ?? ''
}

describe('transfer', () => {
  test('the first picture of the demo needs at most 2 MB, of this host alone', async () => {
    const page = await open()
    const bytes = server.requests.reduce((sum, r) => sum + r.bytes, 0)
    expect(bytes).toBeLessThan(2_000_000)
    expect(await page.evaluate(() => window.cutaway!.stats().mapsDrawn)).toBeGreaterThan(0)
    await server.quiet()
    for (const url of opened.requests) expect(url.startsWith(server.url) || url.startsWith('data:'), url).toBe(true)
    // Nothing failed on the way; a static host was asked once whether it tells of changes.
    expect(server.requests.filter(r => r.status >= 400).map(r => r.path)).toEqual(['events'])
  })

  test('the script is at most 200 KB, packed', () => {
    const html = readFileSync(join(BUNDLE, 'index.html'), 'utf8')
    const scripts = [...html.matchAll(/(?:src|href)="([^"]+\.js)"/g)].map(match => match[1])
    expect(scripts.length).toBeGreaterThan(0)
    const packed = scripts.reduce((sum, path) => sum + gzipSync(readFileSync(join(BUNDLE, path))).length, 0)
    expect(packed).toBeLessThan(200_000)
  })

  test('the page works from any folder: no address in it begins with a slash or names a host', () => {
    const html = readFileSync(join(BUNDLE, 'index.html'), 'utf8')
    for (const [, address] of html.matchAll(/(?:src|href)="([^"]*)"/g)) expect(address).toMatch(/^(\.\/|data:)/)
    for (const file of readdirSync(join(BUNDLE, 'assets')).filter(name => name.endsWith('.css'))) {
      const css = readFileSync(join(BUNDLE, 'assets', file), 'utf8')
      for (const [, address] of css.matchAll(/url\(["']?([^"')]+)/g)) expect(address).toMatch(/^(\.?\/?[\w.-]+|data:)/)
      expect(css).not.toMatch(/url\(["']?(https?:)?\/\//)
    }
  })

  test('a range of the activations is fetched, not the file', async () => {
    await open()
    const asked = server.recordingRequests().filter(r => r.path === `activations/${six(LAST.index)}.safetensors`)
    const size = readFileSync(join(DEMO, `activations/${six(LAST.index)}.safetensors`)).length
    expect(asked.length).toBeGreaterThan(0)
    expect(asked.reduce((sum, r) => sum + r.bytes, 0)).toBeLessThan(size / 4)
  })
})

describe('a server that answers 200 to every range', () => {
  test('works, and is asked for each file once', async () => {
    const page = await open({ ranges: false })
    await page.evaluate(() => window.cutaway!.set({ epoch: 3.5, sample: 4 }))
    await settle(page)
    await page.evaluate(() => window.cutaway!.set({ epoch: 9, sample: 7 }))
    await settle(page)
    await server.quiet()
    const asked = server.recordingRequests().map(r => r.path)
    expect(asked.length).toBeGreaterThan(5)
    expect([...asked].sort()).toEqual([...new Set(asked)].sort())
    expect(server.recordingRequests().every(r => r.status === 200)).toBe(true)
    expect(await page.evaluate(() => window.cutaway!.edges('fc2', 0).length)).toBe(32)
    expect(await page.locator('.notice').count()).toBe(0)
  })
})

const six = (n: number) => String(n).padStart(6, '0')

describe('what is missing is named, and the rest is drawn', () => {
  test.each([
    [`checkpoints/${six(LAST.index)}.safetensors`, LAST.label],
    [`activations/${six(LAST.index)}.safetensors`, LAST.label],
    ['samples.safetensors', 'samples.safetensors'],
  ])('%s', async (key, named) => {
    const page = await open({ missing: [key] })
    await expect.poll(() => page.locator('.notice').allTextContents(), { timeout: 10_000 }).not.toEqual([])
    const notices = await page.locator('.notice').allTextContents()
    expect(notices.length).toBe(1)
    expect(notices[0].toLowerCase()).toContain(named.toLowerCase())
    // A sentence for people: with its end, without a status or a stack.
    expect(notices[0]).toMatch(/[a-z]/)
    expect(notices[0]).not.toMatch(/undefined|\bat \w+ \(|Error:/)
    const stats = await page.evaluate(() => window.cutaway!.stats())
    expect(stats.mapsDrawn).toBe(79)
    expect(stats.drawCalls).toBeGreaterThan(5)

    // Another checkpoint is all there.
    await page.evaluate(() => window.cutaway!.set({ epoch: 3 }))
    await settle(page)
    expect(await page.evaluate(() => window.cutaway!.edges('fc2', 0).length)).toBe(32)
    const pick = await page.evaluate(() => {
      const at = window.cutaway!.screenPosition('input', 0, 14, 14)!
      return window.cutaway!.pick(at.x, at.y)
    })
    expect(pick).toMatchObject({ layer: 'input', value: expect.any(Number) })
  })

  test('summaries and metrics are extras: nobody misses them', async () => {
    const page = await open({
      missing: ['metrics.jsonl', ...Array.from({ length: 10 }, (_, i) => `summary/${six(i)}.json`)],
    })
    await server.quiet()
    expect(await page.locator('.notice').allTextContents()).toEqual([])
    expect(await page.evaluate(() => window.cutaway!.stats().mapsDrawn)).toBe(79)
  })

  test('a file that breaks off is named with its problem', async () => {
    const key = `checkpoints/${six(LAST.index)}.safetensors`
    const file = readFileSync(join(DEMO, key)).subarray(0, 20_000)
    const page = await open({ files: { [`recording/${key}`]: file } })
    await expect.poll(() => page.locator('.notice').allTextContents(), { timeout: 10_000 }).toHaveLength(1)
    expect(await page.locator('.notice').textContent()).toMatch(new RegExp(`${key}.*truncated`))
  })
})

describe('what cannot be opened says why, in place of a blank canvas', () => {
  const text = readFileSync(join(DEMO, 'recording.json'), 'utf8')

  test.each<[string, Options, RegExp]>([
    [
      'a newer version',
      { files: { 'recording/recording.json': JSON.stringify({ ...index, version: 2 }) } },
      /version 2 of the format.*update cutaway/,
    ],
    ['no recording', { missing: ['recording.json'] }, /recording\.json/],
    ['half an index', { files: { 'recording/recording.json': text.slice(0, 900) } }, /recording\.json/],
    ['another format', { files: { 'recording/recording.json': '{"format": "other"}' } }, /format/],
  ])('%s', async (_, options, expected) => {
    const message = await refused(options)
    expect(message).toMatch(expected)
    const { box, canvases } = await opened.page.evaluate(() => ({
      box: document.querySelector('.failure')!.getBoundingClientRect().toJSON(),
      canvases: document.querySelectorAll('canvas').length,
    }))
    expect(canvases).toBe(0)
    expect(box.width * box.height).toBeGreaterThan(1000)
    expect(await opened.page.locator('[role=alert]').count()).toBe(1)
  })
})

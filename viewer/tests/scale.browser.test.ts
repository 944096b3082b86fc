/** Ten thousand and five million weights: the same cost for every control. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Browser } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { launch, newPage, type OpenPage, openViewer, setView } from './browser'
import { TestServer } from './server'
import { type Size, weightsOf, writeSynthetic } from './synthetic'

const BUDGET = 500
const MAPS = 30

let browser: Browser
const folder = mkdtempSync(join(tmpdir(), 'cutaway-scale-'))

beforeAll(async () => {
  browser = await launch()
})
afterAll(async () => {
  await browser?.close()
  rmSync(folder, { recursive: true, force: true })
})

/** What each change uploaded, by size: compared at the end. */
const uploads = new Map<Size, number[]>()

describe.each<Size>(['10 thousand', '5 million'])('%s weights', size => {
  let server: TestServer
  let opened: OpenPage

  beforeAll(async () => {
    writeSynthetic(join(folder, size), size)
    server = await TestServer.start({ recording: join(folder, size) })
    opened = await newPage(browser)
    await openViewer(opened, server.url, `budget=${BUDGET}&epoch=0`)
  })
  afterAll(async () => {
    await opened?.page.context().close()
    await server?.close()
    expect(opened.errors).toEqual([])
  })

  const stats = () => opened.page.evaluate(() => window.cutaway!.stats())

  async function change(patch: object) {
    const before = await stats()
    await setView(opened.page, patch)
    const after = await stats()
    return { ...after, uploaded: after.bytesUploaded - before.bytesUploaded }
  }

  test('opens; the strongest are drawn, and it is known of how many', async () => {
    const { edgesTotal, edgesDrawn, mapsDrawn } = await change({ expansion: 2 })
    expect(edgesTotal).toBe(weightsOf(size))
    expect(edgesDrawn).toBe(BUDGET)
    expect(mapsDrawn).toBe(MAPS)
    expect(await opened.page.locator('.notice').allTextContents()).toEqual([])
  })

  test('the GPU holds 2 bytes a weight, 4 an activation, and an order of bounded length', async () => {
    const { gpuBytes } = await stats()
    const inputs = weightsOf(size) / 20
    // Sums over bundles are as many as there are inputs; the order of drawing has at most 65,536 entries here.
    expect(gpuBytes).toBeLessThan(2 * (weightsOf(size) + inputs) + 4 * inputs + 4 * 65_536 + 200_000)
  })

  test('no control uploads anything for an edge or a pixel', async () => {
    const bytes: number[] = []
    for (const patch of [
      ...[0, 0.5, 1.2, 2, 3, 1].map(expansion => ({ expansion })),
      ...[0, 0.5, 1].map(bundle => ({ bundle })),
      ...[2, 3, 1].map(expansion => ({ expansion })),
      ...[{ bundle: null }, { layout: 0 }, { layout: 1 }, { layout: 1.6 }, { layout: 2 }],
      ...[{ weightGain: 2 }, { activationGain: 2 }, { lineWidth: 2 }, { lineWidth: 0 }, { lineWidth: 1 }],
      ...[{ weightColors: 'purple-green' }, { activationColors: 'grey' }, { theme: 'light' }, { pixels: 'round' }],
    ]) {
      const { uploaded, edgeGeometryBytes, drawCalls, edgesDrawn } = await change(patch)
      expect(uploaded, JSON.stringify(patch)).toBeLessThanOrEqual('layout' in patch ? 16 * MAPS : 0)
      expect(edgeGeometryBytes).toBe(0)
      expect(drawCalls).toBeLessThanOrEqual(2 * 2 + 2)
      // Two draws while one fades into the other.
      expect(edgesDrawn).toBeLessThanOrEqual(2 * BUDGET)
      bytes.push(uploaded)
    }
    uploads.set(size, bytes)
  })

  test('another epoch costs at most 4 bytes a weight, once', async () => {
    const values = weightsOf(size) / 20 + 20
    const { uploaded } = await change({ epoch: 1 })
    expect(uploaded).toBeGreaterThanOrEqual(2 * weightsOf(size))
    expect(uploaded).toBeLessThanOrEqual(4 * weightsOf(size) + 4 * values + 8 * MAPS)
    expect((await change({ epoch: 0 })).uploaded).toBe(0)
    expect((await change({ epoch: 0.5 })).uploaded).toBe(0)
  })
})

test('both sizes uploaded the same', () => {
  expect(uploads.get('10 thousand')!.length).toBeGreaterThan(20)
  expect(uploads.get('5 million')).toEqual(uploads.get('10 thousand'))
})

/** Calculations in the page: `window.cutaway.calculation()` against NumPy, and the panel that shows them. */
import { readFileSync } from 'node:fs'
import type { Browser, Page } from 'playwright-core'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { launch, newPage, type OpenPage, openViewer, settle, setView } from './browser'
import { DEMO, TINY } from './paths'
import { TestServer } from './server'

type Matrix = (number | null)[][]
interface Expected {
  recording: string
  checkpoint: number
  sample: number
  layer: string
  place: [map: number, y: number, x: number]
  recorded: number
  terms: {
    parts: { map: number; products: Matrix; sum: number }[]
    bias: number | null
    preActivation: number
    value: number
  }
}

const { recorded: EXPECTED }: { recorded: Expected[] } = JSON.parse(
  readFileSync(new URL('../../tests/fixtures/calculations.json', import.meta.url), 'utf8'),
)

let browser: Browser
let server: TestServer
let opened: OpenPage
let page: Page

beforeAll(async () => {
  browser = await launch()
})
afterAll(() => browser?.close())

async function open(folder: string, query = 'budget=200'): Promise<void> {
  server = await TestServer.start({ recording: folder })
  opened = await newPage(browser, { viewport: { width: 1600, height: 1000 } })
  page = await openViewer(opened, server.url, query)
}

async function close(): Promise<void> {
  await page?.context().close()
  await server?.close()
}

const set = (patch: object) => setView(page, patch)

describe.each([
  ['demo', DEMO],
  ['tiny', TINY],
])('window.cutaway.calculation(), %s', (name, folder) => {
  beforeAll(() => open(folder))
  afterEach(() => expect(opened.errors).toEqual([]))
  afterAll(close)

  const cases = EXPECTED.filter(expected => expected.recording === name)

  test.each(cases)('$layer $place', async ({ checkpoint, sample, layer, place, recorded, terms }) => {
    const [map, y, x] = place
    // Pinned, so that everything it needs is fetched.
    await set({ epoch: checkpoint, sample, pinned: { layer, map, y, x } })
    const found = await page.evaluate(([layer, map, y, x]) => window.cutaway!.calculation(layer, map, y, x), [
      layer,
      map,
      y,
      x,
    ] as const)
    expect(found).toMatchObject({ layer, map, y, x, checkpoint, recorded, bias: terms.bias, missing: [] })
    expect(found!.value).toBeCloseTo(terms.value, 10)
    expect(found!.preActivation).toBeCloseTo(terms.preActivation, 10)
    expect(Math.abs(found!.difference!)).toBeLessThanOrEqual(1e-4 * Math.abs(recorded) + 1e-9)
    for (const [i, part] of terms.parts.entries()) {
      expect(found!.parts[i].map).toBe(part.map)
      expect(found!.parts[i].sum).toBeCloseTo(part.sum, 10)
      expect(found!.parts[i].products.map(row => row.map(v => v?.toFixed(9)))).toEqual(
        part.products.map(row => row.map(v => v?.toFixed(9))),
      )
    }
  })
})

describe('the panel', () => {
  beforeAll(() => open(DEMO))
  afterEach(() => expect(opened.errors).toEqual([]))
  afterAll(close)

  const show = (layer: string, map: number, y: number, x: number) =>
    set({ epoch: 9, sample: 2, pinned: { layer, map, y, x }, calculation: true })
  const text = async (selector: string) => (await page.locator(`.calculation ${selector}`).allInnerTexts()).map(clean)
  const clean = (words: string) => words.replaceAll('\u2212', '-').replace(/\s+/g, ' ').trim()

  test('a table of patches, kernels, products and sums, and the recorded value', async () => {
    await show('conv2', 6, 4, 5)
    expect(await text('h2')).toEqual(['conv2 · map 6 · pixel (4, 5)'])
    expect(await text('thead th')).toEqual(['input map', 'patch', 'kernel', 'product', 'sum'])
    const found = (await page.evaluate(() => window.cutaway!.calculation('conv2', 6, 4, 5)))!
    const sums = await text('tbody .sum')
    const names = await text('tbody th')
    expect(sums.length).toBeGreaterThan(1)
    for (const [i, name] of names.entries()) {
      const part = found.parts[Number(name.split('·')[1])]
      expect(sums[i]).toBe(`Σ ${part.sum > 0 ? '+' : ''}${part.sum.toFixed(3)}`)
    }
    expect((await text('.verdict'))[0]).toMatch(/^recorded value .* differs by (0|< 0\.0001)$/)
  })

  test('all input maps can be shown', async () => {
    await show('conv2', 6, 4, 5)
    const before = (await text('tbody th')).length
    expect(before).toBeLessThan(6)
    await page.locator('.calculation .others').click()
    expect(await text('tbody th')).toHaveLength(6)
    await page.locator('.calculation .others').click()
    expect(await text('tbody th')).toHaveLength(before)
  })

  test('the buttons move the pinned pixel and stay within the map', async () => {
    await show('pool1', 2, 0, 12)
    const pinned = () => page.evaluate(() => window.cutaway!.state.pinned)
    await page.getByRole('button', { name: 'Pixel to the right' }).click()
    await page.getByRole('button', { name: 'Pixel to the right' }).click()
    expect(await pinned()).toMatchObject({ y: 0, x: 13 })
    await page.getByRole('button', { name: 'Pixel above' }).click()
    expect(await pinned()).toMatchObject({ y: 0, x: 13 })
    await page.getByRole('button', { name: 'Pixel below' }).click()
    expect(await pinned()).toMatchObject({ layer: 'pool1', map: 2, y: 1, x: 13 })
    expect(await text('h2')).toEqual(['pool1 · map 2 · pixel (1, 13)'])
  })

  test('play visits pixel after pixel, until it is stopped', async () => {
    await show('pool2', 0, 4, 3)
    await page.getByRole('button', { name: 'Visit pixel after pixel' }).click()
    // The last pixel is the next one: it ends there by itself.
    await page.waitForFunction(() => window.cutaway!.state.pinned?.x === 4)
    await page.getByRole('button', { name: 'Visit pixel after pixel' }).waitFor()
    await page.getByRole('button', { name: 'Visit pixel after pixel' }).click()
    await page.waitForFunction(() => window.cutaway!.state.pinned?.y === 0)
    await page.getByRole('button', { name: 'Stop' }).click()
    expect(await page.evaluate(() => window.cutaway!.state.pinned)).toMatchObject({ layer: 'pool2', map: 0, y: 0 })
  })

  test('a max pool marks the value that it chose', async () => {
    await show('pool1', 2, 6, 6)
    const box = (selector: string) => page.locator(`.calculation ${selector}`).boundingBox()
    const found = (await page.evaluate(() => window.cutaway!.calculation('pool1', 2, 6, 6)))!
    const at = found.parts[0].patch.flat().indexOf(found.value)
    const winner = (await box('.winner'))!
    const cell = (await box(`.numbers span:nth-child(${at + 1})`))!
    expect([winner.x, winner.y]).toEqual([cell.x, cell.y])
  })

  test('padding is shown as padding, exact numbers under the cursor', async () => {
    await show('conv1', 0, 0, 0)
    expect(await page.locator('.calculation .patch .ghost').count()).toBe(16)
    await page.locator('.calculation .kernel span').nth(24).hover()
    const found = (await page.evaluate(() => window.cutaway!.calculation('conv1', 0, 0, 0)))!
    expect((await text('.exact'))[0]).toContain(`= ${Number(found.parts[0].products[4][4]!.toPrecision(6))}`)
  })

  test('a softmax lists what goes in and what comes out', async () => {
    await show('fc2', 2, 0, 0)
    const found = (await page.evaluate(() => window.cutaway!.calculation('fc2', 2, 0, 0)))!
    const shares = await text('.softmax .share')
    expect(shares).toEqual(found.steps[0].outputs!.map(share => `${(100 * share).toFixed(1)} %`))
  })

  test('its close button leads back to the map', async () => {
    await show('conv2', 1, 2, 3)
    await page.getByRole('button', { name: 'Close the calculation' }).click()
    await settle(page)
    expect(await page.locator('.calculation').count()).toBe(0)
    const state = await page.evaluate(() => window.cutaway!.state)
    expect(state).toMatchObject({ calculation: false, pinned: { layer: 'conv2', map: 1 } })
  })
})

/** What edges stand for, A alone and B − A, read back from the vertex shader, against its twin in TypeScript. */
import { join } from 'node:path'
import type { Browser, Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Network } from '../src/generated/recording'
import { Mode } from '../src/shaders/ends'
import { launch, newPage, type OpenPage } from './browser'
import type { ValueCase } from './edge-values.page'
import { bundlePage } from './entry'
import { BRANCHED, ODD } from './networks'
import { VIEWER } from './paths'
import { TestServer } from './server'

let browser: Browser
let server: TestServer
let opened: OpenPage
let page: Page

beforeAll(async () => {
  const script = await bundlePage(join(VIEWER, 'tests/edge-values.page.ts'))
  server = await TestServer.start({
    files: { 'probe.html': '<!doctype html><script type="module" src="probe.js"></script>', 'probe.js': script },
  })
  browser = await launch()
  opened = await newPage(browser)
  page = opened.page
  await page.goto(`${server.url}probe.html`)
  await page.waitForFunction(() => window.compareValues !== undefined)
})
afterAll(async () => {
  await browser?.close()
  await server?.close()
})

const sides: [string, Pick<ValueCase, 'a' | 'b'>][] = [
  ['A at a checkpoint', { a: 0, b: null }],
  ['A between two', { a: 0.3, b: null }],
  ['B − A at checkpoints', { a: 0, b: 0 }],
  ['B − A between', { a: 0.25, b: 0.6 }],
]

describe.each<[string, Network]>([
  ['odd sizes, groups, dilation', ODD],
  ['branches, H,W,C', BRANCHED],
])('%s', (_, network) => {
  test.each(sides)('%s: weights, calculations, weights × activations', async (_, of) => {
    const cases = [Mode.Weight, Mode.Calculation].flatMap(mode => [false, true].map(times => ({ ...of, mode, times })))
    const outcome = await page.evaluate(([n, c]) => window.compareValues(n, c), [network, cases] as const)
    expect(opened.errors).toEqual([])
    expect(outcome.edges).toBeGreaterThan(100)
    expect(outcome.largest).toBeGreaterThan(3)
    expect(outcome.worst, outcome.where).toBeLessThan(1e-4)
  })
})

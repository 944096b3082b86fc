/** What edges stand for, A alone and B − A, read back from the vertex shader, against its twin in TypeScript. */
import type { Browser } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Network } from '../src/generated/recording'
import { Mode } from '../src/shaders/ends'
import { launch } from './browser'
import type { ValueCase } from './edge-values.page'
import { BRANCHED, ODD } from './networks'
import { openProbe, type Probe } from './probe'

let browser: Browser
let probe: Probe

beforeAll(async () => {
  browser = await launch()
  probe = await openProbe(browser, 'edge-values.page.ts', 'compareValues')
})
afterAll(async () => {
  await browser?.close()
  await probe?.server.close()
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
    const outcome = await probe.page.evaluate(([n, c]) => window.compareValues(n, c), [network, cases] as const)
    expect(probe.errors).toEqual([])
    expect(outcome.edges).toBeGreaterThan(100)
    expect(outcome.largest).toBeGreaterThan(3)
    expect(outcome.worst, outcome.where).toBeLessThan(1e-4)
  })
})

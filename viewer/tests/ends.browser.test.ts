/** The vertex shader's geometry, read back through transform feedback, against its twin in TypeScript. */
import type { Browser } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Network } from '../src/generated/recording'
import { launch } from './browser'
import type { Case, Outcome } from './ends.page'
import { readIndex } from './files'
import { BRANCHED, MOVING, ODD } from './networks'
import { TINY } from './paths'
import { openProbe, type Probe } from './probe'

const TOLERANCE = 1e-3
const EXPANSIONS = [0, 0.5, 1, 1.7, 2, 2.4, 3]
const LAYOUTS = [0, 0.6, 1, 1.5, 2]
const BUNDLES = [0, 0.4, 1]

let browser: Browser
let probe: Probe

beforeAll(async () => {
  browser = await launch()
  probe = await openProbe(browser, 'ends.page.ts', 'compareEnds')
})
afterAll(async () => {
  await browser?.close()
  await probe?.server.close()
})

async function compare(network: Network, cases: Case[]): Promise<Outcome> {
  const outcome = await probe.page.evaluate(([n, c]) => window.compareEnds(n, c), [network, cases] as const)
  // The probe's page has no icon: nothing else may go wrong.
  expect(probe.errors).toEqual([])
  return outcome
}

describe.each([
  ['odd sizes, groups, dilation, C,H,W', ODD],
  ['branches, concat, H,W,C', BRANCHED],
  ['splits, transposed and separable kernels, pixels that move', MOVING],
  ['the tiny recording', readIndex(TINY).network as Network],
])('%s', (_, network) => {
  test.each(LAYOUTS)('layout %d: all links, modes and expansions', async layout => {
    const { worst, where, strands } = await compare(network, [
      { view: { layout }, expansions: EXPANSIONS, bundles: BUNDLES },
    ])
    expect(worst, where).toBeLessThan(TOLERANCE)
    expect(Object.values(strands).every(count => count > 0)).toBe(true)
  })
})

test('every link kind was there in every mode that it has', async () => {
  const all: Record<string, number> = {}
  for (const network of [ODD, BRANCHED]) {
    const { strands } = await compare(network, [{ view: {}, expansions: [1], bundles: [0] }])
    Object.assign(all, strands)
  }
  // conv: weights, calculations, both bundles · dense: pairs, weights, both bundles · pool and each: frames, taps, calculations.
  expect(Object.keys(all).sort()).toEqual([
    ...['conv 2', 'conv 3', 'conv 4', 'conv 5'],
    ...['dense 1', 'dense 2', 'dense 4', 'dense 5'],
    ...['each 0', 'each 2', 'each 3'],
    ...['pool 0', 'pool 2', 'pool 3'],
  ])
})

test('maps that are not drawn have no edges, in both', async () => {
  const { worst, where, hidden } = await compare(ODD, [
    { view: { maxMaps: 2 }, expansions: [0, 1, 2, 3], bundles: [0] },
    { view: { maxMaps: 3, depthwise: 0.7, layout: 0 }, expansions: [1.5], bundles: [1] },
  ])
  expect(hidden).toBeGreaterThan(100)
  expect(worst, where).toBeLessThan(TOLERANCE)
})

test('collapse, spread, spacing, depth, and a high stage with folded pools', async () => {
  const { worst, where } = await compare(ODD, [
    { view: { collapse: 0.6, spread: 1.7, pixelSpacing: 1.4 }, expansions: [0.5, 3], bundles: [0.4] },
    { view: { depthwise: 1, layout: 0.3, layerGap: 2 }, expansions: [2.4], bundles: [0] },
    { view: {}, expansions: EXPANSIONS, bundles: [0, 1], portrait: true },
  ])
  expect(worst, where).toBeLessThan(TOLERANCE)
})

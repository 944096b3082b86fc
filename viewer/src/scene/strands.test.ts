import { describe, expect, test } from 'vitest'
import { BRANCHED, ODD, placeNetwork } from '../../tests/networks'
import { Mode, strandCount } from '../shaders/ends'
import type { LayerView } from '../state'
import { DEFAULT_VIEW } from '../state/defaults'
import { type Focus, planStrands } from './strands'

const links = [...placeNetwork(ODD).links, ...placeNetwork(BRANCHED).links]
const NOTHING: Focus = { map: -1, pixel: -1 }
const AMPLE = 1e6

const link = (id: string) => links.find(l => l.layer === id)!
const plan = (id: string, view: Partial<LayerView> = {}, budget = AMPLE, focus = NOTHING) =>
  planStrands(link(id), { ...DEFAULT_VIEW, ...view }, budget, focus)
const modes = (id: string, view: Partial<LayerView>, budget = AMPLE, focus = NOTHING) =>
  plan(id, view, budget, focus).map(s => s.mode)

const sweep = Array.from({ length: 31 }, (_, i) => i / 10).flatMap(expansion =>
  [null, 0, 0.5, 0.9, 1].map(bundle => ({ expansion, bundle })),
)

describe.each(links.map(l => [`${l.link} ${l.layer}`, l] as const))('%s', (_, c) => {
  test('at most two draws, whose alphas add up to one', () => {
    for (const view of sweep) {
      for (const budget of [10, 1000, AMPLE]) {
        const parts = planStrands(c, { ...DEFAULT_VIEW, ...view }, budget, NOTHING)
        expect(parts.length).toBeGreaterThan(0)
        expect(parts.length).toBeLessThanOrEqual(2)
        expect(parts.reduce((sum, p) => sum + p.alpha, 0)).toBeCloseTo(1)
        expect(parts.every(p => p.alpha > 0 && p.count <= p.total)).toBe(true)
      }
    }
  })

  test('as many strands as the mode has, or as the budget allows', () => {
    for (const view of sweep) {
      for (const p of planStrands(c, { ...DEFAULT_VIEW, ...view }, AMPLE, NOTHING)) {
        expect(p.count).toBe(strandCount(c, p))
        expect(p.limited).toBe(false)
      }
      for (const p of planStrands(c, { ...DEFAULT_VIEW, ...view }, 10, NOTHING)) {
        // Frames and bundles of maps are few by themselves, and never cut.
        if (p.mode !== Mode.Frame && p.mode !== Mode.BundleMap) expect(p.count).toBeLessThanOrEqual(10)
        expect(p.mode).not.toBe(Mode.Calculation)
      }
    }
  })

  test('a small step of expansion changes no alpha much', () => {
    for (let expansion = 0; expansion < 3; expansion += 0.02) {
      const alphas = [expansion, expansion + 0.02].map(
        e => new Map(planStrands(c, { ...DEFAULT_VIEW, expansion: e }, AMPLE, NOTHING).map(p => [p.mode, p.alpha])),
      )
      for (const mode of new Set([...alphas[0].keys(), ...alphas[1].keys()])) {
        // From 1 on the bundle's strands start at taps instead of maps: another draw of the same strands.
        if (mode >= Mode.BundleMap) continue
        expect(Math.abs((alphas[0].get(mode) ?? 0) - (alphas[1].get(mode) ?? 0))).toBeLessThan(0.2)
      }
    }
  })
})

test('a convolution: bundle, kernels, all weights, all calculations', () => {
  expect(modes('strided', { expansion: 0 })).toEqual([Mode.BundleMap])
  expect(modes('strided', { expansion: 1 })).toEqual([Mode.Weight])
  expect(modes('strided', { expansion: 2 })).toEqual([Mode.Weight])
  expect(modes('strided', { expansion: 2.1 })).toEqual([Mode.Weight, Mode.Calculation])
  expect(modes('strided', { expansion: 3 })).toEqual([Mode.Calculation])
  expect(modes('strided', { expansion: 2, bundle: 1 })).toEqual([Mode.BundleTap])
})

test('dense after maps: pairs of maps, then every weight; after a vector always every weight', () => {
  expect(modes('dense', { expansion: 1 })).toEqual([Mode.Pair])
  expect(modes('dense', { expansion: 1.1 })).toEqual([Mode.Pair, Mode.Weight])
  expect(modes('dense', { expansion: 3 })).toEqual([Mode.Weight])
  expect(modes('scores', { expansion: 1 })).toEqual([Mode.Weight])
})

test('pools: lines between corners, then taps, then every window', () => {
  expect(modes('pool', { expansion: 0 })).toEqual([Mode.Frame])
  expect(modes('pool', { expansion: 2 })).toEqual([Mode.Weight])
  expect(modes('pool', { expansion: 3 })).toEqual([Mode.Calculation])
})

describe('too many calculations', () => {
  // strided: 96 weights × 30 pixels = 2,880, a quarter of them for one map.
  test('without a map in focus all weights are shown instead, and it is said', () => {
    const [part, ...others] = plan('strided', { expansion: 3 }, 1000)
    expect(others).toEqual([])
    expect(part).toMatchObject({ mode: Mode.Weight, expansion: 2, limited: true, count: 96 })
  })

  test("the focused map's are shown", () => {
    const [part] = plan('strided', { expansion: 3 }, 1000, { map: 2, pixel: -1 })
    expect(part).toMatchObject({ mode: Mode.Calculation, fixedMap: 2, limited: true, count: 720 })
  })

  test('unless even those are too many', () => {
    expect(modes('strided', { expansion: 3 }, 700, { map: 2, pixel: -1 })).toEqual([Mode.Weight])
  })
})

test('a step shows one calculation of every map, and stays inside the picture', () => {
  expect(plan('strided', { step: 7 })).toMatchObject([{ mode: Mode.Calculation, fixedPixel: 7, count: 96 }])
  expect(plan('strided', { step: 1000 })).toMatchObject([{ fixedPixel: 29 }])
  expect(modes('dense', { step: 7 })).toEqual([Mode.Pair])
})

test('one value: all of its products and nothing else', () => {
  const conv = plan('strided', {}, AMPLE, { map: 1, pixel: 4 })
  expect(conv).toMatchObject([{ mode: Mode.Calculation, fixedMap: 1, fixedPixel: 4, count: 24 }])
  const dense = plan('dense', {}, AMPLE, { map: 3, pixel: 0 })
  expect(dense).toMatchObject([{ mode: Mode.Weight, fixedMap: 3, count: 36 }])
})

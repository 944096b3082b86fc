/** Every control: for all layers and for one, seen on the picture, taken back, and carried by a link. */
import type { Browser, Page } from 'playwright-core'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { closePage, launch, newPage, type OpenPage, openViewer, settle, setView } from './browser'
import { TINY } from './paths'
import { TestServer } from './server'

let browser: Browser
let server: TestServer
let opened: OpenPage
let page: Page

// A fixed camera: what moves on the screen is what moved in the world.
const CAMERA = { target: [0, 0, -150], yaw: 44, pitch: 17, distance: 700 }
const SIZE = { width: 900, height: 640 }

beforeAll(async () => {
  browser = await launch()
  server = await TestServer.start({ recording: TINY })
  opened = await newPage(browser, { viewport: SIZE })
  page = await openViewer(opened, server.url, 'panels=0')
})
afterEach(async () => {
  expect(opened.errors).toEqual([])
  await set(REST)
})
afterAll(async () => {
  await browser?.close()
  await server?.close()
})

const REST = {
  ...{ expansion: 1, layout: 2, depthwise: 0, bundle: null, collapse: 0, spread: 1, pixelSpacing: 1, pixelSize: 0.91 },
  ...{ layerGap: 1, maxMaps: 64, step: -1, lineWidth: 1, perspectiveWidth: 1, weightGain: 1, activationGain: 1 },
  ...{ weightTimesActivation: false, pixels: 'square', activationColors: 'calm', weightColors: 'blue-red' },
  ...{ curve: 6.6, fade: 1, greyInput: false, picture: null, range: 'layer', theme: 'dark', layers: {} },
  ...{ pinned: null, selected: null, calculation: false, camera: CAMERA, epoch: 2, sample: 0 },
}

const set = (patch: object) => setView(page, patch)
const hash = () => page.evaluate(() => window.cutaway!.hash())
const stats = () => page.evaluate(() => window.cutaway!.stats())
const at = (layer: string, map: number, y = 0, x = 0) =>
  page.evaluate(([l, m, r, c]) => window.cutaway!.screenPosition(l, m, r, c), [layer, map, y, x] as const)

/** Control, a value that shows, and a layer of its own on which it shows too. */
const CONTROLS: [field: string, value: unknown, layer: string][] = [
  ['expansion', 0, 'features.conv2'],
  ['expansion', 2, 'features.conv1'],
  ['expansion', 3, 'features.conv1'],
  ['bundle', 0.7, 'features.conv2'],
  ['layout', 0, 'features.conv1'],
  ['layout', 1, 'features.grouped'],
  ['depthwise', 1, 'features.conv1'],
  ['collapse', 1, 'features.conv1'],
  ['spread', 1.6, 'features.conv1'],
  ['pixelSpacing', 1.5, 'features.conv1'],
  ['pixelSize', 0.5, 'features.conv1'],
  ['layerGap', 1.5, 'features.conv1'],
  ['maxMaps', 2, 'features.conv1'],
  ['step', 4, 'features.conv1'],
  ['lineWidth', 2, 'features.conv1'],
  ['perspectiveWidth', 0, 'features.conv1'],
  ['weightGain', 0.3, 'features.conv1'],
  ['activationGain', 0.3, 'features.conv1'],
  ['weightTimesActivation', true, 'features.conv1'],
  ['pixels', 'round', 'features.conv1'],
  ['activationColors', 'viridis', 'features.conv1'],
  ['weightColors', 'purple-green', 'features.conv1'],
  ['curve', 0, 'features.conv1'],
  ['fade', 0, 'features.conv1'],
]

// The line has to lie before it can turn.
const SCENE: Record<string, object> = { depthwise: { layout: 0 } }

describe.each(CONTROLS)('%s = %s', (field, value, layer) => {
  test('shows on all layers, on one layer, and is taken back', async () => {
    await set({ ...REST, ...SCENE[field] })
    const before = await hash()
    await set({ [field]: value })
    const all = await hash()
    expect(all).not.toBe(before)
    await set({ ...REST, ...SCENE[field], layers: { [layer]: { [field]: value } } })
    const one = await hash()
    expect(one).not.toBe(before)
    expect(one).not.toBe(all)
    expect((await page.evaluate(() => window.cutaway!.state)).layers).toEqual({ [layer]: { [field]: value } })
    await set({ layers: {} })
    expect(await hash()).toBe(before)
  })
})

describe('what the controls do', () => {
  test('bundled, the count of ribbons drops to inputs + outputs', async () => {
    await set({ ...REST, bundle: 0 })
    const single = (await stats()).edgesDrawn
    await set({ bundle: 1 })
    // conv1 1+4, grouped 4+6, depthwise 6+6, conv2 6+3, dense 3+5, scores 5+3.
    expect((await stats()).edgesDrawn).toBe(5 + 10 + 12 + 9 + 8 + 8)
    expect(single).toBeGreaterThan(52)
  })

  test('line, circle and grid stand where they should, and between them in between', async () => {
    const place = async (layout: number) => {
      await set({ ...REST, layers: { 'features.conv1': { layout } } })
      return (await at('features.conv1', 3))!
    }
    const [line, half, circle, grid] = [await place(0), await place(0.5), await place(1), await place(2)]
    for (const [a, b] of [
      [line, circle],
      [circle, grid],
      [line, grid],
    ]) {
      expect(Math.hypot(a.x - b.x, a.y - b.y)).toBeGreaterThan(10)
    }
    expect(Math.abs(half.x - (line.x + circle.x) / 2)).toBeLessThan(8)
  })

  test('collapsed, all maps of the layer stand in one place, those of others stay', async () => {
    await set({ ...REST, layers: { 'features.conv1': { collapse: 1 } } })
    const [a, b] = [(await at('features.conv1', 0))!, (await at('features.conv1', 3))!]
    expect(Math.hypot(a.x - b.x, a.y - b.y)).toBeLessThan(2)
    const [c, d] = [(await at('features.grouped', 0))!, (await at('features.grouped', 5))!]
    expect(Math.hypot(c.x - d.x, c.y - d.y)).toBeGreaterThan(10)
  })

  test('with fewer maps in full, all of them stand on the wall above, with their own values', async () => {
    await set({ ...REST, layers: { 'features.grouped': { maxMaps: 2 } } })
    const { mapsDrawn, mapsTotal } = await stats()
    expect(mapsTotal - mapsDrawn).toBe(4)
    expect(await at('features.grouped', 2)).toBeNull()
    // Somewhere above the two maps, the cursor meets tiles of maps that are not drawn in full.
    const found = await page.evaluate(() => {
      const maps = new Set<number>()
      const top = window.cutaway!.screenPosition('features.grouped', 0, 0, 0)!
      for (let y = 0; y < top.y; y += 2)
        for (let x = top.x - 150; x < top.x + 150; x += 2) {
          const pick = window.cutaway!.pick(x, y)
          if (pick?.layer === 'features.grouped' && pick.map! >= 2 && typeof pick.value === 'number')
            maps.add(pick.map!)
        }
      return [...maps].sort()
    })
    expect(found).toEqual([2, 3, 4, 5])
  })

  test('weight × activation: the products of a unit add up to its pre-activation', async () => {
    await set({ ...REST, expansion: 2, weightTimesActivation: true })
    for (const [layer, units] of [
      ['dense', 5],
      ['scores', 3],
    ] as const) {
      for (let unit = 0; unit < units; unit++) {
        const [sum, calculation] = await page.evaluate(
          ([l, u]) =>
            [
              window.cutaway!.edges(l, u).reduce((total, edge) => total + edge.value, 0),
              window.cutaway!.calculation(l, u, 0, 0),
            ] as const,
          [layer, unit] as const,
        )
        expect(sum + (calculation!.bias ?? 0)).toBeCloseTo(calculation!.preActivation, 4)
      }
    }
  })

  test('undo and redo walk through the changes', async () => {
    const start = await hash()
    await set({ expansion: 2 })
    const changed = await hash()
    await page.keyboard.press('Control+z')
    await settle(page)
    expect(await hash()).toBe(start)
    await page.keyboard.press('Control+Shift+z')
    await settle(page)
    expect(await hash()).toBe(changed)
  })
})

test('a link carries them all: opened anew, it is the same picture', async () => {
  const layers = { 'features.conv1': { layout: 0.7, spread: 1.2 }, dense: { expansion: 2, weightGain: 2 } }
  await set({ ...REST, expansion: 1.5, curve: 3, pixels: 'round', weightColors: 'purple-green', epoch: 0.5, layers })
  const here = await hash()
  const query = await page.evaluate(async () => {
    // The address follows the view a moment later.
    while (!location.search.includes('curve=3')) await new Promise(resolve => setTimeout(resolve, 20))
    return location.search
  })
  const another = await newPage(browser, { viewport: SIZE })
  const again = await openViewer(another, server.url, query.slice(1))
  expect(await again.evaluate(() => window.cutaway!.hash())).toBe(here)
  await closePage(another)
})

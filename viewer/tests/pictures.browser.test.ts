/** The picture itself: repeatable to the byte, and of the right colours in the right places. */
import type { Browser, Page } from 'playwright-core'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { project, type Vec3, viewProjection } from '../src/scene/camera'
import { closePage, launch, newPage, type OpenPage, openViewer, setView } from './browser'
import { readIndex, recordedOutput } from './files'
import { DEMO, TINY } from './paths'
import { type Color, colorsAt } from './pixels'
import { TestServer } from './server'

let browser: Browser
let demo: TestServer
let tiny: TestServer
const pages: OpenPage[] = []

beforeAll(async () => {
  browser = await launch()
  demo = await TestServer.start({ recording: DEMO })
  tiny = await TestServer.start({ recording: TINY })
})
afterEach(async () => {
  for (const page of pages.splice(0)) await closePage(page)
})
afterAll(async () => {
  await browser?.close()
  await demo?.close()
  await tiny?.close()
})

async function open(server: TestServer, query: string, from = browser): Promise<Page> {
  const opened = await newPage(from)
  pages.push(opened)
  return openViewer(opened, server.url, query)
}

const hash = (page: Page) => page.evaluate(() => window.cutaway!.hash())

describe('hash', () => {
  const query = 'epoch=3.5&sample=2&expansion=1.4&budget=300'

  test('is the same twice, and in another launch of the browser', async () => {
    const page = await open(demo, query)
    const first = await hash(page)
    expect(first).toMatch(/^[0-9a-f]{64}$/)
    expect(await hash(page)).toBe(first)
    const another = await launch()
    const again = await hash(await open(demo, query, another))
    await another.close()
    expect(again).toBe(first)
  })

  test('differs after every visible change, and is as before when that is taken back', async () => {
    const page = await open(demo, query)
    const start = await hash(page)
    for (const [patch, back] of [
      [{ expansion: 2 }, { expansion: 1.4 }],
      [{ epoch: 4 }, { epoch: 3.5 }],
      [{ sample: 3 }, { sample: 2 }],
      [{ layout: 1.5 }, { layout: 2 }],
      [{ lineWidth: 2 }, { lineWidth: 1 }],
      [{ weightGain: 3 }, { weightGain: 1 }],
      [{ activationGain: 0.3 }, { activationGain: 1 }],
      [{ weightColors: 'purple-green' }, { weightColors: 'blue-red' }],
      [{ activationColors: 'viridis' }, { activationColors: 'calm' }],
      [{ theme: 'light' }, { theme: 'dark' }],
      [{ pinned: { layer: 'conv1', map: 1, y: 4, x: 7 } }, { pinned: null }],
    ]) {
      await setView(page, patch)
      expect(await hash(page), JSON.stringify(patch)).not.toBe(start)
      await setView(page, back)
      expect(await hash(page), JSON.stringify(back)).toBe(start)
    }
  })
})

const light = ([r, g, b]: Color) => 0.2126 * r + 0.7152 * g + 0.0722 * b

/** Turns the camera to one map, large enough to see its pixels; then the colours of those that nothing hides. */
async function seenPixels(page: Page, layer: string, map: number, every: number) {
  const target = await page.evaluate(([l, m]) => window.cutaway!.edges(l as string, m as number)[0].to, [
    layer,
    map,
  ] as const)
  await setView(page, { camera: { target, yaw: 55, pitch: 0, distance: 120 } })
  const pixels = await page.evaluate(
    ([l, m, step]) => {
      const cutaway = window.cutaway!
      const [, rows, columns] = cutaway.network.layers.find(other => other.id === l)!.output_shapes![0]
      const seen: { y: number; x: number; at: { x: number; y: number } }[] = []
      for (let p = 0; p < rows * columns; p += step as number) {
        const [y, x] = [Math.floor(p / columns), p % columns]
        const at = cutaway.screenPosition(l as string, m as number, y, x)
        const pick = at && cutaway.pick(at.x, at.y)
        if (at && pick?.layer === l && pick?.map === m) seen.push({ y, x, at })
      }
      return seen
    },
    [layer, map, every] as const,
  )
  const colors = await colorsAt(
    page,
    pixels.map(p => p.at),
  )
  return pixels.map((p, i) => ({ ...p, color: colors[i] }))
}

test('pixels are the brighter, the larger their activation', async () => {
  const page = await open(demo, 'panels=0&lineWidth=0&activationColors=grey&sample=3&epoch=9')
  for (const map of [1, 4]) {
    const { values } = recordedOutput(DEMO, readIndex(DEMO).checkpoints[9].index, 3, 'conv1')
    const seen = await seenPixels(page, 'conv1', map, 5)
    expect(seen.length).toBeGreaterThan(100)
    const sorted = seen
      .map(({ y, x, color }) => ({ value: values[(map * 28 + y) * 28 + x], light: light(color) }))
      .sort((a, b) => a.value - b.value)
    for (let i = 1; i < sorted.length; i++) {
      // A little less for rounding to 8 bits and for depth.
      expect(sorted[i].light, `value ${sorted[i].value}`).toBeGreaterThan(sorted[i - 1].light - 4)
    }
    const [dark, bright] = [sorted[0], sorted[sorted.length - 1]]
    expect(bright.value).toBeGreaterThan(0)
    expect(bright.light - dark.light).toBeGreaterThan(60)
  }
})

test('negative and positive activations have their own colours', async () => {
  const page = await open(tiny, 'panels=0&lineWidth=0&activationColors=blue-red&epoch=2&sample=0')
  const { values } = recordedOutput(TINY, 7, 0, 'features.depthwise')
  const largest = Math.max(...values.map(Math.abs))
  const signs = new Set<boolean>()
  for (const map of [0, 1, 2, 3, 4, 5]) {
    for (const { y, x, color } of await seenPixels(page, 'features.depthwise', map, 1)) {
      const value = values[(map * 3 + y) * 4 + x]
      if (Math.abs(value) < 0.3 * largest) continue
      const [red, , blue] = color
      expect(red > blue, `${value} is ${color}`).toBe(value > 0)
      signs.add(value > 0)
    }
  }
  expect(signs.size).toBe(2)
})

test('the strongest edges are drawn, from their input to their output, in the colour of their sign', async () => {
  const off = ['conv1', 'pool1', 'conv2', 'pool2', 'fc1'].map(layer => `${layer}:lineWidth=0`).join(';')
  const page = await open(demo, `panels=0&epoch=9&budget=12&lineWidth=3&weightGain=2&layers=${off}`)
  const drawn = await page.evaluate(() => window.cutaway!.stats().edgesDrawn)
  expect(drawn).toBeGreaterThan(0)
  const edges = await page.evaluate(() =>
    Array.from({ length: 10 }, (_, unit) => window.cutaway!.edges('fc2', unit)).flat(),
  )
  const strongest = edges.sort((a, b) => Math.abs(b.weight) - Math.abs(a.weight)).slice(0, drawn)

  // From the side, straight on: both ends and the middle of each edge on the screen, by the camera's own arithmetic.
  const middle = (a: readonly number[], b: readonly number[]) => a.map((v, i) => (v + b[i]) / 2) as Vec3
  const target = middle(strongest[0].from, strongest[0].to)
  const camera = { target, yaw: 60, pitch: 5, distance: 420 }
  await setView(page, { camera })
  const viewport = { width: 1280, height: 720, free: { left: 0, top: 0, right: 0, bottom: 0 } }
  const matrix = viewProjection(camera, viewport, [200, 900])
  const points = strongest.map(edge => project(matrix, viewport, middle(edge.from, edge.to))!)
  const colors = await colorsAt(page, points)
  for (const [i, edge] of strongest.entries()) {
    const [red, , blue] = colors[i]
    const what = `${edge.weight} at ${points[i].x}, ${points[i].y}: ${colors[i]}`
    expect(Math.abs(red - blue), what).toBeGreaterThan(25)
    expect(red > blue, what).toBe(edge.weight > 0)
  }

  // Without width there is nothing at those places but the backdrop.
  await setView(page, { lineWidth: 0 })
  for (const [red, , blue] of await colorsAt(page, points)) expect(Math.abs(red - blue)).toBeLessThan(25)
})

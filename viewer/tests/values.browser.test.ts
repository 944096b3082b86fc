/** What the viewer shows of the demo and of the tiny recording, against the files read in Node by other code. */
import type { Browser, Page } from 'playwright-core'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { launch, newPage, type OpenPage, openViewer, setView } from './browser'
import { readIndex, recordedOutput, recordedParameter } from './files'
import { DEMO, TINY } from './paths'
import { TestServer } from './server'

let browser: Browser
beforeAll(async () => {
  browser = await launch()
})
afterAll(() => browser?.close())

interface Seen {
  layer: string
  map: number
  y: number
  x: number
  at: { x: number; y: number } | null
  pick: { layer: string; map?: number; y?: number; x?: number; value: number | null } | null
}

/** Asks for the place of pixels of every layer, and what lies there: all pixels of small maps, some of large ones. */
function look(page: Page): Promise<Seen[]> {
  return page.evaluate(() => {
    const cutaway = window.cutaway!
    const seen: Seen[] = []
    for (const layer of cutaway.network.layers) {
      const [maps, rows = 1, columns = 1] = layer.output_shapes?.[0] ?? []
      for (let map = 0; map < maps; map++) {
        // A step that has no divisor in common with 28 or 14 visits all rows and columns.
        for (let p = map % (rows * columns); p < rows * columns; p += rows * columns > 64 ? 37 : 1) {
          const [y, x] = [Math.floor(p / columns), p % columns]
          const at = cutaway.screenPosition(layer.id, map, y, x)
          seen.push({ layer: layer.id, map, y, x, at, pick: at && cutaway.pick(at.x, at.y) })
        }
      }
    }
    return seen
  })
}

describe.each([
  ['the demo', DEMO],
  ['the tiny recording', TINY],
])('%s', (_, folder) => {
  const index = readIndex(folder)
  const last = index.checkpoints.length - 1
  let server: TestServer
  let opened: OpenPage
  let page: Page

  beforeAll(async () => {
    server = await TestServer.start({ recording: folder })
    opened = await newPage(browser, { viewport: { width: 1600, height: 1000 } })
    page = await openViewer(opened, server.url, 'budget=200')
  })
  afterEach(() => expect(opened.errors).toEqual([]))
  afterAll(async () => {
    await page?.context().close()
    await server?.close()
  })

  const set = async (patch: object) => {
    await setView(page, patch)
  }

  test('opens at the last checkpoint with the network as recorded', async () => {
    const { state, network, checkpoints } = await page.evaluate(() => {
      const { state, network, checkpoints } = window.cutaway!
      return { state, network, checkpoints }
    })
    expect(state).toMatchObject({ epoch: last, sample: 0 })
    expect(network.layers.map(l => l.id)).toEqual(index.network.layers.map((l: { id: string }) => l.id))
    expect(checkpoints.length).toBe(last + 1)
  })

  test.each([0, 1])('what lies where a pixel is shown is that pixel, with the exact value: sample %d', async sample => {
    await set({ sample, epoch: last, layout: 2, camera: null })
    const files = new Map<string, number[]>()
    const found = new Map<string, number>()
    for (const { layer, map, y, x, at, pick } of await look(page)) {
      const what = `${layer} map ${map} (${y}, ${x})`
      expect(at, what).not.toBe(null)
      expect(pick, what).not.toBe(null)
      const shape = index.network.layers.find((l: { id: string }) => l.id === layer).output_shapes[0]
      // Another layer may stand in front of it.
      if (pick!.layer !== layer || pick!.map !== map) continue
      expect([pick!.y, pick!.x], what).toEqual([y, x])
      const file = files.get(layer) ?? recordedOutput(folder, index.checkpoints[last].index, sample, layer).values
      files.set(layer, file)
      const [, rows = 1, columns = 1] = shape
      expect(pick!.value, what).toBe(file[(map * rows + y) * columns + x])
      found.set(layer, (found.get(layer) ?? 0) + 1)
    }
    for (const { id, output_shapes } of index.network.layers) {
      expect(found.get(id) ?? 0, `pixels of ${id}`).toBeGreaterThanOrEqual(Math.min(5, output_shapes[0][0]))
    }
  })

  test.each([
    { layout: 0 },
    { layout: 1 },
    { layout: 1.5, expansion: 2 },
    { layout: 0, depthwise: 1, spread: 1.5 },
    { camera: { target: [0, 0, -100], yaw: -30, pitch: 35, distance: 900 } },
  ])('place and pick stay inverse: %o', async patch => {
    await set({ layout: 2, depthwise: 0, spread: 1, expansion: 1, camera: null, ...patch })
    let same = 0
    let all = 0
    for (const { layer, map, y, x, at, pick } of await look(page)) {
      all++
      expect(at).not.toBe(null)
      if (pick?.layer !== layer || pick.map !== map) continue
      expect([pick.y, pick.x], `${layer} map ${map}`).toEqual([y, x])
      same++
    }
    expect(same / all).toBeGreaterThan(0.3)
  })

  test('edges have the weights of the file, in its order', async () => {
    await set({ epoch: last, expansion: 1 })
    for (const { id, parameters = [], attributes } of index.network.layers) {
      const kernel = parameters.find((p: { role: string }) => p.role === 'kernel')
      if (!kernel) continue
      const { values, shape } = recordedParameter(folder, index.checkpoints[last].index, kernel.key)
      const perOutput = values.length / shape[0]
      for (const output of [0, shape[0] - 1]) {
        const edges = await page.evaluate(([l, o]) => window.cutaway!.edges(l, o), [id, output] as const)
        expect(edges.map(e => e.weight)).toEqual(values.slice(output * perOutput, (output + 1) * perOutput))
        if (shape.length < 4) continue
        const [, perGroup, rows, columns] = shape
        const firstInput = Math.floor(output / (shape[0] / (attributes.groups ?? 1))) * perGroup
        expect(edges.map(e => [e.input, ...e.tap!])).toEqual(
          Array.from({ length: perOutput }, (_, i) => [
            firstInput + Math.floor(i / (rows * columns)),
            Math.floor(i / columns) % rows,
            i % columns,
          ]),
        )
      }
    }
  })

  test('the prediction on the page is the largest recorded score, at every checkpoint', async () => {
    const output = index.network.outputs[0]
    for (const [epoch, { index: number }] of index.checkpoints.entries()) {
      for (const sample of [0, 1]) {
        await set({ epoch, sample })
        const { values } = recordedOutput(folder, number, sample, output)
        const best = values.indexOf(Math.max(...values))
        const shown = await page.locator('.prediction').textContent()
        expect(shown).toMatch(
          new RegExp(`prediction\\s*${index.classes[best]}\\s*${(values[best] * 100).toFixed(1)} %`),
        )
        expect(shown).toMatch(new RegExp(`truth\\s*${index.classes[index.samples.labels[sample]]}`))
      }
    }
  })

  test('between two checkpoints a value is the mean of both', async () => {
    await set({ epoch: 0.5, sample: 0, camera: null, layout: 2, expansion: 1 })
    const [a, b] = [0, 1].map(
      i => recordedOutput(folder, index.checkpoints[i].index, 0, index.network.outputs[0]).values,
    )
    for (let unit = 0; unit < a.length; unit++) {
      const value = await page.evaluate(
        ([layer, map]) => {
          const at = window.cutaway!.screenPosition(layer as string, map as number, 0, 0)!
          return window.cutaway!.pick(at.x, at.y)
        },
        [index.network.outputs[0], unit],
      )
      expect(value).toMatchObject({ layer: index.network.outputs[0], map: unit })
      expect(value!.value).toBeCloseTo((a[unit] + b[unit]) / 2, 6)
    }
  })
})

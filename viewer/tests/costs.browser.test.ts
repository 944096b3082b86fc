/** What moving a control costs: draws, bytes uploaded, requests. Counts, not times: they are the same on every machine. */
import type { Browser, Page } from 'playwright-core'
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { launch, newPage, type OpenPage, openViewer, settle, setView } from './browser'
import { readIndex } from './files'
import { DEMO } from './paths'
import { TestServer } from './server'

const index = readIndex(DEMO)
const size = (shape: number[]) => shape.reduce((product, n) => product * n, 1)
const layers: { output_shapes: number[][]; parameters?: { role: string; shape: number[] }[] }[] = index.network.layers
const VALUES = layers.reduce((sum, l) => sum + size(l.output_shapes[0]), 0)
const MAPS = layers.reduce((sum, l) => sum + l.output_shapes[0][0], 0)
const WEIGHTS = layers.reduce((sum, l) => sum + size(l.parameters?.find(p => p.role === 'kernel')?.shape ?? [0]), 0)

let browser: Browser
let server: TestServer
let opened: OpenPage
let page: Page

beforeAll(async () => {
  browser = await launch()
  server = await TestServer.start()
  opened = await newPage(browser)
  page = await openViewer(opened, server.url, 'budget=200')
  await server.quiet()
})
afterEach(() => expect(opened.errors).toEqual([]))
afterAll(async () => {
  await browser?.close()
  await server?.close()
})

const stats = () => page.evaluate(() => window.cutaway!.stats())

/** Sets a patch, waits, and says what it cost. */
async function change(patch: object) {
  const before = await stats()
  await setView(page, patch)
  const after = await stats()
  return { ...after, uploaded: after.bytesUploaded - before.bytesUploaded, drawn: after.frames - before.frames }
}

const REST = { expansion: 1, layout: 2, bundle: null, depthwise: 0, collapse: 0, spread: 1, lineWidth: 1, step: -1 }

const moves: [string, object[]][] = [
  ['expansion', [0, 0.4, 0.9, 1.2, 2, 2.3, 3].map(expansion => ({ expansion }))],
  ['bundle', [0, 0.3, 0.9, 1].map(bundle => ({ bundle }))],
  ['lineWidth', [0, 0.5, 3].map(lineWidth => ({ lineWidth }))],
  ['gains', [0, 2, 10].flatMap(g => [{ weightGain: g }, { activationGain: g }])],
  ['weightColors', [{ weightColors: 'purple-green' }, { weightColors: 'blue-red' }]],
  ['activationColors', ['grey', 'viridis', 'blue-red', 'calm'].map(activationColors => ({ activationColors }))],
  ['pixels', [{ pixels: 'round' }, { pixels: 'square' }, { pixelSize: 0.5 }, { pixelSize: 0.91 }]],
  ['theme', [{ theme: 'light' }, { theme: 'dark' }]],
  ['range', ['map', 'network', 'layer'].map(range => ({ range }))],
  ['perspective', [{ perspectiveWidth: 0 }, { perspectiveWidth: 1 }]],
  ['one calculation', [{ step: 0 }, { step: 40 }, { step: -1 }]],
  ['pin', [{ pinned: { layer: 'conv1', map: 2, y: 3, x: 4 } }, { pinned: { layer: 'fc1', map: 2 } }, { pinned: null }]],
  ['camera', [{ camera: { target: [0, 0, -99], yaw: 20, pitch: 10, distance: 500 } }, { camera: null }]],
]

test.each(moves)('%s: nothing is uploaded', async (_, patches) => {
  await change(REST)
  for (const patch of patches) {
    const { uploaded, edgeGeometryBytes, drawn } = await change(patch)
    expect(uploaded, JSON.stringify(patch)).toBe(0)
    expect(edgeGeometryBytes).toBe(0)
    expect(drawn).toBeGreaterThan(0)
  }
})

test.each([
  ['layout', [0, 0.5, 1, 1.7, 2].map(layout => ({ layout }))],
  ['depthwise', [{ layout: 0 }, ...[0.2, 1, 0].map(depthwise => ({ depthwise }))]],
  ['collapse', [0.5, 1, 0].map(collapse => ({ collapse }))],
  ['distances', [{ spread: 2 }, { pixelSpacing: 1.5 }, { layerGap: 2 }, { spread: 1, pixelSpacing: 1, layerGap: 1 }]],
])('%s: at most 16 bytes a map', async (_, patches) => {
  await change(REST)
  for (const patch of patches) {
    const { uploaded, mapsDrawn, edgeGeometryBytes } = await change(patch)
    expect(mapsDrawn).toBe(MAPS)
    expect(uploaded, JSON.stringify(patch)).toBeLessThanOrEqual(16 * MAPS)
    expect(edgeGeometryBytes).toBe(0)
  }
})

test('a glide uploads map centres and nothing else, once a frame', async () => {
  await change({ ...REST, animate: true })
  const glide = await change({ layout: 0, expansion: 2 })
  expect(glide.drawn).toBeGreaterThan(2)
  expect(glide.uploaded).toBeLessThanOrEqual(16 * MAPS * glide.drawn)
  expect((await change({ expansion: 0, lineWidth: 2 })).uploaded).toBe(0)
  await change({ ...REST, animate: false })
})

test('at most two draws a layer and two a connection, whatever is shown', async () => {
  const connections = layers.length - 1
  let most = 0
  for (const expansion of [0, 0.1, 0.5, 1, 1.15, 2, 2.15, 3]) {
    for (const bundle of [null, 0.5, 0.9, 1]) {
      for (const layout of [0, 2]) {
        const { drawCalls } = await change({ ...REST, expansion, bundle, layout })
        expect(drawCalls, JSON.stringify({ expansion, bundle, layout })).toBeLessThanOrEqual(
          2 * layers.length + 2 * connections,
        )
        most = Math.max(most, drawCalls)
      }
    }
  }
  // Maps and edges were drawn at all.
  expect(most).toBeGreaterThan(layers.length + connections)
  await change(REST)
})

test('the budget is kept', async () => {
  for (const budget of [0, 200, 3000]) {
    const { edgesDrawn, edgesTotal } = await change({ ...REST, expansion: 2, budget })
    expect(edgesDrawn).toBeLessThanOrEqual(budget)
    expect(edgesTotal).toBe(WEIGHTS)
  }
  await change({ ...REST, budget: 200 })
})

test('an epoch is uploaded once: at most 4 bytes a weight, and the activations', async () => {
  await change({ epoch: 9, sample: 0 })
  const first = await change({ epoch: 4 })
  expect(first.uploaded).toBeGreaterThanOrEqual(2 * WEIGHTS + 4 * VALUES)
  expect(first.uploaded).toBeLessThanOrEqual(4 * WEIGHTS + 4 * VALUES + 8 * MAPS)
  for (const epoch of [9, 4, 9]) expect((await change({ epoch })).uploaded).toBe(0)
  // Between two that are there, nothing is missing either.
  await change({ epoch: 5 })
  for (const epoch of [4.5, 4.2, 4.99, 5]) expect((await change({ epoch })).uploaded).toBe(0)
})

test('an epoch change fetches its files and no other', async () => {
  await change({ epoch: 9 })
  await server.quiet()
  server.forget()
  await change({ epoch: 2 })
  const requests = server.recordingRequests()
  expect([...new Set(requests.map(r => r.path))].sort()).toEqual([
    'activations/000002.safetensors',
    'checkpoints/000002.safetensors',
    'summary/000002.json',
  ])
  // Of the activations only one sample; headers of the format are the rest.
  const bytes = requests.filter(r => r.path.startsWith('activations')).reduce((sum, r) => sum + r.bytes, 0)
  expect(bytes).toBeLessThan(4 * VALUES + 32 * 1024)
  server.forget()
  await change({ epoch: 9 })
  await change({ epoch: 2 })
  expect(server.requests).toEqual([])
})

/** Requests since the last `forget`, by file; each file of activations is asked once at most. */
async function asked(): Promise<Map<string, number>> {
  await server.quiet()
  const requests = server.recordingRequests()
  const bytes = new Map(requests.map(r => [r.path, r.bytes]))
  expect(requests.length, JSON.stringify(requests)).toBe(bytes.size)
  expect(requests.every(r => r.status === 206)).toBe(true)
  return bytes
}

test('another sample is one range request a checkpoint, and no weights', async () => {
  await change({ epoch: 8.5, sample: 0 })
  await server.quiet()
  server.forget()
  const { uploaded } = await change({ sample: 5 })
  expect(uploaded).toBeGreaterThanOrEqual(2 * 4 * VALUES)
  expect(uploaded).toBeLessThanOrEqual(2 * (4 * VALUES + 8 * MAPS))
  for (const [path, bytes] of await asked()) {
    // All layers of the two checkpoints that are shown; of the others only the scores, for the history of the prediction.
    const shown = /^activations\/00000[89]\.safetensors$/.test(path)
    expect(path).toMatch(/^activations\//)
    expect(bytes, path).toBe(shown ? 4 * VALUES : 4 * size(layers[layers.length - 1].output_shapes[0]))
  }
  expect([...(await asked()).keys()].filter(path => /00000[89]/.test(path)).length).toBe(2)

  server.forget()
  expect((await change({ sample: 0 })).uploaded).toBe(0)
  expect((await change({ sample: 5 })).uploaded).toBe(0)
  expect((await asked()).size).toBe(0)
  await change({ epoch: 9, sample: 0 })
})

test('no frame is drawn while nothing changes', async () => {
  await settle(page)
  const { before, after } = await page.evaluate(async () => {
    const before = window.cutaway!.stats().frames
    await new Promise(resolve => setTimeout(resolve, 500))
    return { before, after: window.cutaway!.stats().frames }
  })
  expect(after).toBe(before)
  // Setting what is set already is no change either.
  const drawn = await page.evaluate(async () => {
    const before = window.cutaway!.stats().frames
    window.cutaway!.set({ nonsense: 1 } as never)
    await new Promise(resolve => setTimeout(resolve, 200))
    return window.cutaway!.stats().frames - before
  })
  expect(drawn).toBe(0)
})

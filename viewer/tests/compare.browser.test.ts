/** A and B beside each other and as their difference: pixels, values and numbers against the files read by other code. */
import { cpSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Browser, Page } from 'playwright-core'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { closePage, launch, newPage, type OpenPage, openViewer, settle, setView } from './browser'
import { readIndex, recordedOutput, recordedParameter } from './files'
import { DEMO } from './paths'
import { type Color, colorsAt } from './pixels'
import { TestServer } from './server'

const LAST = 9
const index = readIndex(DEMO)
const layers: { id: string; output_shapes: number[][]; parameters?: { role: string; key: string }[] }[] =
  index.network.layers

let browser: Browser
let server: TestServer
let pair: TestServer
let other: string
const pages: OpenPage[] = []

beforeAll(async () => {
  browser = await launch()
  other = mkdtempSync(join(tmpdir(), 'cutaway-b-'))
  writeOther(other)
  server = await TestServer.start()
  pair = await TestServer.start({ compare: other })
})
afterEach(async () => {
  for (const page of pages.splice(0)) await closePage(page)
})
afterAll(async () => {
  await browser?.close()
  await server?.close()
  await pair?.close()
  rmSync(other, { recursive: true, force: true })
})

/** Another recording of the same network: its last checkpoint is the demo's fourth, and its samples are the same. */
function writeOther(folder: string): void {
  cpSync(DEMO, folder, { recursive: true })
  for (const kind of ['checkpoints', 'activations']) {
    cpSync(join(DEMO, kind, '000003.safetensors'), join(folder, kind, '000009.safetensors'))
  }
  cpSync(join(DEMO, 'summary/000003.json'), join(folder, 'summary/000009.json'))
  writeFileSync(join(folder, 'recording.json'), JSON.stringify({ ...index, name: 'slower' }))
}

async function open(query: string, from = server): Promise<Page> {
  const opened = await newPage(browser, { viewport: { width: 1600, height: 1000 } })
  pages.push(opened)
  // Few ribbons: software draws them slowly.
  return openViewer(opened, from.url, `budget=300&${query}`)
}

const stats = (page: Page) => page.evaluate(() => window.cutaway!.stats())
const place = (page: Page, layer: string, map: number, y: number, x: number, side: 'A' | 'B' = 'A') =>
  page.evaluate(([l, m, r, c, s]) => window.cutaway!.screenPosition(l, m, r, c, s)!, [layer, map, y, x, side] as const)

/** All of a layer's values at two moments, and the place of the one that differs most upwards and downwards. */
function apart(layer: string, from: [number, number], to: [number, number]) {
  const a = recordedOutput(DEMO, from[0], from[1], layer)
  const b = recordedOutput(DEMO, to[0], to[1], layer)
  const [, rows = 1, columns = 1] = a.shape
  const differences = b.values.map((v, i) => v - a.values[i])
  const at = (i: number): [number, number, number] => [
    Math.floor(i / (rows * columns)),
    Math.floor((i % (rows * columns)) / columns),
    i % columns,
  ]
  const most = differences.indexOf(Math.max(...differences))
  const least = differences.indexOf(Math.min(...differences))
  return { largest: Math.max(...differences.map(Math.abs)), most: at(most), least: at(least) }
}

/** ‖b − a‖ / ‖a‖. */
function share(a: number[], b: number[]): number {
  const norm = (values: number[]) => Math.sqrt(values.reduce((sum, v) => sum + v * v, 0))
  return norm(b.map((v, i) => v - a[i])) / norm(a)
}

/** The ends of the legend's ramps, as numbers: weights, then activations. */
const legend = (page: Page) =>
  page.evaluate(() =>
    [...document.querySelectorAll('.legend figure')].map(figure => ({
      words: figure.querySelector('figcaption')!.textContent!.replace(/\s+/g, ' ').trim(),
      ends: [...figure.querySelectorAll('p span')].map(s => Number(s.textContent!.replace('−', '-'))),
    })),
  )
const twoDigits = (value: number) => Number(value.toPrecision(2))

describe('side by side', () => {
  test('A and B at the same checkpoint are the same picture twice', async () => {
    const page = await open(`epoch=${LAST}&compare=checkpoint:${LAST}&panels=0&sample=3`)
    const [a, b] = [await place(page, 'conv1', 0, 0, 0), await place(page, 'conv1', 0, 0, 0, 'B')]
    const half = b.x - a.x
    expect(half).toBeGreaterThan(600)
    expect(b.y).toBe(a.y)
    const png = (await page.screenshot()).toString('base64')
    const { differing, drawn } = await page.evaluate(
      async ([data, move]) => {
        const image = new Image()
        image.src = `data:image/png;base64,${data}`
        await image.decode()
        const canvas = new OffscreenCanvas(image.width, image.height)
        const context = canvas.getContext('2d')!
        context.drawImage(image, 0, 0)
        // Below what the halves are called, beside the line between them; the backdrop behind them is one gradient, which changes little.
        const [width, height] = [Math.floor(move) - 4, image.height - 60]
        const left = context.getImageData(2, 60, width, height).data
        const right = context.getImageData(Math.round(move) + 2, 60, width, height).data
        let differing = 0
        let drawn = 0
        for (let i = 0; i < left.length; i += 4) {
          const off = Math.max(...[0, 1, 2].map(k => Math.abs(left[i + k] - right[i + k])))
          if (off > 12) differing++
          if (Math.max(left[i], left[i + 1], left[i + 2]) > 60) drawn++
        }
        return { differing, drawn }
      },
      [png, half] as const,
    )
    expect(drawn).toBeGreaterThan(20_000)
    expect(differing).toBe(0)
  })

  test('each half has its own values; a place leads to a value and back', async () => {
    const page = await open(`epoch=${LAST}&compare=checkpoint:2&sample=4`)
    for (const [layer, map, y, x] of [
      ['conv1', 2, 13, 15],
      ['pool1', 5, 6, 7],
      ['fc2', 4, 0, 0],
    ] as const) {
      const [, rows = 1, columns = 1] = layers.find(l => l.id === layer)!.output_shapes[0]
      const value = (epoch: number) => recordedOutput(DEMO, epoch, 4, layer).values[(map * rows + y) * columns + x]
      for (const side of ['A', 'B'] as const) {
        const at = await place(page, layer, map, y, x, side)
        const pick = await page.evaluate(({ x, y }) => window.cutaway!.pick(x, y)!, at)
        expect(pick).toMatchObject({ layer, map, y, x, side })
        const [own, others] = side === 'A' ? [LAST, 2] : [2, LAST]
        expect(pick.value).toBeCloseTo(value(own), 6)
        expect(pick.other).toBeCloseTo(value(others), 6)
      }
    }
  })

  test('pointing at B marks the same in A, and the tooltip tells both', async () => {
    const page = await open(`epoch=${LAST}&compare=sample:5&sample=4&theme=dark&lineWidth=0`)
    const target = ['conv1', 3, 14, 14] as const
    const [a, b] = [await place(page, ...target), await place(page, ...target, 'B')]
    // A corner of the map: its outline stands just outside of it.
    const corner = await place(page, 'conv1', 3, 0, 0)
    const before = await page.screenshot({ clip: { x: corner.x - 12, y: corner.y - 12, width: 24, height: 24 } })
    await page.mouse.move(b.x, b.y)
    await settle(page)
    const after = await page.screenshot({ clip: { x: corner.x - 12, y: corner.y - 12, width: 24, height: 24 } })
    expect(after.equals(before)).toBe(false)
    const words = await page.locator('.tooltip b').textContent()
    const at = (sample: number) => recordedOutput(DEMO, LAST, sample, 'conv1').values[(3 * 28 + 14) * 28 + 14]
    const numbers = words!
      .replaceAll('−', '-')
      .match(/-?\d+(\.\d+)?(?=\s|$)/g)!
      .map(Number)
    expect(numbers[0]).toBeCloseTo(at(4), 2)
    expect(numbers[1]).toBeCloseTo(at(5), 2)
    expect(numbers[2]).toBeCloseTo(at(5) - at(4), 2)
    await page.mouse.click(a.x, a.y)
    await settle(page)
    expect(await page.evaluate(() => window.cutaway!.state.pinned)).toEqual({ layer: 'conv1', map: 3, y: 14, x: 14 })
    expect(await page.locator('.facts.pixel dt').allTextContents()).toEqual(['value at (14, 14)', 'in B', 'B − A'])
  })

  test('scales reach over both', async () => {
    const page = await open(`epoch=0&compare=checkpoint:${LAST}&selected=conv2`)
    const [weights] = await legend(page)
    const largest = (epoch: number) =>
      Math.max(...recordedParameter(DEMO, epoch, 'conv2/kernel').values.map(v => Math.abs(v)))
    expect(weights.ends.at(-1)).toBeCloseTo(twoDigits(Math.max(largest(0), largest(LAST))), 6)
    await setView(page, { epoch: LAST, compare: { with: 'checkpoint', epoch: 0, show: 'side' } })
    expect((await legend(page))[0].ends).toEqual(weights.ends)
  })

  test('at most twice the draws, and nothing is uploaded twice', async () => {
    const page = await open(`epoch=${LAST}`)
    const alone = await stats(page)
    await setView(page, { compare: { with: 'checkpoint', epoch: LAST, show: 'side' } })
    const both = await stats(page)
    expect(both.drawCalls).toBeLessThanOrEqual(2 * alone.drawCalls)
    expect(both.uploaded.weights).toBe(alone.uploaded.weights)
    expect(both.uploaded.activations).toBe(alone.uploaded.activations)
    await setView(page, { compare: { with: 'checkpoint', epoch: 0, show: 'side' } })
    const apart = await stats(page)
    expect(apart.uploaded.weights).toBe(2 * alone.uploaded.weights)
    await setView(page, { compare: { with: 'checkpoint', epoch: 0, show: 'difference' } })
    await setView(page, { camera: { target: [0, 0, 0], yaw: 20, pitch: 30, distance: 900 } })
    const difference = await stats(page)
    expect(difference.uploaded.weights).toBe(apart.uploaded.weights)
    expect(difference.uploaded.activations).toBe(apart.uploaded.activations)
    expect(difference.edgeGeometryBytes).toBe(0)
    expect(difference.drawCalls).toBeLessThanOrEqual(alone.drawCalls)
  })

  test('the wheel zooms to the cursor in both halves alike', async () => {
    const page = await open(`compare=checkpoint:0`)
    const target = ['conv2', 4, 5, 5] as const
    for (const side of ['A', 'B'] as const) {
      await setView(page, { camera: null })
      const before = await place(page, ...target, side)
      await page.mouse.move(before.x, before.y)
      await page.mouse.wheel(0, -240)
      await settle(page)
      const after = await place(page, ...target, side)
      // The pixel does not lie in the plane of the camera's target: it moves a little.
      expect(Math.hypot(after.x - before.x, after.y - before.y)).toBeLessThan(25)
      expect(await page.evaluate(() => window.cutaway!.state.camera)).not.toBeNull()
    }
  })

  test('a phone shows them above each other', async () => {
    const opened = await newPage(browser, { viewport: { width: 390, height: 844 } })
    pages.push(opened)
    const page = await openViewer(opened, server.url, 'compare=checkpoint:0')
    const [a, b] = [await place(page, 'fc2', 0, 0, 0), await place(page, 'fc2', 0, 0, 0, 'B')]
    expect(b.x).toBe(a.x)
    expect(b.y - a.y).toBeGreaterThan(150)
    expect(await page.locator('[role=tab][aria-selected=true]').textContent()).toBe('Compare')
  })
})

/** Close to one map, its pixels without gaps, and nothing before it. */
async function comeClose(page: Page, layer: string, map: number): Promise<void> {
  await setView(page, { lineWidth: 0, pixelSize: 1, panels: false, pinned: { layer, map } })
  await page.keyboard.press('f')
  await settle(page)
  await setView(page, { pinned: null })
}

describe('difference', () => {
  const NEUTRAL: Record<string, Color> = { dark: [0x17, 0x1c, 0x25], light: [0xff, 0xff, 0xff] }

  test.each(['dark', 'light'])('of the same moment is neutral everywhere (%s)', async theme => {
    const page = await open(`epoch=${LAST}&compare=checkpoint:${LAST}:difference&theme=${theme}&sample=7`)
    expect((await legend(page)).map(l => l.ends.map(Math.abs))).toEqual([
      [0, 0, 0],
      [0, 0, 0],
    ])
    await comeClose(page, 'conv1', 0)
    const points = await page.evaluate(() =>
      Array.from({ length: 14 * 14 }, (_, i) => [2 * Math.floor(i / 14), 2 * (i % 14)] as const).map(
        ([y, x]) => window.cutaway!.screenPosition('conv1', 0, y, x)!,
      ),
    )
    for (const color of await colorsAt(page, points)) {
      // Far maps fade a little into the background.
      for (const [k, channel] of color.entries()) expect(Math.abs(channel - NEUTRAL[theme][k])).toBeLessThan(8)
    }
  })

  test('B above A is the colour of plus, B below A that of minus; swapped, the other way round', async () => {
    const { most, least } = apart('conv1', [LAST, 1], [LAST, 6])
    const page = await open(`epoch=${LAST}&sample=1&compare=sample:6:difference`)
    const color = async ([map, y, x]: readonly [number, number, number]) => {
      await setView(page, { camera: null })
      await comeClose(page, 'conv1', map)
      return (await colorsAt(page, [await place(page, 'conv1', map, y, x)]))[0]
    }
    const [plus, minus] = [await color(most), await color(least)]
    expect(plus[0]).toBeGreaterThan(plus[2] + 60)
    expect(minus[2]).toBeGreaterThan(minus[0] + 60)
    await setView(page, { sample: 6, compare: { with: 'sample', sample: 1, show: 'difference' } })
    const before = await color(most)
    expect(before[2]).toBeGreaterThan(before[0] + 60)
    await setView(page, { weightColors: 'purple-green' })
    const green = await color(least)
    expect(green[1]).toBeGreaterThan(green[0] + 60)
  })

  test('the legend reaches to the largest |B − A|, of maps and of weights, by layer and by network', async () => {
    const page = await open(`epoch=${LAST}&sample=2&compare=checkpoint:1:difference&selected=conv2`)
    const outputs = Object.fromEntries(layers.map(({ id }) => [id, apart(id, [LAST, 2], [1, 2]).largest]))
    const [a, b] = [LAST, 1].map(epoch => recordedParameter(DEMO, epoch, 'conv2/kernel').values)
    const weight = twoDigits(Math.max(...b.map((v, i) => Math.abs(v - a[i]))))
    const shown = await legend(page)
    expect(shown.map(({ words }) => words)).toEqual([
      'weight B − A, conv2',
      expect.stringMatching(/^activation B − A, conv2/),
    ])
    expect(shown[0].ends).toEqual([-weight, 0, weight])
    const largest = twoDigits(outputs.conv2)
    expect(shown[1].ends).toEqual([-largest, 0, largest])
    await setView(page, { range: 'network' })
    expect((await legend(page))[1].ends[2]).toBe(twoDigits(Math.max(...Object.values(outputs))))
  })

  test('between two checkpoints it is blended on the way from one to the other', async () => {
    const page = await open(`epoch=${LAST}&compare=checkpoint:0:difference&sample=2`)
    const at = async (epoch: number) => {
      await setView(page, { epoch })
      return page.evaluate(() => window.cutaway!.hash())
    }
    const [start, middle, end] = [await at(8), await at(8.5), await at(9)]
    expect(new Set([start, middle, end]).size).toBe(3)
    expect(await at(8.5)).toBe(middle)
  })

  test('two samples share their weights, and it says so', async () => {
    const page = await open(`sample=1&compare=sample:6:difference`)
    const [weights] = await legend(page)
    expect(weights.words).toBe('weight, conv1')
    expect(await page.locator('.compare-head .note').first().textContent()).toMatch(/the same weights/)
    await setView(page, { weightTimesActivation: true })
    expect((await legend(page))[0].words).toBe('weight × input B − A, conv1')
  })
})

describe('two recordings', () => {
  test('open beside each other, with the values, names and changes of both', async () => {
    const page = await open('b=compare/&sample=3', pair)
    expect(await page.evaluate(() => window.cutaway!.state.compare)).toEqual({ with: 'recording', show: 'side' })
    expect(await page.locator('.compare-head .title').allTextContents()).toEqual([
      'LeNet on MNIST, step 2,560',
      'slower, step 2,560',
    ])
    const at = await place(page, 'conv2', 7, 4, 4, 'B')
    const pick = await page.evaluate(({ x, y }) => window.cutaway!.pick(x, y)!, at)
    const value = (folder: string) => recordedOutput(folder, LAST, 3, 'conv2').values[(7 * 10 + 4) * 10 + 4]
    expect(pick.value).toBeCloseTo(value(other), 6)
    expect(pick.other).toBeCloseTo(value(DEMO), 6)
    const expected = layers
      .filter(layer => layer.parameters?.some(p => p.role === 'kernel'))
      .map(({ id }) => {
        const kernel = (folder: string) => recordedParameter(folder, LAST, `${id}/kernel`).values
        return [id, 100 * share(kernel(DEMO), kernel(other))] as const
      })
      .sort((p, q) => q[1] - p[1])
    const rows = page.locator('.changes li')
    expect(await rows.locator('span').allTextContents()).toEqual(expected.map(([id]) => id))
    const percents = (await rows.locator('b').allTextContents()).map(text => Number.parseFloat(text))
    for (const [i, [, percent]] of expected.entries()) expect(percents[i]).toBeCloseTo(percent, 1)
    await rows.first().locator('button').click()
    await settle(page)
    expect(await page.evaluate(() => window.cutaway!.state.selected)).toBe(expected[0][0])
    expect(await page.evaluate(() => window.cutaway!.state.camera)).not.toBeNull()
  })

  test('their difference is that of what both recorded', async () => {
    const page = await open('b=compare/&compare=recording:difference&sample=3&selected=conv1', pair)
    // B's last checkpoint is the demo's fourth.
    const largest = twoDigits(apart('conv1', [LAST, 3], [3, 3]).largest)
    expect((await legend(page))[1].ends).toEqual([-largest, 0, largest])
  })

  test('one of another architecture is not shown: one sentence says what differs', async () => {
    const changed = structuredClone(index)
    changed.network.layers[3].output_shapes = [[12, 10, 11]]
    const files = { 'compare/recording.json': JSON.stringify(changed) }
    const odd = await TestServer.start({ files })
    const page = await open('b=compare/', odd)
    expect(await page.locator('.notice, .notices').first().textContent()).toMatch(
      /can.t be compared: conv2 of A is conv2d 12×10×10.*conv2 of B is conv2d 12×10×11/,
    )
    expect(await page.locator('.compare-head:visible').count()).toBe(0)
    await odd.close()
  })

  test('one that is not there, and an address that is none', async () => {
    const page = await open('b=nothing/')
    expect(await page.locator('.notice, .notices').first().textContent()).toMatch(/B: recording\.json/)
    const opened = await newPage(browser)
    pages.push(opened)
    await expect(openViewer(opened, server.url, 'b=ftp://host/x')).rejects.toThrow(/is no address of a recording/)
  })

  test('a plain page asks for nothing more', async () => {
    const opened = await newPage(browser)
    pages.push(opened)
    await openViewer(opened, server.url)
    expect(opened.requests.filter(url => url.includes('compare'))).toEqual([])
  })
})

describe('at hand', () => {
  test('V begins and ends it, as it was last; undo takes it back', async () => {
    const page = await open('')
    const compare = () => page.evaluate(() => window.cutaway!.state.compare)
    await page.keyboard.press('v')
    expect(await compare()).toEqual({ with: 'checkpoint', epoch: 0, show: 'side' })
    await page.getByLabel('difference').check()
    await settle(page)
    await page.keyboard.press('v')
    expect(await compare()).toBeNull()
    await page.keyboard.press('v')
    expect(await compare()).toEqual({ with: 'checkpoint', epoch: 0, show: 'difference' })
    await page.getByRole('button', { name: 'Swap A and B' }).click()
    expect(await page.evaluate(() => window.cutaway!.state)).toMatchObject({ epoch: 0, compare: { epoch: LAST } })
    await page.keyboard.press('Control+z')
    expect(await page.evaluate(() => window.cutaway!.state)).toMatchObject({ epoch: LAST, compare: { epoch: 0 } })
  })

  test("B's playhead is dragged along the timeline, and A's stays", async () => {
    const page = await open('compare=checkpoint:0')
    const grip = (await page.locator('.playhead-b .grip').boundingBox())!
    const plot = (await page.locator('.plot').boundingBox())!
    const y = grip.y + grip.height / 2
    await page.mouse.move(grip.x + grip.width / 2, y)
    await page.mouse.down()
    await page.mouse.move(plot.x + plot.width / 2, y, { steps: 4 })
    await page.mouse.move(plot.x + (plot.width * 5) / 9, y, { steps: 2 })
    await page.mouse.up()
    await settle(page)
    expect(await page.evaluate(() => window.cutaway!.state)).toMatchObject({ epoch: LAST, compare: { epoch: 5 } })
  })

  test('a calculation is A’s, and says so', async () => {
    const page = await open(`compare=checkpoint:0&pin=conv2:3:4:5&calculation=1`)
    expect(await page.locator('.compare-head:visible .title').allTextContents()).toEqual(['step 2,560'])
    const calculation = await page.evaluate(() => window.cutaway!.calculation('conv2', 3, 4, 5)!)
    expect(calculation.recorded).toBeCloseTo(recordedOutput(DEMO, LAST, 0, 'conv2').values[(3 * 10 + 4) * 10 + 5], 6)
  })

  test('the inspector lists the weights of A, of B and their difference', async () => {
    const page = await open(`compare=checkpoint:0&pin=conv1:2:4:5`)
    const first = () => page.locator('.kernels .cells span, figure .cells span').first().getAttribute('title')
    const kernel = (epoch: number) => recordedParameter(DEMO, epoch, 'conv1/kernel').values[2 * 25]
    const number = (title: string | null) => Number(title!.split(': ')[1].replace('−', '-'))
    expect(number(await first())).toBeCloseTo(kernel(LAST), 3)
    await page.getByRole('radiogroup', { name: 'Whose weights' }).getByLabel('B', { exact: true }).check()
    expect(number(await first())).toBeCloseTo(kernel(0), 3)
    await page.getByRole('radiogroup', { name: 'Whose weights' }).getByLabel('B − A').check()
    expect(number(await first())).toBeCloseTo(kernel(0) - kernel(LAST), 3)
  })

  test('a link carries it', async () => {
    const page = await open('compare=sample:5:difference&sample=2')
    const hash = await page.evaluate(() => window.cutaway!.hash())
    await page.waitForFunction(() => location.search.includes('compare=sample:5:difference'))
    const again = await open(new URL(page.url()).search.slice(1))
    expect(await again.evaluate(() => window.cutaway!.hash())).toBe(hash)
  })
})

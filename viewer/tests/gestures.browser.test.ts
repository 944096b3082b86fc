/** A hand on the mouse, on the keyboard and on the glass; and the address that follows. */
import type { Browser, Page } from 'playwright-core'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import type { Pick } from '../src/model'
import type { State } from '../src/state'
import { closePage, launch, newPage, type OpenPage, openViewer, settle } from './browser'
import { readIndex, recordedOutput } from './files'
import { DEMO } from './paths'
import { TestServer } from './server'

let browser: Browser
let server: TestServer
let opened: OpenPage
let page: Page

beforeAll(async () => {
  browser = await launch()
  server = await TestServer.start()
  opened = await newPage(browser)
  page = await openViewer(opened, server.url, 'budget=200')
})
afterAll(async () => {
  await browser?.close()
  await server?.close()
})
beforeEach(async () => {
  await page.mouse.move(2, 2)
  await page.evaluate(() =>
    window.cutaway!.set({ camera: null, pinned: null, selected: null, calculation: false, panels: true, layout: 2 }),
  )
  await settle(page)
})
afterEach(() => expect(opened.errors).toEqual([]))

const state = (): Promise<State> => page.evaluate(() => window.cutaway!.state)
const position = (layer: string, map: number, y: number, x: number) =>
  page.evaluate(([l, m, r, c]) => window.cutaway!.screenPosition(l, m, r, c)!, [layer, map, y, x] as const)
const pickAt = (x: number, y: number): Promise<Pick | null> =>
  page.evaluate(([px, py]) => window.cutaway!.pick(px, py), [x, y] as const)

/** A pixel of a map that nothing hides, near the middle of the map. */
async function visiblePixel(layer: string, map: number, y: number, x: number) {
  const at = await position(layer, map, y, x)
  expect(await pickAt(at.x, at.y)).toMatchObject({ layer, map, y, x })
  return at
}

/** A place of the stage where there is nothing. */
async function emptyPlace(from = 300): Promise<{ x: number; y: number }> {
  return page.evaluate(left => {
    for (let y = 200; y < innerHeight - 150; y += 7) {
      for (let x = left; x < innerWidth - 350; x += 7) {
        const on = document.elementFromPoint(x, y)
        if (on?.tagName === 'CANVAS' && !window.cutaway!.pick(x, y)) return { x, y }
      }
    }
    throw new Error('the network fills the stage')
  }, from)
}

async function drag(from: { x: number; y: number }, by: [number, number], button: 'left' | 'right' = 'left') {
  await page.mouse.move(from.x, from.y)
  await page.mouse.down({ button })
  await page.mouse.move(from.x + by[0] / 2, from.y + by[1] / 2)
  await page.mouse.move(from.x + by[0], from.y + by[1])
  await page.mouse.up({ button })
  await settle(page)
}

describe('mouse', () => {
  test('a drag turns the camera around its target, and pins nothing', async () => {
    const from = await emptyPlace()
    await drag(from, [100, 0])
    const { camera, pinned } = await state()
    expect(camera!.yaw).toBeLessThan(44)
    expect(pinned).toBe(null)
    const before = camera!
    await drag(from, [0, 60])
    const after = (await state()).camera!
    expect(after.yaw).toBe(before.yaw)
    expect(after.pitch).toBeGreaterThan(before.pitch)
    expect(after.target).toEqual(before.target)
    expect(after.distance).toBe(before.distance)
  })

  test('a drag with the right button moves what is under the pointer along with it', async () => {
    const before = await state()
    expect(before.camera).toBe(null)
    const from = await emptyPlace()
    const mark = await position('conv2', 5, 4, 4)
    await drag(from, [60, -30], 'right')
    const { camera } = await state()
    expect(camera).toMatchObject({ yaw: 44, pitch: 17 })
    const moved = await position('conv2', 5, 4, 4)
    // Nearer than the target moves more, farther away less.
    expect(moved.x - mark.x).toBeGreaterThan(40)
    expect(moved.x - mark.x).toBeLessThan(80)
    expect(moved.y - mark.y).toBeLessThan(-20)
  })

  test('the wheel zooms to the cursor: what is under it stays', async () => {
    for (const [layer, map, y, x] of [
      ['conv1', 2, 14, 14],
      ['input', 0, 10, 12],
      ['fc2', 3, 0, 0],
    ] as const) {
      for (const delta of [-240, -240, 240]) {
        const at = await position(layer, map, y, x)
        const distance = (await state()).camera?.distance ?? Number.NaN
        await page.mouse.move(at.x, at.y)
        await page.mouse.wheel(0, delta)
        await page.waitForFunction(d => window.cutaway!.state.camera?.distance !== d, distance)
        await settle(page)
        const after = await position(layer, map, y, x)
        expect(Math.hypot(after.x - at.x, after.y - at.y), `${layer} ${delta}`).toBeLessThan(2)
      }
      await page.evaluate(() => window.cutaway!.set({ camera: null }))
      await settle(page)
    }
  })

  test('the wheel over a panel scrolls the panel and nothing else', async () => {
    await page.mouse.move(120, 500)
    await page.mouse.wheel(0, 300)
    await settle(page)
    expect((await state()).camera).toBe(null)
  })

  test('a double click takes the camera to the map; on nothing, home', async () => {
    const at = await visiblePixel('conv1', 1, 14, 14)
    const size = async () => {
      const [a, b] = [await position('conv1', 1, 0, 0), await position('conv1', 1, 27, 0)]
      return Math.hypot(a.x - b.x, a.y - b.y)
    }
    const before = await size()
    await page.mouse.dblclick(at.x, at.y)
    await settle(page)
    expect(await state()).toMatchObject({ pinned: { layer: 'conv1', map: 1 }, calculation: false })
    expect((await state()).camera).not.toBe(null)
    expect(await size()).toBeGreaterThan(2 * before)
    const centre = await position('conv1', 1, 14, 14)
    const stage = { x: 1280 / 2, y: 720 / 2 }
    expect(Math.hypot(centre.x - stage.x, centre.y - stage.y)).toBeLessThan(200)
    const empty = await emptyPlace()
    await page.mouse.dblclick(empty.x, empty.y)
    await settle(page)
    expect((await state()).camera).toBe(null)
  })

  test('hovering says where and how much, exactly; leaving takes it away', async () => {
    const { values } = recordedOutput(DEMO, readIndex(DEMO).checkpoints[9].index, 0, 'conv1')
    const tooltip = page.locator('.tooltip')
    for (const [map, y, x] of [
      [1, 14, 14],
      [3, 9, 17],
    ]) {
      const at = await visiblePixel('conv1', map, y, x)
      await page.mouse.move(at.x, at.y)
      await settle(page)
      await expect.poll(() => tooltip.getAttribute('class')).toContain('visible')
      expect(await tooltip.locator('span').textContent()).toBe(`conv1 · map ${map} · (${y}, ${x})`)
      const shown = Number((await tooltip.locator('b').textContent())!.replace('−', '-'))
      const value = values[(map * 28 + y) * 28 + x]
      // As many digits as are written.
      expect(Math.abs(shown - value)).toBeLessThanOrEqual(Math.max(5e-4, Math.abs(value) * 1e-3))
    }
    const empty = await emptyPlace()
    await page.mouse.move(empty.x, empty.y)
    await settle(page)
    await expect.poll(() => tooltip.getAttribute('class')).not.toContain('visible')
  })

  test('a click pins a pixel, one more opens its calculation; clicks on nothing take both back', async () => {
    const at = await visiblePixel('conv1', 2, 12, 13)
    await page.mouse.click(at.x, at.y)
    await settle(page)
    const pinned = { layer: 'conv1', map: 2, y: 12, x: 13 }
    expect(await state()).toMatchObject({ pinned, selected: 'conv1', calculation: false })
    // Slower than a double click.
    await page.waitForTimeout(600)
    await page.mouse.click(at.x, at.y)
    await settle(page)
    expect(await state()).toMatchObject({ pinned, calculation: true })
    const empty = await emptyPlace()
    await page.mouse.click(empty.x, empty.y)
    await settle(page)
    expect(await state()).toMatchObject({ pinned, calculation: false })
    // Somewhere else: two quick clicks on one place would be a double click.
    const elsewhere = await emptyPlace(400)
    await page.mouse.click(elsewhere.x, elsewhere.y)
    await settle(page)
    expect((await state()).pinned).toBe(null)
  })
})

describe('keys', () => {
  const press = async (...keys: string[]) => {
    for (const key of keys) await page.keyboard.press(key)
    await settle(page)
  }

  test('Escape goes out, level by level', async () => {
    await page.evaluate(() =>
      window.cutaway!.set({
        pinned: { layer: 'conv1', map: 2, y: 3, x: 4 },
        selected: 'conv1',
        calculation: false,
      } as never),
    )
    await press('Escape')
    expect((await state()).pinned).toEqual({ layer: 'conv1', map: 2 })
    await press('Escape')
    expect(await state()).toMatchObject({ pinned: null, selected: 'conv1' })
    await press('Escape')
    expect((await state()).selected).toBe(null)
  })

  test('H frames the network again', async () => {
    const before = await position('fc2', 0, 0, 0)
    await page.evaluate(() =>
      window.cutaway!.set({ camera: { target: [0, 0, -100], yaw: -20, pitch: 50, distance: 300 } }),
    )
    await settle(page)
    await press('h')
    expect((await state()).camera).toBe(null)
    expect(await position('fc2', 0, 0, 0)).toEqual(before)
  })

  test('epochs, samples, layouts, bundle and the pinned pixel', async () => {
    await page.evaluate(() => window.cutaway!.set({ epoch: 5, sample: 3, bundle: null, expansion: 1 }))
    await press(']')
    expect((await state()).epoch).toBe(6)
    await press('[', '[')
    expect((await state()).epoch).toBe(4)
    await press('.')
    expect((await state()).sample).toBe(4)
    await press(',', ',')
    expect((await state()).sample).toBe(2)
    await press('l')
    expect((await state()).layout).toBe(0)
    await press('c')
    expect((await state()).layout).toBe(1)
    await press('g')
    expect((await state()).layout).toBe(2)
    await press('b')
    expect((await state()).bundle).toBe(1)
    await press('b')
    expect((await state()).bundle).toBe(0)
    await page.evaluate(() => window.cutaway!.set({ pinned: { layer: 'conv1', map: 2, y: 0, x: 4 }, bundle: null }))
    await press('ArrowDown', 'ArrowRight', 'ArrowRight')
    expect((await state()).pinned).toEqual({ layer: 'conv1', map: 2, y: 1, x: 6 })
    await press('ArrowUp', 'ArrowUp', 'ArrowUp')
    expect((await state()).pinned).toMatchObject({ y: 0 })
  })

  test('typing into a field does not steer the stage', async () => {
    const before = await state()
    await page.locator('input[type=search], .search input').first().click()
    await page.keyboard.type('conv l c b h')
    await settle(page)
    const after = await state()
    expect({ ...after, selected: null }).toEqual({ ...before, selected: null })
    await page.keyboard.press('Escape')
    await page.locator('canvas.stage').click({ position: await emptyPlace() })
  })
})

describe('touch', () => {
  let phone: OpenPage

  beforeAll(async () => {
    phone = await newPage(browser, {
      ...{ viewport: { width: 390, height: 844 }, deviceScaleFactor: 2, hasTouch: true, isMobile: true },
    })
    await openViewer(phone, server.url, 'budget=100')
  })
  afterAll(() => closePage(phone))

  /** Two fingers, from and to their places, through the browser's own input. */
  async function twoFingers(from: [number, number][], to: [number, number][]): Promise<void> {
    const session = await phone.page.context().newCDPSession(phone.page)
    const touch = (type: 'touchStart' | 'touchMove' | 'touchEnd', points: [number, number][]) =>
      session.send('Input.dispatchTouchEvent', {
        ...{ type, touchPoints: points.map(([x, y], id) => ({ x, y, id })) },
      })
    await touch('touchStart', from)
    for (const t of [0.25, 0.5, 0.75, 1]) {
      await touch(
        'touchMove',
        from.map(([x, y], i) => [x + (to[i][0] - x) * t, y + (to[i][1] - y) * t]),
      )
    }
    await touch('touchEnd', [])
    await settle(phone.page)
  }

  test('two fingers apart bring the network nearer, together take it back', async () => {
    const distance = () => phone.page.evaluate(() => window.cutaway!.state.camera?.distance ?? null)
    await twoFingers([[170, 250], [220, 250]], [[110, 250], [280, 250]]) // biome-ignore format: from, to
    const near = await distance()
    expect(near).not.toBe(null)
    await twoFingers([[110, 250], [280, 250]], [[170, 250], [220, 250]]) // biome-ignore format: from, to
    const far = await distance()
    expect(far!).toBeGreaterThan(2 * near!)
    expect(await phone.page.evaluate(() => window.cutaway!.state.pinned)).toBe(null)
    // The page itself is not zoomed.
    expect(await phone.page.evaluate(() => visualViewport!.scale)).toBe(1)
  })

  test('a tap pins', async () => {
    await phone.page.evaluate(() => window.cutaway!.set({ camera: null }))
    await settle(phone.page)
    const at = await phone.page.evaluate(() => window.cutaway!.screenPosition('conv1', 4, 20, 20)!)
    const there = await phone.page.evaluate(([x, y]) => window.cutaway!.pick(x, y), [at.x, at.y] as const)
    await phone.page.touchscreen.tap(at.x, at.y)
    await settle(phone.page)
    const { layer, map, y, x } = there!
    expect(await phone.page.evaluate(() => window.cutaway!.state.pinned)).toEqual({ layer, map, y, x })
  })
})

describe('address', () => {
  test('carries the view, and opening it shows the same picture', async () => {
    await page.evaluate(() =>
      window.cutaway!.set({
        ...{ epoch: 3.25, sample: 7, expansion: 1.3, layout: 1.5, theme: 'light', pinned: { layer: 'conv2', map: 3 } },
        ...{ layers: { conv1: { layout: 1 } }, camera: { target: [3, -2, -120], yaw: 31, pitch: 12, distance: 640 } },
      }),
    )
    await settle(page)
    await page.waitForFunction(() => /camera=/.test(location.search) && /epoch=3\.25/.test(location.search))
    const hash = await page.evaluate(() => window.cutaway!.hash())
    const address = page.url()
    for (const part of [
      'sample=7',
      'expansion=1.3',
      'layout=1.5',
      'theme=light',
      'pin=conv2:3',
      'layers=conv1:layout=1',
    ]) {
      expect(address).toContain(part)
    }
    const again = await newPage(browser)
    await again.page.goto(address)
    await again.page.waitForFunction(() => window.cutaway !== undefined)
    await settle(again.page)
    expect(await again.page.evaluate(() => window.cutaway!.hash())).toBe(hash)
    await closePage(again)
  })

  test('nonsense in it is passed over', async () => {
    const odd = await newPage(browser)
    await openViewer(
      odd,
      server.url,
      'epoch=abc&layout=99&layers=nobody:layout=1;;&pin=x:y&camera=1,2&budget=100&%E0%A4%A',
    )
    expect(await odd.page.evaluate(() => window.cutaway!.state)).toMatchObject({ epoch: 9, layout: 2, layers: {}, pinned: null, camera: null }) // biome-ignore format: one line
    await closePage(odd)
  })
})

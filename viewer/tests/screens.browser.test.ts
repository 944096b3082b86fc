/** The whole page at three sizes and in both themes: nothing is cut off, hidden or on top of something else. */
import type { Browser, BrowserContextOptions, Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { closePage, launch, newPage, type OpenPage, openViewer, settle } from './browser'
import { colorsAt } from './pixels'
import { TestServer } from './server'

let browser: Browser
let server: TestServer

beforeAll(async () => {
  browser = await launch()
  server = await TestServer.start()
})
afterAll(async () => {
  await browser?.close()
  await server?.close()
})

interface Box {
  name: string
  left: number
  top: number
  right: number
  bottom: number
}

/** Boxes of all visible elements that match. */
function boxes(page: Page, selector: string): Promise<Box[]> {
  return page.evaluate(
    s =>
      [...document.querySelectorAll<HTMLElement>(s)]
        .filter(e => getComputedStyle(e).visibility !== 'hidden')
        .map(e => {
          const { left, top, right, bottom } = e.getBoundingClientRect()
          const name = `${e.className} ${e.getAttribute('aria-label') ?? e.textContent?.slice(0, 20)}`
          return { name, left, top, right, bottom }
        })
        .filter(b => b.right > b.left && b.bottom > b.top),
    selector,
  )
}

/** Pairs of boxes that have more than a hair in common. */
function overlaps(boxes: Box[], others = boxes): string[] {
  const pairs: string[] = []
  for (const a of boxes) {
    for (const b of others) {
      if (a === b || (others === boxes && boxes.indexOf(a) > boxes.indexOf(b))) continue
      const width = Math.min(a.right, b.right) - Math.max(a.left, b.left)
      const height = Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top)
      if (width > 1 && height > 1) pairs.push(`${a.name} and ${b.name}: ${width.toFixed(0)}×${height.toFixed(0)} px`)
    }
  }
  return pairs
}

const sizes: [string, BrowserContextOptions][] = [
  ['1600×1000', { viewport: { width: 1600, height: 1000 } }],
  ['1280×720', { viewport: { width: 1280, height: 720 } }],
  ['390×844, a phone', { viewport: { width: 390, height: 844 }, deviceScaleFactor: 2, hasTouch: true, isMobile: true }],
]

describe.each(sizes)('%s', (_, options) => {
  const { width, height } = options.viewport!

  describe.each(['dark', 'light'])('%s', theme => {
    let opened: OpenPage
    let page: Page

    beforeAll(async () => {
      opened = await newPage(browser, options)
      page = await openViewer(opened, server.url, `theme=${theme}&budget=200`)
      await page.evaluate(() => document.fonts.ready)
      await settle(page)
    })
    afterAll(() => closePage(opened))

    test('nothing scrolls, and the page has the size of the screen', async () => {
      const measured = await page.evaluate(() => {
        const root = document.documentElement
        return {
          ...{ scroll: [root.scrollWidth, root.scrollHeight], inner: [innerWidth, innerHeight] },
          canvas: document.querySelector('canvas.stage')!.getBoundingClientRect().toJSON(),
        }
      })
      expect(measured.scroll).toEqual([width, height])
      expect(measured.inner).toEqual([width, height])
      expect(measured.canvas).toMatchObject({ left: 0, top: 0, width, height })
    })

    test('the panels are on the screen and beside each other', async () => {
      const panels = await boxes(page, '[data-covers]')
      expect(panels.length).toBeGreaterThan(1)
      for (const { name, left, top, right, bottom } of panels) {
        const inside = left >= 0 && top >= 0 && right <= width && bottom <= height
        expect(inside, `${name}: ${[left, top, right, bottom]}`).toBe(true)
      }
      expect(overlaps(panels)).toEqual([])
      // What stands alone between them, too; the foot of the stage is a strip whose text is at its left.
      const alone = await boxes(page, '.legend, .omissions, .brand')
      expect(overlaps(alone)).toEqual([])
      expect(overlaps(alone, await boxes(page, '[data-covers]:not(.stage-foot)'))).toEqual([])
    })

    test('the whole network stands in the area that the panels leave free', async () => {
      const covers = await page.evaluate(() =>
        [...document.querySelectorAll<HTMLElement>('[data-covers]')].map(e => ({
          ...{ edge: e.dataset.covers!, box: e.getBoundingClientRect().toJSON() as DOMRect },
        })),
      )
      const of = (edge: string) => covers.filter(c => c.edge === edge && c.box.width > 0 && c.box.height > 0)
      const free = {
        left: Math.max(0, ...of('left').map(c => c.box.right)),
        top: Math.max(0, ...of('top').map(c => c.box.bottom)),
        right: Math.min(width, ...of('right').map(c => c.box.left)),
        bottom: Math.min(height, ...of('bottom').map(c => c.box.top)),
      }
      const corners = await page.evaluate(() =>
        window.cutaway!.network.layers.flatMap(layer => {
          const [maps, rows = 1, columns = 1] = layer.output_shapes?.[0] ?? []
          return [0, maps - 1].flatMap(map =>
            [0, rows - 1].flatMap(y =>
              [0, columns - 1].map(x => ({
                ...{ name: `${layer.id} ${map} (${y}, ${x})`, at: window.cutaway!.screenPosition(layer.id, map, y, x) },
              })),
            ),
          )
        }),
      )
      expect(corners.length).toBeGreaterThan(40)
      for (const { name, at } of corners) {
        const inside = at && at.x > free.left && at.x < free.right && at.y > free.top && at.y < free.bottom
        expect(inside, `${name} at ${JSON.stringify(at)}, free: ${JSON.stringify(free)}`).toBe(true)
      }
      // It is no speck, either.
      const xs = corners.map(c => c.at!.x)
      const ys = corners.map(c => c.at!.y)
      const share = Math.max(
        (Math.max(...xs) - Math.min(...xs)) / (free.right - free.left),
        (Math.max(...ys) - Math.min(...ys)) / (free.bottom - free.top),
      )
      expect(share).toBeGreaterThan(0.6)
    })

    test('names of layers lie beside each other, clear of the panels', async () => {
      const labels = await boxes(page, '.layer-label')
      // On a phone the folded pools have no name of their own.
      expect(labels.length).toBeGreaterThanOrEqual(5)
      expect(overlaps(labels)).toEqual([])
      expect(
        overlaps(labels, await boxes(page, '[data-covers]:not(.stage-foot), .legend, .omissions, .brand')),
      ).toEqual([])
      for (const { name, left, right, top, bottom } of labels) {
        expect(left >= 0 && right <= width && top >= 0 && bottom <= height, name).toBe(true)
      }
    })

    test('names of classes do not lie on each other', async () => {
      const labels = await boxes(page, '.unit-label')
      expect(labels.length).toBeGreaterThan(0)
      expect(overlaps(await boxes(page, '.unit-label b'))).toEqual([])
    })

    test('the backdrop is that of the theme', async () => {
      // A corner of the free area without network.
      const [color] = await colorsAt(
        page,
        [{ x: width / 2, y: height / 2 }].map(() => ({ x: 2, y: 2 })),
      )
      const light = color.reduce((a, b) => a + b) / 3
      if (theme === 'dark') expect(light).toBeLessThan(60)
      else expect(light).toBeGreaterThan(200)
    })

    test('without panels the network takes the whole screen', async () => {
      const at = () => page.evaluate(() => window.cutaway!.screenPosition('fc2', 5, 0, 0)!)
      const extent = async () => {
        const first = await page.evaluate(() => window.cutaway!.screenPosition('input', 0, 0, 0)!)
        const last = await at()
        return Math.hypot(first.x - last.x, first.y - last.y)
      }
      const before = await extent()
      await page.evaluate(() => window.cutaway!.set({ panels: false }))
      await settle(page)
      expect(await boxes(page, '[data-covers]')).toEqual([])
      // A phone's panels leave the whole width, and width is what is scarce there.
      expect(await extent()).toBeGreaterThan((width < height ? 0.9 : 1.1) * before)
    })
  })
})

/**
 * Six states as they look, against pictures kept in pictures/: byte for byte in the version of Chromium that made them,
 * within a small tolerance in others. `UPDATE_PICTURES=1 npm run test:browser -- looks` makes them anew: look at them.
 */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Browser, Page } from 'playwright-core'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { closePage, launch, newPage, openViewer } from './browser'
import { DEMO } from './paths'
import { TestServer } from './server'

const FOLDER = join(import.meta.dirname, 'pictures')
const VERSION_FILE = join(FOLDER, 'chromium-version.txt')
const update = process.env.UPDATE_PICTURES === '1'

const STATES: [name: string, query: string][] = [
  ['overview', 'sample=2'],
  ['overview-light', 'sample=2&theme=light'],
  ['bundled-circle-epoch', 'sample=5&expansion=0.3&layout=1&epoch=3.5'],
  ['all-weights', 'sample=4&expansion=2&lineWidth=1.5&weightColors=purple-green'],
  ['walls-round-pixels', 'sample=8&maxMaps=3&pixels=round&activationColors=viridis&theme=light'],
  ['calculation', 'sample=3&pin=conv2:4:5:5&calculation=1'],
]

/** Across versions: average difference of a channel, and share of channels that differ visibly. Of 255. */
const MEAN = 2
const VISIBLE = 40
const VISIBLE_SHARE = 0.01

let browser: Browser
let server: TestServer

beforeAll(async () => {
  browser = await launch()
  server = await TestServer.start({ recording: DEMO })
  mkdirSync(FOLDER, { recursive: true })
  if (update) writeFileSync(VERSION_FILE, `${browser.version()}\n`)
})
afterAll(async () => {
  await browser?.close()
  await server?.close()
})

test.each(STATES)('%s looks as it did', async (name, query) => {
  const opened = await newPage(browser, { viewport: { width: 720, height: 450 } })
  const page = await openViewer(opened, server.url, `panels=0&${query}`)
  await page.evaluate(() => document.fonts.ready.then(() => window.cutaway!.settled()))
  // Controls of the page come and go with the pointer; the picture is the stage with its names.
  await page.addStyleTag({ content: '.cutaway > :not(canvas, .labels) { visibility: hidden !important }' })
  const shot = await page.screenshot({ animations: 'disabled' })
  const file = join(FOLDER, `${name}.png`)
  if (update) writeFileSync(file, shot)
  expect(existsSync(file), `${name}.png is missing: make it with UPDATE_PICTURES=1`).toBe(true)
  const kept = readFileSync(file)
  if (browser.version() === readFileSync(VERSION_FILE, 'utf8').trim()) {
    expect(shot.equals(kept), `${name} differs from the picture kept; look at both`).toBe(true)
  } else {
    const { mean, visible } = await difference(page, shot, kept)
    expect(mean).toBeLessThan(MEAN)
    expect(visible).toBeLessThan(VISIBLE_SHARE)
  }
  await closePage(opened)
})

test('the comparison sees a picture of another state', async () => {
  const opened = await newPage(browser)
  const [a, b] = ['overview', 'all-weights'].map(name => readFileSync(join(FOLDER, `${name}.png`)))
  expect((await difference(opened.page, a, a)).mean).toBe(0)
  expect((await difference(opened.page, a, b)).visible).toBeGreaterThan(VISIBLE_SHARE)
  await opened.page.context().close()
})

/** Decoded by the browser itself. */
function difference(page: Page, a: Buffer, b: Buffer): Promise<{ mean: number; visible: number }> {
  const urls = [a, b].map(png => `data:image/png;base64,${png.toString('base64')}`)
  return page.evaluate(
    async ([urls, limit]) => {
      const pixels = await Promise.all(
        urls.map(async url => {
          const image = new Image()
          image.src = url
          await image.decode()
          const canvas = new OffscreenCanvas(image.width, image.height)
          const context = canvas.getContext('2d')!
          context.drawImage(image, 0, 0)
          return context.getImageData(0, 0, image.width, image.height).data
        }),
      )
      const [p, q] = pixels
      if (p.length !== q.length) return { mean: 255, visible: 1 }
      let sum = 0
      let visible = 0
      for (let i = 0; i < p.length; i++) {
        const apart = Math.abs(p[i] - q[i])
        sum += apart
        if (apart > limit) visible++
      }
      return { mean: sum / p.length, visible: visible / p.length }
    },
    [urls, VISIBLE] as const,
  )
}

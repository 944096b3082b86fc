/** Playing the training: with frames and requests as they are. */
import type { Browser, Page } from 'playwright-core'
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest'
import { launch, newPage, type OpenPage, openViewer, settle } from './browser'
import { TINY } from './paths'
import { TestServer } from './server'

const LONG = { timeout: 20_000, interval: 20 }

let browser: Browser
let server: TestServer
let opened: OpenPage
beforeAll(async () => {
  browser = await launch()
})
afterAll(() => browser?.close())
beforeEach(async () => {
  server = await TestServer.start({ recording: TINY })
  opened = await newPage(browser)
})
afterEach(async () => {
  await opened.page.context().close()
  await server.close()
  expect(opened.errors).toEqual([])
})

const state = (page: Page) => page.evaluate(() => window.cutaway!.state)
const button = (page: Page, name: string) => page.getByRole('button', { name })

test('plays from the first checkpoint to the last and stops; one undo takes it back', async () => {
  const page = await openViewer(opened, server.url, 'budget=200&speed=8&epoch=1')
  await button(page, 'Play the training').click()
  await expect.poll(async () => (await state(page)).epoch, LONG).toBe(2)
  await button(page, 'Play the training').waitFor()
  await page.keyboard.press('Control+z')
  expect((await state(page)).epoch).toBe(1)
})

test('waits for a checkpoint that is slow to come, and is never beyond it', async () => {
  let answer = () => {}
  const held = new Promise<void>(resolve => (answer = resolve))
  await opened.page.route('**/activations/000001.safetensors', async route => {
    await held
    await route.continue()
  })
  const page = await openViewer(opened, server.url, 'budget=200&speed=8')
  await button(page, 'Play the training').click()
  await expect.poll(async () => (await state(page)).epoch, LONG).toBe(0)
  await page.waitForTimeout(500)
  expect((await state(page)).epoch).toBe(0)
  answer()
  await expect.poll(async () => (await state(page)).epoch, LONG).toBe(2)
})

test('a loop begins again; speed and loop are part of the address', async () => {
  const page = await openViewer(opened, server.url, 'budget=200')
  await page.getByLabel('Speed').selectOption('8×')
  await button(page, 'Begin again at the end').click()
  await expect.poll(() => page.evaluate(() => location.search)).toContain('speed=8&loop=1')
  await button(page, 'Play the training').click()
  const seen = (wanted: number) => expect.poll(async () => (await state(page)).epoch, LONG).toBe(wanted)
  await seen(2)
  await expect.poll(async () => (await state(page)).epoch, LONG).toBeLessThan(2)
  await seen(2)
  await button(page, 'Pause').click()
  await settle(page)
  expect(await button(page, 'Undo').isDisabled()).toBe(false)
})

test('steps: buttons and keys, to whole checkpoints and not beyond the ends', async () => {
  const page = await openViewer(opened, server.url, 'budget=200&epoch=0.4')
  await button(page, 'One checkpoint on').click()
  expect((await state(page)).epoch).toBe(1)
  await page.keyboard.press(']')
  expect((await state(page)).epoch).toBe(2)
  expect(await button(page, 'One checkpoint on').isDisabled()).toBe(true)
  await page.keyboard.press('[')
  await button(page, 'One checkpoint back').click()
  expect((await state(page)).epoch).toBe(0)
  expect(await button(page, 'One checkpoint back').isDisabled()).toBe(true)
})

test('a drag anywhere on the curves moves the playhead', async () => {
  const page = await openViewer(opened, server.url, 'budget=200')
  const box = (await page.locator('.plot').boundingBox())!
  await page.mouse.move(box.x + box.width * 0.2, box.y + box.height / 2)
  await page.mouse.down()
  expect((await state(page)).epoch).toBeCloseTo(0.4, 2)
  await page.mouse.move(box.x + box.width * 0.6, box.y + 5, { steps: 4 })
  expect((await state(page)).epoch).toBeCloseTo(1.2, 2)
  await page.mouse.move(box.x + box.width + 90, box.y, { steps: 2 })
  await page.mouse.up()
  expect((await state(page)).epoch).toBe(2)
})

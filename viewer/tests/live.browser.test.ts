/** A page that is open while another process writes the recording: tests/fixtures/growing.py, served by `cutaway open`. */
import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { createInterface, type Interface } from 'node:readline'
import type { Browser, Page } from 'playwright-core'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { launch, newPage, type OpenPage, openViewer, settle } from './browser'
import { PYTHON, ROOT, TINY } from './paths'

/** A process of which each line that goes in is answered by one that comes out. */
class Talk {
  readonly #lines: Interface
  readonly #waiting: ((line: string) => void)[] = []
  readonly #said: string[] = []
  errors = ''

  constructor(readonly process: ChildProcess) {
    this.#lines = createInterface({ input: process.stdout! })
    this.#lines.on('line', line => {
      const next = this.#waiting.shift()
      if (next) next(line)
      else this.#said.push(line)
    })
    process.stderr!.on('data', data => {
      this.errors += data
    })
  }

  line(): Promise<string> {
    const said = this.#said.shift()
    return said === undefined ? new Promise(resolve => this.#waiting.push(resolve)) : Promise.resolve(said)
  }

  async do(what: string): Promise<void> {
    this.process.stdin!.write(`${what}\n`)
    expect(await this.line()).toBe(what.split(' ')[0])
  }

  end(signal: NodeJS.Signals | null = 'SIGKILL'): Promise<void> {
    if (this.process.exitCode !== null || this.process.signalCode !== null) return Promise.resolve()
    const ended = new Promise<void>(resolve => this.process.once('exit', () => resolve()))
    if (signal) this.process.kill(signal)
    else this.process.stdin!.write('end\n')
    return ended
  }
}

function python(...args: string[]): Talk {
  const env = { ...process.env, PYTHONPATH: [join(ROOT, 'src'), join(ROOT, 'tests')].join(delimiter) }
  return new Talk(spawn(PYTHON, args, { cwd: ROOT, env }))
}

const VIEW = 'budget=200&pin=dense:2&selected=dense&camera=44,17,123.5,1.2,0,30&layers=features.conv1:layout=1'
const LONG = { timeout: 20_000, interval: 50 }

let browser: Browser
let folder: string
let run: string
let writer: Talk
let server: Talk
let url: string
let opened: OpenPage

beforeAll(async () => {
  browser = await launch()
})
afterAll(() => browser?.close())
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'cutaway-live-'))
  run = join(folder, 'run')
  writer = python('-m', 'fixtures.growing', TINY, run)
  expect(await writer.line()).toBe('ready')
})
afterEach(async () => {
  await opened?.page.context().close()
  await Promise.all([writer.end(), server?.end()])
  rmSync(folder, { recursive: true })
  expect(opened.errors.filter(error => !/ERR_CONNECTION_REFUSED|ERR_INCOMPLETE_CHUNKED/.test(error))).toEqual([])
})

async function serve(port = 0, ...more: string[]): Promise<void> {
  server = python('-m', 'cutaway', 'open', run, '--no-browser', '--port', String(port), ...more)
  url = (await server.line()).replace(/\?.*/, '')
}

async function open(query = VIEW): Promise<Page> {
  await serve()
  opened = await newPage(browser)
  return openViewer(opened, url, query)
}

const checkpoints = (page: Page) => page.evaluate(() => window.cutaway!.checkpoints.map(c => c.index))
const state = (page: Page) => page.evaluate(() => window.cutaway!.state)
const uploaded = (page: Page) => page.evaluate(() => window.cutaway!.stats().uploaded)
const epoch = async (page: Page) => (await state(page)).epoch
const badge = (page: Page) => page.locator('.live')
const points = (page: Page) =>
  page.evaluate(() => document.querySelector('.curve.loss')?.getAttribute('d')?.match(/[ML]/g)?.length ?? 0)

/** What must stay while checkpoints come and go. */
async function kept(page: Page) {
  const { epoch: _, follow: __, ...rest } = await state(page)
  return rest
}

describe('following', () => {
  test('begins with a training that is being written, and keeps to the newest checkpoint', async () => {
    await writer.do('add 2')
    const page = await open()
    await expect.poll(() => badge(page).textContent(), LONG).toMatch(/LIVE.*step 10.*following/)
    expect(await state(page)).toMatchObject({ epoch: 1, follow: true })
    const before = await kept(page)
    const history = await page.getByRole('button', { name: 'Undo' }).isDisabled()
    let sent = await uploaded(page)
    const sizes: number[] = []
    for (const count of [3, 4, 5]) {
      await writer.do('add')
      await expect.poll(() => checkpoints(page), LONG).toHaveLength(count)
      await expect.poll(() => epoch(page), LONG).toBe(count - 1)
      await settle(page)
      const now = await uploaded(page)
      expect(now.layout).toBe(sent.layout)
      sizes.push(now.weights - sent.weights)
      sent = now
    }
    // One checkpoint's kernels each time, and nothing else.
    expect(sizes[0]).toBeGreaterThan(0)
    expect(new Set(sizes).size).toBe(1)
    expect(await kept(page)).toEqual(before)
    expect(history).toBe(true)
    expect(await page.getByRole('button', { name: 'Undo' }).isDisabled()).toBe(true)
    await expect.poll(() => page.evaluate(() => location.search)).not.toContain('epoch')
    expect(await page.locator('.notice').count()).toBe(0)
    // The picture is that of the page opened now.
    const followed = await page.evaluate(() => window.cutaway!.hash())
    await openViewer(opened, url, VIEW)
    expect(await page.evaluate(() => window.cutaway!.hash())).toBe(followed)
  })

  test('scrubbing, stepping and playing let go; the button and End take it up again, and so does undo', async () => {
    await writer.do('add 4')
    const page = await open()
    await expect.poll(() => badge(page).textContent(), LONG).toContain('following')
    await page.keyboard.press('[')
    expect(await state(page)).toMatchObject({ epoch: 2, follow: false })
    await writer.do('add')
    await expect.poll(() => checkpoints(page), LONG).toHaveLength(5)
    await settle(page)
    expect(await epoch(page)).toBe(2)
    await expect.poll(() => page.evaluate(() => location.search)).toContain('epoch=2')
    await page.locator('.follow').click()
    expect(await state(page)).toMatchObject({ epoch: 4, follow: true })
    await page.locator('.plot').click({ position: { x: 200, y: 50 } })
    expect((await state(page)).follow).toBe(false)
    await page.keyboard.press('End')
    expect(await state(page)).toMatchObject({ epoch: 4, follow: true })
    // Changes in quick succession are one change to undo.
    await page.waitForTimeout(600)
    await page.getByRole('button', { name: 'One checkpoint back' }).click()
    await writer.do('add')
    await expect.poll(() => checkpoints(page), LONG).toHaveLength(6)
    await page.keyboard.press('Control+z')
    expect(await state(page)).toMatchObject({ epoch: 5, follow: true })
  })

  test('a run without a checkpoint waits for the first', async () => {
    const page = await open('budget=200')
    await expect.poll(() => badge(page).textContent(), LONG).toContain('LIVE')
    expect(await page.locator('.timeline').textContent()).toContain('waiting for the first checkpoint')
    expect(await page.evaluate(() => window.cutaway!.stats().mapsDrawn)).toBeGreaterThan(0)
    expect(await page.locator('.notice').count()).toBe(0)
    await writer.do('add')
    await expect.poll(() => checkpoints(page), LONG).toEqual([0])
    await settle(page)
    expect((await page.evaluate(() => window.cutaway!.edges('scores', 0))).length).toBe(5)
    await writer.do('add')
    await expect.poll(() => epoch(page), LONG).toBe(1)
    expect(await page.locator('.notice').count()).toBe(0)
  })

  test('the end of the run is said, and nothing is drawn any more', async () => {
    await writer.do('add 1')
    const page = await open()
    await expect.poll(() => badge(page).textContent(), LONG).toContain('LIVE')
    await writer.do('add 2')
    await expect.poll(() => epoch(page), LONG).toBe(2)
    await writer.end(null)
    await expect.poll(() => badge(page).textContent(), LONG).toBe('The run has ended')
    await settle(page)
    const ended = await page.evaluate(() => window.cutaway!.hash())
    const frames = () => page.evaluate(() => window.cutaway!.stats().frames)
    const before = await frames()
    await page.waitForTimeout(1500)
    expect(await frames()).toBe(before)
    // Opened again it is as any other recording.
    await openViewer(opened, url, VIEW)
    await page.waitForTimeout(500)
    expect(await badge(page).count()).toBe(0)
    // What was drawn at the end is what is drawn now, the strongest weights by the last checkpoint included.
    expect(await page.evaluate(() => window.cutaway!.hash())).toBe(ended)
  })
})

describe('what is shown stays', () => {
  test('when its checkpoint is taken away: the same step, between its neighbours', async () => {
    await writer.do('add 5')
    const page = await open(`${VIEW}&epoch=2`)
    const before = await kept(page)
    await writer.do('thin 2')
    await expect.poll(() => checkpoints(page), LONG).toEqual([0, 1, 3, 4])
    expect(await epoch(page)).toBe(1.5)
    await writer.do('thin 1')
    await expect.poll(() => checkpoints(page), LONG).toEqual([0, 3, 4])
    expect(await epoch(page)).toBeCloseTo(2 / 3)
    await page.evaluate(() => window.cutaway!.set({ epoch: 1 }))
    await writer.do('thin 0')
    await expect.poll(() => epoch(page), LONG).toBe(0)
    await settle(page)
    expect(await kept(page)).toEqual(before)
    expect(await page.locator('.notice').count()).toBe(0)
  })

  test('files that are gone before the page has heard of it leave no notice', async () => {
    await writer.do('add 5')
    // A page that hears of nothing: only the missing file tells.
    await serve()
    opened = await newPage(browser)
    await opened.page.route('**/events', route => route.fulfill({ status: 404 }))
    const page = await openViewer(opened, url, 'budget=200')
    await writer.do('thin 1')
    await writer.do('delete 1')
    await page.evaluate(() => window.cutaway!.set({ epoch: 1 }))
    await expect.poll(() => checkpoints(page), LONG).toEqual([0, 2, 3, 4])
    await settle(page)
    expect(await epoch(page)).toBe(0.5)
    expect(await page.locator('.notice').count()).toBe(0)
  })

  test('another recording in its place: one notice, with a way to reload', async () => {
    await writer.do('add 2')
    const page = await open()
    await writer.do('again')
    const notice = page.locator('.notice')
    await expect.poll(() => notice.textContent(), LONG).toContain('has taken the place of this one')
    expect(await notice.count()).toBe(1)
    expect(await checkpoints(page)).toEqual([0, 1])
    await writer.do('add')
    await notice.getByRole('button', { name: 'Reload' }).click()
    await page.waitForFunction(() => window.cutaway?.checkpoints.length === 1)
  })

  test('while the server restarts', async () => {
    await writer.do('add 2')
    const page = await open()
    await expect.poll(() => badge(page).textContent(), LONG).toContain('LIVE')
    const port = Number(new URL(url).port)
    await server.end('SIGINT')
    await expect.poll(() => badge(page).textContent(), LONG).toBe('Connection lost, trying again')
    await writer.do('add')
    await serve(port)
    await expect.poll(() => checkpoints(page), LONG).toHaveLength(3)
    await expect.poll(() => badge(page).textContent(), LONG).toContain('LIVE')
    expect(await page.locator('.notice').count()).toBe(0)
  })
})

describe('a second recording that is compared with', () => {
  const B = 'b=compare/&compare=recording:side'
  let second: Talk
  beforeEach(async () => {
    second = python('-m', 'fixtures.growing', TINY, join(folder, 'b'))
    expect(await second.line()).toBe('ready')
    await writer.do('add 6')
    await writer.do('metrics 51')
    await second.do('add 2')
    await second.do('metrics 11')
  })
  afterEach(() => second.end())

  async function openBoth(query: string): Promise<Page> {
    await serve(0, '--compare', join(folder, 'b'))
    opened = await newPage(browser)
    return openViewer(opened, url, query)
  }
  const head = (page: Page) => page.locator('.compare-head').nth(1).textContent()
  const reach = (page: Page) =>
    page.evaluate(() => {
      const [curve, plot] = ['.curve.loss.of-b', '.plot svg'].map(s => document.querySelector(s)!)
      const end = Number(/([\d.]+) [\d.-]+$/.exec(curve.getAttribute('d')!)![1])
      return Math.round((end / Number(plot.getAttribute('width'))) * 50)
    })

  test('grows beside it, at the same moment and on the same axis', async () => {
    const page = await openBoth(`${VIEW}&${B}&epoch=3`)
    await expect.poll(() => head(page), LONG).toContain('step 10')
    await expect.poll(() => reach(page), LONG).toBe(10)
    const before = await state(page)
    await second.do('add')
    await expect.poll(() => head(page), LONG).toContain('step 20')
    await second.do('add 2')
    await expect.poll(() => head(page), LONG).toContain('step 30')
    await second.do('metrics 20')
    await expect.poll(() => reach(page), LONG).toBe(30)
    // One that went on for longer ends where the axis does.
    await second.do('metrics 40')
    await expect.poll(() => reach(page), LONG).toBe(50)
    await settle(page)
    expect(await state(page)).toEqual(before)
    expect(await page.locator('.notice').count()).toBe(0)
  })

  test('keeps its own moment when its checkpoints are thinned out', async () => {
    await second.do('add 3')
    const page = await openBoth(`${VIEW}&${B}:3&epoch=1`)
    await expect.poll(() => head(page), LONG).toContain('step 30')
    await second.do('thin 1')
    await expect.poll(async () => (await state(page)).compare, LONG).toMatchObject({ with: 'recording', epoch: 2 })
    expect(await head(page)).toContain('step 30')
    expect(await epoch(page)).toBe(1)
  })
})

describe('metrics', () => {
  test('grow by what was added, and draw no frame', async () => {
    await writer.do('add 2')
    await writer.do('metrics 11')
    const page = await open()
    await expect.poll(() => points(page), LONG).toBe(11)
    await settle(page)
    const frames = () => page.evaluate(() => window.cutaway!.stats().frames)
    const before = await frames()
    const fetched = await page.evaluate(() => window.cutaway!.stats().bytesFetched)
    await writer.do('metrics 5')
    await expect.poll(() => points(page), LONG).toBe(16)
    await expect.poll(() => badge(page).textContent(), LONG).toContain('step 15')
    expect(await frames()).toBe(before)
    await page.evaluate(() => window.cutaway!.set({ theme: 'light' }))
    await settle(page)
    // Five lines and the one before them: nothing else was fetched.
    expect((await page.evaluate(() => window.cutaway!.stats().bytesFetched)) - fetched).toBeLessThan(500)
  })

  test('ten thousand steps are drawn with as many points as the plot has columns', async () => {
    await writer.do('add 3')
    const page = await open('budget=200')
    await writer.do('metrics 10000')
    await expect.poll(() => page.locator('.curve.raw.loss').count(), LONG).toBe(1)
    const columns = await page.evaluate(() => document.querySelector('.plot')!.clientWidth)
    const drawn = await page.evaluate(
      () => document.querySelector('.curve.raw.loss')!.getAttribute('d')!.match(/[ML]/g)!.length,
    )
    expect(drawn).toBeLessThanOrEqual(4 * (columns + 1))
    expect(await points(page)).toBeLessThanOrEqual(4 * (columns + 1))
  })
})

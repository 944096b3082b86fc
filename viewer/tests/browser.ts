/** A real Chromium with software WebGL, and pages whose errors fail the test that opened them. */
import { accessSync, constants } from 'node:fs'
import { delimiter, join } from 'node:path'
import { type Browser, type BrowserContextOptions, chromium, type Page } from 'playwright-core'
import { expect } from 'vitest'
import type {} from '../src/api'

const NAMES = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable']
const PLACES = ['/usr/bin/chromium', '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome']

function runnable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}

export function findChromium(): string {
  if (process.env.CUTAWAY_CHROMIUM) return process.env.CUTAWAY_CHROMIUM
  const onPath = (process.env.PATH ?? '').split(delimiter).flatMap(folder => NAMES.map(name => join(folder, name)))
  const found = [...onPath, ...PLACES].find(runnable)
  if (!found) throw new Error('No Chromium on the path: install chromium, or set CUTAWAY_CHROMIUM to its path.')
  return found
}

/** Each launch has a fresh profile. The canvas of this renderer is the same on every machine. */
export function launch(): Promise<Browser> {
  return chromium.launch({
    executablePath: findChromium(),
    args: [
      '--headless=new',
      '--no-sandbox',
      '--disable-quic',
      '--no-first-run',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
      '--use-gl=angle',
      '--use-angle=swiftshader',
      '--enable-unsafe-swiftshader',
    ],
  })
}

export interface OpenPage {
  page: Page
  /** Uncaught errors and errors on the console. */
  errors: string[]
  /** Addresses of all requests. */
  requests: string[]
}

/** A page in a context of its own (no cache, no storage shared with others); `closePage` closes both. */
export async function newPage(browser: Browser, options: BrowserContextOptions = {}): Promise<OpenPage> {
  const context = await browser.newContext({ viewport: { width: 1280, height: 720 }, ...options })
  const page = await context.newPage()
  page.setDefaultTimeout(30_000)
  const opened: OpenPage = { page, errors: [], requests: [] }
  page.on('pageerror', error => opened.errors.push(String(error.stack ?? error)))
  page.on('console', message => {
    // The browser itself reports a missing file as an error; that is what some tests are about.
    if (message.type() === 'error' && !/Failed to load resource/.test(message.text()))
      opened.errors.push(message.text())
  })
  page.on('request', request => opened.requests.push(request.url()))
  return opened
}

/** Closes a page on which nothing went wrong. */
export async function closePage({ page, errors }: OpenPage): Promise<void> {
  await page.context().close()
  expect(errors).toEqual([])
}

/**
 * Opens the viewer without transitions and waits until all is loaded and drawn. `query` may hold view state and
 * overrides ("animate=1").
 */
export async function openViewer(opened: OpenPage, url: string, query = ''): Promise<Page> {
  const { page } = opened
  const animate = /(^|&)animate=/.test(query) ? '' : 'animate=0&'
  await page.goto(`${url}?${animate}${query}`)
  const failure = await page
    .waitForFunction(() => (window.cutaway ? 'opened' : document.querySelector('.failure')?.textContent))
    .then(result => result.jsonValue())
  if (failure !== 'opened') throw new Error(`the viewer did not open: ${failure}`)
  await settle(page)
  return page
}

export function settle(page: Page): Promise<void> {
  return page.evaluate(() => window.cutaway!.settled())
}

/** Changes the view and waits until it is drawn. */
export async function setView(page: Page, patch: object): Promise<void> {
  await page.evaluate(p => window.cutaway!.set(p), patch)
  await settle(page)
}

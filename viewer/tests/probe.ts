/** A page without the viewer, for what is computed on the GPU: it runs one script of the tests. */
import { join } from 'node:path'
import type { Browser } from 'playwright-core'
import { newPage, type OpenPage } from './browser'
import { bundlePage } from './entry'
import { VIEWER } from './paths'
import { TestServer } from './server'

export interface Probe extends OpenPage {
  server: TestServer
}

/** `script`: a file of this folder; `ready`: what it makes of the window when it has run. */
export async function openProbe(browser: Browser, script: string, ready: keyof Window): Promise<Probe> {
  const bundled = await bundlePage(join(VIEWER, 'tests', script))
  const server = await TestServer.start({
    files: { 'probe.html': '<!doctype html><script type="module" src="probe.js"></script>', 'probe.js': bundled },
  })
  const opened = await newPage(browser)
  await opened.page.goto(`${server.url}probe.html`)
  await opened.page.waitForFunction(name => window[name] !== undefined, ready)
  return { ...opened, server }
}

/** Attached norms and activations as layers of their own: asked for in the view, and in the link. */
import { execFile } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import type { Browser } from 'playwright-core'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Network } from '../src/generated/recording'
import { closePage, launch, newPage, openViewer, settle } from './browser'
import { readIndex, recordedOutput } from './files'
import { FIXTURES, PYTHON, ROOT, TINY } from './paths'
import { TestServer } from './server'

let browser: Browser
let folder: string
let recording: string

beforeAll(async () => {
  browser = await launch()
  folder = await mkdtemp(join(tmpdir(), 'cutaway-steps-'))
  recording = join(folder, 'run')
  const words = ['-m', 'cutaway', 'record', join(FIXTURES, 'keras/chain.keras'), '--steps', '--out', recording]
  await promisify(execFile)(PYTHON, words, { env: { ...process.env, PYTHONPATH: join(ROOT, 'src') } })
}, 60_000)
afterAll(async () => {
  await browser?.close()
  await rm(folder, { recursive: true, force: true })
})

test('a switch takes them apart and puts them together again; the link says so', async () => {
  const { layers } = readIndex(recording).network as Network
  const whole = layers.find(layer => layer.fused?.includes('batch_norm'))!
  const server = await TestServer.start({ recording })
  const opened = await newPage(browser, { viewport: { width: 1400, height: 900 } })
  const page = await openViewer(opened, server.url, 'budget=200')
  const ids = () => page.evaluate(() => window.cutaway!.network.layers.map(layer => layer.id))
  expect(await ids()).toEqual(layers.map(layer => layer.id))
  await page.getByRole('button', { name: 'Arrangement' }).click()
  const apart = page.getByRole('switch', { name: 'norms and activations apart' })

  await Promise.all([page.waitForEvent('load'), apart.click()])
  await page.waitForFunction(() => window.cutaway)
  await settle(page)
  expect(page.url()).toContain('steps=1')
  const steps = layers.flatMap(layer => [...(layer.steps ?? []), layer.id])
  expect(await ids()).toEqual(steps)
  for (const id of [...whole.steps!, whole.id]) {
    const { values } = recordedOutput(recording, 0, 0, id)
    await page.evaluate(id => window.cutaway!.set({ pinned: { layer: id, map: 0, y: 1, x: 2 } }), id)
    await settle(page)
    const found = await page.evaluate(id => window.cutaway!.calculation(id, 0, 1, 2), id)
    expect(found!.recorded, id).toBe(values[whole.output_shapes![0][2] + 2])
    expect(Math.abs(found!.difference!), id).toBeLessThan(1e-4)
  }

  await page.getByRole('button', { name: 'Arrangement' }).click()
  await Promise.all([page.waitForEvent('load'), apart.click()])
  await page.waitForFunction(() => window.cutaway)
  await settle(page)
  expect(await ids()).toEqual(layers.map(layer => layer.id))
  expect(page.url()).not.toContain('steps')
  await closePage(opened)
  await server.close()
})

test('where nothing lies between, there is no switch, and a link that asks for it shows the recording', async () => {
  const server = await TestServer.start({ recording: TINY })
  const opened = await newPage(browser)
  const page = await openViewer(opened, server.url, 'budget=200')
  await page.getByRole('button', { name: 'Arrangement' }).click()
  expect(await page.getByRole('switch', { name: 'norms and activations apart' }).count()).toBe(0)
  await openViewer(opened, server.url, 'budget=200&steps=1')
  const ids = await page.evaluate(() => window.cutaway!.network.layers.map(layer => layer.id))
  expect(ids).toEqual((readIndex(TINY).network as Network).layers.map(layer => layer.id))
  await closePage(opened)
  await server.close()
})

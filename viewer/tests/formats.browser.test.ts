/** Models of other frameworks, recorded here and now: the calculation of every drawn layer gives what was recorded. */
import { execFile } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import type { Browser, Page } from 'playwright-core'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { tolerance } from '../src/explain/agreement'
import type { Calculation } from '../src/explain/calculation'
import type { Layer } from '../src/generated/recording'
import { drawnLayers } from '../src/layout/drawn'
import { closePage, launch, newPage, openViewer } from './browser'
import { readIndex } from './files'
import { FIXTURES, PYTHON, ROOT } from './paths'
import { TestServer } from './server'

let browser: Browser
let folder: string

beforeAll(async () => {
  browser = await launch()
  folder = await mkdtemp(join(tmpdir(), 'cutaway-formats-'))
})
afterAll(async () => {
  await browser?.close()
  await rm(folder, { recursive: true, force: true })
})

const env = { ...process.env, PYTHONPATH: join(ROOT, 'src') }
const python = (...words: string[]) => promisify(execFile)(PYTHON, words, { env })

async function record(model: string): Promise<string> {
  let path = join(FIXTURES, model)
  if (model.endsWith('.zip')) {
    await python('-m', 'zipfile', '-e', path, join(folder, 'model'))
    path = join(folder, 'model')
  }
  const out = join(folder, model.replaceAll('/', '-'))
  await python('-m', 'cutaway', 'record', path, '--out', out)
  return out
}

/** Corners and places in between: what only the edges of maps show is seen there. */
const PLACES = [
  [0, 0, 0],
  [1, 1, 1],
  [0.3, 0.4, 0.6],
  [0.7, 0, 1],
  [0.5, 0.9, 0.2],
]

async function calculationsOf(page: Page, layer: Layer): Promise<(Calculation | null)[]> {
  const sizes = layer.output_shapes![0]
  const [maps, rows, columns] = sizes.length === 2 ? [sizes[0], 1, sizes[1]] : [...sizes, 1, 1]
  const at = (share: number, size: number) => Math.round(share * (size - 1))
  const places = PLACES.map(([m, y, x]) => [at(m, maps), at(y, rows), at(x, columns)] as const)
  return page.evaluate(
    async ([id, all]) => {
      const found = []
      for (const place of all) {
        let calculation = window.cutaway!.calculation(id, ...place)
        // What it needs is asked for by asking, and comes with the next frames.
        for (let frame = 0; frame < 200 && !calculation; frame++) {
          await new Promise(resolve => setTimeout(resolve, 10))
          calculation = window.cutaway!.calculation(id, ...place)
        }
        found.push(calculation)
      }
      return found
    },
    [layer.id, places] as const,
  )
}

test.each([
  ['tf/many.zip', []],
  ['tflite/float.tflite', []],
  ['tflite/int8.tflite', ['rounding to 8-bit integers']],
])(
  '%s: every drawn layer',
  async (model, reasons) => {
    const recording = await record(model)
    const server = await TestServer.start({ recording })
    const opened = await newPage(browser, { viewport: { width: 800, height: 500 } })
    const page = await openViewer(opened, server.url, 'budget=200')
    const drawn = drawnLayers(readIndex(recording).network).filter(({ kind }) => kind !== 'input')
    expect(drawn.length).toBeGreaterThan(3)
    for (const { layer } of drawn) {
      for (const calculation of await calculationsOf(page, layer)) {
        expect(calculation, layer.id).not.toBeNull()
        const { difference, missing, recorded } = calculation!
        const where = `${layer.id} (${layer.kind}): ${calculation!.value} against ${recorded}`
        if (missing.length > 0) expect(missing, where).toEqual(reasons)
        else expect(Math.abs(difference!), where).toBeLessThanOrEqual(tolerance(calculation!))
      }
    }
    await closePage(opened)
    await server.close()
  },
  180_000,
)

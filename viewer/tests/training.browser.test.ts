/** What the training did: layers over time, insights, confusion and scores, as a person uses them. */
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import type { AxeResults } from 'axe-core'
import type { Browser, Page } from 'playwright-core'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { closePage, launch, newPage, type OpenPage, openViewer, settle } from './browser'
import { readIndex, recordedOutput } from './files'
import { DEMO } from './paths'
import { TestServer } from './server'

const AXE = createRequire(import.meta.url).resolve('axe-core/axe.min.js')
const WHY = 'Rule: at least 25 % of a layer’s maps are dead.'
const INSIGHTS = [
  {
    rule: 'dead-units',
    level: 'warning',
    layer: 'conv2',
    step: 80,
    epoch: 0.4,
    value: 0.41,
    text: '41 % dead.',
    why: WHY,
  },
  {
    rule: 'flipping-samples',
    level: 'note',
    sample: 12,
    step: 640,
    value: 2,
    text: 'Sample 12 flips.',
    why: 'Rule: twice.',
  },
  { rule: 'over-fitting', level: 'warning', step: 1280, value: 1.4, text: 'Over-fitting.', why: 'Rule: it rises.' },
]
const six = (index: number) => String(index).padStart(6, '0')

let browser: Browser
const servers: TestServer[] = []
let opened: OpenPage
beforeAll(async () => {
  browser = await launch()
})
afterAll(async () => {
  await browser?.close()
  for (const server of servers) await server.close()
})
afterEach(() => closePage(opened))

async function serve(options: ConstructorParameters<typeof TestServer>[0] = {}): Promise<TestServer> {
  const server = await TestServer.start(options)
  servers.push(server)
  return server
}

async function open(server: TestServer, query = '', options: Parameters<typeof newPage>[1] = {}): Promise<Page> {
  opened = await newPage(browser, options)
  return openViewer(opened, server.url, `lineWidth=0&${query}`)
}

const told = () =>
  serve({ files: { 'recording/insights.jsonl': INSIGHTS.map(i => `${JSON.stringify(i)}\n`).join('') } })
const stateOf = (page: Page) => page.evaluate(() => window.cutaway!.state)
const button = (page: Page, name: string | RegExp) => page.getByRole('button', { name })
const slider = (page: Page, name: string) => page.getByRole('slider', { name, exact: true })

describe('a layer over time', () => {
  test('is loaded when it is opened, and a press goes to a moment', async () => {
    const server = await serve()
    const page = await open(server, 'selected=conv2')
    await server.quiet()
    const asked = () => server.recordingRequests().filter(r => r.path.startsWith('summary/')).length
    expect(asked()).toBe(1)
    await button(page, 'Over time').click()
    const update = slider(page, '‖Δw‖ / ‖w‖ a checkpoint')
    await update.waitFor()
    await expect.poll(asked).toBe(10)
    const table = page.getByRole('table', { name: 'conv2 over the training' })
    await expect.poll(() => table.getByRole('row').count()).toBe(11)

    const ratios = Array.from({ length: 10 }, (_, i) => {
      const summary = JSON.parse(readFileSync(join(DEMO, `summary/${six(i)}.json`), 'utf8'))
      return summary.layers.conv2.update_ratio as number | undefined
    })
    const words = () => page.locator('.sparkline', { hasText: 'a checkpoint' }).locator('b').innerText()
    expect(await words()).toBe(String(Number(ratios[9]!.toPrecision(3))))
    await update.click({ position: { x: (await update.boundingBox())!.width / 3 + 1, y: 10 } })
    expect((await stateOf(page)).epoch).toBe(3)
    await page.mouse.move(5, 5)
    expect(await words()).toBe(String(Number(ratios[3]!.toPrecision(3))))
    await update.press('ArrowRight')
    expect((await stateOf(page)).epoch).toBe(4)
    expect(await update.getAttribute('aria-valuetext')).toBe('step 80')
    await server.quiet()
    expect(asked()).toBe(10)
  })

  test('its histograms stand behind each other; the shown one is lit', async () => {
    const page = await open(await serve(), 'selected=conv2')
    await button(page, 'Over time').click()
    const ridges = slider(page, 'Histograms of the weights over the training')
    await ridges.waitFor()
    await expect.poll(() => ridges.locator('path:not(.over)').count()).toBe(10)
    expect(await ridges.locator('path:not(.over)').nth(9).getAttribute('class')).toBe('lit')
    await ridges.click({ position: { x: 60, y: 38 } })
    expect((await stateOf(page)).epoch).toBe(0)
    expect(await ridges.locator('path:not(.over)').nth(0).getAttribute('class')).toBe('lit')
    await page.getByRole('radio', { name: 'activations' }).check({ force: true })
    await slider(page, 'Histograms of the activations over the training').waitFor()
  })

  test('a pinned map has its own', async () => {
    const page = await open(await serve(), 'pin=conv2:6&selected=conv2')
    await button(page, 'Over time').click()
    await slider(page, 'Histograms of the weights of map 6 over the training').waitFor()
    await page.getByRole('radio', { name: 'activations' }).check({ force: true })
    await slider(page, 'Histograms of the activations of map 6 over the training').waitFor()
  })

  test('without summaries it says so', async () => {
    const missing = Array.from({ length: 10 }, (_, i) => `summary/${six(i)}.json`)
    const page = await open(await serve({ missing }), 'selected=conv2')
    await button(page, 'Over time').click()
    await page.getByText('no summaries recorded').waitFor()
  })
})

describe('insights', () => {
  test('the heaviest first; a press goes to the moment and its layer', async () => {
    const page = await open(await told())
    await button(page, /^Training/).click()
    const list = page.getByRole('region', { name: 'What happened' })
    expect(await list.getByRole('listitem').locator('button span').allInnerTexts()).toEqual([
      'Over-fitting.',
      '41 % dead.',
      'Sample 12 flips.',
    ])
    await list.getByText('41 % dead.').click()
    expect(await stateOf(page)).toMatchObject({ epoch: 4, selected: 'conv2' })
    await slider(page, '‖Δw‖ / ‖w‖ a checkpoint').waitFor()
    await list.getByText('rule').nth(1).click()
    await page.getByText('At least 25 % of a layer’s maps are dead.').waitFor()
    await list.getByText('Sample 12 flips.').click()
    expect(await stateOf(page)).toMatchObject({ epoch: 7, sample: 12 })
    await page.keyboard.press('Escape')
    expect(await list.count()).toBe(0)
    expect(await stateOf(page)).toMatchObject({ selected: 'conv2' })
  })

  test('marks of the timeline lead there and open the list', async () => {
    const page = await open(await told())
    await expect.poll(() => page.locator('.insight-mark').count()).toBe(3)
    await page.locator('.insight-mark').nth(0).click()
    expect(await stateOf(page)).toMatchObject({ epoch: 4, selected: 'conv2' })
    await page.getByRole('region', { name: 'What happened' }).waitFor()
  })

  test('an older recording has none: nothing fails, nothing is asked twice', async () => {
    const server = await serve({ missing: ['insights.jsonl'] })
    const page = await open(server)
    await server.quiet()
    expect(server.recordingRequests().filter(r => r.path === 'insights.jsonl').length).toBe(1)
    expect(await page.locator('.insight-mark').count()).toBe(0)
    expect(await page.locator('.notice').count()).toBe(0)
    await button(page, /^Training/).click()
    expect(await page.getByRole('region', { name: 'What happened' }).count()).toBe(0)
  })
})

describe('confusion and scores', () => {
  const { labels, count } = readIndex(DEMO).samples
  const scores = (checkpoint: number) =>
    Array.from({ length: count }, (_, sample) => recordedOutput(DEMO, checkpoint, sample, 'fc2').values)
  const best = (values: number[]) => values.indexOf(Math.max(...values))

  async function cells(page: Page): Promise<number[][]> {
    const rows = page.getByRole('table', { name: /^Recorded samples by truth/ }).locator('tbody tr')
    return rows.evaluateAll(all =>
      all.map(row => [...row.querySelectorAll('td')].map(cell => Number(cell.textContent || 0))),
    )
  }

  function expected(checkpoint: number): number[][] {
    const matrix = Array.from({ length: 10 }, () => Array<number>(10).fill(0))
    for (const [sample, values] of scores(checkpoint).entries()) matrix[labels[sample]][best(values)]++
    return matrix
  }

  test.each([
    ['from the summaries', []],
    ['from the outputs, where there are no summaries', Array.from({ length: 10 }, (_, i) => `summary/${six(i)}.json`)],
  ])('counts are those of the recorded outputs, %s', async (_, missing) => {
    const page = await open(await serve({ missing }))
    await button(page, /^Training/).click()
    await expect.poll(() => cells(page)).toEqual(expected(9))
    await page.evaluate(() => window.cutaway!.set({ epoch: 4 }))
    await settle(page)
    await expect.poll(() => cells(page)).toEqual(expected(4))
  })

  test('a cell shows its samples in turn', async () => {
    const page = await open(await serve())
    await button(page, /^Training/).click()
    const cell = button(page, 'truth 3, predicted 3: 2 samples')
    const both = scores(9).flatMap((values, i) => (labels[i] === 3 && best(values) === 3 ? [i] : []))
    const seen = []
    for (let i = 0; i < 3; i++) {
      await cell.click()
      seen.push((await stateOf(page)).sample)
    }
    expect(seen).toEqual([both[0], both[1], both[0]])
    expect(await cell.getAttribute('aria-pressed')).toBe('true')
  })

  test('the scores of the sample over the training, and a press goes to a moment', async () => {
    const page = await open(await serve(), 'sample=12')
    await button(page, /^Training/).click()
    const plot = slider(page, 'Class scores over the training')
    await plot.waitFor()
    const table = page.getByRole('table', { name: /^Best class of this sample/ })
    await expect.poll(() => table.getByRole('row').count()).toBe(10)
    const values = scores(5)[12]
    await plot.click({ position: { x: ((await plot.boundingBox())!.width * 5) / 9, y: 30 } })
    expect((await stateOf(page)).epoch).toBe(5)
    const caption = page.locator('.score-history .caption')
    const percent = (share: number) => `${(share * 100).toFixed(1)} %`
    expect(await caption.innerText()).toContain(percent(values[labels[12]]))
    expect(await table.getByRole('row').nth(5).innerText()).toContain(`${best(values)} ${percent(Math.max(...values))}`)
  })
})

test('on a phone it is a tab of the sheet', async () => {
  const page = await open(await told(), '', { viewport: { width: 390, height: 844 }, hasTouch: true, isMobile: true })
  await page.getByRole('tab', { name: 'Training' }).click()
  await page.locator('.happened').getByText('41 % dead.').click()
  expect(await stateOf(page)).toMatchObject({ epoch: 4, selected: 'conv2' })
  await slider(page, 'Class scores over the training').waitFor()
  expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBe(390)
})

test.each(['dark', 'light'])('axe finds nothing grave, %s', async theme => {
  const page = await open(await told(), `theme=${theme}&selected=conv2&pin=conv2:6`)
  await button(page, /^Training/).click()
  await button(page, 'Over time').click()
  await slider(page, 'Class scores over the training').waitFor()
  await page.addScriptTag({ path: AXE })
  const { violations } = await page.evaluate(
    () => (window as unknown as { axe: { run(): Promise<AxeResults> } }).axe.run() as Promise<AxeResults>,
  )
  const grave = violations.filter(({ impact }) => impact === 'serious' || impact === 'critical')
  const found = grave.map(v => `${v.id}: ${v.nodes.map(node => node.html.slice(0, 120)).join(' | ')}`)
  expect(found).toEqual([])
})

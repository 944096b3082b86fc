/** The panels as a person uses them: by keyboard and by mouse, on a wide screen and on a phone; and axe-core's opinion. */
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import type { AxeResults } from 'axe-core'
import type { Browser, Page } from 'playwright-core'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { closePage, launch, newPage, type OpenPage, openViewer, settle } from './browser'
import { readIndex, recordedOutput, recordedParameter } from './files'
import { DEMO } from './paths'
import { TestServer } from './server'

const AXE = createRequire(import.meta.url).resolve('axe-core/axe.min.js')
/** Without ribbons: what is tested here are the panels, and software WebGL is slow at ribbons. */
const PLAIN = 'lineWidth=0'
const VALUE = 'pin=conv2:6:5:5&selected=conv2'

let browser: Browser
let server: TestServer
let opened: OpenPage
beforeAll(async () => {
  browser = await launch()
  server = await TestServer.start()
})
afterAll(async () => {
  await browser?.close()
  await server?.close()
})
afterEach(() => closePage(opened))

async function open(query = '', options: Parameters<typeof newPage>[1] = {}): Promise<Page> {
  opened = await newPage(browser, options)
  return openViewer(opened, server.url, `${PLAIN}&${query}`)
}

const stateOf = (page: Page) => page.evaluate(() => window.cutaway!.state)
const button = (page: Page, name: string | RegExp) => page.getByRole('button', { name })

describe('controls of all layers and of one', () => {
  test('a layer chosen in the outline has values of its own, until they are reset', async () => {
    const page = await open()
    await button(page, /^conv2/).click()
    expect((await stateOf(page)).selected).toBe('conv2')
    await page.getByRole('radio', { name: 'conv2' }).waitFor({ state: 'attached' })
    await expect.poll(() => page.getByRole('radio', { name: 'conv2' }).isChecked()).toBe(true)
    const expansion = page.getByRole('slider', { name: 'expansion' })
    await expansion.press('ArrowRight')
    await button(page, 'Maps').click()
    await page.getByRole('radio', { name: 'Round' }).check({ force: true })
    let state = await stateOf(page)
    expect([state.expansion, state.pixels]).toEqual([1, 'square'])
    expect(state.layers).toEqual({ conv2: { expansion: 1.05, pixels: 'round' } })

    await button(page, 'Reset expansion to that of all layers').click()
    expect((await stateOf(page)).layers).toEqual({ conv2: { pixels: 'round' } })
    await button(page, 'Reset conv2').click()
    expect((await stateOf(page)).layers).toEqual({})

    await page.getByRole('radio', { name: 'All layers' }).check({ force: true })
    await expansion.press('ArrowRight')
    state = await stateOf(page)
    expect([state.expansion, state.layers]).toEqual([1.05, {}])
  })

  test('pinning a pixel leaves the controls with all layers', async () => {
    const page = await open(VALUE)
    expect(await page.getByRole('radio', { name: 'All layers' }).isChecked()).toBe(true)
  })

  test('every view field of the state has a control', async () => {
    const page = await open('selected=conv2')
    const names = ['layout, line to circle to grid', 'expansion', 'bundle', 'weight gain']
    const groups: Record<string, string[]> = {
      Arrangement: ['depthwise', 'spread', 'layer gap', 'collapse', 'most maps'],
      Maps: ['activation gain', 'pixel size', 'pixel spacing'],
      Edges: ['line width', 'perspective', 'curve', 'fade at the ends'],
      Stepping: ['step'],
    }
    for (const name of names) expect(await page.getByRole('slider', { name, exact: true }).count(), name).toBe(1)
    for (const [group, sliders] of Object.entries(groups)) {
      await page.getByRole('button', { name: group, exact: true }).click()
      for (const name of sliders) {
        const slider = page.getByRole('slider', { name, exact: true })
        const before = JSON.stringify((await stateOf(page)).layers)
        await slider.press(
          (await slider.evaluate(s => (s as HTMLInputElement).valueAsNumber)) > 0 ? 'ArrowLeft' : 'ArrowUp',
        )
        expect(JSON.stringify((await stateOf(page)).layers), name).not.toBe(before)
      }
      if (group === 'Edges') await page.getByRole('switch', { name: 'weight × activation' }).press('Space')
    }
    expect((await stateOf(page)).layers.conv2).toMatchObject({ weightTimesActivation: true, step: 0 })
  })

  test('bundle goes back to following the expansion', async () => {
    const page = await open()
    const auto = button(page, 'auto').first()
    expect(await auto.getAttribute('aria-pressed')).toBe('true')
    await page.getByRole('slider', { name: 'bundle' }).press('ArrowRight')
    expect((await stateOf(page)).bundle).toBe(0.05)
    await auto.click()
    expect((await stateOf(page)).bundle).toBe(null)
  })

  test('looks at one click, and back again', async () => {
    const page = await open()
    await button(page, 'weights').last().click()
    expect((await stateOf(page)).expansion).toBe(2)
    await page.keyboard.press('Control+z')
    expect((await stateOf(page)).expansion).toBe(1)
    await button(page, 'Redo').click()
    expect((await stateOf(page)).expansion).toBe(2)
    await button(page, 'calculation').last().click()
    expect(await stateOf(page)).toMatchObject({ calculation: true, pinned: { layer: 'conv2' } })
  })

  test('what concerns the whole picture is there for all layers only', async () => {
    const page = await open()
    await button(page, 'Arrangement').click()
    await page.getByRole('switch', { name: 'changes glide' }).press('Space')
    expect((await stateOf(page)).animate).toBe(true)
    await page.getByRole('button', { name: 'Maps', exact: true }).click()
    await page
      .getByRole('radiogroup', { name: 'Colours reach over' })
      .getByRole('radio', { name: 'All' })
      .press('Space')
    await page
      .getByRole('radiogroup', { name: /^Picture/ })
      .getByRole('radio', { name: 'On' })
      .press('Space')
    await button(page, 'Edges').click()
    await page.getByRole('slider', { name: 'most edges' }).press('ArrowUp')
    const state = await stateOf(page)
    expect(state).toMatchObject({ range: 'network', picture: true })
    expect(state.budget).toBe(31_000)
    await button(page, 'auto').last().click()
    expect((await stateOf(page)).budget).toBe(null)
    await button(page, /^conv2/).click()
    await expect.poll(() => page.getByRole('slider', { name: 'most edges' }).count()).toBe(0)
  })
})

describe('beside the cursor', () => {
  test('a ribbon says where it leads and its exact weight', async () => {
    opened = await newPage(browser)
    const page = await openViewer(opened, server.url, 'expansion=1')
    const file = readIndex(DEMO).checkpoints.at(-1).index
    const { values } = recordedParameter(DEMO, file, 'conv1/kernel')
    const from = await page.evaluate(() => window.cutaway!.screenPosition('input', 0, 14, 27)!)
    let words: string | null = null
    for (let step = 1; step < 16 && !words?.includes('→'); step++) {
      await page.mouse.move(from.x + 12 + step * 2, from.y + step)
      await page.waitForTimeout(250)
      words = await page.evaluate(() => document.querySelector('.tooltip.visible')?.textContent ?? null)
    }
    const [, map, value] = /^input · 0 → conv1 · (\d)(.+)$/.exec(words ?? '') ?? []
    const shown = Number(value.replace('\u2212', '-'))
    const kernel = values.slice(Number(map) * 25, Number(map) * 25 + 25)
    expect(kernel.map(w => Number(w.toPrecision(6)))).toContain(shown)
  })
})

describe('actions', () => {
  test('the link on the clipboard opens the same view', async () => {
    const page = await open('layout=1&theme=light', { permissions: ['clipboard-read', 'clipboard-write'] })
    await button(page, 'Copy a link to this view').click()
    await page.getByText('copied').waitFor()
    const link = await page.evaluate(() => navigator.clipboard.readText())
    expect(new URL(link).searchParams.get('layout')).toBe('1')
    const before = await stateOf(page)
    await page.goto(link)
    await page.waitForFunction(() => window.cutaway)
    expect(await stateOf(page)).toEqual(before)
  })

  test('a picture has the size that was asked for', async () => {
    const page = await open('', { viewport: { width: 900, height: 600 } })
    await button(page, 'Save a picture').click()
    await page.getByRole('radio', { name: '3×' }).check({ force: true })
    const coming = page.waitForEvent('download')
    await button(page, 'Save PNG').click()
    const download = await coming
    expect(download.suggestedFilename()).toMatch(/^lenet-on-mnist-.*-sample-1\.png$/)
    const png = readFileSync(await download.path())
    expect(png.toString('latin1', 1, 4)).toBe('PNG')
    expect([png.readUInt32BE(16), png.readUInt32BE(20)]).toEqual([2700, 1800])
  })

  test('Esc closes the save panel, and not what is pinned', async () => {
    const page = await open(VALUE)
    await button(page, 'Save a picture').click()
    await page.keyboard.press('Escape')
    expect(await page.getByRole('dialog').count()).toBe(0)
    expect((await stateOf(page)).pinned).toMatchObject({ y: 5 })
  })

  test('help keeps the focus, and gives it back', async () => {
    const page = await open(VALUE)
    await button(page, 'Copy a link to this view').focus()
    await page.keyboard.press('?')
    const dialog = page.getByRole('dialog', { name: 'Keys, mouse and touch' })
    await dialog.waitFor()
    for (let i = 0; i < 3; i++) {
      await page.keyboard.press('Tab')
      expect(await page.evaluate(() => document.activeElement?.closest('dialog, body')?.tagName)).toMatch(/DIALOG|BODY/)
      expect(await page.evaluate(() => document.activeElement?.closest('.panel') !== null)).toBe(false)
    }
    await page.keyboard.press('l')
    expect((await stateOf(page)).layout).toBe(2)
    await page.keyboard.press('Escape')
    await dialog.waitFor({ state: 'hidden' })
    expect((await stateOf(page)).pinned).toMatchObject({ y: 5 })
    expect(await page.evaluate(() => document.activeElement?.getAttribute('aria-label'))).toBe(
      'Copy a link to this view',
    )
  })
})

describe('what the network made of the sample', () => {
  test('a sample that a link names is in sight among the others', async () => {
    const page = await open('sample=19')
    await page.waitForFunction(() => {
      const strip = document.querySelector('.samples')!.getBoundingClientRect()
      const chosen = document.querySelector('.samples .chosen')!.getBoundingClientRect()
      return chosen.left >= strip.left - 1 && chosen.right <= strip.right + 1
    })
  })

  test.each([1, 9])('sample %d: as recorded at every checkpoint, and a click goes there', async sample => {
    const index = readIndex(DEMO)
    const output = index.network.layers.at(-1).id
    const predicted = index.checkpoints.map(({ index: file }: { index: number }) => {
      const { values } = recordedOutput(DEMO, file, sample, output)
      return values.indexOf(Math.max(...values))
    })
    const truth = index.samples.labels[sample]
    const page = await open(`sample=${sample}`)
    const marks = page.locator('.history > g')
    await expect.poll(() => marks.count()).toBe(predicted.length)
    await expect.poll(() => page.locator('.history .unknown').count()).toBe(0)
    expect(await marks.allTextContents()).toEqual(predicted.map(String))
    const right = await marks.evaluateAll(all => all.map(mark => mark.querySelector('circle') !== null))
    expect(right).toEqual(predicted.map((p: number) => p === truth))
    const box = (await marks.nth(3).boundingBox())!
    await page.mouse.click(box.x + 8, box.y + box.height / 2)
    expect((await stateOf(page)).epoch).toBe(3)
  })
})

describe('one calculation', () => {
  test('Enter leads in, each part of the way leads out', async () => {
    const page = await open(VALUE)
    await button(page, /^Show the calculation/).click()
    await settle(page)
    expect(await page.getByRole('region', { name: 'Calculation of one value' }).count()).toBe(1)
    for (const gone of ['Layers', 'View', 'Inspector', 'Timeline', 'Input and output']) {
      expect(await page.getByRole('region', { name: gone, exact: true }).count(), gone).toBe(0)
    }
    await button(page, 'Next sample').click()
    expect((await stateOf(page)).sample).toBe(1)
    const way = page.getByRole('navigation', { name: 'Where you are' })
    expect(await way.getByRole('listitem').allTextContents()).toEqual(['network', 'conv2', 'map 6', 'value (5, 5)'])
    await way.getByRole('button', { name: 'map 6' }).click()
    expect(await stateOf(page)).toMatchObject({ calculation: false, pinned: { layer: 'conv2', map: 6 } })
    await page.keyboard.press('Escape')
    expect(await stateOf(page)).toMatchObject({ pinned: null, selected: 'conv2' })
  })
})

describe('with the keyboard alone', () => {
  test('Tab reaches all that can be pressed, and the focus is to be seen', async () => {
    const page = await open('selected=conv2')
    const reached = new Set<string>()
    for (let i = 0; i < 120; i++) {
      await page.keyboard.press('Tab')
      const at = await page.evaluate(() => {
        const element = document.activeElement as HTMLElement | null
        if (!element || element === document.body) return null
        // Invisible native controls lie over what shows their focus.
        const shown = [element, element.parentElement!, element.nextElementSibling].filter(Boolean) as HTMLElement[]
        const visible = shown.some(e => {
          const { outlineStyle, outlineWidth, boxShadow, borderColor } = getComputedStyle(e)
          return (outlineStyle !== 'none' && outlineWidth !== '0px') || boxShadow !== 'none' || borderColor === ''
        })
        const name = element.getAttribute('aria-label') ?? element.textContent ?? ''
        const own = element.matches('input[type=range], .search input')
        return { name: `${element.tagName} ${name || element.id}`, visible: visible || own }
      })
      if (!at) break
      expect(at.visible, at.name).toBe(true)
      reached.add(at.name)
    }
    const names = [...reached].join('\n')
    for (const name of [
      'Undo',
      'Save a picture',
      'Find a layer',
      'conv1',
      'Arrangement',
      'Play the training',
      'Checkpoint',
    ]) {
      expect(names).toContain(name)
    }
  })

  test('what is selected is text too', async () => {
    const page = await open(VALUE)
    const table = page.getByRole('table', { name: 'What is shown' })
    const rows = await table.getByRole('row').allTextContents()
    expect(rows).toContain('Layerconv2, convolution')
    expect(rows).toContain('Pixelrow 5, column 5')
    expect(await page.locator('[aria-live=polite]').first().textContent()).toContain('Pinned: conv2 · map 6 · (5, 5)')
  })
})

describe('axe-core finds nothing serious', () => {
  async function violations(page: Page): Promise<string[]> {
    await page.addScriptTag({ path: AXE })
    const { violations: found } = (await page.evaluate(() =>
      (window as unknown as { axe: { run(): Promise<unknown> } }).axe.run(),
    )) as AxeResults
    return found
      .filter(({ impact }) => impact === 'serious' || impact === 'critical')
      .map(({ id, nodes }) => `${id}: ${nodes.map(n => n.html.slice(0, 160)).join(' | ')}`)
  }

  const phone = { viewport: { width: 390, height: 844 }, deviceScaleFactor: 2, hasTouch: true }

  test.each<[string, string, ((page: Page) => Promise<unknown>)?]>([
    ['the overview', ''],
    ['the overview on paper', 'theme=light'],
    ['a layer’s controls', 'selected=conv2&layers=conv2:layout=1', page => button(page, 'Edges').click()],
    ['a pinned pixel on paper', `${VALUE}&theme=light`, page => button(page, 'Maps').click()],
    ['the save panel', '', page => button(page, 'Save a picture').click()],
    ['help', '', page => page.keyboard.press('?')],
    ['help on paper', 'theme=light', page => page.keyboard.press('?')],
    ['a calculation', `${VALUE}&calculation=true`],
    ['a calculation on paper', `${VALUE}&calculation=true&theme=light`],
    ['hidden panels', 'panels=false'],
  ])('%s', async (_, query, act) => {
    const page = await open(query)
    await act?.(page)
    await settle(page)
    await page.waitForTimeout(300)
    expect(await violations(page)).toEqual([])
  })

  test.each<[string, string, ((page: Page) => Promise<unknown>)?]>([
    ['the inspector', VALUE],
    ['the view', 'selected=conv2&theme=light', page => page.getByRole('tab', { name: 'View' }).click()],
    ['layers', '', page => page.getByRole('tab', { name: 'Layers' }).click()],
    ['a calculation', `${VALUE}&calculation=true`],
  ])('on a phone: %s', async (_, query, act) => {
    const page = await open(query, phone)
    await act?.(page)
    await settle(page)
    await page.waitForTimeout(300)
    expect(await violations(page)).toEqual([])
  })
})

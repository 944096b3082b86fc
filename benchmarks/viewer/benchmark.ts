/** Times and bytes of the viewer in a real browser. Run by hand: run.mjs; what it measures is in README.md. */
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { cpus, tmpdir } from 'node:os'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { launch, newPage, openViewer } from '../../viewer/tests/browser'
import { BUNDLE, DEMO } from '../../viewer/tests/paths'
import { TestServer } from '../../viewer/tests/server'
import { SIZES, type Size, weightsOf, writeSynthetic } from '../../viewer/tests/synthetic'

/** Script time of a frame, and how often the time of 10 thousand edges that of 5 million may be. */
const TARGET_MS = 1
const TARGET_RATIO = 1.5
const TARGET_PICTURE_MS = 1000
const TARGET_BYTES = 2_000_000
const TARGET_SCRIPT = 200_000

/** Few ribbons on a small stage: software WebGL draws slowly, and it is the script that is measured. */
const BUDGET = 100
const STAGE = { width: 800, height: 620 }
const OPENINGS = 7

/** What is moved, from where to where. */
const CONTROLS: Record<string, [from: number, to: number]> = {
  expansion: [0, 3],
  layout: [0, 2],
  bundle: [0, 1],
  weightGain: [0, 4],
  activationGain: [0, 4],
  lineWidth: [0.2, 3],
}

type Browser = Awaited<ReturnType<typeof launch>>

export async function main(args: string[]): Promise<void> {
  if (!existsSync(join(BUNDLE, 'index.html'))) {
    console.error(`The viewer's bundle is missing (${BUNDLE}): build it first with "npm run build" in viewer/.`)
    process.exit(1)
  }
  const steps = Number(args[0] ?? 30)
  const browser = await launch()
  const folder = mkdtempSync(join(tmpdir(), 'cutaway-benchmark-'))
  try {
    console.log(`Chromium ${browser.version()}, software WebGL, ${cpus().length} × ${cpus()[0].model}\n`)
    await moves(browser, folder, steps)
    await opening(browser)
  } finally {
    await browser.close()
    rmSync(folder, { recursive: true, force: true })
  }
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  const half = sorted.length >> 1
  return sorted.length % 2 ? sorted[half] : (sorted[half - 1] + sorted[half]) / 2
}

const verdict = (good: boolean) => (good ? 'met' : 'MISSED')
const row = (cells: (string | number)[], widths: number[]) =>
  console.log(
    cells.map((cell, i) => (i === 0 ? String(cell).padEnd(widths[i]) : String(cell).padStart(widths[i]))).join('  '),
  )

/** `jsMsLastFrame` of every step of every control, for both sizes side by side. */
async function moves(browser: Browser, folder: string, steps: number): Promise<void> {
  const sizes = Object.keys(SIZES) as Size[]
  const times = new Map<Size, Record<string, number[]>>()
  const servers: TestServer[] = []
  const pages: Awaited<ReturnType<typeof newPage>>[] = []
  for (const size of sizes) {
    writeSynthetic(join(folder, size), size)
    const server = await TestServer.start({ recording: join(folder, size), isolated: true })
    const opened = await newPage(browser, { viewport: STAGE })
    await openViewer(opened, server.url, `budget=${BUDGET}`)
    servers.push(server)
    pages.push(opened)
    times.set(size, Object.fromEntries(Object.keys(CONTROLS).map(control => [control, []])))
  }
  for (const [control, [from, to]] of Object.entries(CONTROLS)) {
    // One after the other in short turns: whatever else the machine does meets both.
    for (let turn = 0; turn < 3; turn++) {
      for (const [i, size] of sizes.entries()) {
        const measured = await pages[i].page.evaluate(
          async ([name, a, b, count]) => {
            const found: number[] = []
            for (let step = 0; step < count; step++) {
              window.cutaway!.set({ [name]: a + ((b - a) * step) / (count - 1) })
              await window.cutaway!.settled()
              found.push(window.cutaway!.stats().jsMsLastFrame)
            }
            return found
          },
          [control, from, to, Math.ceil(steps / 3)] as const,
        )
        // The first turn warms up the compiler.
        if (turn > 0) times.get(size)![control].push(...measured)
      }
    }
  }
  for (const opened of pages) await opened.page.context().close()
  for (const server of servers) await server.close()

  const widths = [16, 14, 14, 8]
  const [small, large] = sizes
  console.log(`Script time of a frame while a control moves, median in ms (${BUDGET} edges drawn)`)
  row(['', `${weightsOf(small).toLocaleString('en')}`, weightsOf(large).toLocaleString('en'), 'ratio'], widths)
  for (const control of Object.keys(CONTROLS)) {
    const [a, b] = sizes.map(size => median(times.get(size)![control]))
    row([control, a.toFixed(3), b.toFixed(3), (b / a).toFixed(2)], widths)
  }
  const [a, b] = sizes.map(size => median(Object.values(times.get(size)!).flat()))
  row(['all', a.toFixed(3), b.toFixed(3), (b / a).toFixed(2)], widths)
  console.log(
    `at most ${TARGET_MS} ms: ${verdict(Math.max(a, b) <= TARGET_MS)}; at most ${TARGET_RATIO} ×: ${verdict(b / a <= TARGET_RATIO)}\n`,
  )
}

/** From the start of the navigation, in a fresh context each time: nothing is cached. */
async function opening(browser: Browser): Promise<void> {
  const loaded: number[] = []
  const ready: number[] = []
  const drawn: number[] = []
  const complete: number[] = []
  let bytes = 0
  let requests = 0
  for (let i = 0; i < OPENINGS; i++) {
    const server = await TestServer.start({ recording: DEMO, isolated: true })
    const opened = await newPage(browser)
    await opened.page.addInitScript(() => {
      const times = { ready: 0, drawn: 0, complete: 0 }
      ;(window as unknown as { times: typeof times }).times = times
      window.addEventListener('cutaway', () => {
        const cutaway = window.cutaway!
        times.ready = performance.now()
        const look = () => {
          const { frames, uploaded } = cutaway.stats()
          // A frame with maps that show their activations.
          if (frames > 0 && uploaded.activations > 0) times.drawn = performance.now()
          else requestAnimationFrame(look)
        }
        look()
        cutaway.settled().then(() => {
          times.complete = performance.now()
        })
      })
    })
    await opened.page.goto(server.url)
    await opened.page.waitForFunction(() => {
      const { drawn, complete } = (window as unknown as { times: { drawn: number; complete: number } }).times
      return drawn > 0 && complete > 0
    })
    const times = await opened.page.evaluate(() => {
      const [navigation] = performance.getEntriesByType('navigation') as PerformanceNavigationTiming[]
      return {
        ...(window as unknown as { times: { ready: number; drawn: number; complete: number } }).times,
        load: navigation.loadEventEnd,
      }
    })
    loaded.push(times.load)
    ready.push(times.ready)
    drawn.push(times.drawn)
    complete.push(times.complete)
    bytes = server.requests.reduce((sum, r) => sum + r.bytes, 0)
    requests = server.requests.length
    await opened.page.context().close()
    await server.close()
  }
  const script = readdirSync(join(BUNDLE, 'assets'))
    .filter(name => name.endsWith('.js'))
    .reduce((sum, name) => sum + gzipSync(readFileSync(join(BUNDLE, 'assets', name))).length, 0)

  const widths = [34, 12, 12, 8]
  const sinceLoad = median(drawn) - median(loaded)
  console.log(`Opening the demo, median of ${OPENINGS}`)
  row(['', 'measured', 'target', ''], widths)
  row(['page loaded', `${median(loaded).toFixed(0)} ms`, '', ''], widths)
  row(['index read, viewer made', `${median(ready).toFixed(0)} ms`, '', ''], widths)
  row(
    [
      'first picture after page load',
      `${sinceLoad.toFixed(0)} ms`,
      `${TARGET_PICTURE_MS} ms`,
      verdict(sinceLoad < TARGET_PICTURE_MS),
    ],
    widths,
  )
  row(['everything drawn after page load', `${(median(complete) - median(loaded)).toFixed(0)} ms`, '', ''], widths)
  row([`transfer, ${requests} requests`, `${kB(bytes)}`, kB(TARGET_BYTES), verdict(bytes <= TARGET_BYTES)], widths)
  row(['script, gzipped', kB(script), kB(TARGET_SCRIPT), verdict(script <= TARGET_SCRIPT)], widths)
}

function kB(bytes: number): string {
  return `${(bytes / 1000).toFixed(0)} kB`
}

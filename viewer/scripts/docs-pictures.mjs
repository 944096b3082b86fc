// Takes the pictures of docs/images from a running demo:
//   cutaway demo --no-browser --port 7410 &
//   node viewer/scripts/docs-pictures.mjs http://127.0.0.1:7410/ [NAME...]
// Look at each before it is committed.
import { mkdir, writeFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { chromium } from 'playwright-core'

/** Name, view, size, and the buttons to press. */
const PICTURES = [
  ['overview-dark', 'sample=2', 1600, 1000],
  ['overview-light', 'sample=2&theme=light', 1600, 1000],
  ['weights-dark', 'sample=4&expansion=2&weightGain=1.2&activationGain=0.35', 1600, 1000],
  ['bundled-circle-light', 'sample=5&expansion=0.3&layout=1&epoch=6&theme=light', 1600, 1000],
  ['calculation-dark', 'sample=3&pin=conv2:5:4:3&calculation=1', 1600, 1000],
  ['calculation-light', 'sample=3&pin=conv2:5:4:3&calculation=1&theme=light', 1280, 720],
  ['overview-small', 'sample=7', 1280, 720],
  ['phone-dark', 'sample=2', 390, 844],
  ['phone-light', 'sample=2&theme=light', 390, 844],
  ['compare-dark', 'compare=checkpoint:0', 1600, 1000],
  ['compare-light', 'compare=sample:5:difference&theme=light', 1600, 1000],
  ['training-dark', 'sample=12&epoch=6&selected=conv2', 1600, 1000, ['Over time', 'Training']],
  ...[0, 3, 5, 9].map(epoch => [`learning-${epoch}`, `sample=2&epoch=${epoch}&panels=0`, 640, 440]),
]
const QUALITY = 82

const [address, ...names] = process.argv.slice(2)
if (!address) {
  console.error('usage: node docs-pictures.mjs ADDRESS_OF_A_RUNNING_DEMO [NAME...]')
  process.exit(2)
}
const folder = new URL('../../docs/images/', import.meta.url)
await mkdir(folder, { recursive: true })
const browser = await chromium.launch({
  executablePath: process.env.CUTAWAY_CHROMIUM ?? '/usr/bin/chromium',
  args: ['--headless=new', '--no-sandbox', '--use-gl=angle', '--use-angle=swiftshader', '--enable-unsafe-swiftshader'],
})
for (const [name, query, width, height, presses = []] of PICTURES) {
  if (names.length > 0 && !names.includes(name)) continue
  const phone = width < 700
  const page = await browser.newPage({
    viewport: { width, height },
    deviceScaleFactor: phone ? 2 : 1,
    hasTouch: phone,
    isMobile: phone,
    reducedMotion: 'reduce',
  })
  await page.goto(`${address}?animate=0&${query}`)
  await page.waitForFunction(() => window.cutaway)
  // The history of the predictions comes after the picture; fonts may, too.
  await page.evaluate(() => document.fonts.ready)
  await page.waitForLoadState('networkidle')
  for (const button of presses) await page.getByRole('button', { name: button, exact: true }).first().click()
  await page.waitForLoadState('networkidle')
  await page.evaluate(() => window.cutaway.settled())
  const session = await page.context().newCDPSession(page)
  const { data } = await session.send('Page.captureScreenshot', { format: 'webp', quality: QUALITY })
  const bytes = Buffer.from(data, 'base64')
  await writeFile(new URL(`${name}.webp`, folder), bytes)
  console.log(`${fileURLToPath(new URL(`${name}.webp`, folder))} ${Math.round(bytes.length / 1000)} kB`)
  await page.close()
}
await browser.close()

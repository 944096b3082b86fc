/** Colours on the screen, as a person sees them: canvas, labels and panels together. */
import type { Page } from 'playwright-core'

export type Color = [red: number, green: number, blue: number]

/** 0 … 255 at CSS pixels of the page, from one screenshot. The page itself decodes it. */
export async function colorsAt(page: Page, points: readonly { x: number; y: number }[]): Promise<Color[]> {
  const png = (await page.screenshot()).toString('base64')
  return page.evaluate(
    async ([data, places]) => {
      const image = new Image()
      image.src = `data:image/png;base64,${data}`
      await image.decode()
      const canvas = document.createElement('canvas')
      canvas.width = image.width
      canvas.height = image.height
      const context = canvas.getContext('2d', { willReadFrequently: true })!
      context.drawImage(image, 0, 0)
      return places.map(({ x, y }): [number, number, number] => {
        const [r, g, b] = context.getImageData(
          Math.floor(x * devicePixelRatio),
          Math.floor(y * devicePixelRatio),
          1,
          1,
        ).data
        return [r, g, b]
      })
    },
    [png, points] as const,
  )
}

/** A picture of the stage as a file: the canvas, its background if wanted, and the names on it. */
import type { Theme } from '../state'

/** Draws the background of a theme, as the page has it. */
function paintBackground(context: CanvasRenderingContext2D, width: number, height: number, theme: Theme): void {
  context.fillStyle = '#faf9f6'
  if (theme === 'dark') {
    // An ellipse of 120 % × 90 % around a point above the middle.
    context.save()
    context.translate(0.5 * width, 0.42 * height)
    context.scale(1.2 * width, 0.9 * height)
    const gradient = context.createRadialGradient(0, 0, 0, 0, 0, 1)
    gradient.addColorStop(0, '#141924')
    gradient.addColorStop(0.55, '#0d1017')
    gradient.addColorStop(1, '#090b10')
    context.fillStyle = gradient
    context.fillRect(-2, -2, 4, 4)
    context.restore()
    return
  }
  context.fillRect(0, 0, width, height)
}

/** Writes every visible text below `root` where it stands on the stage. `scale`: picture pixels per CSS pixel. */
function paintTexts(context: CanvasRenderingContext2D, stage: Element, root: HTMLElement, scale: number): void {
  const origin = stage.getBoundingClientRect()
  context.textBaseline = 'middle'
  for (const node of root.querySelectorAll<HTMLElement>('b, span')) {
    const style = getComputedStyle(node)
    const text = node.textContent ?? ''
    if (style.visibility === 'hidden' || text === '') continue
    const box = node.getBoundingClientRect()
    context.font = `${style.fontWeight} ${Number.parseFloat(style.fontSize) * scale}px ${style.fontFamily}`
    context.fillStyle = style.color
    context.textAlign = 'center'
    const x = (box.left + box.width / 2 - origin.left) * scale
    context.fillText(text, x, (box.top + box.height / 2 - origin.top) * scale)
  }
}

/** `stage` holds the frame, drawn in this very task; `scale` is its pixels per CSS pixel. */
export function composePicture(
  stage: HTMLCanvasElement,
  texts: readonly HTMLElement[],
  theme: Theme,
  scale: number,
  transparent: boolean,
): Promise<Blob> {
  const canvas = document.createElement('canvas')
  canvas.width = stage.width
  canvas.height = stage.height
  const context = canvas.getContext('2d')!
  if (!transparent) paintBackground(context, canvas.width, canvas.height, theme)
  context.drawImage(stage, 0, 0)
  for (const root of texts) if (!root.hidden) paintTexts(context, stage, root, scale)
  return new Promise((resolve, reject) => {
    canvas.toBlob(
      blob => (blob ? resolve(blob) : reject(new Error('The picture is too large for this browser.'))),
      'image/png',
    )
  })
}

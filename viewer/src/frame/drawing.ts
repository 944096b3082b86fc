/** The canvas: the stage that draws the scene on it, its pixels, and a picture of it to keep. */

import type { Comparison } from '../compare/comparison'
import { comparedFrames } from '../compare/frames'
import type { Connection } from '../layout/connections'
import type { DrawnLayer } from '../layout/drawn'
import type { Placement } from '../layout/place'
import { composePicture } from '../scene/export'
import { type FrameCounts, Stage } from '../scene/stage'
import type { Theme } from '../state'
import type { StageArea } from './area'
import type { Scene } from './scene'
import type { StageTexts } from './texts'

export interface Drawn {
  drawn: readonly DrawnLayer[]
  links: readonly Connection[]
  comparison: Comparison
}

export class Drawing {
  stage: Stage
  /** What the stage knows of where things stand. */
  private placed: Placement | null = null

  constructor(
    private readonly canvas: HTMLCanvasElement,
    private readonly gl: WebGL2RenderingContext,
    private readonly on: Drawn,
    private readonly scene: Scene,
    private readonly area: StageArea,
  ) {
    this.stage = new Stage(gl, on.drawn, on.links)
  }

  /** The context came back with nothing in it: the next frames bring all of it anew. */
  restore(): void {
    this.stage = new Stage(this.gl, this.on.drawn, this.on.links)
    this.placed = null
  }

  /** Draws the scene as it is now. `ratio`: pixels of the canvas per CSS pixel. */
  draw(ratio = screenRatio()): FrameCounts {
    const { canvas, stage, scene } = this
    const { resources } = stage
    const [width, height] = this.area.pixels(ratio)
    if (canvas.width !== width || canvas.height !== height) {
      canvas.width = width
      canvas.height = height
    }
    if (scene.placement !== this.placed) resources.setPlacement(scene.placement!)
    this.placed = scene.placement
    const frame = scene.frame(ratio)
    return stage.draw(comparedFrames(frame, this.on.comparison, scene.epoch, this.area.halves, resources))
  }

  /** The canvas' pixels of a frame drawn now: RGBA, bottom row first, alpha premultiplied. */
  pixels(): { width: number; height: number; data: Uint8Array } {
    const { gl } = this
    this.draw()
    const [width, height] = [gl.drawingBufferWidth, gl.drawingBufferHeight]
    const data = new Uint8Array(4 * width * height)
    gl.readPixels(0, 0, width, height, gl.RGBA, gl.UNSIGNED_BYTE, data)
    return { width, height, data }
  }

  /** A PNG of the scene with its texts: `scale` times the screen's size, 1 … 4. */
  picture(texts: StageTexts, theme: Theme, scale: number, transparent: boolean): Promise<Blob> {
    const ratio = Math.min(4, Math.max(1, scale)) * screenRatio()
    // No panels in the picture: what is framed has the whole of it.
    return this.area.uncovered(() =>
      this.scene.reframed(() => {
        this.draw(ratio)
        texts.update()
        return composePicture(this.canvas, texts.written, theme, ratio, transparent)
      }),
    )
  }
}

/** Sharper than twice the CSS pixels costs more than it shows. */
function screenRatio(): number {
  return Math.min(2, devicePixelRatio || 1)
}

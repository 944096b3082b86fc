/** Two pictures on one stage: the second is the first one moved, so that equal things are drawn alike to the pixel. Pure. */
import type { Viewport } from '../scene/camera'
import type { Part, SideIndex } from '../scene/frame'

/** Room for what each half is called, CSS pixels. */
const HEAD = 34

export interface Halves {
  /** The stage as A's half sees it: as large as the whole, free only where A is. */
  viewport: Viewport
  parts: [Part, Part]
  /** B below A instead of to its right. */
  stacked: boolean
}

/** `stacked`: for a high stage. */
export function halvesOf({ width, height, free }: Viewport, stacked: boolean): Halves {
  const top = free.top + HEAD
  if (stacked) {
    const room = height - free.top - free.bottom
    const half = Math.floor(room / 2)
    const middle = free.top + half
    return {
      stacked,
      viewport: { width, height, free: { ...free, top, bottom: height - free.top - half } },
      parts: [
        { move: [0, 0], clip: { left: 0, top: 0, width, height: middle } },
        { move: [0, half], clip: { left: 0, top: middle, width, height: height - middle } },
      ],
    }
  }
  const half = Math.floor((width - free.left - free.right) / 2)
  const middle = free.left + half
  return {
    stacked,
    viewport: { width, height, free: { ...free, top, right: width - free.left - half } },
    parts: [
      { move: [0, 0], clip: { left: 0, top: 0, width: middle, height } },
      { move: [half, 0], clip: { left: middle, top: 0, width: width - middle, height } },
    ],
  }
}

/** A point of the stage: in whose half it lies, and where in A's half the same thing is. */
export function sideAt({ parts }: Halves, x: number, y: number): { side: SideIndex; x: number; y: number } {
  const { move, clip } = parts[1]
  if (x < clip.left || y < clip.top) return { side: 0, x, y }
  return { side: 1, x: x - move[0], y: y - move[1] }
}

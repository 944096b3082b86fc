/** What is written on the stage while two things are compared: names in B's half, and what each half is. */
import type { mat4 } from 'gl-matrix'
import type { DrawnLayer } from '../layout/drawn'
import type { Placement } from '../layout/place'
import type { Viewport } from '../scene/camera'
import { type LabelLook, Labels } from '../scene/labels'
import type { NamedUnits } from '../scene/unit-labels'
import type { Halves } from './halves'
import { Heads, type SideWords } from './heads'

export class CompareTexts {
  readonly elements: HTMLElement[]
  private readonly labels: Labels
  private readonly heads = new Heads()

  constructor(drawn: readonly DrawnLayer[]) {
    this.labels = new Labels(drawn)
    this.elements = [this.labels.element, this.heads.element]
  }

  /** Sizes change when fonts have arrived. */
  measure(): void {
    this.labels.measure()
  }

  /** B's names stand as A's do, moved; `units`: those of B. `stage`: the whole of it. */
  update(
    placement: Placement,
    matrix: mat4,
    look: LabelLook,
    units: NamedUnits | null,
    halves: Halves | null,
    words: readonly SideWords[],
    { width, height, free }: Viewport,
  ): void {
    this.labels.element.hidden = halves === null
    if (halves) {
      this.labels.update(placement, matrix, halves.viewport, look, units)
      const [right, down] = halves.parts[1].move
      this.labels.element.style.translate = `${right}px ${down}px`
    }
    const size = { width: width - free.left - free.right, height: height - free.top - free.bottom }
    this.heads.update(words, { left: free.left, top: free.top, ...size }, halves)
  }

  remove(): void {
    for (const element of this.elements) element.remove()
  }
}

/** The part of the page that the stage has: its size, what panels cover of it, its halves while two things stand beside each other. */
import { type Halves, halvesOf, sideAt } from '../compare/halves'
import type { Viewport } from '../scene/camera'
import type { SideIndex } from '../scene/frame'
import type { Format } from '../scene/framing'

const NOTHING: Viewport['free'] = { left: 0, top: 0, right: 0, bottom: 0 }
/** A stage whose shorter side is below this is a phone's, CSS pixels. */
const SMALL = 600

export class StageArea {
  private free = NOTHING
  private stale = true

  constructor(
    private readonly host: HTMLElement,
    /** CSS pixels that the panels cover at each edge. */
    private readonly covered: () => Viewport['free'],
    /** Whether two things are shown beside each other. */
    private readonly beside: () => boolean,
  ) {}

  /** The panels cover something else now. Measuring them makes the browser lay out the page: not in every frame. */
  panelsChanged(): void {
    this.stale = true
  }

  /** Call once a frame, before anything is placed. */
  measure(): void {
    if (this.stale) this.free = this.covered()
    this.stale = false
  }

  /** Runs `work` as if no panel covered anything. */
  uncovered<T>(work: () => T): T {
    const { free } = this
    this.free = NOTHING
    try {
      return work()
    } finally {
      this.free = free
    }
  }

  get whole(): Viewport {
    return { width: Math.max(1, this.host.clientWidth), height: Math.max(1, this.host.clientHeight), free: this.free }
  }

  /** Two halves, while two things are shown beside each other. */
  get halves(): Halves | null {
    return this.beside() ? halvesOf(this.whole, this.high) : null
  }

  /** What one picture of the network has: the stage, or A's half. */
  get viewport(): Viewport {
    return this.halves?.viewport ?? this.whole
  }

  get format(): Format {
    const { halves } = this
    if (halves) return halves.stacked ? 'stacked' : 'beside'
    return this.high ? 'high' : 'wide'
  }

  /** A stage higher than wide: the network runs upward. */
  get portrait(): boolean {
    return this.format === 'high'
  }

  private get high(): boolean {
    return this.host.clientWidth < 0.8 * this.host.clientHeight
  }

  get small(): boolean {
    return Math.min(this.host.clientWidth, this.host.clientHeight) < SMALL
  }

  /** Width and height of the canvas at `ratio` of its pixels per CSS pixel. */
  pixels(ratio: number): [width: number, height: number] {
    const { clientWidth, clientHeight } = this.host
    return [Math.max(1, Math.round(clientWidth * ratio)), Math.max(1, Math.round(clientHeight * ratio))]
  }

  /** In which half of the stage a point lies, and where in A's half the same thing is. */
  sideOf(x: number, y: number): { side: SideIndex; x: number; y: number } {
    const { halves } = this
    return halves ? sideAt(halves, x, y) : { side: 0, x, y }
  }
}

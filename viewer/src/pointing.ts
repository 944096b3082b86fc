/** What the cursor is on, and what clicks do. */
import { signal } from '@preact/signals'
import type { EdgePick, Pick } from './model'
import type { State, StatePatch, Target } from './state'

export interface Pointed {
  pick(x: number, y: number): Pick | null
  /** The ribbon at a point; null where there is none. */
  pickEdge(x: number, y: number): EdgePick | null
  readonly state: { readonly value: State }
  set(patch: StatePatch): void
  focus(target: Target): void
  home(): void
}

interface Point {
  x: number
  y: number
}

/** A cursor that rests this long, in milliseconds, asks for the ribbon under it. */
const REST = 60

export class Pointing {
  readonly hover = signal<Pick | null>(null)
  readonly hoveredEdge = signal<EdgePick | null>(null)
  private resting = 0

  constructor(
    private readonly on: Pointed,
    private readonly canvas: HTMLElement,
  ) {}

  moveTo(point: Point | null): void {
    const pick = point ? this.on.pick(point.x, point.y) : null
    const before = this.hover.value
    if (!samePlace(pick, before) || pick?.side !== before?.side) this.hover.value = pick
    this.canvas.style.cursor = pick ? 'pointer' : ''
    clearTimeout(this.resting)
    if (this.hoveredEdge.value) this.hoveredEdge.value = null
    if (point && !pick) this.resting = window.setTimeout(() => this.lookForEdge(point), REST)
  }

  private lookForEdge({ x, y }: Point): void {
    this.hoveredEdge.value = this.on.pickEdge(x, y)
  }

  click(point: Point): void {
    const pick = this.on.pick(point.x, point.y)
    const { pinned, calculation } = this.on.state.value
    if (!pick) {
      this.on.set(calculation ? { calculation: false } : { pinned: null, selected: null })
      return
    }
    const { layer, map, y, x } = pick
    // A click on what is pinned already leads in.
    const again = samePlace(pick, pinned)
    this.on.set({ pinned: { layer, map, y, x }, selected: layer, ...(again ? { calculation: true } : {}) })
  }

  doubleClick(point: Point): void {
    const pick = this.on.pick(point.x, point.y)
    if (pick) this.on.focus({ layer: pick.layer, map: pick.map })
    else this.on.home()
  }
}

function samePlace(a: Target | null | undefined, b: Target | null | undefined): boolean {
  return a?.layer === b?.layer && a?.map === b?.map && a?.y === b?.y && a?.x === b?.x
}

/** Points of the stage and what is there: a pixel and its value, a ribbon and its weights; and the way back. */
import type { Comparison } from '../compare/comparison'
import type { StageArea } from '../frame/area'
import type { Scene } from '../frame/scene'
import type { Connection } from '../layout/connections'
import type { DrawnLayer } from '../layout/drawn'
import type { EdgePick, Pick } from '../model'
import type { Readings } from '../readings'
import { project, rayThrough } from '../scene/camera'
import { pickEdge } from '../scene/edge-pick'
import type { SideIndex } from '../scene/frame'
import { pixelPoint } from '../scene/framing'
import type { Strands } from '../scene/strands'
import { pickMap } from './pick'

export interface Picked {
  drawn: readonly DrawnLayer[]
  links: readonly Connection[]
  readings: Readings
  comparison: Comparison
}

/** Whose something is, and what the other one says of it. */
interface Sides {
  own: Readings
  /** null while nothing is compared. */
  other: Readings | null
  letter: 'A' | 'B'
}

export class StagePicker {
  constructor(
    private readonly on: Picked,
    private readonly scene: Scene,
    private readonly area: StageArea,
    /** What was drawn of each connection. */
    private readonly strands: () => readonly Strands[][],
  ) {}

  /** CSS pixels of the stage -> map, pixel and its value. */
  pick(x: number, y: number): Pick | null {
    const { placement, camera, only } = this.scene
    if (!placement) return null
    const at = this.area.sideOf(x, y)
    const { origin, direction } = rayThrough(camera, this.area.viewport, at.x, at.y)
    const hit = pickMap(placement, origin, direction, only ?? undefined)
    if (!hit) return null
    const target = { layer: this.on.drawn[hit.layer].id, map: hit.map, y: hit.y, x: hit.x }
    const { own, other, letter } = this.sides(at.side)
    const value = own.valueAt(target)
    return { ...target, value, ...(other ? { side: letter, other: other.valueAt(target) } : {}) }
  }

  /** CSS pixels of the stage -> the strongest ribbon there. */
  pickEdge(x: number, y: number): EdgePick | null {
    const { drawn, links } = this.on
    const { placement, views } = this.scene
    if (!placement) return null
    const at = this.area.sideOf(x, y)
    const { own, other, letter } = this.sides(at.side)
    const scene = {
      drawn,
      links,
      placement,
      views,
      strands: this.strands(),
      matrix: this.scene.matrix,
      viewport: this.area.viewport,
      kernel: (i: number) => own.edgeWeights(links[i]),
      ...(other ? { otherKernel: (i: number) => other.edgeWeights(links[i]) } : {}),
    }
    const edge = pickEdge(scene, at.x, at.y)
    return edge && { ...edge, ...(other ? { side: letter } : {}) }
  }

  private sides(side: SideIndex): Sides {
    const a = this.on.readings
    const b = this.on.comparison.other.value?.readings ?? null
    return side === 1 && b ? { own: b, other: a, letter: 'B' } : { own: a, other: b, letter: 'A' }
  }

  /** The middle of a pixel in CSS pixels of the stage; `side`: the half of the stage, where there are two. */
  screenPosition(layer: string, map: number, y: number, x: number, side: 'A' | 'B'): { x: number; y: number } | null {
    const { placement } = this.scene
    const place = placement?.layers.find(l => l.layer.id === layer)
    if (!place || !placement || map >= place.drawnMaps) return null
    const p = project(this.scene.matrix, this.area.viewport, pixelPoint(placement, place, map, y, x))
    const [right, down] = (side === 'B' && this.area.halves?.parts[1].move) || [0, 0]
    return p && { x: p.x + right, y: p.y + down }
  }
}

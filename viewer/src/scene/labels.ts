/** Names and shapes on the picture: where they stand (pure) and the elements that show them. */
import type { DrawnLayer } from '../layout/drawn'
import type { Placement } from '../layout/place'
import { project, type Viewport } from './camera'
import { element, move, show } from './text-elements'
import { type NamedUnits, UnitLabels } from './unit-labels'
import './labels.css'
import type { mat4 } from 'gl-matrix'

export interface Box {
  x: number
  y: number
  width: number
  height: number
}

const GAP = 6
/** Half extent from which on a layer counts as lying across, world units. */
const WIDE = 60
/** A branch's name that moved down further would stand on the branch below, CSS pixels. */
const BRANCH_MOVES = 14

/** A text and where it would stand, by the middle of its upper edge. */
export interface Wish extends Box {
  /** How far it may move down, CSS pixels; without it, as far as there is room. */
  most?: number
}

/** Boxes from left to right: each moves down until it is free; null where there is no room. */
export function pushDown(wanted: readonly Wish[], area: Box): (Box | null)[] {
  const order = wanted.map((_, i) => i).sort((a, b) => wanted[a].x - wanted[b].x)
  const placed: (Box | null)[] = wanted.map(() => null)
  const taken: Box[] = []
  for (const i of order) {
    const box = { ...wanted[i] }
    let below = taken.find(other => overlap(box, other))
    while (below) {
      box.y = below.y + below.height + GAP
      below = taken.find(other => overlap(box, other))
    }
    const inside =
      box.y - wanted[i].y <= (wanted[i].most ?? Number.POSITIVE_INFINITY) &&
      box.x - box.width / 2 >= area.x &&
      box.x + box.width / 2 <= area.x + area.width &&
      box.y >= area.y &&
      box.y + box.height <= area.y + area.height
    if (!inside) continue
    placed[i] = box
    taken.push(box)
  }
  return placed
}

function overlap(a: Box, b: Box): boolean {
  return (
    Math.abs(a.x - b.x) < (a.width + b.width) / 2 + GAP &&
    a.y < b.y + b.height + GAP / 2 &&
    b.y < a.y + a.height + GAP / 2
  )
}

/** Name as it is written on the picture: a bare number ("features.1.0") says nothing without what it is a part of. */
export function pictureName({ name, layer }: DrawnLayer): string {
  const path = layer.path ?? []
  const parts = [...path, name]
  let first = parts.length - 1
  while (first > 0 && /^\d+$/.test(parts[first])) first--
  return parts.slice(first).join('.')
}

/** Shape as it is written on the picture. */
export function pictureShape(layer: DrawnLayer): string {
  if (layer.rows * layer.columns === 1) return String(layer.maps)
  return `${layer.maps} × ${layer.rows}×${layer.columns}`
}

interface LayerLabel {
  root: HTMLElement
  leader: HTMLElement
  width: number
  height: number
}

export interface LabelLook {
  portrait: boolean
  /** The eye stands to the right of the network's axis. */
  fromRight: boolean
  /** The layer whose name is lit, by index. */
  lit: number | null
}

export class Labels {
  readonly element = document.createElement('div')
  private readonly layers: LayerLabel[]
  private readonly units = new UnitLabels()
  private right = true

  constructor(drawn: readonly DrawnLayer[]) {
    this.element.className = 'labels'
    this.element.append(this.units.element)
    this.element.setAttribute('aria-hidden', 'true')
    this.layers = drawn.map(layer => {
      const root = element('div', 'layer-label')
      root.append(element('b', '', pictureName(layer)), element('span', '', pictureShape(layer)))
      const leader = element('i', 'leader')
      this.element.append(leader, root)
      return { root, leader, width: 0, height: 0 }
    })
  }

  /** Sizes change when fonts have arrived. */
  measure(): void {
    for (const label of this.layers) {
      label.width = label.root.offsetWidth
      label.height = label.root.offsetHeight
    }
  }

  update(placement: Placement, matrix: mat4, viewport: Viewport, look: LabelLook, units: NamedUnits | null): void {
    const { portrait, lit } = look
    this.right = look.fromRight
    if (this.layers[0] && this.layers[0].width === 0) this.measure()
    this.element.classList.toggle('column', portrait)
    const area = freeBox(viewport)
    if (portrait) this.placeInColumn(placement, matrix, viewport, area)
    else this.placeBelow(placement, matrix, viewport, area)
    for (const [i, label] of this.layers.entries()) label.root.classList.toggle('lit', i === lit)
    this.units.update(placement, matrix, viewport, area, portrait, units)
  }

  private placeBelow(placement: Placement, matrix: mat4, viewport: Viewport, area: Box): void {
    const wanted: Wish[] = []
    const anchors: (number | null)[] = []
    for (const [i, place] of placement.layers.entries()) {
      const { width, height } = this.layers[i]
      // A layer that lies across has its name under its nearer end: under its middle, others lie in front.
      const x = place.x + (place.halfX > WIDE && this.right ? place.halfX - place.width / 2 : 0)
      // On the main path all names stand on one floor; a branch has its own below it.
      const bottom = place.y - place.halfY
      const foot = project(matrix, viewport, [x, place.y === 0 ? placement.floor : bottom - 6, place.z])
      const edge = project(matrix, viewport, [x, bottom, place.z])
      const most = place.y === 0 ? undefined : BRANCH_MOVES
      wanted.push({ x: foot?.x ?? -1e6, y: foot?.y ?? -1e6, width, height, most })
      anchors.push(edge?.y ?? null)
    }
    for (const [i, box] of pushDown(wanted, area).entries()) {
      const { root, leader } = this.layers[i]
      show(root, box !== null)
      const top = anchors[i]
      const from = top === null ? 0 : top + 4
      const length = box ? box.y - 3 - from : 0
      show(leader, box !== null && length > 6)
      if (!box) continue
      move(root, Math.round(box.x - box.width / 2), Math.round(box.y))
      leader.className = 'leader down'
      move(leader, Math.round(box.x), from)
      leader.style.height = `${Math.max(0, length)}px`
      leader.style.width = '1px'
    }
  }

  /** A narrow, high stage: names in one column at the left edge, each level with its layer. */
  private placeInColumn(placement: Placement, matrix: mat4, viewport: Viewport, area: Box): void {
    let free = area.y + area.height
    for (const [i, place] of placement.layers.entries()) {
      const label = this.layers[i]
      const middle = project(matrix, viewport, [place.x, place.y, place.z])
      const left = project(matrix, viewport, [place.x - place.halfX, place.y, place.z])
      const y = Math.min((middle?.y ?? -1e6) - label.height / 2, free - label.height - 2)
      const visible = middle !== null && !place.folded && y >= area.y && middle.y < area.y + area.height
      show(label.root, visible)
      const from = area.x + 14 + label.width + 8
      const length = (left?.x ?? 0) - 8 - from
      show(label.leader, visible && length > 8)
      if (!visible) continue
      free = y
      move(label.root, area.x + 14, Math.round(y))
      label.leader.className = 'leader across'
      move(label.leader, from, Math.round(y + 9))
      label.leader.style.width = `${Math.max(0, length)}px`
      label.leader.style.height = '1px'
    }
  }
}

function freeBox({ width, height, free }: Viewport): Box {
  return { x: free.left, y: free.top, width: width - free.left - free.right, height: height - free.top - free.bottom }
}

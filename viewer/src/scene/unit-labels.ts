/** Class names beside the units of the output, the predicted one with its score. */
import type { mat4 } from 'gl-matrix'
import type { LayerPlace, Placement } from '../layout/place'
import { formatPercent } from '../numbers'
import { project, type Vec3, type Viewport } from './camera'
import type { Box } from './labels'
import { element, move, setText, show } from './text-elements'

export interface NamedUnits {
  /** Drawn layer whose units are named, their names, and the class that is predicted with its score. */
  layer: number
  names: readonly string[]
  prediction: number
  score: number
}

interface Point {
  x: number
  y: number
}

/** Least distance between names, and from the predicted one, which is larger. CSS pixels. */
const APART = 12
const APART_FROM_PREDICTED = 17

/** Which of the names have room: the predicted one always, the others in their order. */
export function uncrowded(points: readonly (Point | null)[], prediction: number): boolean[] {
  const predicted = points[prediction] ?? null
  let last: Point | null = null
  return points.map((p, unit) => {
    if (!p) return false
    if (unit === prediction) return true
    if (near(p, predicted, APART_FROM_PREDICTED) || near(p, last, APART)) return false
    last = p
    return true
  })
}

function near(a: Point, b: Point | null, distance: number): boolean {
  return b !== null && Math.hypot(a.x - b.x, a.y - b.y) < distance
}

export class UnitLabels {
  readonly element = element('div')
  private readonly labels: HTMLElement[] = []

  /** `area`: where names may stand. */
  update(
    placement: Placement,
    matrix: mat4,
    viewport: Viewport,
    area: Box,
    portrait: boolean,
    units: NamedUnits | null,
  ): void {
    const place = units && placement.layers[units.layer]
    const count = place ? Math.min(units.names.length, place.drawnMaps) : 0
    this.make(count)
    if (!place) return
    const leftward = !portrait && leadsLeft(placement, matrix, viewport, place.z)
    // The side of a unit that is turned to where the network leads.
    const outward = leftward === matrix[0] > 0 ? -1 : 1
    const points = Array.from({ length: count }, (_, unit) => {
      const p = project(matrix, viewport, anchor(placement, place, unit, portrait, outward))
      return p && inside(p, area) ? p : null
    })
    const visible = uncrowded(points, units.prediction)
    for (const [unit, p] of points.entries()) {
      const root = this.labels[unit]
      show(root, visible[unit])
      if (!p || !visible[unit]) continue
      const predicted = unit === units.prediction
      setText(root.children[0], units.names[unit])
      setText(root.children[1], predicted && !portrait ? formatPercent(units.score) : '')
      root.classList.toggle('lit', predicted)
      root.classList.toggle('above', portrait)
      move(root, Math.round(p.x + (portrait ? 0 : leftward ? -9 : 9)), Math.round(p.y - (portrait ? 4 : 0)))
      if (leftward) root.style.transform += ' translateX(-100%)'
    }
  }

  private make(count: number): void {
    while (this.labels.length < count) {
      const root = element('div', 'unit-label')
      root.append(element('b'), element('span'))
      this.element.append(root)
      this.labels.push(root)
    }
    for (const root of this.labels.slice(count)) show(root, false)
  }
}

function anchor(placement: Placement, place: LayerPlace, unit: number, portrait: boolean, outward: number): Vec3 {
  const at = 4 * (place.first + unit)
  const [x, y, z] = placement.centres.subarray(at, at + 3)
  return portrait ? [x, y + place.height / 2, z] : [x + (place.width / 2) * outward, y, z]
}

function inside(p: Point, area: Box): boolean {
  return p.x >= area.x && p.y >= area.y && p.x <= area.x + area.width && p.y <= area.y + area.height
}

/** Seen from behind, the network leads to the left. */
function leadsLeft(placement: Placement, matrix: mat4, viewport: Viewport, z: number): boolean {
  const first = project(matrix, viewport, [0, 0, placement.layers[0].z])
  const here = project(matrix, viewport, [0, 0, z])
  return first !== null && here !== null && here.x < first.x
}

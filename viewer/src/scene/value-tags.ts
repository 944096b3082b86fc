/** Text on the stage while one calculation fills it: the value at its pixel, names and sums at the input maps. */
import type { mat4 } from 'gl-matrix'
import type { Calculation } from '../explain/calculation'
import type { DrawnLayer } from '../layout/drawn'
import type { LayerPlace, Placement } from '../layout/place'
import { formatSigned, formatValue } from '../numbers'
import { project, type Vec3, type Viewport } from './camera'
import './value-tags.css'

/** More input maps than this have no names: they would cover each other. */
const MOST_NAMES = 24

interface Point {
  x: number
  y: number
}

export class ValueTags {
  readonly element = document.createElement('div')
  private readonly value = document.createElement('b')
  private readonly line = document.createElement('i')
  private readonly names: HTMLElement[] = []

  constructor() {
    this.element.className = 'labels value-tags'
    this.element.setAttribute('aria-hidden', 'true')
    this.value.className = 'value-tag'
    this.line.className = 'value-line'
    this.element.append(this.line, this.value)
  }

  update(
    calculation: Calculation | null,
    drawn: readonly DrawnLayer[],
    placement: Placement,
    matrix: mat4,
    viewport: Viewport,
  ): void {
    this.element.hidden = calculation === null
    if (!calculation) return
    const at = (layer: LayerPlace, map: number, x: number, y: number) => {
      const i = 4 * (layer.first + map)
      const [cx, cy, cz] = placement.centres.subarray(i, i + 3)
      const point: Vec3 = [
        cx + (x - layer.layer.columns / 2) * layer.cell,
        cy + (layer.layer.rows / 2 - y) * layer.cell,
        cz,
      ]
      return project(matrix, viewport, point)
    }
    const to = placement.layers[drawn.findIndex(l => l.id === calculation.layer)]
    const corner = at(to, calculation.map, to.layer.columns, 0)
    this.placeValue(calculation, at(to, calculation.map, calculation.x + 0.5, calculation.y + 0.5), corner)
    const inputs = calculation.parts.filter(part => !part.constant)
    const parts = inputs.length <= MOST_NAMES ? inputs : []
    this.makeNames(parts.length + 1)
    for (const [i, part] of parts.entries()) {
      const from = placement.layers[drawn.findIndex(l => l.id === part.layer)]
      const visible = from && part.map < from.drawnMaps
      const sum = `Σ ${formatSigned(part.sum, 3)}`
      // Beside each other, maps have their names above them: to the left stands the next map.
      if (visible && hasColumns(placement, from)) {
        setName(this.names[i], at(from, part.map, from.layer.columns / 2, 0), String(part.map), sum, 'above')
      } else {
        const p = visible ? at(from, part.map, 0, from.layer.rows / 2) : null
        setName(this.names[i], p, `${from?.layer.name} · ${part.map}`, sum, 'left')
      }
    }
    const below = at(to, calculation.map, to.layer.columns / 2, to.layer.rows)
    setName(this.names[parts.length], below, `${to.layer.name} · ${calculation.map}`, '', 'below')
  }

  /** The tag stands above the map's upper right corner, joined to its pixel. */
  private placeValue(calculation: Calculation, p: Point | null, corner: Point | null): void {
    this.value.hidden = this.line.hidden = p === null
    if (!p) return
    this.value.textContent = formatValue(calculation.recorded ?? calculation.value)
    const x = Math.min((corner?.x ?? p.x) - 12, p.x + 120)
    const y = Math.max(32, Math.min(corner?.y ?? p.y, p.y) - 16)
    this.value.style.transform = `translate(${Math.round(x)}px, ${Math.round(y)}px) translate(-50%, -100%)`
    this.line.style.width = `${Math.hypot(x - p.x, y - p.y)}px`
    this.line.style.transform = `translate(${p.x}px, ${p.y}px) rotate(${Math.atan2(y - p.y, x - p.x)}rad)`
  }

  private makeNames(count: number): void {
    while (this.names.length < count) {
      const name = document.createElement('div')
      name.append(document.createElement('b'), document.createElement('span'))
      this.element.append(name)
      this.names.push(name)
    }
    for (const name of this.names.slice(count)) name.hidden = true
  }
}

/** Two maps at one height stand beside each other. */
function hasColumns(placement: Placement, place: LayerPlace): boolean {
  const at = 4 * place.first
  return place.drawnMaps > 1 && Math.abs(placement.centres[at + 1] - placement.centres[at + 5]) < place.height / 2
}

function setName(
  node: HTMLElement,
  p: Point | null,
  name: string,
  sum: string,
  side: 'left' | 'below' | 'above',
): void {
  node.hidden = p === null
  if (!p) return
  node.className = `map-name ${side}`
  node.children[0].textContent = name
  node.children[1].textContent = sum
  node.style.transform = `translate(${Math.round(p.x)}px, ${Math.round(p.y)}px)`
}

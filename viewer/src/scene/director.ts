/** What belongs to one value: the layers that make it, and the patches of their maps that it reads. */
import type { Calculation } from '../explain/calculation'
import type { Connection } from '../layout/connections'
import type { DrawnLayer } from '../layout/drawn'
import { pixelUnder } from '../shaders/ends'
import type { LayerView, Target } from '../state'
import type { Patch, Spot } from './frame'

export class Director {
  constructor(
    private readonly drawn: readonly DrawnLayer[],
    private readonly links: readonly Connection[],
  ) {}

  /** The target's layer and those that it reads. */
  layersOf(target: Target): ReadonlySet<number> {
    const to = this.drawn.findIndex(layer => layer.id === target.layer)
    return new Set([to, ...this.links.filter(link => link.to === to).map(link => link.from)])
  }

  /**
   * Pixels that one value reads; without one, those under every kernel that stands at a step. Where a connection does
   * not say which, the value's calculation does.
   */
  patches(spot: Spot | null, views: readonly LayerView[], calculation: Calculation | null): Patch[] {
    if (spot) {
      const into = this.links.filter(link => link.to === spot.layer)
      return into.flatMap(link => (this.isRough(link) ? this.partsOf(link, calculation) : patchOf(link, spot)))
    }
    return this.links
      .filter(link => views[link.to].step >= 0 && link.link !== 'dense')
      .map(link => {
        const pixel = Math.min(views[link.to].step, link.outRows * link.outColumns - 1)
        const y = Math.floor(pixel / link.outColumns)
        return {
          ...patchOf(link, { layer: link.to, map: 0, y, x: pixel % link.outColumns }),
          firstMap: link.inOffset,
          endMap: link.inOffset + link.inMaps,
        }
      })
  }

  /** Arcs name no pixels, and an upsampled pixel may be made of several. */
  private isRough(link: Connection): boolean {
    return link.loose || this.drawn[link.to].kind === 'upsample'
  }

  private partsOf(link: Connection, calculation: Calculation | null): Patch[] {
    if (calculation?.layer !== this.drawn[link.to].id) return []
    const own = calculation.parts.filter(part => !part.constant && part.layer === this.drawn[link.from].id)
    return own.map(({ map, y, x, patch }) => {
      return { layer: link.from, firstMap: map, endMap: map + 1, box: [y, x, y + patch.length, x + patch[0].length] }
    })
  }
}

function patchOf(c: Connection, { map, y, x }: Spot): Patch {
  if (c.link === 'dense' || c.loose) {
    return { layer: c.from, firstMap: c.inOffset, endMap: c.inOffset + c.inMaps, box: [0, 0, c.inRows, c.inColumns] }
  }
  const own = c.inMaps === 1 ? 0 : map - c.mapOffset
  const first = c.inOffset + (c.link === 'conv' ? Math.floor(map / c.outPerGroup) * c.inPerGroup : own)
  const [top, bottom] = span(c, 0, y)
  const [left, right] = span(c, 1, x)
  return {
    layer: c.from,
    firstMap: first,
    endMap: first + (c.link === 'conv' ? c.inPerGroup : 1),
    box: [top, left, bottom, right],
  }
}

/** From the first row or column that any tap reads to the one after the last. */
function span(c: Connection, axis: number, out: number): [first: number, end: number] {
  const taps = Array.from({ length: c.kernel[axis] }, (_, tap) => pixelUnder(c, axis, tap, out))
  const pixels = taps.filter(([, reached]) => reached).map(([pixel]) => pixel)
  return pixels.length > 0 ? [Math.min(...pixels), Math.max(...pixels) + 1] : [0, 0]
}

/** What belongs to one value: the layers that make it, and the patches of their maps that it reads. */
import type { Connection } from '../layout/connections'
import type { DrawnLayer } from '../layout/drawn'
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

  /** Pixels that one value reads; without one, those under every kernel that stands at a step. */
  patches(spot: Spot | null, views: readonly LayerView[]): Patch[] {
    if (spot) return this.links.filter(link => link.to === spot.layer).map(link => patchOf(link, spot))
    return this.links
      .filter(link => views[link.to].step >= 0 && link.link !== 'dense')
      .map(link => {
        const pixel = Math.min(views[link.to].step, link.outRows * link.outColumns - 1)
        const y = Math.floor(pixel / link.outColumns)
        return {
          ...patchOf(link, { layer: link.to, map: 0, y, x: pixel % link.outColumns }),
          firstMap: 0,
          endMap: link.inMaps,
        }
      })
  }
}

function patchOf(c: Connection, { map, y, x }: Spot): Patch {
  if (c.link === 'dense') {
    return { layer: c.from, firstMap: 0, endMap: c.inMaps, box: [0, 0, c.inRows, c.inColumns] }
  }
  const own = map - c.mapOffset
  const group = c.link === 'conv' ? Math.floor(map / c.outPerGroup) * c.inPerGroup : own
  const top = y * c.stride[0] - c.padding[0]
  const left = x * c.stride[1] - c.padding[1]
  const bottom = top + (c.kernel[0] - 1) * c.dilation[0] + 1
  const right = left + (c.kernel[1] - 1) * c.dilation[1] + 1
  return {
    layer: c.from,
    firstMap: group,
    endMap: c.link === 'conv' ? group + c.inPerGroup : own + 1,
    box: [top, left, bottom, right],
  }
}

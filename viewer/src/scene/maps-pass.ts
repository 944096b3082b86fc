/** Draws the maps: one draw a layer, one more where all of them stand as tiles above. */
import type { LayerPlace } from '../layout/place'
import { programs } from '../shaders/sources'
import type { Frame, Patch } from './frame'
import { fillPacked, Program, packedTexture, type Texture } from './gl'
import { type Palette, palettes } from './palette'
import type { Pair, ResidentSample, Resources } from './resources'

const NO_PATCH = { firstMap: -1, endMap: -1, box: [0, 0, 0, 0] as Patch['box'] }

export class MapsPass {
  private readonly program: Program
  /** By drawn layer: its first map among those of all. */
  private readonly firstMaps: number[] = []
  private readonly ranges: Texture
  private rangesShown: Float32Array | null = null

  constructor(private readonly resources: Resources) {
    const { gl, counters, drawn } = resources
    this.program = new Program(gl, programs.maps, { Frame: 0 })
    let maps = 0
    for (const layer of drawn) {
      this.firstMaps.push(maps)
      maps += layer.maps
    }
    this.ranges = packedTexture(gl, counters, 'R32F', maps)
  }

  draw(frame: Frame, values: Values): void {
    const { program, resources } = this
    const { gl } = resources
    const palette = palettes[frame.state.theme]
    program.use()
    gl.depthMask(true)
    // Ribbons end in the plane of a map: the map gives way a little.
    gl.enable(gl.POLYGON_OFFSET_FILL)
    gl.polygonOffset(1, 1)
    program.texture('uCentres', 0, resources.centres)
    bindSamples(program, resources, values)
    this.bindRanges(frame.compared?.mapRanges ?? null)
    program.int('uDifference', frame.compared?.difference ? 1 : 0)
    program.vector('uPaper', ...palette.paper)
    program.vector('uBorder', ...palette.border)
    program.vector('uAccent', ...palette.accent)
    program.vector('uAccentEdge', ...palette.accentEdge)
    program.vectors3('uTints', palette.tints)
    for (const place of frame.placement.layers) {
      if (place.folded || (frame.only && !frame.only.has(place.layer.index))) continue
      this.setLayer(frame, palette, place, values)
      program.ints3('uTiles', 0, 0, 0)
      gl.drawArraysInstanced(gl.TRIANGLE_STRIP, 0, 4, place.drawnMaps)
      resources.counters.drawCalls++
      if (place.wall) this.drawWall(place)
    }
    gl.disable(gl.POLYGON_OFFSET_FILL)
  }

  /** Ranges over two sides: a number for each map, uploaded when they change. */
  private bindRanges(ranges: Float32Array | null): void {
    const { resources } = this
    this.program.texture('uMapRanges', 5, this.ranges.handle)
    if (!ranges || ranges === this.rangesShown) return
    fillPacked(resources.gl, resources.counters, this.ranges, ranges, 0)
    this.rangesShown = ranges
  }

  private setLayer(frame: Frame, palette: Palette, place: LayerPlace, { own, other }: Values): void {
    const { program } = this
    const { layer } = place
    const view = frame.views[layer.index]
    const spot = [frame.hot, frame.pinned].find(s => s?.layer === layer.index) ?? null
    const pinned = frame.pinned?.layer === layer.index ? frame.pinned : null
    const patch = frame.patches.find(p => p.layer === layer.index) ?? NO_PATCH
    const [low, high] = frame.ranges ? frame.ranges[layer.index] : [0, -1]
    const difference = frame.compared?.difference ?? false
    const input = layer.kind === 'input' && !difference
    const tinted = input && layer.maps === 3 && !frame.state.greyInput && high >= 0
    program.int('uFirst', place.first)
    program.vector('uSize', place.width, place.height)
    program.ints('uPixels', layer.rows, layer.columns)
    const start = startOf(own, layer.id, frame.sample < frame.samples)
    const otherStart = difference ? startOf(other, layer.id, frame.sample < frame.samples) : 0
    program.ints(
      'uActivationStart',
      Math.min(start, otherStart < 0 ? otherStart : start),
      own?.a.largest[layer.index] ?? -1,
    )
    program.int('uOtherStart', otherStart)
    program.int('uMapRangeStart', frame.compared?.mapRanges ? this.firstMaps[layer.index] : -1)
    program.float('uRange', high)
    program.float('uLow', input ? Math.min(0, low) : 0)
    program.int('uLinear', input && (low < 0 || layer.maps === 3) ? 1 : 0)
    program.int('uTinted', tinted ? 1 : 0)
    program.float('uGain', view.activationGain)
    const colors = input && layer.maps === 3 ? 'grey' : view.activationColors
    program.vectors3('uRamp', difference ? palette.differences[view.weightColors] : palette.activations[colors])
    program.int('uSigned', difference || colors === 'blue-red' ? 1 : 0)
    program.float('uShare', view.pixelSize)
    program.int('uRound', view.pixels === 'round' ? 1 : 0)
    program.int('uHotMap', spot ? spot.map : -1)
    program.ints('uHotPixel', spot?.y ?? -1, spot?.x ?? -1)
    program.int('uPinnedMap', pinned ? pinned.map : -1)
    program.int('uDim', pinned ? 1 : 0)
    program.ints4('uPatch', ...patch.box)
    program.ints('uPatchMaps', patch.firstMap, patch.endMap)
    program.int('uTiled', 0)
  }

  private drawWall(place: LayerPlace): void {
    const { program, resources } = this
    const { gl } = resources
    const wall = place.wall!
    program.vector('uWall', place.x + wall.left, place.y + wall.top, wall.pitch, place.z)
    program.ints3('uTiles', wall.columns, place.layer.maps, place.drawnMaps)
    program.ints('uPatchMaps', -1, -1)
    program.int('uTiled', 1)
    gl.drawArraysInstanced(gl.TRIANGLE_STRIP, 0, 4, place.layer.maps + place.drawnMaps)
    resources.counters.drawCalls++
  }
}

/** What a frame's maps show, blended; and the other side's, where the difference is drawn. */
export interface Values {
  own: Pair<ResidentSample> | null
  other: Pair<ResidentSample> | null
}

/** Where a layer's values begin; −1: not recorded; −2: on their way. */
function startOf(samples: Pair<ResidentSample> | null, layer: string, recorded: boolean): number {
  return samples ? (samples.a.offset.get(layer) ?? -1) : recorded ? -2 : -1
}

/** For maps and for weights × activations. */
export function bindSamples(program: Program, resources: Resources, { own, other }: Values): void {
  const blank = resources.blank.handle
  program.texture('uActivationsBefore', 3, own?.a.texture.handle ?? blank)
  program.texture('uActivationsAfter', 4, own?.b.texture.handle ?? blank)
  program.float('uActivationBlend', own?.t ?? 0)
  program.texture('uOtherActivationsBefore', 8, other?.a.texture.handle ?? blank)
  program.texture('uOtherActivationsAfter', 9, other?.b.texture.handle ?? blank)
  program.float('uOtherActivationBlend', other?.t ?? 0)
}

/** Draws the maps: one draw a layer, one more where all of them stand as tiles above. */
import type { LayerPlace } from '../layout/place'
import { programs } from '../shaders/sources'
import type { Frame, Patch } from './frame'
import { Program } from './gl'
import { type Palette, palettes } from './palette'
import type { Pair, ResidentSample, Resources } from './resources'

const NO_PATCH = { firstMap: -1, endMap: -1, box: [0, 0, 0, 0] as Patch['box'] }

export class MapsPass {
  private readonly program: Program

  constructor(private readonly resources: Resources) {
    this.program = new Program(resources.gl, programs.maps, { Frame: 0 })
  }

  draw(frame: Frame, samples: Pair<ResidentSample> | null): void {
    const { program, resources } = this
    const { gl } = resources
    const palette = palettes[frame.state.theme]
    program.use()
    gl.depthMask(true)
    // Ribbons end in the plane of a map: the map gives way a little.
    gl.enable(gl.POLYGON_OFFSET_FILL)
    gl.polygonOffset(1, 1)
    program.texture('uCentres', 0, resources.centres)
    bindSamples(program, resources, samples)
    program.vector('uPaper', ...palette.paper)
    program.vector('uBorder', ...palette.border)
    program.vector('uAccent', ...palette.accent)
    program.vector('uAccentEdge', ...palette.accentEdge)
    program.vectors3('uTints', palette.tints)
    for (const place of frame.placement.layers) {
      if (place.folded || (frame.only && !frame.only.has(place.layer.index))) continue
      this.setLayer(frame, palette, place, samples)
      program.ints3('uTiles', 0, 0, 0)
      gl.drawArraysInstanced(gl.TRIANGLE_STRIP, 0, 4, place.drawnMaps)
      resources.counters.drawCalls++
      if (place.wall) this.drawWall(place)
    }
    gl.disable(gl.POLYGON_OFFSET_FILL)
  }

  private setLayer(frame: Frame, palette: Palette, place: LayerPlace, samples: Pair<ResidentSample> | null): void {
    const { program } = this
    const { layer } = place
    const view = frame.views[layer.index]
    const spot = [frame.hot, frame.pinned].find(s => s?.layer === layer.index) ?? null
    const pinned = frame.pinned?.layer === layer.index ? frame.pinned : null
    const patch = frame.patches.find(p => p.layer === layer.index) ?? NO_PATCH
    const [low, high] = frame.ranges ? frame.ranges[layer.index] : [0, -1]
    const input = layer.kind === 'input'
    const tinted = input && layer.maps === 3 && !frame.state.greyInput && high >= 0
    program.int('uFirst', place.first)
    program.vector('uSize', place.width, place.height)
    program.ints('uPixels', layer.rows, layer.columns)
    // −1: not recorded; −2: on its way.
    const start = samples ? (samples.a.offset.get(layer.id) ?? -1) : frame.state.sample < frame.samples ? -2 : -1
    program.ints('uActivationStart', start, samples?.a.largest[layer.index] ?? -1)
    program.float('uRange', high)
    program.float('uLow', input ? Math.min(0, low) : 0)
    program.int('uLinear', input && (low < 0 || layer.maps === 3) ? 1 : 0)
    program.int('uTinted', tinted ? 1 : 0)
    program.float('uGain', view.activationGain)
    program.vectors3('uRamp', palette.activations[input && layer.maps === 3 ? 'grey' : view.activationColors])
    program.int('uSigned', view.activationColors === 'blue-red' && !(input && layer.maps === 3) ? 1 : 0)
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

/** The two samples to blend, for maps and for weights × activations. */
export function bindSamples(program: Program, resources: Resources, samples: Pair<ResidentSample> | null): void {
  program.texture('uActivationsA', 3, samples?.a.texture.handle ?? resources.blank.handle)
  program.texture('uActivationsB', 4, samples?.b.texture.handle ?? resources.blank.handle)
  program.float('uActivationBlend', samples?.t ?? 0)
}

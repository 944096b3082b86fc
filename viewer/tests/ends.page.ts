/** Runs in the page: end points and curve points of every strand from the GPU, compared with shaders/ends.ts. */
import type { Network } from '../src/generated/recording'
import { type Connection, connections } from '../src/layout/connections'
import { drawnLayers } from '../src/layout/drawn'
import type { Placement } from '../src/layout/place'
import { Program } from '../src/scene/gl'
import { Resources } from '../src/scene/resources'
import { bundleSources, curve, type EdgeView, edgeEnds, Mode, strandCount, weightAt } from '../src/shaders/ends'
import { programs } from '../src/shaders/sources'
import type { LayerView } from '../src/state'
import { Feedback } from './feedback'
import { placeNetwork } from './networks'

export interface Case {
  view: Partial<LayerView>
  expansions: number[]
  bundles: number[]
  portrait?: boolean
}

export interface Outcome {
  /** Strands compared, by link and mode ("conv 3"). */
  strands: Record<string, number>
  hidden: number
  /** Largest distance between a point from the GPU and its twin, world units. */
  worst: number
  where: string
}

/** What stands in a varying where the strand is not drawn. */
const HIDDEN = 1e9
const FLOATS = 9

function compareEnds(network: Network, cases: Case[]): Outcome {
  const gl = document.createElement('canvas').getContext('webgl2')!
  const drawn = drawnLayers(network)
  const links = connections(network, drawn)
  // The stage's own uploads: what is read here is what it draws with.
  const resources = new Resources(gl, { drawCalls: 0, bytesUploaded: 0, gpuBytes: 0 }, drawn, links)
  const program = new Program(gl, programs.ends, { Connection: 0 }, ['oFrom', 'oTo', 'oQuarter'])
  const feedback = new Feedback(gl, FLOATS)
  const outcome: Outcome = { strands: {}, hidden: 0, worst: 0, where: '' }

  for (const { view, expansions, bundles, portrait = false } of cases) {
    const { placement } = placeNetwork(network, view, portrait)
    resources.setPlacement(placement)
    for (const [i, link] of links.entries()) {
      for (const expansion of expansions) {
        for (const edgeView of edgeViews(link, expansion)) {
          for (const bundle of bundles) compare(i, edgeView, bundle, placement)
        }
      }
    }
  }
  gl.getExtension('WEBGL_lose_context')?.loseContext()
  return outcome

  function compare(i: number, view: EdgeView, bundle: number, placement: Placement): void {
    const link = links[i]
    const count = strandCount(link, view)
    const [from, to] = [placement.layers[link.from], placement.layers[link.to]]
    const middle: [number, number, number] = [1.5, -2.5, (from.z + to.z) / 2]
    // Lines between corners are straight, all others bend.
    const bend = { middle, bundle, steepness: view.mode === Mode.Frame ? 0 : 6.6 }
    program.use()
    gl.activeTexture(gl.TEXTURE0)
    gl.bindTexture(gl.TEXTURE_2D, resources.centres)
    gl.bindBufferBase(gl.UNIFORM_BUFFER, 0, resources.blocks[i])
    program.int('uCentres', 0)
    program.int('uMode', view.mode)
    program.float('uExpansion', view.expansion)
    program.vector('uCells', from.cell, to.cell)
    program.int('uFixedMap', view.fixedMap)
    program.int('uFixedPixel', view.fixedPixel)
    program.int('uSources', view.mode >= Mode.BundleMap ? bundleSources(link, view.mode) : 0)
    program.vector('uMiddle', ...middle)
    program.float('uBundle', bundle)
    program.float('uSteepness', bend.steepness)
    program.int('uFirstEdge', 0)
    const points = feedback.read(count)

    const name = `${link.link} ${view.mode}`
    outcome.strands[name] = (outcome.strands[name] ?? 0) + count
    for (let id = 0; id < count; id++) {
      const [weight, pixel] = weightAt(link, view, id)
      const e = edgeEnds(link, placement, view, weight, pixel)
      const quarter = curve(e.from, e.to, 0.25, bend)
      const expected = e.drawn ? [...e.from, ...e.to, ...quarter] : new Array(FLOATS).fill(HIDDEN)
      if (!e.drawn) outcome.hidden++
      for (let k = 0; k < FLOATS; k++) {
        const off = Math.abs(points[FLOATS * id + k] - expected[k])
        if (off <= outcome.worst) continue
        // NaN is as far off as can be.
        outcome.worst = Number.isNaN(off) ? Number.POSITIVE_INFINITY : off
        outcome.where = `${link.layer} ${JSON.stringify(view)} bundle ${bundle} strand ${id} component ${k}`
      }
    }
  }
}

/** Every way in which a connection can be drawn; calculations whole, for one map, for one pixel. */
function edgeViews(link: Connection, expansion: number): EdgeView[] {
  const whole = (mode: Mode): EdgeView => ({ mode, expansion, fixedMap: -1, fixedPixel: -1 })
  const modes = [whole(Mode.Weight)]
  if (link.link === 'dense') modes.push(whole(Mode.Pair), { ...whole(Mode.Weight), fixedMap: link.outMaps - 1 })
  else {
    const lastMap = link.mapOffset + (link.link === 'conv' ? link.outMaps : link.inMaps) - 1
    const lastPixel = link.outRows * link.outColumns - 1
    modes.push(whole(Mode.Calculation))
    modes.push({ ...whole(Mode.Calculation), fixedMap: lastMap })
    modes.push({ ...whole(Mode.Calculation), fixedPixel: Math.floor(lastPixel / 2) })
    modes.push({ ...whole(Mode.Calculation), fixedPixel: lastPixel })
  }
  if (link.role) modes.push(whole(Mode.BundleMap), whole(Mode.BundleTap))
  else modes.push(whole(Mode.Frame))
  return modes
}

declare global {
  interface Window {
    compareEnds: typeof compareEnds
  }
}

window.compareEnds = compareEnds

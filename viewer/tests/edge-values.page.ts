/** Runs in the page: what every edge stands for, from the GPU, compared with shaders/values.ts. */
import type { Network } from '../src/generated/recording'
import { type Connection, connections } from '../src/layout/connections'
import { drawnLayers } from '../src/layout/drawn'
import { fillPacked, Program, packedTexture } from '../src/scene/gl'
import { Resources } from '../src/scene/resources'
import { packWeights } from '../src/scene/weights'
import { edgeEnds, Mode, strandCount, weightAt } from '../src/shaders/ends'
import { programs } from '../src/shaders/sources'
import { edgeValue } from '../src/shaders/values'
import { Feedback } from './feedback'
import { placeNetwork } from './networks'

export interface ValueCase {
  mode: Mode
  /** How far each side lies between its two checkpoints; B null: A alone. */
  a: number
  b: number | null
  times: boolean
}

export interface ValueOutcome {
  edges: number
  worst: number
  where: string
  /** Largest value met: without it, zeros would agree with zeros. */
  largest: number
}

/** Multiples of 1/64 below 4: float16 holds them exactly. */
function numbers(count: number, seed: number): Float32Array {
  let state = seed
  return Float32Array.from({ length: count }, () => {
    state = (state * 48271) % 2147483647
    return ((state % 512) - 256) / 64
  })
}

function compareValues(network: Network, cases: ValueCase[]): ValueOutcome {
  const gl = document.createElement('canvas').getContext('webgl2')!
  const counters = { drawCalls: 0, bytesUploaded: 0, gpuBytes: 0 }
  const drawn = drawnLayers(network)
  const links = connections(network, drawn)
  const resources = new Resources(gl, counters, drawn, links)
  const { placement } = placeNetwork(network)
  resources.setPlacement(placement)
  const program = new Program(gl, programs.values, { Connection: 0 }, ['oValue'])
  const feedback = new Feedback(gl, 1)
  const outcome: ValueOutcome = { edges: 0, worst: 0, where: '', largest: 0 }

  for (const [i, link] of links.entries()) {
    if (!link.role) continue
    const kernels = [1, 2, 3, 4].map(seed => numbers(link.weights, 100 * i + seed))
    const inputs = [5, 6, 7, 8].map(seed => numbers(link.inMaps * link.inRows * link.inColumns, 100 * i + seed))
    const weights = kernels.map(kernel => texture(packWeights(link, kernel).values, 'R16F'))
    const activations = inputs.map(input => texture(input, 'R32F'))
    for (const one of cases) compare(i, link, one, kernels, inputs, weights, activations)
  }
  gl.getExtension('WEBGL_lose_context')?.loseContext()
  return outcome

  function texture(values: Uint16Array | Float32Array, format: 'R16F' | 'R32F'): WebGLTexture {
    const made = packedTexture(gl, counters, format, values.length)
    fillPacked(gl, counters, made, values, 0)
    return made.handle
  }

  function compare(
    i: number,
    link: Connection,
    { mode, a, b, times }: ValueCase,
    kernels: Float32Array[],
    inputs: Float32Array[],
    weights: WebGLTexture[],
    activations: WebGLTexture[],
  ): void {
    // Only a calculation has one input pixel to each weight.
    const perPixel = times && mode === Mode.Calculation
    const view = { mode, expansion: 3, fixedMap: -1, fixedPixel: mode === Mode.Calculation ? 0 : -1 }
    if (mode === Mode.Calculation && link.link === 'dense') return
    const count = strandCount(link, view)
    program.use()
    gl.bindBufferBase(gl.UNIFORM_BUFFER, 0, resources.blocks[i])
    program.texture('uCentres', 0, resources.centres)
    for (const [side, first] of [
      ['', 0],
      ['Other', 2],
    ] as const) {
      program.texture(`u${side}ValuesBefore`, 1 + first, weights[first])
      program.texture(`u${side}ValuesAfter`, 2 + first, weights[first + 1])
      program.texture(`u${side}ActivationsBefore`, 5 + first, activations[first])
      program.texture(`u${side}ActivationsAfter`, 6 + first, activations[first + 1])
      program.float(`u${side}Blend`, side ? (b ?? 0) : a)
      program.float(`u${side}ActivationBlend`, side ? (b ?? 0) : a)
      program.int(`u${side}ActivationStart`, 0)
    }
    program.int('uDifference', b === null ? 0 : 1)
    program.int('uTimesActivation', perPixel ? 1 : 0)
    program.int('uValueStart', 0)
    program.int('uMode', mode)
    program.float('uExpansion', view.expansion)
    program.vector('uCells', placement.layers[link.from].cell, placement.layers[link.to].cell)
    program.int('uFixedMap', view.fixedMap)
    program.int('uFixedPixel', view.fixedPixel)
    program.int('uSources', 0)
    const found = feedback.read(count)
    const side = (at: 0 | 2, t: number) => ({
      values: { before: kernels[at], after: kernels[at + 1], t },
      input: perPixel ? { before: inputs[at], after: inputs[at + 1], t } : null,
    })
    for (let id = 0; id < count; id++) {
      const [weight, pixel] = weightAt(link, view, id)
      const ends = edgeEnds(link, placement, view, weight, pixel)
      const expected = edgeValue(side(0, a), b === null ? null : side(2, b), weight, link, ends)
      const off = Math.abs(found[id] - expected)
      outcome.edges++
      outcome.largest = Math.max(outcome.largest, Math.abs(expected))
      if (off <= outcome.worst) continue
      outcome.worst = Number.isNaN(off) ? Number.POSITIVE_INFINITY : off
      outcome.where = `${link.layer} ${JSON.stringify({ mode, a, b, times })} edge ${id}: ${found[id]}, not ${expected}`
    }
  }
}

declare global {
  interface Window {
    compareValues: typeof compareValues
  }
}

window.compareValues = compareValues

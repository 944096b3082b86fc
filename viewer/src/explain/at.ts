/** The calculation of a place in the network as the viewer's state has it, from what is in memory. */
import type { Connection } from '../layout/connections'
import type { DrawnLayer } from '../layout/drawn'
import { readingOf } from '../layout/reading'
import type { Recording } from '../recording/types'
import type { Target } from '../state'
import { calculate, isBeyond } from './calculate'
import type { Calculation } from './calculation'
import type { CalculationInput } from './inputs'

export interface Explained {
  recording: Recording
  drawn: readonly DrawnLayer[]
  /** All connections between drawn layers. */
  links: readonly Connection[]
}

export interface Moment {
  /** Position among the checkpoints; between two, the nearest counts: a blend of outputs is no output of blended weights. */
  epoch: number
  sample: number
}

/** Called for what is not in memory yet; the answer counts at the next call. */
export type Ask = (layer: string, role: string, checkpoint: number) => void

/** Every term of the value at a place; a unit of a vector needs no y and x. null until everything is in memory. */
export function calculationAt(on: Explained, moment: Moment, target: Target, ask: Ask = () => {}): Calculation | null {
  const input = inputAt(on, moment, target, ask)
  return input && calculate(input)
}

function inputAt(on: Explained, moment: Moment, target: Target, ask: Ask): CalculationInput | null {
  const to = on.drawn.find(layer => layer.id === target.layer)
  const place = to && placeOf(to, target)
  if (!to || !place) return null
  const { recording } = on
  const { completeness, checkpoints, network } = recording.index
  const checkpoint = Math.min(checkpoints.length - 1, Math.max(0, Math.round(moment.epoch)))
  return {
    network,
    to,
    links: on.links.filter(link => link.to === to.index),
    drawn: on.drawn,
    ...place,
    checkpoint,
    parameter: role => {
      const found = recording.parameterNow(to.id, role, checkpoint)
      if (!found) ask(to.id, role, checkpoint)
      return found
    },
    output: id => recording.outputNow(checkpoint, moment.sample, id),
    missing: completeness.missing?.[to.id] ?? [],
    biases: completeness.biases,
  }
}

/** As `calculationAt`, and the same object again as long as place, sample and nearest checkpoint stay: values never change. */
export function rememberedCalculation(
  on: Explained,
): (moment: Moment, target: Target, ask?: Ask) => Calculation | null {
  let key = ''
  let last: Calculation | null = null
  return (moment, target, ask) => {
    const { layer, map, y, x } = target
    const checkpoint = Math.round(moment.epoch)
    const number = on.recording.index.checkpoints[checkpoint]?.index
    const now = JSON.stringify([layer, map, y, x, moment.sample, checkpoint, number])
    if (now !== key || !last) last = calculationAt(on, moment, target, ask)
    key = now
    return last
  }
}

/** Map, row and column of a target that is one value; null for whole maps and layers. */
export function placeOf(to: DrawnLayer, target: Target): { map: number; y: number; x: number } | null {
  const { map, y = to.rows === 1 ? 0 : undefined, x = to.columns === 1 ? 0 : undefined } = target
  return map === undefined || y === undefined || x === undefined ? null : { map, y, x }
}

/** Why there is no calculation of a place, as one sentence; null while it is only loading. */
export function obstacle(on: Explained, moment: Moment, target: Target): string | null {
  const to = on.drawn.find(layer => layer.id === target.layer)
  if (!to) return 'This layer is not drawn.'
  if (to.kind === 'input') return 'This is what the network is given: nothing comes before it.'
  if (to.kind === 'constant') return 'This is a constant of the network: nothing comes before it.'
  const into = on.links.filter(link => link.to === to.index)
  if (into.length === 0) return `What ${to.name} reads is not recorded.`
  return unread(on, to) ?? unrecorded(on, moment, to, into) ?? unexplained(on, moment, target, to)
}

/** Recordings hold the first output of a layer. */
function unread({ recording, drawn }: Explained, to: DrawnLayer): string | null {
  const { network } = recording.index
  const edge = to.layer.inputs?.find(input => !readingOf(network, drawn, input))
  if (!edge) return null
  const name = network.layers.find(layer => layer.id === edge.layer)?.name ?? edge.layer
  const what = edge.output ? `Output ${edge.output} of ${name}` : `The output of ${name}`
  return `${what}, which ${to.name} reads, is not recorded.`
}

function unrecorded(on: Explained, moment: Moment, to: DrawnLayer, into: readonly Connection[]): string | null {
  if (WEIGHTED.has(to.kind) && !to.layer.parameters?.some(p => p.role === 'kernel' || p.role === 'depthwise')) {
    return `The kernel of ${to.name} is not recorded.`
  }
  const last = on.recording.index.checkpoints.length - 1
  const activations = on.recording.activationsNow(Math.min(last, Math.round(moment.epoch)), moment.sample)
  const lacking = into.find(link => activations && !activations.offset.has(on.drawn[link.from].id))
  return lacking ? `The output of ${on.drawn[lacking.from].name}, which ${to.name} reads, is not recorded.` : null
}

const WEIGHTED: ReadonlySet<string> = new Set(['conv1d', 'conv2d', 'depthwise_conv2d', 'conv_transpose2d', 'dense'])

function unexplained(on: Explained, moment: Moment, target: Target, to: DrawnLayer): string | null {
  const input = inputAt(on, moment, target, () => {})
  return input && isBeyond(input) ? `How ${to.name} makes its values is not taken apart here.` : null
}

/** recording.json: read, checked, and filled up with the defaults that the writer left out. */
import {
  type Attributes,
  type Checkpoint,
  type Completeness,
  type Edge,
  FORMAT,
  type Index,
  type Layer,
  type LayerSummary,
  type Parameter,
  type Samples,
  type Summary,
  type TensorSummary,
  VERSION,
} from '../generated/recording'
import { BadRecording } from './errors'
import { parseFile } from './json'

export const INDEX_KEY = 'recording.json'

/** The generated types with nothing left undefined: each can be passed where the generated one is asked for. */
export interface FullLayer extends Required<Layer> {
  inputs: Required<Edge>[]
  parameters: FullParameter[]
  attributes: Attributes & { extra: Record<string, unknown> }
}
export type FullParameter = Required<Parameter>
export type FullCheckpoint = Required<Checkpoint>
export type FullSamples = Required<Samples>
export interface FullIndex extends Index {
  network: { layers: FullLayer[]; inputs: string[]; outputs: string[] }
  checkpoints: FullCheckpoint[]
  samples: FullSamples
}
export interface FullSummary extends Required<LayerSummary> {
  parameters: Record<string, Required<TensorSummary>>
  gradients: Record<string, Required<TensorSummary>>
  activations: Required<TensorSummary> | null
}
/** A summary file: layers by id, and the network's output [sample][class], NaN where it was not finite. */
export interface CheckpointSummary {
  layers: Record<string, FullSummary>
  scores: number[][] | null
}

/** Reads recording.json. Throws BadRecording, naming what is wrong and where. */
export function parseIndex(bytes: ArrayBuffer): FullIndex {
  const json = parseFile(INDEX_KEY, bytes)
  check(json)
  return normalise(json)
}

/** Fills in what a writer may leave out. The index is expected to be right; `parseIndex` checks. */
export function normalise(index: Index): FullIndex {
  return {
    ...index,
    created: index.created ?? '',
    producer: index.producer ?? '',
    name: index.name ?? '',
    classes: index.classes ?? null,
    network: {
      layers: index.network.layers.map(fullLayer),
      inputs: index.network.inputs,
      outputs: index.network.outputs,
    },
    checkpoints: index.checkpoints.map(fullCheckpoint),
    samples: fullSamples(index.samples),
    completeness: { ...COMPLETE, ...index.completeness },
  }
}

const COMPLETE: Completeness = {
  graph: true,
  parameters: true,
  biases: true,
  activations: true,
  runnable: true,
  notes: [],
  missing: {},
}

function fullLayer(layer: Layer): FullLayer {
  return {
    id: layer.id,
    name: layer.name ?? layer.id,
    kind: layer.kind,
    path: layer.path ?? [],
    op: layer.op ?? '',
    inputs: (layer.inputs ?? []).map(edge => ({ layer: edge.layer, output: edge.output ?? 0 })),
    output_shapes: layer.output_shapes ?? [],
    attributes: { ...layer.attributes, extra: layer.attributes?.extra ?? {} },
    parameters: (layer.parameters ?? []).map(parameter => ({
      role: parameter.role,
      key: parameter.key,
      shape: parameter.shape,
      trainable: parameter.trainable ?? true,
      source_axes: parameter.source_axes ?? null,
    })),
    fused: layer.fused ?? [],
    steps: layer.steps ?? [],
    call: layer.call ?? 0,
    source: layer.source ?? null,
  }
}

function fullCheckpoint(checkpoint: Checkpoint): FullCheckpoint {
  const { index, epoch = null, step = null } = checkpoint
  const label = checkpoint.label || (epoch !== null ? `epoch ${epoch}` : step !== null ? `step ${step}` : '')
  return { index, label: label || `checkpoint ${index}`, epoch, step }
}

function fullSamples(samples: Samples): FullSamples {
  const { count, names = [], labels = null, preprocessing = null } = samples
  return {
    count,
    names: Array.from({ length: count }, (_, i) => names[i] ?? `sample ${i}`),
    labels: labels && Array.from({ length: count }, (_, i) => labels[i] ?? null),
    preprocessing,
  }
}

/** Reads a summary file. Throws BadRecording. */
export function parseSummary(key: string, bytes: ArrayBuffer): CheckpointSummary {
  const { layers, scores } = (parseFile(key, bytes) as Partial<Summary> | null) ?? {}
  if (typeof layers !== 'object' || layers === null) throw new BadRecording(key, 'it has no layers')
  return { layers: normaliseSummary(layers), scores: scores?.map(numbers) ?? null }
}

/** The layers of a summary file, filled up. A range that JSON could not hold (all values NaN) is NaN here, not null. */
export function normaliseSummary(layers: Record<string, LayerSummary>): Record<string, FullSummary> {
  return mapValues(layers, layer => ({
    activations: layer.activations ? fullTensorSummary(layer.activations) : null,
    parameters: mapValues(layer.parameters ?? {}, fullTensorSummary),
    map_low: numbers(layer.map_low),
    map_high: numbers(layer.map_high),
    map_mean: numbers(layer.map_mean),
    dead: layer.dead ?? [],
    update_ratio: layer.update_ratio ?? null,
    step_update_ratio: layer.step_update_ratio ?? null,
    gradients: mapValues(layer.gradients ?? {}, fullTensorSummary),
    saturated: layer.saturated ?? null,
    map_histograms: layer.map_histograms ?? [],
  }))
}

function fullTensorSummary(tensor: TensorSummary): Required<TensorSummary> {
  return {
    low: tensor.low ?? Number.NaN,
    high: tensor.high ?? Number.NaN,
    mean: tensor.mean ?? Number.NaN,
    norm: tensor.norm ?? Number.NaN,
    histogram: tensor.histogram ?? { low: 0, high: 0, counts: [] },
    not_finite: tensor.not_finite ?? 0,
  }
}

function numbers(values: readonly (number | null)[] | undefined): number[] {
  return (values ?? []).map(value => value ?? Number.NaN)
}

function mapValues<A, B>(record: Record<string, A>, map: (value: A) => B): Record<string, B> {
  return Object.fromEntries(Object.entries(record).map(([key, value]) => [key, map(value)]))
}

function fail(problem: string): never {
  throw new BadRecording(INDEX_KEY, problem)
}

/** Everything that later code relies on without looking: kinds of values, unique names, edges that lead somewhere. */
function check(json: unknown): asserts json is Index {
  const index = object(json, 'the file')
  if (index.format !== FORMAT) fail(`its format is ${JSON.stringify(index.format)}, expected "${FORMAT}"`)
  if (!isNatural(index.version) || index.version < 1)
    fail(`its version is ${JSON.stringify(index.version)}, no version number`)
  if (index.version > VERSION) {
    fail(
      `it was written in version ${index.version} of the format, this viewer reads up to version ${VERSION}; update cutaway`,
    )
  }
  checkNetwork(object(index.network, 'network'))
  checkCheckpoints(list(index.checkpoints, 'checkpoints'))
  checkSamples(object(index.samples, 'samples'))
  if (index.classes != null && !isStrings(index.classes)) fail('classes is no list of names')
  if (index.completeness != null) checkCompleteness(object(index.completeness, 'completeness'))
}

function checkNetwork(network: Json): void {
  const layers = list(network.layers, 'network.layers').map((layer, i) => object(layer, `network.layers[${i}]`))
  const ids = new Set<string>()
  for (const [i, layer] of layers.entries()) {
    const id = layer.id
    if (typeof id !== 'string' || id === '') fail(`network.layers[${i}] has no id`)
    if (ids.has(id)) fail(`two layers have the id ${id}`)
    // An order in which everything can be computed: layers read from layers before them, so there is no circle.
    for (const value of list(layer.inputs ?? [], `inputs of layer ${id}`)) {
      const edge = object(value, `an input of layer ${id}`)
      if (!ids.has(edge.layer as string)) {
        fail(`layer ${id} reads ${JSON.stringify(edge.layer)}, which is no layer before it`)
      }
      if (edge.output != null && !isNatural(edge.output)) fail(`layer ${id}: an input has no readable output number`)
    }
    ids.add(id)
    if (typeof layer.kind !== 'string') fail(`layer ${id} has no kind`)
    for (const field of ['name', 'op', 'source'] as const) {
      if (layer[field] != null && typeof layer[field] !== 'string') fail(`layer ${id}: ${field} is no text`)
    }
    for (const field of ['path', 'fused', 'steps'] as const) {
      if (layer[field] != null && !isStrings(layer[field])) fail(`layer ${id}: ${field} is no list of names`)
    }
    for (const shape of list(layer.output_shapes ?? [], `output_shapes of layer ${id}`))
      checkShape(shape, `layer ${id}`)
    if (layer.attributes != null) object(layer.attributes, `attributes of layer ${id}`)
    const roles = new Set<unknown>()
    for (const value of list(layer.parameters ?? [], `parameters of layer ${id}`)) {
      const parameter = object(value, `a parameter of layer ${id}`)
      if (typeof parameter.role !== 'string') fail(`a parameter of layer ${id} has no role`)
      if (roles.has(parameter.role)) fail(`layer ${id} has two parameters with the role ${parameter.role}`)
      roles.add(parameter.role)
      if (typeof parameter.key !== 'string') fail(`the ${parameter.role} of layer ${id} has no key`)
      checkShape(parameter.shape, `the ${parameter.role} of layer ${id}`)
    }
  }
  for (const end of ['inputs', 'outputs'] as const) {
    for (const id of list(network[end], `network.${end}`)) {
      if (!ids.has(id as string)) fail(`network.${end} names the unknown layer ${JSON.stringify(id)}`)
    }
  }
}

function checkCheckpoints(checkpoints: unknown[]): void {
  const seen = new Set<number>()
  for (const [i, value] of checkpoints.entries()) {
    const checkpoint = object(value, `checkpoints[${i}]`)
    if (!isNatural(checkpoint.index)) fail(`checkpoints[${i}] has no index`)
    if (seen.has(checkpoint.index)) fail(`two checkpoints have the index ${checkpoint.index}`)
    seen.add(checkpoint.index)
    if (checkpoint.label != null && typeof checkpoint.label !== 'string')
      fail(`checkpoints[${i}]: its label is no text`)
    for (const field of ['epoch', 'step'] as const) {
      if (checkpoint[field] != null && typeof checkpoint[field] !== 'number')
        fail(`checkpoints[${i}]: ${field} is no number`)
    }
  }
}

function checkSamples(samples: Json): void {
  if (!isNatural(samples.count)) fail(`samples.count is ${JSON.stringify(samples.count)}, no count`)
  if (samples.names != null && !isStrings(samples.names)) fail('samples.names is no list of names')
  if (samples.labels != null) {
    const labels = list(samples.labels, 'samples.labels')
    if (!labels.every(label => label === null || Number.isInteger(label)))
      fail('samples.labels holds something that is no class')
  }
}

function checkCompleteness(completeness: Json): void {
  if (completeness.notes != null && !isStrings(completeness.notes)) fail('completeness.notes is no list of texts')
  if (
    completeness.missing != null &&
    !Object.values(object(completeness.missing, 'completeness.missing')).every(isStrings)
  ) {
    fail('completeness.missing holds something that is no list of texts')
  }
}

function checkShape(shape: unknown, whose: string): void {
  if (!Array.isArray(shape) || !shape.every(isNatural))
    fail(`${whose} has the unreadable shape ${JSON.stringify(shape)}`)
}

type Json = Record<string, unknown>

function object(value: unknown, what: string): Json {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) fail(`${what} is no JSON object`)
  return value as Json
}

function list(value: unknown, what: string): unknown[] {
  if (!Array.isArray(value)) fail(`${what} is no list`)
  return value
}

function isNatural(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0
}

function isStrings(value: unknown): value is string[] {
  return Array.isArray(value) && value.every(item => typeof item === 'string')
}

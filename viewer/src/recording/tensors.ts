/** A recording, read tensor by tensor: what is asked for is fetched, kept up to a budget, and shared by all who ask. */
import { batch, signal } from '@preact/signals'
import type { Index, Insight } from '../generated/recording'
import { KeyMissing, type News, type Source } from '../source/source'
import { Cache } from './cache'
import { ActivationsMissing, AnotherRecording, BadRecording, TensorMissing } from './errors'
import { GrowingFile } from './growing'
import {
  type CheckpointSummary,
  type FullIndex,
  type FullLayer,
  type FullSummary,
  INDEX_KEY,
  parseIndex,
  parseSummary,
} from './index'
import { parseInsight } from './insights'
import { parseMetrics } from './metrics'
import { checkShape, decodeTensor, packRuns, planRuns, runInPlace, sameShape } from './reads'
import { type Entry, type Header, type OpenedFile, openFile } from './safetensors'
import { type Images, toImages } from './samples'
import { separated } from './steps'
import type { MetricLine, Recording, SampleActivations, Tensor } from './types'

export interface Options {
  /** Largest number of bytes kept in memory; what is shown at one time should fit. */
  budget?: number
  /** What is fused to a layer is a layer of its own, where the recording holds what lies between. */
  steps?: boolean
}

/** A recording whose index and summaries have nothing left undefined. */
export interface OpenedRecording extends Recording {
  readonly index: FullIndex
  summary(checkpoint: number): Promise<Record<string, FullSummary>>
  summaryNow(checkpoint: number): Record<string, FullSummary> | null
}

const NO_SUMMARY: CheckpointSummary = { layers: {}, scores: null }

const BUDGET = 256 * 2 ** 20
/** Parameter files up to this size come whole: one request for all layers. */
const WHOLE_PARAMETERS = 4 * 2 ** 20
/** An activation file holds all samples, and one of them is shown: only a small one comes whole. */
const WHOLE_ACTIVATIONS = 256 * 2 ** 10
/** The pictures are shown all at once. */
const WHOLE_SAMPLES = 4 * 2 ** 20
/** Bytes between two tensors that are rather read along than a second request made. */
const GAP = 32 * 2 ** 10

/** Reads the index and nothing else. Rejects with BadRecording, KeyMissing or SourceUnreachable. */
export async function openRecording(source: Source, options: Options = {}): Promise<OpenedRecording> {
  const read = options.steps ? (bytes: ArrayBuffer) => separated(parseIndex(bytes)) : parseIndex
  return new StoredRecording(source, read(await source.get(INDEX_KEY)), read, options.budget ?? BUDGET)
}

class StoredRecording implements OpenedRecording {
  readonly #index
  readonly #listeners: ((before: Index, after: Index) => void)[] = []
  /** The reading of the index that goes on, and the one that comes after it. */
  #running: Promise<unknown> = Promise.resolve()
  #next: Promise<boolean> | null = null
  readonly #cache: Cache
  readonly #metrics: GrowingFile<MetricLine>
  readonly #insights: GrowingFile<Insight>
  readonly #layers: Map<string, FullLayer>
  /** Headers are never dropped: a change of sample costs one request, not two. Most checkpoints share one. */
  readonly #headers = new Map<string, Header>()
  /** The last file opened in each folder; the next one is probably laid out alike. */
  readonly #last = new Map<string, OpenedFile>()
  /** Sample -> layer -> entry, for each header of activations. */
  readonly #bySample = new WeakMap<Header, Map<number, Map<string, Entry>>>()

  constructor(
    private readonly source: Source,
    index: FullIndex,
    private readonly parse: (bytes: ArrayBuffer) => FullIndex,
    budget: number,
  ) {
    this.#index = signal(index)
    this.#metrics = new GrowingFile(source, 'metrics.jsonl', parseMetrics)
    this.#insights = new GrowingFile(source, 'insights.jsonl', parseInsight)
    this.#cache = new Cache(budget)
    this.#layers = new Map(index.network.layers.map(layer => [layer.id, layer]))
  }

  get index(): FullIndex {
    return this.#index.value
  }

  refresh(): Promise<boolean> {
    // What is on its way may be older than the news that this call is made for: the next one counts, for all who wait.
    this.#next ??= this.#running.then(() => {
      this.#next = null
      const turn = this.#readIndex()
      this.#running = turn.catch(() => {})
      return turn
    })
    return this.#next
  }

  async #readIndex(): Promise<boolean> {
    const now = this.#index.peek()
    const next = this.parse(await this.source.get(INDEX_KEY))
    if (!sameRecording(now, next)) throw new AnotherRecording(next.name)
    next.network = now.network
    const rest = (index: FullIndex) => JSON.stringify({ ...index, network: null })
    if (rest(next) === rest(now)) return false
    batch(() => {
      this.#index.value = next
      for (const listener of this.#listeners) listener(now, next)
    })
    return true
  }

  onRefresh(listener: (before: Index, after: Index) => void): void {
    this.#listeners.push(listener)
  }

  watch(on: (news: News | null) => void): () => void {
    return this.source.watch?.(on) ?? (() => {})
  }

  get bytesFetched(): number {
    return this.source.bytesFetched
  }

  get bytesHeld(): number {
    let headers = 0
    for (const header of new Set(this.#headers.values())) headers += header.bytes
    return this.#cache.bytes + headers + this.source.bytesHeld
  }

  async parameter(layer: string, role: string, checkpoint: number): Promise<Tensor> {
    const held = this.parameterNow(layer, role, checkpoint)
    if (held) return held
    const missing = (all: boolean) => new TensorMissing(layer, role, checkpoint, this.#label(checkpoint), all)
    const parameter = this.#parameterOf(layer, role)
    const key = this.#keyOf('checkpoints', checkpoint)
    if (!key) throw missing(true)
    if (!parameter) throw missing(false)

    const header = await this.#open(key, WHOLE_PARAMETERS).catch(unless(KeyMissing, () => raise(missing(true))))
    const entry = header.tensors.get(parameter.key)
    if (!entry) throw missing(false)
    checkShape(key, parameter.key, entry.shape, parameter.shape)
    if (header.fileBytes <= WHOLE_PARAMETERS) {
      return (await this.#allParameters(key, header)).get(parameter.key)!
    }
    return this.#cache.load(`${key}:${parameter.key}`, async () => {
      const value = decodeTensor(entry, await this.#read(key, entry.begin, entry.end), entry.begin)
      return { value, bytes: value.data.byteLength }
    })
  }

  parameterNow(layer: string, role: string, checkpoint: number): Tensor | null {
    const parameter = this.#parameterOf(layer, role)
    const key = this.#keyOf('checkpoints', checkpoint)
    if (!parameter || !key) return null
    const tensor =
      this.#cache.now<Map<string, Tensor>>(key)?.get(parameter.key) ??
      this.#cache.now<Tensor>(`${key}:${parameter.key}`)
    // A tensor of another shape than the network says is refused by `parameter`, which says so.
    return tensor && sameShape(tensor.shape, parameter.shape) ? tensor : null
  }

  async activations(checkpoint: number, sample: number): Promise<SampleActivations> {
    const held = this.activationsNow(checkpoint, sample)
    if (held) return held
    const missing = (all: boolean) => new ActivationsMissing(checkpoint, sample, this.#label(checkpoint), all)
    const key = this.#keyOf('activations', checkpoint)
    if (!key || !this.index.completeness.activations) throw missing(true)

    return this.#cache.load(sampleKey(key, sample), async () => {
      const guess = this.#guessSample(key, sample)
      const header = await this.#open(key, WHOLE_ACTIVATIONS).catch(unless(KeyMissing, () => raise(missing(true))))
      const entries = this.#samplesOf(key, header).get(sample)
      if (!entries) throw missing(false)
      const value = await (guess?.header === header ? guess.value : this.#readSample(key, entries))
      return { value, bytes: value.data.byteLength }
    })
  }

  activationsNow(checkpoint: number, sample: number): SampleActivations | null {
    const key = this.#keyOf('activations', checkpoint)
    return key ? this.#cache.now(sampleKey(key, sample)) : null
  }

  async output(checkpoint: number, sample: number, layer: string): Promise<Float32Array> {
    const held = this.outputNow(checkpoint, sample, layer)
    if (held) return held
    const missing = (all: boolean) => new ActivationsMissing(checkpoint, sample, this.#label(checkpoint), all)
    const key = this.#keyOf('activations', checkpoint)
    if (!key || !this.index.completeness.activations) throw missing(true)
    const header = await this.#open(key, WHOLE_ACTIVATIONS).catch(unless(KeyMissing, () => raise(missing(true))))
    const entry = this.#samplesOf(key, header).get(sample)?.get(layer)
    if (!entry) throw missing(false)
    return this.#cache.load(`${sampleKey(key, sample)}:${layer}`, async () => {
      const { data } = decodeTensor(entry, await this.#read(key, entry.begin, entry.end), entry.begin)
      return { value: data, bytes: data.byteLength }
    })
  }

  outputNow(checkpoint: number, sample: number, layer: string): Float32Array | null {
    const whole = this.activationsNow(checkpoint, sample)
    const start = whole?.offset.get(layer)
    const shape = this.#layers.get(layer)?.output_shapes[0]
    if (whole && start !== undefined && shape)
      return whole.data.subarray(start, start + shape.reduce((a, b) => a * b, 1))
    const key = this.#keyOf('activations', checkpoint)
    return key ? this.#cache.now(`${sampleKey(key, sample)}:${layer}`) : null
  }

  async summary(checkpoint: number): Promise<Record<string, FullSummary>> {
    return (await this.#summary(checkpoint)).layers
  }

  summaryNow(checkpoint: number): Record<string, FullSummary> | null {
    return this.#summaryNow(checkpoint)?.layers ?? null
  }

  async scores(checkpoint: number, output: string): Promise<number[][] | null> {
    await this.#summary(checkpoint)
    return this.scoresNow(checkpoint, output)
  }

  scoresNow(checkpoint: number, output: string): number[][] | null {
    // A summary has the scores of the network's first output, and of no other layer.
    if (this.index.network.outputs[0] !== output) return null
    return this.#summaryNow(checkpoint)?.scores ?? null
  }

  async #summary(checkpoint: number): Promise<CheckpointSummary> {
    const key = this.#keyOf('summary', checkpoint)
    if (!key) return NO_SUMMARY
    return this.#cache.load(key, async () => {
      const bytes = await this.source.get(key).catch(unless(KeyMissing, () => null))
      return { value: bytes ? parseSummary(key, bytes) : NO_SUMMARY, bytes: bytes?.byteLength ?? 0 }
    })
  }

  #summaryNow(checkpoint: number): CheckpointSummary | null {
    const key = this.#keyOf('summary', checkpoint)
    return key ? this.#cache.now(key) : null
  }

  metrics(): Promise<readonly MetricLine[]> {
    return this.#metrics.read()
  }

  insights(): Promise<readonly Insight[]> {
    return this.#insights.read()
  }

  images(): Promise<Images> {
    const key = 'samples.safetensors'
    return this.#cache.load(`${key}:images`, async () => {
      const entry = (await this.#open(key, WHOLE_SAMPLES)).tensors.get('images')
      if (!entry) throw new BadRecording(key, 'it has no tensor "images"')
      const value = toImages(key, entry, await this.#read(key, entry.begin, entry.end), this.index.samples.count)
      return { value, bytes: value.data.byteLength }
    })
  }

  #label(checkpoint: number): string {
    return this.index.checkpoints[checkpoint]?.label ?? `checkpoint ${checkpoint}`
  }

  #parameterOf(layer: string, role: string) {
    return this.#layers.get(layer)?.parameters.find(parameter => parameter.role === role) ?? null
  }

  /** Where the files of a checkpoint lie; null when there is no such checkpoint. */
  #keyOf(folder: 'checkpoints' | 'activations' | 'summary', checkpoint: number): string | null {
    const index = this.index.checkpoints[checkpoint]?.index
    if (index === undefined) return null
    return `${folder}/${String(index).padStart(6, '0')}.${folder === 'summary' ? 'json' : 'safetensors'}`
  }

  /** The header of a file; whatever came beyond it waits in the cache, for `#read`. */
  async #open(key: string, wholeUpTo: number): Promise<Header> {
    const known = this.#headers.get(key)
    if (known) return known
    return this.#cache.share(`${key}:header`, async () => {
      const folder = folderOf(key)
      const last = this.#last.get(folder)
      const guess = last && (last.header.fileBytes <= wholeUpTo ? last.header.fileBytes : last.header.bytes)
      const file = await openFile(this.source, key, wholeUpTo, guess, last)
      if (file.prefix.byteLength > file.header.bytes) {
        this.#cache.put(`${key}:prefix`, file.prefix, file.prefix.byteLength)
      }
      this.#headers.set(key, file.header)
      this.#last.set(folder, { ...file, prefix: new ArrayBuffer(0) })
      return file.header
    })
  }

  /** Bytes `begin` to `end` of a file in a buffer of their own, from memory where its first request brought them along. */
  async #read(key: string, begin: number, end: number): Promise<ArrayBuffer> {
    const prefix = this.#cache.now<ArrayBuffer>(`${key}:prefix`)
    if (prefix && end <= prefix.byteLength) return prefix.slice(begin, end)
    const bytes = await this.source.getRange(key, begin, end)
    if (bytes.byteLength < end - begin) {
      throw new BadRecording(key, `the file ends at byte ${begin + bytes.byteLength}, ${end} expected`)
    }
    return bytes
  }

  /** All tensors of a small parameter file: one buffer, one entry of the cache. */
  #allParameters(key: string, header: Header): Promise<Map<string, Tensor>> {
    return this.#cache.load(key, async () => {
      const whole = this.#cache.now<ArrayBuffer>(`${key}:prefix`) ?? (await this.#read(key, 0, header.fileBytes))
      const value = new Map([...header.tensors].map(([name, entry]) => [name, decodeTensor(entry, whole, 0)]))
      this.#cache.drop(`${key}:prefix`)
      // Float32 tensors are views of the one buffer, others are arrays of their own.
      const buffers = new Set([...value.values()].map(tensor => tensor.data.buffer))
      return { value, bytes: [...buffers].reduce((sum, buffer) => sum + buffer.byteLength, 0) }
    })
  }

  /** The entries of each sample, by layer. Names of layers that the network does not have are passed over. */
  #samplesOf(key: string, header: Header): Map<number, Map<string, Entry>> {
    const known = this.#bySample.get(header)
    if (known) return known
    const samples = new Map<number, Map<string, Entry>>()
    for (const [name, entry] of header.tensors) {
      const slash = name.indexOf('/')
      const number = name.slice(0, slash)
      const layer = this.#layers.get(name.slice(slash + 1))
      if (slash < 1 || !/^\d+$/.test(number) || !layer) continue
      if (layer.output_shapes.length > 0) checkShape(key, name, entry.shape, layer.output_shapes[0])
      const sample = samples.get(Number(number)) ?? new Map<string, Entry>()
      sample.set(layer.id, entry)
      samples.set(Number(number), sample)
    }
    this.#bySample.set(header, samples)
    return samples
  }

  /**
   * Reads a sample from where it lay in the last checkpoint's file, while this one's header is still on its way: a step
   * to an epoch takes one round trip, not two. It counts only if both headers turn out to be the same.
   */
  #guessSample(key: string, sample: number): { header: Header; value: Promise<SampleActivations> } | null {
    const header = this.#last.get(folderOf(key))?.header
    if (!header || this.#headers.has(key) || header.fileBytes <= WHOLE_ACTIVATIONS) return null
    const entries = this.#bySample.get(header)?.get(sample)
    if (!entries) return null
    const value = this.#readSample(key, entries)
    // A wrong guess may fail as it likes.
    value.catch(() => {})
    return { header, value }
  }

  /** One request where the sample lies in one piece, as the format wants it; then, in float32, nothing is copied. */
  async #readSample(key: string, entries: Map<string, Entry>): Promise<SampleActivations> {
    const runs = planRuns(entries, GAP)
    const buffers = await Promise.all(runs.map(run => this.#read(key, run.begin, run.end)))
    return (runs.length === 1 ? runInPlace(runs[0], entries, buffers[0]) : null) ?? packRuns(runs, entries, buffers)
  }
}

/** Whether an index is a later state of another: what is in memory then still counts. */
function sameRecording(before: FullIndex, after: FullIndex): boolean {
  const kept = ({ created, network, samples }: FullIndex) => JSON.stringify([created, network, samples.count])
  return kept(before) === kept(after)
}

function sampleKey(key: string, sample: number): string {
  return `${key}:${sample}`
}

function folderOf(key: string): string {
  return key.slice(0, key.lastIndexOf('/') + 1)
}

/** For `catch`: errors of one kind become what `instead` returns or throws, others stay as they are. */
function unless<T>(kind: new (...args: never[]) => Error, instead: () => T): (error: unknown) => T {
  return error => {
    if (error instanceof kind) return instead()
    throw error
  }
}

function raise(error: Error): never {
  throw error
}

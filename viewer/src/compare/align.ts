/** A second recording as if its layers had the names of the first one's: then everything that reads it can read both. */
import type { Index, Layer, LayerSummary, Network } from '../generated/recording'
import { drawnLayers } from '../layout/drawn'
import type { Recording, SampleActivations, Tensor } from '../recording/types'

/** The two networks differ where they would have to be the same. The message is one sentence for the screen. */
export class OtherArchitecture extends Error {
  readonly tag = 'OtherArchitecture'
  override readonly name = 'OtherArchitecture'
  constructor(difference: string) {
    super(`These two can't be compared: ${difference}.`)
  }
}

/** `b` by the layers of `a`. Throws OtherArchitecture. */
export function align(a: Network, b: Recording): Recording {
  return new Aligned(b, a, matchLayers(a, b.index.network))
}

/** By the id of every layer of `a` that both have: the id in `b`. Equal ids count, else equal places. Throws OtherArchitecture. */
export function matchLayers(a: Network, b: Network): Map<string, string> {
  const [shownA, shownB] = [drawnLayers(a), drawnLayers(b)]
  if (shownA.length !== shownB.length) {
    throw new OtherArchitecture(`A has ${shownA.length} layers with maps or units, B has ${shownB.length}`)
  }
  const named = new Map(b.layers.map(layer => [layer.id, layer]))
  const byName = shownA.every(({ id }) => shownB.some(other => other.id === id))
  const pairs = shownA.map(({ layer }, i): [Layer, Layer] => [layer, byName ? named.get(layer.id)! : shownB[i].layer])
  for (const [ours, theirs] of pairs) {
    const [wordsA, wordsB] = [words(ours), words(theirs)]
    if (wordsA !== wordsB)
      throw new OtherArchitecture(`${nameOf(ours)} of A is ${wordsA}, ${nameOf(theirs)} of B is ${wordsB}`)
  }
  return new Map(pairs.map(([ours, theirs]) => [ours.id, theirs.id]))
}

const nameOf = (layer: Layer) => layer.name ?? layer.id

/** All that has to be the same, in words: "conv2d 16×7×7, kernel 16×8×3×3, stride 1×1". */
function words(layer: Layer): string {
  const { kernel, stride, padding, dilation, groups, input_order } = layer.attributes ?? {}
  const by = (list: readonly number[]) => list.join('×')
  const parts = [`${layer.kind} ${by(layer.output_shapes?.[0] ?? [])}`.trim()]
  for (const { role, shape } of layer.parameters ?? []) if (shape.length > 1) parts.push(`${role} ${by(shape)}`)
  if (kernel) parts.push(`window ${by(kernel)}`)
  if (stride) parts.push(`stride ${by(stride)}`)
  if (padding) parts.push(`padding ${padding.map(by).join(' and ')}`)
  if (dilation) parts.push(`dilation ${by(dilation)}`)
  if (groups && groups > 1) parts.push(`${groups} groups`)
  if (input_order) parts.push(`inputs in the order ${input_order}`)
  return parts.join(', ')
}

class Aligned implements Recording {
  private readonly named = new WeakMap<SampleActivations, SampleActivations>()

  constructor(
    private readonly of: Recording,
    private readonly network: Network,
    /** By the first recording's ids. */
    private readonly ids: ReadonlyMap<string, string>,
  ) {}

  get index(): Index {
    return { ...this.of.index, network: this.network }
  }
  get bytesFetched(): number {
    return this.of.bytesFetched
  }
  get bytesHeld(): number {
    return this.of.bytesHeld
  }

  private id(layer: string): string {
    return this.ids.get(layer) ?? layer
  }

  refresh = () => this.of.refresh()
  onRefresh: Recording['onRefresh'] = listener => this.of.onRefresh(listener)
  watch: Recording['watch'] = on => this.of.watch(on)
  metrics = () => this.of.metrics()
  insights = () => this.of.insights()
  images = () => this.of.images()

  parameter(layer: string, role: string, checkpoint: number): Promise<Tensor> {
    return this.of.parameter(this.id(layer), role, checkpoint)
  }
  parameterNow(layer: string, role: string, checkpoint: number): Tensor | null {
    return this.of.parameterNow(this.id(layer), role, checkpoint)
  }
  async activations(checkpoint: number, sample: number): Promise<SampleActivations> {
    return this.renamed(await this.of.activations(checkpoint, sample))
  }
  activationsNow(checkpoint: number, sample: number): SampleActivations | null {
    const found = this.of.activationsNow(checkpoint, sample)
    return found && this.renamed(found)
  }
  output(checkpoint: number, sample: number, layer: string): Promise<Float32Array> {
    return this.of.output(checkpoint, sample, this.id(layer))
  }
  outputNow(checkpoint: number, sample: number, layer: string): Float32Array | null {
    return this.of.outputNow(checkpoint, sample, this.id(layer))
  }
  async summary(checkpoint: number): Promise<Record<string, LayerSummary>> {
    return this.summarised(await this.of.summary(checkpoint))
  }
  summaryNow(checkpoint: number): Record<string, LayerSummary> | null {
    const found = this.of.summaryNow(checkpoint)
    return found && this.summarised(found)
  }
  scores(checkpoint: number, output: string): Promise<number[][] | null> {
    return this.of.scores(checkpoint, this.id(output))
  }
  scoresNow(checkpoint: number, output: string): number[][] | null {
    return this.of.scoresNow(checkpoint, this.id(output))
  }

  private renamed(sample: SampleActivations): SampleActivations {
    const known = this.named.get(sample)
    if (known) return known
    const offset = new Map<string, number>()
    for (const [ours, theirs] of this.ids) {
      const start = sample.offset.get(theirs)
      if (start !== undefined) offset.set(ours, start)
    }
    const renamed = { data: sample.data, offset }
    this.named.set(sample, renamed)
    return renamed
  }

  private summarised(summary: Record<string, LayerSummary>): Record<string, LayerSummary> {
    const found = [...this.ids].filter(([, theirs]) => Object.hasOwn(summary, theirs))
    return Object.fromEntries(found.map(([ours, theirs]) => [ours, summary[theirs]]))
  }
}

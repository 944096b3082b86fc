/** What is read off the recording for the view as it is asked for: values, scores, ranges, calculations. */
import { computed, type ReadonlySignal } from '@preact/signals'
import { blendOf, numbered, outputAt, parameterAt } from './blending'
import { type Explained, rememberedCalculation } from './explain/at'
import type { Calculation } from './explain/calculation'
import type { LayerSummary } from './generated/recording'
import type { Connection } from './layout/connections'
import type { DrawnLayer } from './layout/drawn'
import type { Legend, Pick, Scores } from './model'
import type { Recording, Tensor } from './recording/types'
import type { Blend } from './scene/frame'
import { edgeWeights } from './scene/kernels'
import type { Loader } from './scene/loader'
import { shareOfLargest } from './scene/weights'
import { classNames, scoresOf } from './scores'
import { layerView, type State, type Target } from './state'

export class Readings {
  readonly inspected: ReadonlySignal<Target | null>
  readonly scores: ReadonlySignal<Scores | null>
  readonly legend: ReadonlySignal<Legend | null>
  readonly predictions: ReadonlySignal<(number | null)[]>
  readonly calculation: ReadonlySignal<Calculation | null>

  private readonly recording: Recording
  private readonly state: ReadonlySignal<State>
  private readonly drawn: readonly DrawnLayer[]
  private readonly links: readonly Connection[]
  private readonly shares = new Map<string, number>()
  private readonly remembered: ReturnType<typeof rememberedCalculation>

  constructor(
    on: Explained & { state: ReadonlySignal<State>; hover: ReadonlySignal<Pick | null> },
    private readonly loader: Loader,
    /** Largest value of a drawn layer in the sample shown: stands in where the recording has no summary. */
    private readonly largestShown: (layer: number) => number,
  ) {
    this.recording = on.recording
    this.state = on.state
    this.drawn = on.drawn
    this.links = on.links
    this.remembered = rememberedCalculation(on)
    this.inspected = computed(() => on.hover.value ?? this.state.value.pinned ?? this.selected())
    this.scores = computed(() => this.scoresOf(this.classOutput()))
    this.legend = computed(() => this.makeLegend())
    this.predictions = computed(() => this.makePredictions())
    this.calculation = computed(() => this.makeCalculation())
  }

  /** The checkpoints to blend for the epoch asked for, by position. */
  get epoch(): Blend {
    return blendOf(this.state.value.epoch, this.recording.index.checkpoints.length)
  }

  /** The same by the numbers of their files. */
  get numbered(): Blend {
    return numbered(this.epoch, this.recording.index.checkpoints)
  }

  private selected(): Target | null {
    const { selected } = this.state.value
    return selected === null ? null : { layer: selected }
  }

  /** The recorded value of a pixel; null while it is not loaded. */
  valueAt(target: Required<Target>): number | null {
    const layer = this.drawn.find(l => l.id === target.layer)
    if (!layer) return null
    const at = (target.map * layer.rows + target.y) * layer.columns + target.x
    return this.outputOf(layer.id, at, at + 1)?.[0] ?? null
  }

  /** Values `start` to `end` of a layer's output for the sample and epoch asked for; null while not loaded. */
  outputOf(layer: string, start: number, end: number): Float32Array | null {
    return outputAt(this.recording, this.epoch, this.state.value.sample, layer, start, end)
  }

  /** Parameter at the epoch asked for; asks for it when it is not in memory. */
  parameterAt(layer: string, role: string): Tensor | null {
    this.loader.arrivals.value
    const found = parameterAt(this.recording, this.epoch, layer, role)
    if (!found) this.request(this.epoch, layer, role)
    return found
  }

  /** The weights of a connection's edges at the epoch asked for; null while they are not in memory. */
  edgeWeights(link: Connection): Float32Array | null {
    return edgeWeights(link, role => this.parameterAt(link.layer, role))
  }

  /** Parameters that the stage does not need (biases, norms) are fetched when a panel asks. */
  private request(epoch: Blend, layer: string, role: string): void {
    for (const checkpoint of epoch.t > 0 ? [epoch.before, epoch.after] : [epoch.before]) {
      queueMicrotask(() => {
        const number = this.recording.index.checkpoints[checkpoint]?.index
        if (number === undefined || this.recording.parameterNow(layer, role, checkpoint)) return
        this.loader.load(`${role} of ${layer} at ${number}`, () => this.recording.parameter(layer, role, checkpoint))
      })
    }
  }

  summaryAt(layer: string): LayerSummary | null {
    this.loader.arrivals.value
    return this.recording.summaryNow(Math.round(this.state.value.epoch))?.[layer] ?? null
  }

  private classOutput(): Float32Array | null {
    this.loader.arrivals.value
    const { output } = this
    return output && this.outputOf(output.id, 0, output.maps)
  }

  private scoresOf(values: Float32Array | null): Scores | null {
    const { index } = this.recording
    const truth = index.samples.labels?.[this.state.value.sample] ?? null
    return values && scoresOf(values, classNames(index, values.length), truth)
  }

  private makePredictions(): (number | null)[] {
    this.loader.arrivals.value
    const { output } = this
    const { sample } = this.state.value
    return this.recording.index.checkpoints.map((_, checkpoint) => {
      const values = output && this.recordedScores(checkpoint, sample, output.id)
      return this.scoresOf(values)?.prediction ?? null
    })
  }

  /** What the output put out for a sample: from the checkpoint's summary, or from its activations. */
  private recordedScores(checkpoint: number, sample: number, output: string): Float32Array | null {
    const row = this.recording.scoresNow(checkpoint, output)?.[sample]
    return row ? Float32Array.from(row) : this.recording.outputNow(checkpoint, sample, output)
  }

  private makeCalculation(): Calculation | null {
    const { pinned } = this.state.value
    return pinned && this.calculationOf(pinned)
  }

  /** Every term of one value; null while a tensor that it needs is not in memory, which is then asked for. */
  calculationOf(target: Target): Calculation | null {
    this.loader.arrivals.value
    const { epoch, sample } = this.state.value
    return this.remembered({ epoch, sample }, target, (layer, role, checkpoint) =>
      this.request({ before: checkpoint, after: checkpoint, t: 0 }, layer, role),
    )
  }

  /** Share of the squared norm that the `count` largest weights of a connection hold, at the nearest checkpoint. */
  normShare(link: number, count: number): number | null {
    const c = this.links[link]
    const checkpoint = Math.round(this.state.value.epoch)
    const key = `${link} ${count} ${this.recording.index.checkpoints[checkpoint]?.index}`
    const known = this.shares.get(key)
    const kernel = edgeWeights(c, role => this.recording.parameterNow(c.layer, role, checkpoint))
    if (known !== undefined || !kernel) return known ?? null
    const share = shareOfLargest(kernel, count)
    this.shares.set(key, share)
    return share
  }

  /** The last drawn layer, if it is a vector that can be class scores. */
  get output(): DrawnLayer | null {
    const last = this.drawn.at(-1)
    const classes = this.recording.index.classes
    return last && last.rows * last.columns === 1 && (!classes || classes.length === last.maps) ? last : null
  }

  private makeLegend(): Legend | null {
    this.loader.arrivals.value
    const id = this.inspected.value?.layer ?? this.links.find(link => link.role)?.layer
    const layer = this.drawn.find(l => l.id === id)
    if (!layer) return null
    const link = this.links.find(l => l.to === layer.index && l.role)
    const kernel = link?.role && !link.separable ? this.summaryAt(layer.id)?.parameters?.[link.role] : undefined
    const [low, activationHigh] = this.ranges()?.[layer.index] ?? this.rangeOf(layer.index)
    const signed = layerView(this.state.value, layer.id).activationColors === 'blue-red'
    // Ramps begin at 0, but for inputs that go below it and for colours that have a side for each sign.
    const activationLow = signed ? -activationHigh : layer.kind === 'input' ? Math.min(0, low) : 0
    return {
      layer: layer.id,
      weight: kernel ? Math.max(Math.abs(kernel.low), Math.abs(kernel.high)) : null,
      activationLow,
      activationHigh,
    }
  }

  /** Lowest value (or 0) and highest value of a layer over all samples, at the epoch asked for. */
  private rangeOf(layer: number): [low: number, high: number] {
    const { before, after, t } = this.epoch
    const at = (checkpoint: number) => this.recording.summaryNow(checkpoint)?.[this.drawn[layer].id]?.activations
    const a = at(before)
    const b = (t > 0 ? at(after) : null) ?? a
    if (!a || !b) return [0, this.largestShown(layer)]
    const low = a.low + (b.low - a.low) * t
    const high = a.high + (b.high - a.high) * t
    return [Number.isFinite(low) ? low : 0, Number.isFinite(high) && high > 0 ? high : this.largestShown(layer)]
  }

  /** By drawn layer; null where every map has its own range. */
  ranges(): [low: number, high: number][] | null {
    const { range } = this.state.value
    if (range === 'map') return null
    const all = this.drawn.map((_, i) => this.rangeOf(i))
    if (range === 'layer') return all
    const highest = Math.max(...all.map(([, high]) => high))
    return all.map(([low]) => [low, highest])
  }
}

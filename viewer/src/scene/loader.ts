/** Brings what a frame needs to the GPU: asks the recording, uploads what arrives, says what could not be had. */
import { signal } from '@preact/signals'
import type { Notice } from '../model'
import type { Recording } from '../recording/types'
import { layerView, type State } from '../state'
import type { Blend } from './frame'
import { products } from './products'
import type { Stage } from './stage'

/** After this time a failed request is tried again, if a frame still needs it. Milliseconds. */
const RETRY_AFTER = 10_000

export class Loader {
  readonly notices = signal<Notice[]>([])
  /** Counts arrivals: what depends on loaded data subscribes to it. */
  readonly arrivals = signal(0)
  private readonly pending = new Set<string>()
  private readonly quiet = new Set<string>()
  private readonly failed = new Map<string, number>()

  constructor(
    private readonly recording: Recording,
    private readonly changed: () => void,
  ) {}

  get busy(): boolean {
    return this.pending.size > 0
  }

  /** Requests all that the view needs at `epoch` and that is not on the GPU yet. Cheap when nothing is missing. */
  need(stage: Stage, epoch: Blend, state: State, budget: number): void {
    for (const checkpoint of checkpointsOf(epoch)) {
      this.needSample(stage, checkpoint, state.sample)
      for (const i of stage.links.keys()) this.needWeights(stage, i, checkpoint, state, budget)
      if (this.recording.summaryNow(checkpoint) === null) {
        this.load(`summary ${checkpoint}`, () => this.recording.summary(checkpoint))
      }
    }
  }

  private needSample(stage: Stage, checkpoint: number, sample: number): void {
    const { resources } = stage
    if (this.recording.index.samples.count === 0 || resources.hasSample(checkpoint, sample)) return
    this.load(`activations ${checkpoint} ${sample}`, async () => {
      const activations = await this.recording.activations(checkpoint, sample)
      if (!resources.hasSample(checkpoint, sample)) resources.addSample(checkpoint, sample, activations)
    })
  }

  private needWeights(stage: Stage, i: number, checkpoint: number, state: State, budget: number): void {
    const { resources } = stage
    const link = stage.links[i]
    const { role } = link
    if (!role) return
    if (!resources.hasWeights(i, checkpoint)) {
      this.load(`weights ${i} ${checkpoint}`, async () => {
        const kernel = await this.recording.parameter(link.layer, role, checkpoint)
        if (!resources.hasWeights(i, checkpoint)) resources.addWeights(i, checkpoint, kernel.data)
      })
    }
    if (!resources.orders[i]) {
      // The last checkpoint gives the order, whatever was looked at first: the same view is the same picture.
      const last = this.recording.index.checkpoints.length - 1
      this.load(`order ${i}`, async () => {
        const reference = this.recording.parameter(link.layer, role, last)
        const kernel = await reference.catch(() => this.recording.parameter(link.layer, role, checkpoint))
        resources.setOrder(i, kernel.data, budget)
      })
    }
    const { sample } = state
    const variant = String(sample)
    if (!layerView(state, link.layer).weightTimesActivation || resources.hasWeights(i, checkpoint, variant)) return
    this.load(`products ${i} ${checkpoint} ${sample}`, async () => {
      const kernel = await this.recording.parameter(link.layer, role, checkpoint)
      const activations = await this.recording.activations(checkpoint, sample)
      const start = activations.offset.get(stage.drawn[link.from].id)
      if (start === undefined || resources.hasWeights(i, checkpoint, variant)) return
      const product = products(link, kernel.data, activations.data.subarray(start))
      resources.addWeights(i, checkpoint, product, variant)
    })
  }

  /** The output of a sample at every checkpoint, for the history of its prediction: small requests, made when idle. */
  needHistory(output: string | null, sample: number): void {
    if (output === null || this.recording.index.samples.count === 0) return
    for (const checkpoint of this.recording.index.checkpoints.keys()) {
      if (this.recording.scoresNow(checkpoint, output) || this.recording.outputNow(checkpoint, sample, output)) continue
      this.load(`history ${checkpoint} ${sample}`, () => this.recording.output(checkpoint, sample, output), true)
    }
  }

  /**
   * Runs a request once at a time; its failure becomes one sentence on the screen, everything else goes on.
   * `quiet`: nothing on the stage depends on it, no frame waits for it.
   */
  load(key: string, request: () => Promise<unknown>, quiet = false): void {
    const pending = quiet ? this.quiet : this.pending
    if (pending.has(key)) return
    const failedAt = this.failed.get(key)
    if (failedAt !== undefined && performance.now() - failedAt < RETRY_AFTER) return
    pending.add(key)
    request()
      .then(
        () => this.succeeded(key),
        error => this.note(key, error),
      )
      .finally(() => {
        pending.delete(key)
        this.arrivals.value++
        if (!quiet) this.changed()
      })
  }

  private succeeded(key: string): void {
    if (!this.failed.delete(key)) return
    this.notices.value = this.notices.value.filter(notice => notice.key !== key)
  }

  private note(key: string, error: unknown): void {
    this.failed.set(key, performance.now())
    const text = error instanceof Error ? error.message : String(error)
    // One cause, one sentence: a missing file is missing for every tensor in it.
    const others = this.notices.value.filter(notice => notice.key !== key && notice.text !== text)
    this.notices.value = [...others, { key, text }]
  }
}

function checkpointsOf({ before, after, t }: Blend): number[] {
  return t > 0 ? [before, after] : [before]
}

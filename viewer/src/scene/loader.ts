/** Brings what a frame needs to the GPU: asks the recording, uploads what arrives, says what could not be had. */
import { type Signal, signal } from '@preact/signals'
import type { Notice } from '../model'
import { ActivationsMissing, TensorMissing } from '../recording/errors'
import type { Recording } from '../recording/types'
import { layerView, type State } from '../state'
import type { Blend } from './frame'
import { loadEdgeWeights } from './kernels'
import { products } from './products'
import type { Stage } from './stage'

/** After this time a failed request is tried again, if a frame still needs it. Milliseconds. */
const RETRY_AFTER = 10_000

/** A recording that is shown beside another one. */
export interface Beside {
  /** What the numbers of its checkpoints begin with on the GPU. */
  first: number
  /** What its troubles are told with. */
  name: string
  /** Where they are told. */
  notices: Signal<Notice[]>
}

export class Loader {
  readonly notices: Signal<Notice[]>
  /** Counts arrivals: what depends on loaded data subscribes to it. */
  readonly arrivals = signal(0)
  /** Checkpoints are being added. */
  growing = false
  private readonly pending = new Set<string>()
  private readonly quiet = new Set<string>()
  private readonly failed = new Map<string, number>()

  constructor(
    private readonly recording: Recording,
    private readonly changed: () => void,
    private readonly beside: Beside | null = null,
  ) {
    this.notices = beside?.notices ?? signal<Notice[]>([])
  }

  get busy(): boolean {
    return this.pending.size > 0
  }

  /**
   * Requests all that the view needs at `epoch` (by position) and that is not on the GPU yet; whether all of it is there,
   * but for what could not be had. Cheap when nothing is missing.
   */
  need(stage: Stage, epoch: Blend, state: State, budget: number): boolean {
    let waiting = false
    for (const checkpoint of checkpointsOf(epoch)) {
      // By number from here on: when an answer arrives, the checkpoint may stand at another position.
      const number = this.recording.index.checkpoints[checkpoint]?.index
      if (number === undefined) continue
      const at: Moment = { checkpoint, number: number + (this.beside?.first ?? 0) }
      waiting = this.needSample(stage, at, state.sample) || waiting
      for (const i of stage.links.keys()) waiting = this.needWeights(stage, i, at, state, budget) || waiting
      if (this.recording.summaryNow(checkpoint) === null) {
        waiting = this.load(`summary ${number}`, () => this.recording.summary(checkpoint)) || waiting
      }
      waiting = this.needLookedAt(state, at) || waiting
    }
    return !waiting
  }

  /** Panels read all parameters of the layer that is pinned or selected. */
  private needLookedAt({ pinned, selected }: State, { checkpoint, number }: Moment): boolean {
    const id = pinned?.layer ?? selected
    const layer = this.recording.index.network.layers.find(l => l.id === id)
    let waiting = false
    for (const { role } of layer?.parameters ?? []) {
      if (this.recording.parameterNow(layer!.id, role, checkpoint)) continue
      const load = () => this.recording.parameter(layer!.id, role, checkpoint)
      waiting = this.load(`${role} of ${layer!.id} at ${number}`, load) || waiting
    }
    return waiting
  }

  private needSample(stage: Stage, { checkpoint, number }: Moment, sample: number): boolean {
    const { resources } = stage
    if (this.recording.index.samples.count === 0 || resources.hasSample(number, sample)) return false
    return this.load(`activations ${number} ${sample}`, async () => {
      const activations = await this.recording.activations(checkpoint, sample)
      if (!resources.hasSample(number, sample)) resources.addSample(number, sample, activations)
    })
  }

  /** Whether something is on its way that the ribbons of a connection wait for. */
  private needWeights(stage: Stage, i: number, { checkpoint, number }: Moment, state: State, budget: number): boolean {
    const { resources } = stage
    const link = stage.links[i]
    if (!link.role) return false
    let waiting = false
    if (!resources.hasWeights(i, number)) {
      waiting = this.load(`weights ${i} ${number}`, async () => {
        const kernel = await loadEdgeWeights(this.recording, link, checkpoint)
        if (!resources.hasWeights(i, number)) resources.addWeights(i, number, kernel)
      })
    }
    // The last checkpoint gives the order, whatever was looked at first: the same view is the same picture. While
    // checkpoints are added the order stays, so that only weights change; the end of the run sets it right.
    const last = this.recording.index.checkpoints.length - 1
    const by = this.recording.index.checkpoints[last].index
    const known = resources.orders[i]
    // The first recording gives it for both.
    if (!this.beside && (!known || (known.by !== by && !this.growing))) {
      const order = this.load(`order ${i} ${by}`, async () => {
        const reference = loadEdgeWeights(this.recording, link, last)
        const kernel = await reference.catch(() => loadEdgeWeights(this.recording, link, checkpoint))
        resources.setOrder(i, by, kernel, budget)
      })
      waiting ||= order
    }
    const { sample } = state
    const variant = String(sample)
    if (!layerView(state, link.layer).weightTimesActivation || resources.hasWeights(i, number, variant)) return waiting
    const product = this.load(`products ${i} ${number} ${sample}`, async () => {
      const [kernel, activations] = await Promise.all([
        loadEdgeWeights(this.recording, link, checkpoint),
        this.recording.activations(checkpoint, sample),
      ])
      const start = activations.offset.get(stage.drawn[link.from].id)
      if (start === undefined || resources.hasWeights(i, number, variant)) return
      const product = products(link, kernel, activations.data.subarray(start))
      resources.addWeights(i, number, product, variant)
    })
    return waiting || product
  }

  /** The output of a sample at every checkpoint, for the history of its prediction: small requests, made when idle. */
  needHistory(output: string | null, sample: number): void {
    if (output === null || this.recording.index.samples.count === 0) return
    for (const [checkpoint, { index }] of this.recording.index.checkpoints.entries()) {
      if (this.recording.scoresNow(checkpoint, output) || this.recording.outputNow(checkpoint, sample, output)) continue
      this.load(`history ${index} ${sample}`, () => this.recording.output(checkpoint, sample, output), true)
    }
  }

  /**
   * Runs a request once at a time; its failure becomes one sentence on the screen, everything else goes on.
   * `quiet`: nothing on the stage depends on it, no frame waits for it. Returns whether the request is on its way.
   */
  load(key: string, request: () => Promise<unknown>, quiet = false): boolean {
    const pending = quiet ? this.quiet : this.pending
    if (pending.has(key)) return true
    const failedAt = this.failed.get(key)
    if (failedAt !== undefined && performance.now() - failedAt < RETRY_AFTER) return false
    pending.add(key)
    request()
      .then(
        () => this.succeeded(key),
        error => this.failedWith(key, error),
      )
      .finally(() => {
        pending.delete(key)
        this.arrivals.value++
        if (!quiet) this.changed()
      })
    return true
  }

  private succeeded(key: string): void {
    if (this.failed.delete(key)) this.dismiss(key)
  }

  /** A running training takes checkpoints away again: where the index now says another thing, the next frame asks anew. */
  private async failedWith(key: string, error: unknown): Promise<void> {
    const missing = error instanceof TensorMissing || error instanceof ActivationsMissing
    if (missing && (await this.recording.refresh().catch(() => false))) return
    this.failed.set(key, performance.now())
    this.note(key, error instanceof Error ? error.message : String(error))
  }

  /** One cause, one sentence: a missing file is missing for every tensor in it. */
  note(what: string, sentence: string, remedy?: Notice['remedy']): void {
    const key = this.keyOf(what)
    const text = this.beside ? `${this.beside.name}: ${sentence}` : sentence
    const others = this.notices.value.filter(notice => notice.key !== key && notice.text !== text)
    this.notices.value = [...others, { key, text, remedy }]
  }

  dismiss(what: string): void {
    const key = this.keyOf(what)
    const others = this.notices.value.filter(notice => notice.key !== key)
    if (others.length < this.notices.value.length) this.notices.value = others
  }

  private keyOf(what: string): string {
    return this.beside ? `${this.beside.name} ${what}` : what
  }
}

/** A checkpoint: its position now, and its number. */
interface Moment {
  checkpoint: number
  number: number
}

function checkpointsOf({ before, after, t }: Blend): number[] {
  return t > 0 ? [before, after] : [before]
}

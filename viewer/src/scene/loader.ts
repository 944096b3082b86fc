/** Brings what a frame needs to the GPU: asks the recording, uploads what arrives, says what could not be had. */
import { signal } from '@preact/signals'
import type { Notice } from '../model'
import type { Recording } from '../recording/types'
import type { Blend, Stage } from './stage'

/** After this time a failed request is tried again, if a frame still needs it. Milliseconds. */
const RETRY_AFTER = 10_000

export class Loader {
  readonly notices = signal<Notice[]>([])
  /** Counts arrivals: what depends on loaded data subscribes to it. */
  readonly arrivals = signal(0)
  private readonly pending = new Set<string>()
  private readonly failed = new Map<string, number>()

  constructor(
    private readonly recording: Recording,
    private readonly changed: () => void,
  ) {}

  get busy(): boolean {
    return this.pending.size > 0
  }

  /** Requests all that `epoch` and `sample` need and that is not on the GPU yet. Cheap when nothing is missing. */
  need(stage: Stage, epoch: Blend, sample: number, budget: number): void {
    const checkpoints = epoch.t > 0 ? [epoch.before, epoch.after] : [epoch.before]
    for (const checkpoint of checkpoints) {
      if (this.recording.index.samples.count > 0 && !stage.hasSample(checkpoint, sample)) {
        this.load(`activations ${checkpoint} ${sample}`, async () => {
          const activations = await this.recording.activations(checkpoint, sample)
          if (!stage.hasSample(checkpoint, sample)) stage.addSample(checkpoint, sample, activations)
        })
      }
      for (const [i, link] of stage.links.entries()) {
        if (!link.role || stage.hasWeights(i, checkpoint)) continue
        const role = link.role
        this.load(`weights ${i} ${checkpoint}`, async () => {
          const kernel = await this.recording.parameter(link.layer, role, checkpoint)
          if (!stage.hasWeights(i, checkpoint)) stage.addWeights(i, checkpoint, kernel.data, budget)
        })
      }
      if (this.recording.summaryNow(checkpoint) === null) {
        this.load(`summary ${checkpoint}`, () => this.recording.summary(checkpoint))
      }
    }
  }

  /** Runs a request once at a time; its failure becomes one sentence on the screen, everything else goes on. */
  load(key: string, request: () => Promise<unknown>): void {
    if (this.pending.has(key)) return
    const failedAt = this.failed.get(key)
    if (failedAt !== undefined && performance.now() - failedAt < RETRY_AFTER) return
    this.pending.add(key)
    request()
      .then(
        () => this.succeeded(key),
        error => this.note(key, error),
      )
      .finally(() => {
        this.pending.delete(key)
        this.arrivals.value++
        this.changed()
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

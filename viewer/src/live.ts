/** Follows a recording while it is written: reads again what the source says has changed. */
import { type ReadonlySignal, signal } from '@preact/signals'
import { AnotherRecording } from './recording/errors'
import type { MetricLine, Recording } from './recording/types'
import type { Loader } from './scene/loader'
import type { News } from './source/source'

export interface LiveStatus {
  /**
   * none: nobody tells of changes · idle: nothing is being written · writing · ended: it was being written while this
   * page was open · lost: the connection is tried again · gone: the recording was taken away.
   */
  state: 'none' | 'idle' | 'writing' | 'ended' | 'lost' | 'gone'
  /** Versions of the files of lines: who reads one of them reads it again when its version changes. */
  metrics: string | null
  insights: string | null
}

/** A change that could not be read is read again after this time. Milliseconds. */
const AGAIN_AFTER = 2_000

export class Live {
  readonly lines = signal<readonly MetricLine[]>([])
  private readonly now = signal<LiveStatus>({ state: 'none', metrics: null, insights: null })
  private index: string | null = null
  private metrics: string | null = null
  private timer = 0
  private stop = () => {}

  constructor(
    private readonly recording: Recording,
    private readonly loader: Loader,
  ) {}

  get status(): ReadonlySignal<LiveStatus> {
    return this.now
  }

  start(): void {
    this.loader.load('metrics', () => this.readMetrics())
    this.stop = this.recording.watch(news => this.hear(news))
  }

  dispose(): void {
    this.stop()
    clearTimeout(this.timer)
  }

  private hear(news: News | null): void {
    const before = this.now.value
    if (!news) {
      this.now.value = { ...before, state: 'lost' }
      return
    }
    const { recording, metrics, insights, writing } = news
    const ran = before.state === 'writing' || before.state === 'ended'
    const state = recording === null ? 'gone' : writing ? 'writing' : ran ? 'ended' : 'idle'
    this.now.value = { state, metrics, insights }
    const indexChanged = recording !== null && recording !== this.index
    const metricsChanged = metrics !== this.metrics
    this.index = recording
    this.metrics = metrics
    void this.readAgain(indexChanged, metricsChanged)
  }

  private async readAgain(index: boolean, metrics: boolean): Promise<void> {
    try {
      if (index) await this.recording.refresh()
      if (index) this.loader.dismiss('live')
      if (metrics) await this.readMetrics()
    } catch (error) {
      if (error instanceof AnotherRecording) this.loader.note('live', error.message, 'reload')
      // Half a file, or none: it may be whole a moment later.
      else this.timer = window.setTimeout(() => this.readAgain(index, metrics), AGAIN_AFTER)
    }
  }

  private async readMetrics(): Promise<void> {
    this.lines.value = await this.recording.metrics()
  }
}

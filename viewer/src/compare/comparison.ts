/** What the view is compared with: B's recording, moment and readings, and what has to be there before both can be drawn. */
import { computed, type ReadonlySignal, signal } from '@preact/signals'
import { blendOf, numbered } from '../blending'
import type { Connection } from '../layout/connections'
import type { DrawnLayer } from '../layout/drawn'
import { Live } from '../live'
import type { Legend, Pick as Picked } from '../model'
import { axisOf, positionOf, valueAt } from '../panels/axis'
import { Readings } from '../readings'
import { placeMetrics } from '../recording/metrics'
import { remap } from '../recording/remap'
import type { MetricRow, Recording } from '../recording/types'
import { Loader } from '../scene/loader'
import type { Images } from '../scene/picture'
import type { Stage } from '../scene/stage'
import type { State } from '../state'
import { align } from './align'
import { type Change, Changes } from './changes'
import { legendOfBoth, legendOfDifference } from './legend'
import { type AskedSide, needDifference } from './needs'

/** Checkpoints' files have six digits: the numbers of a second recording come after all of them. */
const SECOND = 1_000_000

export interface Compared {
  recording: Recording
  drawn: readonly DrawnLayer[]
  links: readonly Connection[]
  state: ReadonlySignal<State>
  hover: ReadonlySignal<Picked | null>
  /** Checkpoints of the second recording came or went. */
  remapEpochOfB(to: (epoch: number) => number): void
}

export type Whose = 'A' | 'B' | 'B − A'

/** B as it is asked for. */
export interface Other {
  recording: Recording
  readings: Readings
  loader: Loader
  /** What its checkpoints' numbers begin with on the GPU. */
  first: number
}

export class Comparison {
  /** The second recording, by the first one's layers; null until it is opened, or where there is none. */
  readonly second = signal<Recording | null>(null)
  /** Why the second recording can't be shown; null while nothing is wrong. */
  readonly trouble = signal<string | null>(null)
  /** B, where something is compared and there. */
  readonly other: ReadonlySignal<Other | null>
  /** The second recording's metrics on A's axis, by step or epoch; empty while another thing is compared. */
  readonly metrics: ReadonlySignal<MetricRow[]>
  /** Whether the second recording is being written. */
  readonly writing: ReadonlySignal<boolean>
  /** Most changed first. */
  readonly changes: ReadonlySignal<Change[]>
  readonly legend: ReadonlySignal<Legend | null>
  /** Whose weights the inspector shows; null: those of the picture. */
  readonly whose = signal<Whose | null>(null)
  /** How it was compared last. */
  last: State['compare'] = null
  private readonly stateOfB: ReadonlySignal<State>
  private readonly same: Other
  private readonly another = signal<Other | null>(null)
  private readonly list: Changes
  private images: Images | null = null
  private readonly follower = signal<Live | null>(null)

  constructor(
    private readonly on: Compared,
    private readonly loader: Loader,
    private readonly a: Pick<Readings, 'legend'>,
    private readonly stage: () => Stage,
    private readonly changed: () => void,
  ) {
    this.stateOfB = computed(() => {
      const state = on.state.value
      return { ...state, epoch: this.epochOf(state.epoch), sample: state.compare?.sample ?? state.sample }
    })
    this.same = { recording: on.recording, readings: this.readingsOf(on.recording, loader), loader, first: 0 }
    this.other = computed(() => {
      const { compare, calculation } = on.state.value
      // One calculation is A's alone.
      if (!compare || calculation) return null
      return compare.with === 'recording' ? this.another.value : this.same
    })
    // By itself, so that only another kind of comparison, and no move of the playhead, places the rows anew.
    const ofRecordings = computed(() => on.state.value.compare?.with === 'recording')
    this.metrics = computed(() => {
      const live = ofRecordings.value ? this.follower.value : null
      return live ? placeMetrics(live.lines.value, on.recording.index.checkpoints) : []
    })
    this.writing = computed(() => this.follower.value?.status.value.state === 'writing')
    this.list = new Changes(on.drawn, loader)
    this.legend = computed(() => this.legendNow())
    this.changes = computed(() => this.changesNow())
  }

  private readingsOf(recording: Recording, loader: Loader): Readings {
    const { drawn, links, hover } = this.on
    return new Readings({ recording, drawn, links, hover, state: this.stateOfB }, loader, layer => {
      const [, b] = this.sides(this.on.state.value.epoch) ?? []
      return b ? this.stage().sampleRange(layer, b.epoch, b.sample, 1) : 1
    })
  }

  /** Opens the second recording. What goes wrong becomes one sentence, and the first one is shown alone. */
  async open(recording: Promise<Recording>): Promise<void> {
    try {
      const found = align(this.on.recording.index.network, await recording)
      const loader = new Loader(found, this.changed, { first: SECOND, name: 'B', notices: this.loader.notices })
      this.another.value = { recording: found, readings: this.readingsOf(found, loader), loader, first: SECOND }
      this.second.value = found
      this.follow(found, loader)
      if (found.index.samples.count > 0) {
        loader.load('images', async () => {
          this.images = await found.images()
        })
      }
    } catch (error) {
      this.trouble.value = error instanceof Error ? error.message : String(error)
      this.loader.note('compare', `B: ${this.trouble.value}`)
    }
    this.changed()
  }

  /** B may be a training that runs, too. */
  private follow(recording: Recording, loader: Loader): void {
    const live = new Live(recording, loader)
    recording.onRefresh((before, after) => this.on.remapEpochOfB(remap(before.checkpoints, after.checkpoints)))
    live.start()
    this.follower.value = live
  }

  dispose(): void {
    this.follower.value?.dispose()
  }

  /** B's pictures as people see them; null where A's are B's too. */
  get ownImages(): Images | null {
    return this.other.value === this.same ? null : this.images
  }

  get state(): ReadonlySignal<State> {
    return this.stateOfB
  }

  /** How A and B are shown; null while nothing is compared. */
  get show(): NonNullable<State['compare']>['show'] | null {
    return this.other.value && (this.on.state.value.compare?.show ?? null)
  }

  /** B's epoch, by position among its checkpoints, while A's is `epoch`: its own, or the same moment. */
  epochOf(epoch: number): number {
    const { compare } = this.on.state.value
    const theirs = compare?.with === 'recording' ? this.another.value?.recording.index.checkpoints : undefined
    if (compare?.epoch !== undefined)
      return theirs ? Math.min(compare.epoch, Math.max(0, theirs.length - 1)) : compare.epoch
    if (!theirs) return epoch
    const [a, b] = [axisOf(this.on.recording.index.checkpoints), axisOf(theirs)]
    const last = a.values.length - 1
    if (a.unit !== b.unit) return last > 0 ? (epoch / last) * (b.values.length - 1) : 0
    return positionOf(b, valueAt(a, epoch))
  }

  /** A and B at an epoch of A's that is asked for or on the way to it; null where nothing is compared. */
  sides(epoch: number): [AskedSide, AskedSide] | null {
    const other = this.other.value
    if (!other) return null
    const state = this.on.state.value
    return [
      side(this.on.recording, 0, epoch, state.sample),
      side(other.recording, other.first, this.epochOf(epoch), this.stateOfB.value.sample),
    ]
  }

  /** Requests what B needs, and what the difference needs. */
  need(budget: number): boolean {
    const other = this.other.value
    const stage = this.stage()
    if (!other) return true
    const ready = other.loader.need(stage, other.readings.epoch, this.stateOfB.value, budget)
    const { epoch, compare } = this.on.state.value
    if (this.show === 'difference' && this.on.recording.index.checkpoints.length > 0) {
      needDifference(stage, this.loader, this.sides(epoch)!, this.on.state.value, compare?.with !== 'sample', budget)
    }
    return ready
  }

  get busy(): boolean {
    return this.another.value?.loader.busy ?? false
  }

  /** Subscribes to whatever is loaded. */
  private listen(): void {
    this.loader.arrivals.value
    this.other.value?.loader.arrivals.value
  }

  private legendNow(): Legend | null {
    this.listen()
    const legend = this.a.legend.value
    const state = this.on.state.value
    const sides = this.sides(state.epoch)
    if (!legend || !sides) return legend
    if (this.show === 'side') return legendOfBoth(legend, this.other.value!.readings.legend.value)
    return legendOfDifference(legend, sides, this.stage().resources, state)
  }

  private changesNow(): Change[] {
    const { compare, epoch } = this.on.state.value
    this.listen()
    const sides = this.sides(epoch)
    return sides && compare ? this.list.list(...sides, compare.with === 'sample' ? 'activations' : 'weights') : []
  }
}

function side(recording: Recording, first: number, epoch: number, sample: number): AskedSide {
  const { checkpoints } = recording.index
  return {
    recording,
    epoch: numbered(blendOf(epoch, checkpoints.length), checkpoints, first),
    sample,
    position: number => checkpoints.findIndex(checkpoint => checkpoint.index + first === number),
  }
}

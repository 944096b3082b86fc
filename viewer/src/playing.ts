/** The moment that is shown where it moves by itself: the training played, or its newest checkpoint followed. */
import { signal } from '@preact/signals'
import type { Recording } from './recording/types'
import type { State, StatePatch } from './state'

/** Seconds from one checkpoint to the next at speed 1. */
const SECONDS_A_CHECKPOINT = 0.8
/** Seconds of playing that are fetched ahead. */
const SECONDS_AHEAD = 1
/** A loop rests at its end as long as from one checkpoint to the next: the trained network is worth a look. */
const REST = 1

/** The next whole checkpoint in a direction. */
export function stepped(epoch: number, by: -1 | 1): number {
  return by < 0 ? Math.ceil(epoch) - 1 : Math.floor(epoch) + 1
}

export interface Played {
  readonly recording: Recording
  readonly state: { readonly value: State }
  set(patch: StatePatch): void
  /** Moves the epoch without letting go of the newest checkpoint, and without a trace in the history. */
  moveEpoch(epoch: number): void
  /** Asks for all that the view needs at a checkpoint, by position; whether it is there, or can't be had. */
  ready(position: number): boolean
  /** How many checkpoints fit onto the GPU together. */
  room(): number
  /** Whether more checkpoints are to come. */
  writing(): boolean
}

export class Playing {
  readonly on = signal(false)
  private playedAt = 0
  /** Where the playhead is; beyond the last checkpoint while a loop rests there. */
  private head = 0
  /** The checkpoint that is being fetched to be shown next: its number, since positions change. */
  private awaited: number | null = null

  constructor(private readonly viewer: Played) {}

  private get last(): number {
    return this.viewer.recording.index.checkpoints.length - 1
  }

  /** Call once a frame. */
  tick(now: number): void {
    if (this.on.value) this.play(now)
    else this.follow()
    if (!this.on.value) this.playedAt = 0
  }

  private play(now: number): void {
    const { last } = this
    const { epoch, speed, loop } = this.viewer.state.value
    const fresh = this.playedAt === 0
    const seconds = fresh ? 0 : Math.min(100, now - this.playedAt) / 1000
    this.playedAt = now
    if (fresh) this.head = epoch >= last ? 0 : epoch
    // Whoever moves the playhead while the training plays goes on from there.
    else if (Math.abs(Math.min(last, this.head) - epoch) > 1e-9) this.head = epoch
    const head = this.head + (seconds * speed) / SECONDS_A_CHECKPOINT
    this.fetchAhead(head, speed, loop)
    const end = loop && last > 0 ? last + REST : last
    this.head = this.reached(Math.min(head, end))
    const over = this.head >= end
    if (over && end === last) this.stop()
    else if (over && this.viewer.ready(0)) this.head = 0
    if (this.on.value) this.viewer.set({ epoch: Math.min(last, this.head) })
  }

  /** At the end of a training that goes on, what comes next is followed. */
  private stop(): void {
    this.on.value = false
    this.viewer.set(this.viewer.writing() ? { follow: true } : { epoch: Math.max(0, this.last) })
  }

  /** As far towards `head` as the checkpoints are there: the playhead waits rather than to show something else. */
  private reached(head: number): number {
    for (let position = Math.ceil(this.head); position <= Math.min(this.last, Math.ceil(head)); position++) {
      if (!this.viewer.ready(position)) return Math.max(this.head, position - 1)
    }
    return head
  }

  private fetchAhead(head: number, speed: number, loop: boolean): void {
    const { last } = this
    const wanted = 1 + Math.ceil((SECONDS_AHEAD * speed) / SECONDS_A_CHECKPOINT)
    // Two are being blended; what does not fit beside them would throw out what was just fetched.
    const ahead = Math.min(wanted, this.viewer.room() - 2)
    for (let i = 1; i <= ahead; i++) {
      const position = Math.ceil(head) + i
      if (position <= last) this.viewer.ready(position)
      else if (loop) this.viewer.ready(Math.min(last, position - last - 1))
    }
  }

  /** What is shown stays until the newest checkpoint can be drawn; those that come meanwhile wait for their turn. */
  private follow(): void {
    const { follow, epoch } = this.viewer.state.value
    const { checkpoints } = this.viewer.recording.index
    if (!follow || this.last < 0 || epoch === this.last) {
      this.awaited = null
      return
    }
    const position = checkpoints.findIndex(checkpoint => checkpoint.index === this.awaited)
    const next = position < 0 ? this.last : position
    this.awaited = checkpoints[next].index
    if (!this.viewer.ready(next)) return
    this.awaited = null
    this.viewer.moveEpoch(next)
  }
}

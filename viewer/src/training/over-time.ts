/** One thing at many checkpoints: fetched bit by bit when somebody looks, kept by the numbers of the checkpoints. */
import { type ReadonlySignal, signal } from '@preact/signals'
import type { Checkpoint } from '../generated/recording'

/** More checkpoints than this are no picture; they are taken evenly then. */
export const MOST_MOMENTS = 120

/** What arrives within this time is shown at once. Milliseconds. */
const TOGETHER = 80

/** Positions of all checkpoints, or of `most` spread evenly with the first and the last among them. */
export function spread(checkpoints: number, most = MOST_MOMENTS): number[] {
  if (checkpoints <= most) return Array.from({ length: checkpoints }, (_, i) => i)
  return Array.from({ length: most }, (_, i) => Math.round((i * (checkpoints - 1)) / (most - 1)))
}

/** Runs a request once; a failure becomes a sentence on the screen. */
export type Load = (key: string, request: () => Promise<unknown>) => void

export class OverTime<T> {
  private readonly known = new Map<number, T | null>()
  private readonly shown = signal<ReadonlyMap<number, T | null>>(new Map())
  private timer: ReturnType<typeof setTimeout> | undefined

  /** `name` is that of the thing, for what is under way; `fetch` takes a checkpoint's position; null: not recorded. */
  constructor(
    private readonly name: string,
    private readonly load: Load,
    private readonly fetch: (checkpoint: number) => Promise<T | null>,
  ) {}

  /** By the numbers of the checkpoints; a new map when something arrived. */
  get moments(): ReadonlySignal<ReadonlyMap<number, T | null>> {
    return this.shown
  }

  /** Asks for what is not here yet. */
  need(positions: readonly number[], checkpoints: readonly Checkpoint[]): void {
    for (const position of positions) {
      const number = checkpoints[position].index
      if (this.known.has(number)) continue
      this.load(`${this.name} over time ${number}`, async () => {
        this.known.set(number, await this.fetch(position))
        this.timer ??= setTimeout(() => {
          this.timer = undefined
          this.shown.value = new Map(this.known)
        }, TOGETHER)
      })
    }
  }
}

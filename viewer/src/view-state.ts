/** The state as it is asked for: checked patches, consequences, undo, and the link that stands for it. */
import { type ReadonlySignal, type Signal, signal } from '@preact/signals'
import type { Index } from './generated/recording'
import { mapShape } from './layout/drawn'
import type { Recording } from './recording/types'
import {
  type Context,
  clampPatch,
  defaultState,
  History,
  type State,
  type StatePatch,
  type Target,
  toQuery,
} from './state'

export class ViewState {
  readonly state: Signal<State>
  readonly canUndo: ReadonlySignal<boolean>
  readonly canRedo: ReadonlySignal<boolean>
  private readonly history = new History()
  private readonly layers: Context['layers']
  private readonly undoable = signal(false)
  private readonly redoable = signal(false)

  constructor(
    private readonly recording: Recording,
    patch: StatePatch,
    /** Whether there is a second recording to compare with. */
    private readonly second = false,
  ) {
    this.layers = contextOf(recording.index).layers
    this.state = signal(defaultState(recording.index, second))
    this.change(patch)
    this.canUndo = this.undoable
    this.canRedo = this.redoable
  }

  set(patch: StatePatch): void {
    const before = this.state.value
    this.change(patch)
    this.history.push(before, this.state.value, performance.now())
    this.noteHistory()
  }

  private change(patch: StatePatch): void {
    const { checkpoints, samples } = this.recording.index
    const context = {
      checkpoints: checkpoints.length,
      samples: samples.count,
      layers: this.layers,
      second: this.second,
    }
    const clamped = clampPatch(patch, context).patch
    if (clamped.follow) clamped.epoch = Math.max(0, checkpoints.length - 1)
    else if (clamped.epoch !== undefined) clamped.follow = false
    if (clamped.pinned && !this.exists(clamped.pinned)) delete clamped.pinned
    if (Object.keys(clamped).length === 0) return
    const next = { ...this.state.value, ...clamped }
    // Without a pixel there is nothing to calculate; the calculation is framed anew, and so is what comes after it.
    if (next.pinned?.y === undefined) next.calculation = false
    if (next.calculation !== this.state.value.calculation && clamped.camera === undefined) next.camera = null
    this.state.value = next
  }

  /** Moves the epoch as nobody asked for in this moment: whether it follows stays, and there is nothing to undo. */
  moveEpoch(epoch: number): void {
    this.state.value = { ...this.state.value, epoch }
  }

  /** Checkpoints came or went: every epoch becomes the position that its moment has now. */
  remapEpochs(to: (epoch: number) => number): void {
    this.move(patch => remapped(patch, to))
  }

  /** The same for the second recording's. */
  remapEpochOfB(to: (epoch: number) => number): void {
    this.move(patch => remappedOfB(patch, to))
  }

  private move(moved: (patch: StatePatch) => StatePatch): void {
    this.state.value = { ...this.state.value, ...moved(this.state.value) }
    this.history.map(moved)
  }

  /** A link may name a map or a pixel that the layer does not have. */
  private exists({ layer, map, y, x }: Target): boolean {
    const shape = this.recording.index.network.layers.find(l => l.id === layer)?.output_shapes?.[0]
    const [maps, rows, columns] = (shape && mapShape(shape)) ?? [0, 0, 0]
    return (map ?? 0) < maps && (y ?? 0) < rows && (x ?? 0) < columns
  }

  undo(): void {
    const patch = this.history.undo()
    if (patch) this.change(patch)
    this.noteHistory()
  }

  redo(): void {
    const patch = this.history.redo()
    if (patch) this.change(patch)
    this.noteHistory()
  }

  private noteHistory(): void {
    this.undoable.value = this.history.canUndo
    this.redoable.value = this.history.canRedo
  }

  link(): string {
    return `${location.origin}${location.pathname}${this.query()}`
  }

  /** What the address says: only what differs from the default. */
  query(): string {
    return toQuery(this.state.value, defaultState(this.recording.index, this.second), location.search)
  }
}

/** A patch in which every epoch of the recording stands at its new position; a second recording's are its own. */
function remapped(patch: StatePatch, to: (epoch: number) => number): StatePatch {
  const { epoch, compare } = patch
  const moved = { ...patch }
  if (epoch !== undefined) moved.epoch = to(epoch)
  if (compare?.with === 'checkpoint' && compare.epoch !== undefined)
    moved.compare = { ...compare, epoch: to(compare.epoch) }
  return moved
}

function remappedOfB(patch: StatePatch, to: (epoch: number) => number): StatePatch {
  const { compare } = patch
  if (compare?.with !== 'recording' || compare.epoch === undefined) return patch
  return { ...patch, compare: { ...compare, epoch: to(compare.epoch) } }
}

/** What a recording allows a state to be; `second`: there is another one to compare it with. */
export function contextOf(index: Index, second = false): Context {
  return {
    checkpoints: index.checkpoints.length,
    samples: index.samples.count,
    layers: new Set(index.network.layers.map(layer => layer.id)),
    second,
  }
}

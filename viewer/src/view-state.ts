/** The state as it is asked for: checked patches, consequences, undo, and the link that stands for it. */
import { type ReadonlySignal, type Signal, signal } from '@preact/signals'
import type { Index } from './generated/recording'
import { mapShape } from './layout/drawn'
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
  private readonly context: Context
  private readonly undoable = signal(false)
  private readonly redoable = signal(false)

  constructor(
    private readonly index: Index,
    patch: StatePatch,
  ) {
    this.context = contextOf(index)
    this.state = signal(defaultState(index))
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
    const clamped = clampPatch(patch, this.context).patch
    if (clamped.pinned && !this.exists(clamped.pinned)) delete clamped.pinned
    if (Object.keys(clamped).length === 0) return
    const next = { ...this.state.value, ...clamped }
    // Without a pixel there is nothing to calculate; the calculation is framed anew, and so is what comes after it.
    if (next.pinned?.y === undefined) next.calculation = false
    if (next.calculation !== this.state.value.calculation && clamped.camera === undefined) next.camera = null
    this.state.value = next
  }

  /** A link may name a map or a pixel that the layer does not have. */
  private exists({ layer, map, y, x }: Target): boolean {
    const shape = this.index.network.layers.find(l => l.id === layer)?.output_shapes?.[0]
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
    const query = toQuery(this.state.value, defaultState(this.index), location.search)
    return `${location.origin}${location.pathname}${query}`
  }
}

/** What a recording allows a state to be. */
export function contextOf(index: Index): Context {
  return {
    checkpoints: index.checkpoints.length,
    samples: index.samples.count,
    layers: new Set(index.network.layers.map(layer => layer.id)),
  }
}

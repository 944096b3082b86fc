import type { State, StatePatch } from '../state'

interface Change {
  /** Names of the fields ("layers.conv1.layout" for one of a layer): the same ones in quick succession are one change. */
  names: string
  before: StatePatch
  after: StatePatch
  time: number
}

/** Fields that say how the viewer runs, not what it shows. */
const IGNORED: ReadonlySet<string> = new Set(['panels', 'animate', 'speed', 'loop'])
const COALESCE_MS = 500

/** Undo and redo of view changes, as patches: what isn't part of a change stays as it is now. */
export class History {
  #undo: Change[] = []
  #redo: Change[] = []

  constructor(readonly limit = 200) {}

  get canUndo(): boolean {
    return this.#undo.length > 0
  }

  get canRedo(): boolean {
    return this.#redo.length > 0
  }

  /** Notes a change of the state. `now` in milliseconds; a drag on a slider becomes one change. */
  push(before: State, after: State, now: number): void {
    const fields = (Object.keys(after) as (keyof State)[]).filter(
      field => !IGNORED.has(field) && !same(before[field], after[field]),
    )
    if (fields.length === 0) return
    // To let go of the newest checkpoint is part of the move that does it.
    const named = fields.filter(field => field !== 'follow')
    const names = named.flatMap(field => (field === 'layers' ? layerNames(before, after) : [field])).join(' ')
    const last = this.#undo.at(-1)
    const goesOn = last?.names === names && now - last.time < COALESCE_MS && !this.canRedo
    this.#redo = []
    if (last && goesOn) {
      last.before = { ...pick(before, fields), ...last.before }
      last.after = { ...last.after, ...pick(after, fields) }
      last.time = now
      // Dragged away and back: nothing is left to undo.
      const changed = Object.keys(last.before) as (keyof State)[]
      if (changed.every(field => same(last.before[field], after[field]))) this.#undo.pop()
      return
    }
    this.#undo.push({ names, before: pick(before, fields), after: pick(after, fields), time: now })
    if (this.#undo.length > this.limit) this.#undo.shift()
  }

  /** Rewrites every patch: what a patch says may come to mean something else. */
  map(rewrite: (patch: StatePatch) => StatePatch): void {
    for (const change of [...this.#undo, ...this.#redo]) {
      change.before = rewrite(change.before)
      change.after = rewrite(change.after)
    }
  }

  /** The patch that takes the last change back; null when there is none. Don't push what it leads to. */
  undo(): StatePatch | null {
    const change = this.#undo.pop()
    if (!change) return null
    this.#redo.push({ ...change, time: Number.NEGATIVE_INFINITY })
    return change.before
  }

  redo(): StatePatch | null {
    const change = this.#redo.pop()
    if (!change) return null
    this.#undo.push(change)
    return change.after
  }
}

function pick(state: State, fields: readonly (keyof State)[]): StatePatch {
  return Object.fromEntries(fields.map(field => [field, state[field]]))
}

function layerNames(before: State, after: State): string[] {
  const names: string[] = []
  for (const layer of new Set([...Object.keys(before.layers), ...Object.keys(after.layers)])) {
    const [a, b] = [own(before.layers, layer), own(after.layers, layer)] as Record<string, unknown>[]
    for (const field of new Set([...Object.keys(a), ...Object.keys(b)])) {
      if (a[field] !== b[field]) names.push(`layers.${JSON.stringify(layer)}.${field}`)
    }
  }
  return names
}

function own(layers: State['layers'], layer: string): object {
  return Object.hasOwn(layers, layer) ? layers[layer] : {}
}

/** States are replaced, never changed, but a control may set an equal target or camera again. */
function same(a: unknown, b: unknown): boolean {
  return a === b || (typeof a === 'object' && JSON.stringify(a) === JSON.stringify(b))
}

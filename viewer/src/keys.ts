/** Key bindings of the stage. Keys typed into a field or a control stay there. */
import { toggleCompare } from './compare/toggle'
import type { ViewerModel } from './model'
import { stepped } from './playing'
import type { State, StatePatch } from './state'

type Action = (model: ViewerModel) => void

const set =
  (patch: (model: ViewerModel) => StatePatch): Action =>
  model =>
    model.set(patch(model))

const step = (by: -1 | 1) => (model: ViewerModel) => {
  model.playing.value = false
  model.set({ epoch: stepped(model.state.value.epoch, by) })
}

const ACTIONS = new Map<string, Action>(
  Object.entries({
    ' ': model => {
      model.playing.value = !model.playing.value
    },
    '[': step(-1),
    ']': step(1),
    End: model => {
      model.playing.value = false
      model.set({ follow: true })
    },
    ',': set(({ state }) => ({ sample: state.value.sample - 1 })),
    '.': set(({ state }) => ({ sample: state.value.sample + 1 })),
    l: set(() => ({ layout: 0 })),
    c: set(() => ({ layout: 1 })),
    g: set(() => ({ layout: 2 })),
    b: set(({ bundleInForce }) => ({ bundle: bundleInForce.value < 0.5 ? 1 : 0 })),
    h: model => model.home(),
    v: toggleCompare,
    f: model => {
      const target = model.state.value.pinned ?? model.inspected.value
      if (target) model.focus(target)
    },
    Tab: set(({ state }) => ({ panels: !state.value.panels })),
    Enter: model => model.set(into(model)),
    Escape: model => model.set(outOf(model.state.value)),
  } satisfies Record<string, Action>),
)

/** One level in: layer -> map -> pixel -> its calculation. */
function into(model: ViewerModel): StatePatch {
  const { pinned, selected } = model.state.value
  if (!pinned) return selected === null ? {} : { pinned: { layer: selected, map: 0 } }
  if (pinned.y !== undefined) return { calculation: true }
  const shape = outputShape(model, pinned.layer)
  const [rows, columns] = shape.length === 3 ? [shape[1], shape[2]] : [1, 1]
  return { pinned: { ...pinned, map: pinned.map ?? 0, y: Math.floor(rows / 2), x: Math.floor(columns / 2) } }
}

/** One level out: calculation -> pixel -> map -> layer -> network. */
function outOf({ calculation, pinned }: State): StatePatch {
  if (calculation && pinned) return { calculation: false, pinned: { layer: pinned.layer, map: pinned.map } }
  if (!pinned) return { selected: null }
  return { pinned: pinned.y === undefined ? null : { layer: pinned.layer, map: pinned.map } }
}

function outputShape(model: ViewerModel, layer: string): readonly number[] {
  return model.recording.index.network.layers.find(l => l.id === layer)?.output_shapes?.[0] ?? []
}

const MOVES: Record<string, [dy: number, dx: number] | undefined> = {
  ArrowUp: [-1, 0],
  ArrowDown: [1, 0],
  ArrowLeft: [0, -1],
  ArrowRight: [0, 1],
}

/** Arrow keys move the pinned pixel within its map. */
function movePinned(model: ViewerModel, [dy, dx]: [number, number]): boolean {
  const { pinned } = model.state.value
  if (pinned?.y === undefined || pinned.x === undefined) return false
  const shape = outputShape(model, pinned.layer)
  if (shape.length === 1) {
    // The units of a vector follow each other, whichever way they stand.
    const map = Math.min(shape[0] - 1, Math.max(0, (pinned.map ?? 0) + dx + dy))
    model.set({ pinned: { ...pinned, map } })
    return true
  }
  if (shape.length !== 3) return false
  const y = Math.min(shape[1] - 1, Math.max(0, pinned.y + dy))
  const x = Math.min(shape[2] - 1, Math.max(0, pinned.x + dx))
  model.set({ pinned: { ...pinned, y, x } })
  return true
}

/** Listens on the window until the returned function is called. `stage`: what the pointer last touched when Tab hides panels. */
export function attachKeys(model: ViewerModel, stage: HTMLElement): () => void {
  const abort = new AbortController()
  let onStage = false
  const onKey = (event: KeyboardEvent) => {
    if (event.defaultPrevented || uses(event.target, event.key)) return
    if (event.ctrlKey || event.metaKey) {
      if (event.key.toLowerCase() !== 'z') return
      event.preventDefault()
      if (event.shiftKey) model.redo()
      else model.undo()
      return
    }
    if (event.altKey) return
    const move = MOVES[event.key]
    if (move) {
      if (movePinned(model, move)) event.preventDefault()
      return
    }
    // Whoever works with the keyboard alone goes from control to control with Tab; it hides the panels for the hand on the mouse.
    if (event.key === 'Tab' && (event.shiftKey || !onStage)) return
    const action = [event.key, event.key.toLowerCase()].map(key => ACTIONS.get(key)).find(Boolean)
    if (!action) return
    event.preventDefault()
    action(model)
  }
  const { signal } = abort
  window.addEventListener('keydown', onKey, { signal })
  window.addEventListener('pointerdown', event => (onStage = event.target === stage), { signal, capture: true })
  window.addEventListener('focusin', event => (onStage &&= event.target === stage), { signal })
  return () => abort.abort()
}

const ARROWS = new Set(['ArrowUp', 'ArrowDown', 'ArrowLeft', 'ArrowRight', 'Home', 'End', 'PageUp', 'PageDown'])

/** Whether the focused control needs that key itself: fields all of them, sliders arrows, choices arrows and Space, buttons Space and Enter. */
function uses(target: EventTarget | null, key: string): boolean {
  if (!(target instanceof HTMLElement) || key === 'Tab') return false
  if (target.closest('[role="dialog"]')) return true
  if (target.matches('input[type="range"], [role="slider"]')) return ARROWS.has(key)
  if (target.matches('input[type="radio"], select')) return ARROWS.has(key) || key === ' '
  if (target.matches('input, textarea, [contenteditable]')) return true
  return target.closest('button, a, [role="button"], summary') !== null && (key === ' ' || key === 'Enter')
}

/** A small plot over the training: a press goes to a moment, the cursor asks for its figures, arrows step. */
import { type Signal, useComputed } from '@preact/signals'
import type { ComponentChildren, JSX } from 'preact'
import type { ViewerModel } from '../../model'

/** The checkpoint to tell of: under the cursor, or nearest to the playhead. It changes by whole checkpoints only. */
export function useShownMoment(model: ViewerModel, hover: Signal<number | null>): number {
  return useComputed(() => hover.value ?? Math.round(model.state.value.epoch)).value
}

/** The one nearest to a checkpoint: of hundreds, not all are known. */
export function nearestMoment<T extends { position: number }>(moments: readonly T[], position: number): T | null {
  const away = (moment: T) => Math.abs(moment.position - position)
  return moments.reduce<T | null>((best, moment) => (!best || away(moment) < away(best) ? moment : best), null)
}

interface Props {
  model: ViewerModel
  /** What the plot shows, for screen readers. */
  label: string
  class: string
  /** The position on the axis of checkpoints under a point of the plot: x is a share of the width, y is in px. */
  at(x: number, y: number): number | null
  hover: Signal<number | null>
  children: ComponentChildren
}

export function MomentPicker({ model, label, class: className, at, hover, children }: Props): JSX.Element {
  const last = model.recording.index.checkpoints.length - 1
  const near = useComputed(() => Math.round(model.state.value.epoch))
  const words = useComputed(() => model.recording.index.checkpoints[near.value]?.label ?? '')
  const under = (event: PointerEvent & { currentTarget: HTMLElement }) => {
    const box = event.currentTarget.getBoundingClientRect()
    const position = at(Math.min(1, Math.max(0, (event.clientX - box.left) / box.width)), event.clientY - box.top)
    return position === null ? null : Math.min(last, Math.max(0, Math.round(position)))
  }
  const go = (position: number | null) => {
    if (position === null) return
    model.playing.value = false
    model.set({ epoch: position })
  }
  const key = (event: KeyboardEvent) => {
    const by = { ArrowRight: 1, ArrowUp: 1, ArrowLeft: -1, ArrowDown: -1, Home: -last, End: last }[event.key]
    if (by === undefined) return
    event.preventDefault()
    event.stopPropagation()
    go(Math.min(last, Math.max(0, near.peek() + by)))
  }
  return (
    <div
      class={`moments ${className}`}
      role="slider"
      tabIndex={0}
      aria-label={label}
      aria-valuemin={0}
      aria-valuemax={last}
      aria-valuenow={near}
      aria-valuetext={words}
      onKeyDown={key}
      onPointerDown={event => {
        event.currentTarget.setPointerCapture(event.pointerId)
        go(under(event))
      }}
      onPointerMove={event => {
        hover.value = under(event)
        if (event.currentTarget.hasPointerCapture(event.pointerId)) go(hover.value)
      }}
      onPointerLeave={() => {
        hover.value = null
      }}
    >
      {children}
    </div>
  )
}

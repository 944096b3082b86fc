/** B's place on the timeline, to be dragged like A's; the number beside it can be typed in the panel. */
import { useComputed } from '@preact/signals'
import type { JSX } from 'preact'
import type { ViewerModel } from '../../model'

interface Props {
  model: ViewerModel
  /** The last checkpoint, and where the axis ends. */
  last: number
  end: number
  width: number
  top: number
  bottom: number
}

/** Half of what a finger or a cursor can take hold of, px; and how near to a checkpoint it goes there. */
const GRIP = 9
const SNAP = 5

export function PlayheadOfB({ model, last, end, width, top, bottom }: Props): JSX.Element | null {
  const epoch = useComputed(() => {
    const { compare } = model.state.value
    return compare?.with === 'checkpoint' ? (compare.epoch ?? null) : null
  }).value
  if (epoch === null || last < 1) return null
  const drag = (event: PointerEvent & { currentTarget: SVGElement }) => {
    const box = event.currentTarget.ownerSVGElement!.getBoundingClientRect()
    const at = Math.min(last, Math.max(0, ((event.clientX - box.left) / box.width) * end))
    const snaps = Math.abs(at - Math.round(at)) * (box.width / end) < SNAP
    model.set({ compare: { ...model.state.peek().compare!, epoch: snaps ? Math.round(at) : at } })
  }
  const middle = (top + bottom) / 2
  return (
    <g class="playhead-b" transform={`translate(${((epoch / end) * width).toFixed(2)} 0)`}>
      <line y1={top} y2={bottom} />
      <rect class="letter" x="-6.5" y={middle - 6.5} width="13" height="13" rx="3.5" />
      <text class="letter-b" y={middle + 3.2}>
        B
      </text>
      <rect
        class="grip"
        x={-GRIP}
        y={top}
        width={2 * GRIP}
        height={bottom - top}
        onPointerDown={event => {
          // Not the plot's: that would move A.
          event.stopPropagation()
          event.currentTarget.setPointerCapture(event.pointerId)
        }}
        onPointerMove={event => {
          if (!event.currentTarget.hasPointerCapture(event.pointerId)) return
          event.stopPropagation()
          drag(event)
        }}
      />
    </g>
  )
}

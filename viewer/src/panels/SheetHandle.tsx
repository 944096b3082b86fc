/** Pulls the sheet of a phone up and down; a tap opens or closes it. */
import type { JSX } from 'preact'
import { useRef } from 'preact/hooks'
import { SHEET_HEIGHT, type Ui } from './ui'

/** Heights of the sheet's body where it comes to rest: closed, as first shown, most of the screen. */
function rests(ui: Ui): number[] {
  const room = ui.size.peek()[1]
  return [0, SHEET_HEIGHT, Math.max(SHEET_HEIGHT, Math.round(room * 0.86) - 240)]
}

export function SheetHandle({ ui }: { ui: Ui }): JSX.Element {
  const start = useRef<{ y: number; sheet: number; moved: boolean } | null>(null)
  const settle = () => {
    const now = ui.sheet.peek()
    ui.sheet.value = rests(ui).reduce((a, b) => (Math.abs(b - now) < Math.abs(a - now) ? b : a))
  }
  return (
    <button
      type="button"
      class="handle"
      aria-label={ui.sheet.value === 0 ? 'Open the panel' : 'Close the panel'}
      aria-expanded={ui.sheet.value > 0}
      onPointerDown={event => {
        event.currentTarget.setPointerCapture(event.pointerId)
        start.current = { y: event.clientY, sheet: ui.sheet.peek(), moved: false }
      }}
      onPointerMove={event => {
        const from = start.current
        if (!from || (!from.moved && Math.abs(event.clientY - from.y) < 4)) return
        from.moved = true
        ui.sheet.value = Math.min(rests(ui)[2], Math.max(0, from.sheet + from.y - event.clientY))
      }}
      onPointerUp={() => {
        if (start.current?.moved) settle()
      }}
      onPointerCancel={settle}
      onClick={() => {
        // A drag ends in a click too; that one has already come to rest.
        const dragged = start.current?.moved
        start.current = null
        if (!dragged) ui.sheet.value = ui.sheet.peek() === 0 ? SHEET_HEIGHT : 0
      }}
    >
      <i />
    </button>
  )
}

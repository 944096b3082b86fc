/** Keys, mouse and touch, in a dialog over everything. "?" opens it. */
import { type Signal, useSignalEffect } from '@preact/signals'
import type { JSX } from 'preact'
import { useEffect, useRef } from 'preact/hooks'
import { Glyph } from './icons'
import { useName } from './use-name'

type Row = [keys: string[], does: string]

const keys: Row[] = [
  [['Enter'], 'one level in: layer, map, pixel, calculation'],
  [['Esc'], 'one level out'],
  [['←', '↑', '↓', '→'], 'move the pinned pixel'],
  [['Space'], 'play the training'],
  [['[', ']'], 'checkpoint before, next'],
  [['End'], 'the newest checkpoint; keep to it while the training runs'],
  [[',', '.'], 'sample before, next'],
  [['L', 'C', 'G'], 'maps in a line, circle, grid'],
  [['B'], 'bundle the edges, or not'],
  [['V'], 'compare with another checkpoint, sample or recording'],
  [['F'], 'look at what is pinned'],
  [['H'], 'the whole network'],
  [['/'], 'find a layer'],
  [['Tab'], 'hide the panels, with the mouse on the stage'],
  [['Ctrl', 'Z'], 'undo; with Shift redo'],
  [['?'], 'this'],
]

const mouse: Row[] = [
  [['drag'], 'turn'],
  [['right drag'], 'move; also Shift drag'],
  [['wheel'], 'nearer, to the cursor'],
  [['point'], 'the exact value'],
  [['click'], 'pin; again: the calculation'],
  [['double click'], 'look at a map'],
  [['Alt', 'drag'], 'turn, as in Maya; middle moves, right zooms'],
]

const touch: Row[] = [
  [['one finger'], 'turn'],
  [['two fingers'], 'move and zoom'],
  [['tap'], 'pin; again: the calculation'],
  [['double tap'], 'look at a map'],
]

function Rows({ name, rows }: { name: string; rows: Row[] }): JSX.Element {
  return (
    <section>
      <h3>{name}</h3>
      <dl>
        {rows.map(([pressed, does]) => (
          <div key={does}>
            <dt>
              {pressed.map(key => (
                <kbd key={key}>{key}</kbd>
              ))}
            </dt>
            <dd>{does}</dd>
          </div>
        ))}
      </dl>
    </section>
  )
}

export function Help({ open }: { open: Signal<boolean> }): JSX.Element {
  const dialog = useRef<HTMLDialogElement>(null)
  const title = useName()
  useEffect(() => {
    const onKey = (event: KeyboardEvent) => {
      const typing = event.target instanceof HTMLElement && event.target.matches('input:not([type=range]), textarea')
      if (event.key !== '?' || typing || event.ctrlKey || event.metaKey) return
      event.preventDefault()
      open.value = !open.peek()
    }
    window.addEventListener('keydown', onKey)
    return () => window.removeEventListener('keydown', onKey)
  }, [open])
  useSignalEffect(() => {
    // A modal dialog keeps the focus inside, and gives it back to where it was.
    const element = dialog.current
    if (!element) return
    if (!open.value) {
      if (element.open) element.close()
      return
    }
    if (!element.open) element.showModal()
    // From its one button, Tab leads to the browser's own; keys pressed there must not reach the stage.
    const onKey = (event: KeyboardEvent) => {
      const inside = event.target instanceof Node && element.contains(event.target)
      if (!inside) event.stopImmediatePropagation()
      if (event.key !== 'Tab') return
      event.preventDefault()
      element.querySelector('button')?.focus()
    }
    window.addEventListener('keydown', onKey, true)
    return () => window.removeEventListener('keydown', onKey, true)
  })
  return (
    <dialog
      ref={dialog}
      class="help"
      tabIndex={-1}
      aria-labelledby={title}
      onClose={() => {
        open.value = false
      }}
      onKeyDown={event => {
        // The stage's keys rest meanwhile. Esc closes by itself.
        event.stopPropagation()
        if (event.key === '?') open.value = false
      }}
      onClick={event => {
        if (event.target === event.currentTarget) open.value = false
      }}
    >
      <div class="help-body">
        <header>
          <h2 id={title}>Keys, mouse and touch</h2>
          <button
            type="button"
            class="tool"
            aria-label="Close"
            title="Close (Esc)"
            onClick={() => {
              open.value = false
            }}
          >
            <Glyph name="cross" />
          </button>
        </header>
        <div class="help-columns">
          <Rows name="Keys" rows={keys} />
          <div>
            <Rows name="Mouse" rows={mouse} />
            <Rows name="Touch" rows={touch} />
          </div>
        </div>
        <p>
          Numbers beside sliders can be typed. A double click on a name takes its value back. Whatever is shown is in
          the page’s address: a link is a view.
        </p>
      </div>
    </dialog>
  )
}

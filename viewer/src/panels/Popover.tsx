/** A button with a small panel at it. A press outside, Esc or leaving it with Tab closes it. */
import { type Signal, useSignalEffect } from '@preact/signals'
import type { ComponentChildren, JSX } from 'preact'
import { useRef } from 'preact/hooks'
import { Glyph, type GlyphName } from './icons'
import { useName } from './use-name'

interface Props {
  open: Signal<boolean>
  /** Says what the button opens; it names the panel too. */
  name: string
  glyph: GlyphName
  class?: string
  /** Text beside the icon. */
  label?: string
  children: ComponentChildren
}

export function Popover({ open, name, glyph, class: className = 'tool', label, children }: Props): JSX.Element {
  const id = useName()
  const root = useRef<HTMLDivElement>(null)
  const button = useRef<HTMLButtonElement>(null)
  useSignalEffect(() => {
    const element = root.current
    if (!open.value || !element) return
    const abort = new AbortController()
    const { signal } = abort
    const onPress = (event: PointerEvent) => {
      if (!element.contains(event.target as Node)) open.value = false
    }
    const onLeave = (event: FocusEvent) => {
      if (event.relatedTarget instanceof Node && !element.contains(event.relatedTarget)) open.value = false
    }
    window.addEventListener('pointerdown', onPress, { signal, capture: true })
    element.addEventListener('focusout', onLeave, { signal })
    requestAnimationFrame(() => element.querySelector<HTMLElement>('.popover :is(input:checked, button)')?.focus())
    return () => abort.abort()
  })
  const onKeyDown = (event: KeyboardEvent) => {
    if (event.key !== 'Escape' || !open.peek()) return
    // Here Esc means this panel, not one level out.
    event.stopPropagation()
    open.value = false
    button.current?.focus()
  }
  return (
    <div ref={root} class="popover-root">
      <button
        ref={button}
        type="button"
        class={className}
        aria-label={label ? undefined : name}
        title={label ? undefined : name}
        aria-expanded={open.value}
        aria-controls={id}
        onKeyDown={onKeyDown}
        onClick={() => {
          open.value = !open.peek()
        }}
      >
        <Glyph name={glyph} />
        {label}
      </button>
      <div id={id}>
        {open.value && (
          <div class="popover" role="dialog" aria-label={name} onKeyDown={onKeyDown}>
            {children}
          </div>
        )}
      </div>
    </div>
  )
}

/** A panel that folds to one line. */
import type { Signal } from '@preact/signals'
import type { ComponentChildren, JSX } from 'preact'
import { Glyph } from './icons'

export function FoldButton({ folded, name }: { folded: Signal<boolean>; name: string }): JSX.Element {
  const words = `${folded.value ? 'Open' : 'Fold'} ${name}`
  return (
    <button
      type="button"
      class="fold"
      aria-expanded={!folded.value}
      aria-label={words}
      title={words}
      onClick={() => {
        folded.value = !folded.value
      }}
    >
      <Glyph name={folded.value ? 'down' : 'up'} size={12} />
    </button>
  )
}

interface Props {
  folded: Signal<boolean>
  class: string
  /** What the panel holds, in one or two words. */
  name: string
  covers?: 'left' | 'right' | 'bottom'
  children: ComponentChildren
}

/** Folded, only the name is left, and the whole line opens the panel again. */
export function FoldingPanel({ folded, class: className, name, covers, children }: Props): JSX.Element {
  if (folded.value) {
    return (
      <section class={`panel folded ${className}`} aria-label={name}>
        <button
          type="button"
          aria-expanded={false}
          onClick={() => {
            folded.value = false
          }}
        >
          {name}
          <Glyph name="down" size={12} />
        </button>
      </section>
    )
  }
  return (
    <section class={`panel ${className}`} aria-label={name} data-covers={covers}>
      {children}
    </section>
  )
}

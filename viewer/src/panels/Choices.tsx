/** A segmented choice: radio buttons in one frame. Arrow keys move between them. */
import type { ReadonlySignal } from '@preact/signals'
import type { JSX } from 'preact'

export interface Choice<T> {
  value: T
  name: string
  /** CSS background: the choice is shown as a swatch instead of by its name. */
  paint?: string
}

interface Props<T> {
  label: string
  choices: Choice<T>[]
  value: ReadonlySignal<T>
  /** Where the thumb stands, 0 … choices − 1, real; without it the chosen segment itself is marked. */
  place?: ReadonlySignal<number>
  swatches?: boolean
  onChange(value: T): void
}

export function Choices<T>({ label, choices, value, place, swatches, onChange }: Props<T>): JSX.Element {
  const current = choices.findIndex(c => c.value === value.value)
  const move = (event: KeyboardEvent & { currentTarget: HTMLElement }) => {
    const by = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key]
    if (!by) return
    event.preventDefault()
    event.stopPropagation()
    const next = (Math.max(0, current) + by + choices.length) % choices.length
    onChange(choices[next].value)
    event.currentTarget.querySelectorAll('button')[next]?.focus()
  }
  return (
    <div class={`choices ${swatches ? 'swatches' : ''}`} role="radiogroup" aria-label={label} onKeyDown={move}>
      {place && <i class="place" style={{ '--place': place.value, '--count': choices.length }} />}
      {choices.map((choice, i) => (
        <button
          key={choice.name}
          type="button"
          role="radio"
          aria-checked={i === current}
          aria-label={choice.paint ? choice.name : undefined}
          title={choice.paint ? choice.name : undefined}
          // Between two choices none is checked; the first can still be reached with Tab.
          tabIndex={i === Math.max(0, current) ? 0 : -1}
          class={place ? 'over-place' : ''}
          onClick={() => onChange(choice.value)}
        >
          {choice.paint ? <i class="swatch" style={{ background: choice.paint }} /> : choice.name}
        </button>
      ))}
    </div>
  )
}

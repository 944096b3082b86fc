/** A segmented choice: radio buttons in one frame. */
import type { ReadonlySignal } from '@preact/signals'
import type { JSX } from 'preact'
import { useName } from './use-name'

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
  onChange(value: T): void
}

export function Choices<T>({ label, choices, value, place, onChange }: Props<T>): JSX.Element {
  const group = useName()
  return (
    <div class={`choices ${place ? 'placed' : ''}`} role="radiogroup" aria-label={label}>
      {place && <i class="place" style={{ '--place': place.value, '--count': choices.length }} />}
      {choices.map(choice => (
        <label key={choice.name} title={choice.paint ? choice.name : undefined}>
          <input
            type="radio"
            class="cover"
            name={group}
            checked={choice.value === value.value}
            aria-label={choice.paint ? choice.name : undefined}
            onChange={() => onChange(choice.value)}
            // A choice that is chosen already can have been left half-way by a slider.
            onClick={() => onChange(choice.value)}
          />
          {choice.paint ? <i class="swatch" style={{ background: choice.paint }} /> : choice.name}
        </label>
      ))}
    </div>
  )
}

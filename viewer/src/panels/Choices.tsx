/** A segmented choice: radio buttons in one frame. */
import type { ReadonlySignal } from '@preact/signals'
import type { ComponentChildren, JSX } from 'preact'
import { useName } from './use-name'

export interface Choice<T> {
  value: T
  name: string
  /** Something under this choice stands out. */
  dot?: boolean
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
          {choice.paint ? (
            <i class="swatch" style={{ background: choice.paint }} />
          ) : (
            <span class="ellipsis">
              {choice.name}
              {choice.dot && <i class="dot own" />}
            </span>
          )}
        </label>
      ))}
    </div>
  )
}

interface ChipProps {
  pressed: ReadonlySignal<boolean>
  title: string
  onClick(): void
  children: ComponentChildren
}

/** A small button that stays pressed. */
export function Chip({ pressed, title, onClick, children }: ChipProps): JSX.Element {
  return (
    <button type="button" class="chip" aria-pressed={pressed.value} title={title} onClick={onClick}>
      {children}
    </button>
  )
}

interface ToggleProps {
  label: string
  value: ReadonlySignal<boolean>
  /** Stands between the label and the switch. */
  extra?: ComponentChildren
  onChange(value: boolean): void
}

export function Toggle({ label, value, extra, onChange }: ToggleProps): JSX.Element {
  const id = useName()
  return (
    <div class="pair toggle">
      <label for={id}>{label}</label>
      {extra}
      <span class="switch">
        <input
          id={id}
          type="checkbox"
          role="switch"
          class="cover"
          checked={value.value}
          aria-checked={value.value}
          onChange={event => onChange(event.currentTarget.checked)}
        />
        <i />
      </span>
    </div>
  )
}

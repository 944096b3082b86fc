/** A number that becomes a text field when clicked. Enter commits, Esc cancels, arrows step. */
import { type ReadonlySignal, useSignal } from '@preact/signals'
import type { JSX } from 'preact'
import { useLayoutEffect, useRef } from 'preact/hooks'
import { parseNumber } from '../numbers'
import { shown } from './fields'

function clamp(value: number, min: number, max: number): number {
  return Math.min(max, Math.max(min, value))
}

interface Props {
  label: string
  value: ReadonlySignal<number>
  min: number
  max: number
  step: number
  digits: number
  onChange(value: number): void
}

export function NumberInput({ label, value, min, max, step, digits, onChange }: Props): JSX.Element {
  const editing = useSignal(false)
  const field = useRef<HTMLInputElement>(null)
  const button = useRef<HTMLButtonElement>(null)
  const text = shown(value.value, digits)

  useLayoutEffect(() => {
    if (!editing.value) return
    field.current?.focus()
    field.current?.select()
  }, [editing.value])

  /** Focus goes back to the button, so that the keyboard stays where it was. */
  const close = () => {
    editing.value = false
    requestAnimationFrame(() => button.current?.focus())
  }
  const commit = () => {
    const typed = parseNumber(field.current?.value ?? '')
    if (typed !== null) onChange(clamp(typed, min, max))
  }
  const steps = (event: KeyboardEvent) => (event.shiftKey ? 10 : 1) * (event.key === 'ArrowUp' ? 1 : -1)

  if (!editing.value) {
    return (
      <button
        ref={button}
        type="button"
        class="number"
        aria-label={`${label}: ${text}, type a value`}
        onClick={() => {
          editing.value = true
        }}
      >
        {text}
      </button>
    )
  }
  return (
    <input
      ref={field}
      class="number"
      type="text"
      inputMode="decimal"
      autocomplete="off"
      aria-label={label}
      defaultValue={text}
      onBlur={() => {
        if (!editing.peek()) return
        commit()
        editing.value = false
      }}
      onKeyDown={event => {
        event.stopPropagation()
        if (event.key === 'Enter') {
          commit()
          close()
        } else if (event.key === 'Escape') close()
        else if (event.key === 'ArrowUp' || event.key === 'ArrowDown') {
          event.preventDefault()
          const from = parseNumber(event.currentTarget.value) ?? value.peek()
          const next = clamp(Number((from + step * steps(event)).toFixed(digits)), min, max)
          event.currentTarget.value = shown(next, digits)
          onChange(next)
        }
      }}
    />
  )
}

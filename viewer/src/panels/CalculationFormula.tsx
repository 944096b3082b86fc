/** What stands below the table: the lines left out, the sum as text, and the recorded value. */
import type { Signal } from '@preact/signals'
import type { JSX } from 'preact'
import type { Calculation } from '../explain/calculation'
import { formatCount, formatSigned } from '../numbers'
import type { Chosen } from './calculation-rows'
import { formulaLines, verdictOf } from './calculation-words'
import { Glyph } from './icons'

/** The lines that are left out, as one sum; a button shows them. */
export function Others({ all, chosen }: { all: Signal<boolean>; chosen: Chosen }): JSX.Element {
  const sum = chosen.others > 0 ? `${formatCount(chosen.others)} more, Σ ${formatSigned(chosen.othersSum, 3)}` : ''
  return (
    <button
      type="button"
      class="link others"
      aria-expanded={all.value}
      onClick={() => {
        all.value = !all.value
      }}
    >
      {all.value ? `only the largest${sum && ` (and ${sum})`}` : `+ ${sum}`}
      <Glyph name={all.value ? 'up' : 'down'} size={11} />
    </button>
  )
}

export function Formula({ calculation, chosen }: { calculation: Calculation; chosen: Chosen }): JSX.Element {
  const lines = formulaLines(calculation, chosen)
  const verdict = verdictOf(calculation)
  const open = verdict.kind === 'open'
  return (
    <div class="formula">
      {lines.map(({ left, text }, i) => (
        <p key={left}>
          {left} = <b class={i === lines.length - 1 && !open ? 'result' : ''}>{text}</b>
        </p>
      ))}
      <p class={`verdict ${verdict.kind}`}>
        {verdict.kind === 'same' && <Glyph name="check" />}
        {verdict.kind === 'other' && <Glyph name="cross" />}
        <span>
          recorded value <b>{verdict.recorded}</b>
        </span>
        {verdict.words && (
          <span>
            {open && '· '}
            {verdict.words}
          </span>
        )}
      </p>
    </div>
  )
}

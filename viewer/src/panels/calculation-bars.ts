/** The waterfall: channel sums one on top of the other, then what becomes of them. */
import type { Calculation } from '../explain/calculation'
import { type Chosen, stepWord } from './calculation-rows'

export interface Bar {
  label: string
  /** Shorter, for narrow columns. */
  short: string
  kind: 'term' | 'total' | 'result' | 'recorded'
  from: number
  to: number
}

/** At most `most` bars; the parts with the smallest |Σ| share one where there are more. */
export function barsOf(calculation: Calculation, chosen: Chosen, most: number): Bar[] {
  const after = tail(calculation)
  const room = Math.max(1, most - after.length - (calculation.bias === null ? 0 : 1))
  const bars: Bar[] = []
  let at = 0
  const add = (label: string, short: string, sum: number) => {
    bars.push({ label, short, kind: 'term', from: at, to: at + sum })
    at += sum
  }
  const fits = chosen.rows.length + (chosen.others > 0 ? 1 : 0) <= room
  const kept = fits ? chosen.rows : largest(chosen, Math.max(1, room - 1))
  for (const row of kept) add(row.name, row.number || row.from, row.sum)
  const others = chosen.rows.length + chosen.others - kept.length
  const all = chosen.rows.reduce((sum, row) => sum + row.sum, chosen.othersSum)
  if (others > 0) add(`${others} more`, `+${others}`, all - at)
  if (calculation.bias !== null) add('bias', 'bias', calculation.bias)
  return [...bars, ...after]
}

function largest(chosen: Chosen, count: number): Chosen['rows'] {
  const kept = new Set(chosen.rows.toSorted((a, b) => Math.abs(b.sum) - Math.abs(a.sum)).slice(0, count))
  return chosen.rows.filter(row => kept.has(row))
}

/** The sum and each step. Softmax has a picture of its own; a value that the terms don't make stands apart. */
function tail({ preActivation, steps, recorded, missing }: Calculation): Bar[] {
  const plain = steps.filter(step => step.name !== 'softmax')
  const next = steps[0] ? `before ${stepWord(steps[0].name)}` : 'sum'
  const open = missing.length > 0
  const bars: Bar[] = [
    { label: open ? 'recorded terms' : next, short: open ? 'terms' : 'sum', kind: 'total', from: 0, to: preActivation },
  ]
  for (const { name, value } of plain)
    bars.push({ label: stepWord(name), short: stepWord(name), kind: 'total', from: 0, to: value })
  if (!open && plain.length === steps.length) bars[bars.length - 1].kind = 'result'
  if (open && recorded !== null && plain.length === steps.length) {
    bars.push({ label: 'recorded', short: 'recorded', kind: 'recorded', from: 0, to: recorded })
  }
  return bars
}

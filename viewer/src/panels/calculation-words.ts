/** The sum as one line of text, and how well it meets the recorded value. */
import { agrees, tolerance } from '../explain/agreement'
import type { Calculation, CalculationPart, CalculationStep } from '../explain/calculation'
import { plainName } from '../explain/functions'
import { formatFixed, formatValue } from '../numbers'
import { type Chosen, stepWord } from './calculation-rows'
import { plural } from './text'

/** More terms than this don't read as a sum any more. */
const MOST_TERMS = 6
const MOST_VALUES = 9

/** Three places, or two digits of what would be 0.000. */
export function short(value: number): string {
  if (value === 0) return '0'
  const magnitude = Math.abs(value)
  return magnitude < 0.0005 || magnitude >= 1e6 ? formatValue(Number(value.toPrecision(2))) : formatFixed(value, 3)
}

/** "− 0.323", "+ 0.019": a term that follows others. */
function following(value: number): string {
  return value < 0 ? `\u2212 ${short(-value)}` : `+ ${short(value)}`
}

const SIGNS: Partial<Record<Calculation['operation'], string>> = { product: '×', difference: '\u2212', quotient: '÷' }

/** What stands before "=" in the sum of all parts. */
export function sumWords(calculation: Calculation, chosen: Chosen): string {
  const { operation, parts, bias } = calculation
  if (operation === 'max' || operation === 'min' || operation === 'mean') return windowWords(calculation)
  const sign = SIGNS[operation]
  if (sign) return parts.map(part => bracketed(part.sum)).join(` ${sign} `)
  // A function of its own holds its value; on a line of its own, a number would be equal to itself.
  const alone = calculation.steps.length === 0 || extraLines(calculation) > 0
  if (operation === 'same' && alone) return chosen.rows[0]?.name ?? ''
  if (chosen.rows.length === 1 && isBlend(calculation)) return blendWords(parts[0])
  const shown = chosen.rows.slice(0, MOST_TERMS)
  const others = chosen.rows.slice(MOST_TERMS)
  const rest = others.reduce((sum, row) => sum + row.sum, chosen.othersSum)
  const terms = shown.map((row, i) => (i === 0 ? short(row.sum) : following(row.sum)))
  if (others.length + chosen.others > 0) terms.push(`${following(rest)} (${others.length + chosen.others} more)`)
  if (bias !== null) terms.push(following(bias))
  return terms.join(' ')
}

/** A few pixels of one map, weighted: written out, since their sum alone says nothing. */
function isBlend({ parts, bias }: Calculation): boolean {
  const count = parts[0].patch.flat().length
  return parts.length === 1 && bias === null && parts[0].kernel !== null && count > 1 && count <= 4
}

function blendWords({ patch, kernel }: CalculationPart): string {
  const weights = kernel!.flat()
  const terms = patch
    .flat()
    .flatMap((value, i) => (value === null ? [] : [`${bracketed(weights[i])} · ${bracketed(value)}`]))
  return terms.join(' + ')
}

function bracketed(value: number): string {
  return value < 0 ? `(${short(value)})` : short(value)
}

function windowWords({ operation, parts }: Calculation): string {
  const all = parts.flatMap(part => part.patch.flat())
  const values = all.filter(value => value !== null)
  const shown = values.slice(0, MOST_VALUES).map(short)
  const more = values.length > MOST_VALUES
  if (operation !== 'mean')
    return `${operation}( ${shown.join(', ')}${more ? `, ${values.length - MOST_VALUES} more` : ''} )`
  if (more) return `the mean of ${plural(values.length, 'value')}`
  // What counts in the mean is not always what has a value: padding may.
  const first = all.findIndex(value => value !== null && value !== 0)
  const share = first < 0 ? 0 : parts.flatMap(part => part.products.flat())[first]! / all[first]!
  const count = share > 0 ? Math.round(1 / share) : values.length
  const sum = values.map((value, i) => (i === 0 ? short(value) : following(value)))
  return `( ${sum.join(' ')} ) ÷ ${count}`
}

export interface FormulaLine {
  left: string
  value: number
  text: string
}

/** One line for a plain activation; one for each step where a norm or a softmax comes in. */
export function formulaLines(calculation: Calculation, chosen: Chosen): FormulaLine[] {
  const { steps, preActivation } = calculation
  const sum = sumWords(calculation, chosen)
  if (steps.length > 0 && extraLines(calculation) === 0) {
    return [{ left: `${stepWord(steps[0].name)}( ${sum} )`, value: steps[0].value, text: short(steps[0].value) }]
  }
  const lines: FormulaLine[] = [{ left: sum, value: preActivation, text: short(preActivation) }]
  for (const step of steps) {
    // A share of 0.99972 is not 1.
    const text = step.inputs ? formatValue(Number(step.value.toPrecision(5))) : short(step.value)
    lines.push({ left: stepWords(step, lines.at(-1)!.value), value: step.value, text })
  }
  return lines
}

function stepWords(step: CalculationStep, before: number): string {
  const { terms } = step
  if (step.inputs) {
    const log = plainName(step.name) === 'logsoftmax'
    return log ? `log softmax: ${short(before)} \u2212 log Σ e^z` : `softmax: e^${short(before)} ÷ Σ e^z`
  }
  if (terms && 'squares' in terms) {
    const { bias, alpha, squares, beta } = terms
    return `${stepWord(step.name)}: ${short(before)} ÷ ( ${short(bias)} + ${short(alpha)} · ${short(squares)} )^${short(beta)}`
  }
  if (terms && 'variance' in terms) {
    const scale = `√(${short(terms.variance)} + ${formatValue(terms.epsilon)})`
    return `${stepWord(step.name)}: ${short(terms.gamma)} · (${before < 0 ? bracketed(before) : short(before)} ${following(-terms.mean)}) ÷ ${scale} ${following(terms.beta)}`
  }
  const constants = Object.entries(terms ?? {}).map(([name, value]) => `, ${name.replace('_', ' ')} ${short(value)}`)
  return `${stepWord(step.name)}( ${short(before)} )${constants.join('')}`
}

/** Lines of the formula after the first. */
export function extraLines({ steps }: Calculation): number {
  return steps.length === 1 && !steps[0].terms && !steps[0].inputs ? 0 : steps.length
}

export interface Verdict {
  kind: 'same' | 'near' | 'other' | 'open'
  recorded: string
  /** What follows the recorded value. */
  words: string
}

/** Recordings in half precision keep three digits: that is no contradiction. */
const NEAR = 20

/** How computed and recorded value stand to each other; "open" where the recording lacks something. */
export function verdictOf(calculation: Calculation): Verdict {
  const { recorded, difference, missing } = calculation
  const lacking = missing.length > 0 ? `left out: ${missing.join(', ')}` : ''
  if (recorded === null || difference === null) return { kind: 'open', recorded: 'not recorded', words: lacking }
  const value = formatValue(recorded)
  if (lacking) return { kind: 'open', recorded: value, words: `${lacking} \u2014 the terms above do not make it up` }
  const gap = Math.abs(difference)
  const words = `differs by ${gap === 0 ? '0' : gap < 1e-4 ? '< 0.0001' : formatValue(Number(gap.toPrecision(2)))}`
  const kind = agrees(calculation) ? 'same' : gap <= NEAR * tolerance(calculation) ? 'near' : 'other'
  return { kind, recorded: value, words }
}

/** Whether the terms of a value give the recorded one. */
import type { Calculation } from './calculation'

/**
 * How far value and recorded value may lie apart and count as the same: 1e-4 of the largest number that the sum goes
 * through. Terms that cancel leave float32's rounding of those numbers behind.
 */
export function tolerance(calculation: Calculation): number {
  const { recorded, value, preActivation, bias, parts } = calculation
  const sums = [recorded ?? 0, value, ...(calculation.operation === 'sum' ? [preActivation, bias ?? 0] : [])]
  let largest = 0
  for (const number of sums) largest = Math.max(largest, Math.abs(number))
  if (calculation.operation === 'sum' && !calculation.steps.some(step => step.inputs)) {
    for (const part of parts) largest = Math.max(largest, Math.abs(part.sum))
  }
  return 1e-4 * largest
}

/** Whether the terms give the recorded value: never said where something is missing. */
export function agrees(calculation: Calculation): boolean {
  const { difference, missing } = calculation
  return missing.length === 0 && difference !== null && Math.abs(difference) <= tolerance(calculation)
}

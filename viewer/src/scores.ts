/** The class scores of a sample, from what the network's output recorded. */
import type { Index } from './generated/recording'
import type { Scores } from './model'

/** Class names of the network's output: as recorded, or plain numbers. */
export function classNames(index: Index, units: number): string[] {
  const names = index.classes ?? []
  return Array.from({ length: units }, (_, i) => names[i] ?? String(i))
}

/** `values`: the output layer's units. Outputs that are no distribution (logits) are shown through softmax. */
export function scoresOf(values: Float32Array, classes: string[], truth: number | null): Scores {
  const sum = values.reduce((a, b) => a + b, 0)
  const distribution = values.every(v => v >= 0 && v <= 1.0001) && Math.abs(sum - 1) < 1e-3
  const shown = distribution ? Array.from(values) : softmax(values)
  let prediction = 0
  for (const [i, v] of shown.entries()) if (v > shown[prediction]) prediction = i
  return { values: shown, classes, prediction, truth, softmaxed: !distribution }
}

function softmax(values: Float32Array): number[] {
  const largest = Math.max(...values)
  const powers = Array.from(values, v => Math.exp(v - largest))
  const sum = powers.reduce((a, b) => a + b, 0)
  return powers.map(p => p / sum)
}

/** Activation functions of one value, in double precision. */

/** By their names in `fused` and as kinds of layers. */
export const FUNCTIONS: Readonly<Record<string, (v: number) => number>> = {
  relu: v => (v > 0 || Number.isNaN(v) ? v : 0),
  sigmoid: v => 1 / (1 + Math.exp(-v)),
  tanh: Math.tanh,
  gelu: v => 0.5 * v * (1 + erf(v / Math.SQRT2)),
  silu: v => v / (1 + Math.exp(-v)),
}

/** GELU with the tanh that some networks use in place of the error function (Hendrycks and Gimpel, 2016). */
export function geluTanh(v: number): number {
  return 0.5 * v * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (v + 0.044715 * v ** 3)))
}

/** Shifted by the largest input, so that nothing overflows. */
export function softmax(values: readonly number[]): number[] {
  const largest = values.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY)
  const powers = values.map(value => Math.exp(value - largest))
  const total = powers.reduce((a, b) => a + b, 0)
  return powers.map(power => power / total)
}

/** Error function to about 1e-14: its Maclaurin series near zero, the continued fraction of erfc beyond (A&S 7.1.6, 7.1.14). */
export function erf(x: number): number {
  const a = Math.abs(x)
  if (!(a < 6)) return Number.isNaN(x) ? x : Math.sign(x)
  if (a < 2.5) {
    let term = x
    let sum = x
    for (let n = 1; Math.abs(term) > 1e-17 * Math.abs(sum); n++) {
      term *= (2 * x * x) / (2 * n + 1)
      sum += term
    }
    return (2 / Math.sqrt(Math.PI)) * Math.exp(-x * x) * sum
  }
  let fraction = a
  for (let n = 80; n > 0; n--) fraction = a + n / 2 / fraction
  return Math.sign(x) * (1 - Math.exp(-a * a) / (Math.sqrt(Math.PI) * fraction))
}

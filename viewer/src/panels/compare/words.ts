import { formatSigned, formatValue } from '../../numbers'

/** "A 1.23   B 0.50   B − A −0.73". `value` is that of `side`. */
export function comparedWords(value: number, other: number, side: 'A' | 'B'): string {
  const [a, b] = side === 'A' ? [value, other] : [other, value]
  return `A ${formatValue(a)}   B ${formatValue(b)}   B − A ${formatSigned(b - a, 3)}`
}

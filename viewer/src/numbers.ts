/** Numbers as the screen shows them: true minus sign, no "−0.00", thousands as "3,940". */

const MINUS = '\u2212'

/** An exact value: at most six significant digits, nothing padded. 0.1f is "0.1"; from a million on and below 0.0001 with an exponent. */
export function formatValue(value: number): string {
  const special = notFinite(value)
  if (special) return special
  if (value === 0) return '0'
  const magnitude = Math.abs(value)
  const sign = value < 0 ? MINUS : ''
  const [digits, exponent] = magnitude.toExponential(5).split('e')
  const power = Number(exponent)
  if (power >= -4 && power < 6) return sign + grouped(trimmed(magnitude.toFixed(5 - power)))
  return `${sign}${trimmed(digits)}e${power < 0 ? MINUS : ''}${Math.abs(power)}`
}

/** `digits` places after the point. */
export function formatFixed(value: number, digits: number): string {
  const special = notFinite(value)
  if (special) return special
  const text = grouped(fixed(Math.abs(value), digits))
  return value < 0 && /[1-9]/.test(text) ? MINUS + text : text
}

/** As formatFixed, with a plus sign where it is due: "+0.68", "−0.68", "0.00". */
export function formatSigned(value: number, digits: number): string {
  const text = formatFixed(value, digits)
  return value > 0 && /[1-9∞]/.test(text) ? `+${text}` : text
}

/** A whole number: "3,940". */
export function formatCount(count: number): string {
  return formatFixed(count, 0)
}

/**
 * A shape without batch axis: "8 × 14×14" for maps, "16" for a vector. With `order` "HWC" as image tools write it: "14×14×8".
 * "?" where the shape is not known.
 */
export function formatShape(shape: readonly number[], order: 'CHW' | 'HWC' = 'CHW'): string {
  if (shape.length === 0) return '?'
  const [channels, ...rest] = shape
  if (rest.length === 0) return String(channels)
  return order === 'CHW' ? `${channels} × ${rest.join('×')}` : [...rest, channels].join('×')
}

/** A share (1 is all) as "98.4 %". */
export function formatPercent(share: number, digits = 1): string {
  return `${formatFixed(share * 100, digits)} %`
}

/** Bytes in decimal units, as transfers are counted: "812 B", "16.5 kB", "1.3 MB". */
export function formatBytes(bytes: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB']
  let value = bytes
  let unit = 0
  // 999.95 would be written as 1000.0.
  while (Math.abs(value) >= (unit === 0 ? 1000 : 999.95) && unit < units.length - 1) {
    value /= 1000
    unit++
  }
  return `${formatFixed(value, unit === 0 ? 0 : 1)} ${units[unit]}`
}

/** What a person typed into a number field, in the forms that are shown here or with a plain minus; null if it is no number. */
export function parseNumber(text: string): number | null {
  const plain = text
    .trim()
    .replaceAll(MINUS, '-')
    .replace(/^\+/, '')
    .replace(/(\d),(?=\d{3}(?!\d))/g, '$1')
    .replace(/^(-?\d+),(\d+)$/, '$1.$2')
  if (!/^-?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(plain)) return null
  const value = Number(plain)
  return Number.isFinite(value) ? value : null
}

function notFinite(value: number): string | null {
  if (Number.isNaN(value)) return 'NaN'
  if (value === Number.POSITIVE_INFINITY) return '∞'
  return value === Number.NEGATIVE_INFINITY ? `${MINUS}∞` : null
}

/** toFixed writes an exponent from 1e21 on. */
function fixed(magnitude: number, digits: number): string {
  return magnitude < 1e21 ? magnitude.toFixed(digits) : BigInt(magnitude).toString()
}

function trimmed(text: string): string {
  return text.includes('.') ? text.replace(/\.?0+$/, '') : text
}

function grouped(text: string): string {
  const [whole, fraction] = text.split('.')
  const groups = whole.replace(/\B(?=(\d{3})+$)/g, ',')
  return fraction === undefined ? groups : `${groups}.${fraction}`
}

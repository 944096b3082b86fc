import { expect, test } from 'vitest'
import { activationShare, cellColor, css, inkOn, rampColor, weightColor } from './ramps'

test('ends of the weight colours are those of the palette, zero is between', () => {
  expect(css(weightColor('dark', 'blue-red', -1))).toBe('rgb(61 139 255)')
  expect(css(weightColor('dark', 'blue-red', 1))).toBe('rgb(255 85 70)')
  expect(css(weightColor('dark', 'blue-red', 0))).toBe('rgb(221 227 236)')
})

test('activations go through all stops; what is not a number is at the bottom', () => {
  expect(css(rampColor('dark', 'calm', 0.5))).toBe('rgb(76 128 133)')
  expect(css(rampColor('dark', 'calm', 2))).toBe('rgb(251 246 220)')
  expect(css(rampColor('dark', 'calm', Number.NaN))).toBe('rgb(23 28 37)')
  expect(activationShare(3.6, 4.8)).toBe(1)
  expect(activationShare(-1, 4.8)).toBe(0)
  expect(activationShare(1, 0)).toBe(0)
})

test('numbers can be read on every cell: contrast about 4.5, the most that mid-tones allow, in both themes and colour maps', () => {
  const luminance = (c: readonly number[]) => {
    const [r, g, b] = c.map(v => (v / 255 <= 0.04045 ? v / 3294.6 : ((v / 255 + 0.055) / 1.055) ** 2.4))
    return 0.2126 * r + 0.7152 * g + 0.0722 * b
  }
  const hex = (text: string) => [1, 3, 5].map(i => Number.parseInt(text.slice(i, i + 2), 16))
  for (const theme of ['dark', 'light'] as const) {
    for (const colors of ['blue-red', 'purple-green'] as const) {
      for (let s = -1; s <= 1; s += 0.05) {
        const ground = cellColor(theme, colors, s)
        const [a, b] = [luminance(ground), luminance(hex(inkOn(ground)))].sort((x, y) => y - x)
        expect((a + 0.05) / (b + 0.05)).toBeGreaterThan(4.4)
      }
    }
  }
})

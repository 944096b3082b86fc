import { describe, expect, test } from 'vitest'
import {
  formatBytes,
  formatCount,
  formatFixed,
  formatPercent,
  formatShape,
  formatSigned,
  formatValue,
  parseNumber,
} from './numbers'

const { NaN: nan, POSITIVE_INFINITY: infinity } = Number

test.each([
  [Math.fround(0.1), '0.1'],
  [Math.fround(3.08512), '3.08512'],
  [Math.fround(-0.123456789), '−0.123457'],
  [0, '0'],
  [-0, '0'],
  [1, '1'],
  [-12, '−12'],
  [0.0001, '0.0001'],
  [0.00012345678, '0.000123457'],
  [0.000099999, '9.9999e−5'],
  [-1.5e-7, '−1.5e−7'],
  [1e-45, '1e−45'],
  [0.9999999, '1'],
  [999999, '999,999'],
  [999999.7, '1e6'],
  [123456.78, '123,457'],
  [3940.5, '3,940.5'],
  [1234567, '1.23457e6'],
  [3.4028234663852886e38, '3.40282e38'],
  [nan, 'NaN'],
  [infinity, '∞'],
  [-infinity, '−∞'],
])('formatValue(%d) is %s', (value, text) => {
  expect(formatValue(value)).toBe(text)
})

test('every value that is shown can be typed: six digits of it come back', () => {
  let seed = 7
  for (let i = 0; i < 5000; i++) {
    seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0
    const value = Math.fround((seed / 2 ** 31 - 1) * 10 ** ((seed % 60) - 30))
    const text = formatValue(value)
    expect(text).not.toMatch(/-|\.0*$|\.\d*0(e|$)/)
    const back = parseNumber(text)!
    expect(Math.abs(back - value)).toBeLessThanOrEqual(Math.abs(value) * 5.1e-6)
  }
})

test.each([
  [0.004, 2, '0.00'],
  [-0.004, 2, '0.00'],
  [-0.006, 2, '−0.01'],
  [-0, 2, '0.00'],
  [-0.4, 0, '0'],
  [10, 1, '10.0'],
  [-1234.56, 1, '−1,234.6'],
  [999999999, 0, '999,999,999'],
  [1e21, 0, '1,000,000,000,000,000,000,000'],
  [nan, 2, 'NaN'],
  [-infinity, 2, '−∞'],
])('formatFixed(%d, %d) is %s', (value, digits, text) => {
  expect(formatFixed(value, digits)).toBe(text)
})

test('signs where they are due', () => {
  expect([0.68, -0.68, 0, 0.001, -0.001, infinity].map(value => formatSigned(value, 2))).toEqual(
    ['+0.68', '−0.68', '0.00', '0.00', '0.00', '+∞'], // prettier to read in one line
  )
})

describe('counts, shares, shapes, bytes', () => {
  test('counts', () => {
    expect([0, 999, 3940, 1638400, -3940].map(formatCount)).toEqual(['0', '999', '3,940', '1,638,400', '−3,940'])
  })
  test('shares', () => {
    expect([1, 0.984, 0, 0.00049, nan].map(share => formatPercent(share))).toEqual([
      '100.0 %',
      '98.4 %',
      '0.0 %',
      '0.0 %',
      'NaN %',
    ])
    expect(formatPercent(0.38, 0)).toBe('38 %')
  })
  test('shapes', () => {
    expect(formatShape([8, 14, 14])).toBe('8 × 14×14')
    expect(formatShape([1, 28, 28], 'HWC')).toBe('28×28×1')
    expect(formatShape([16])).toBe('16')
    expect(formatShape([16], 'HWC')).toBe('16')
    expect(formatShape([3, 100])).toBe('3 × 100')
    expect(formatShape([])).toBe('?')
  })
  test('bytes', () => {
    expect([0, 999, 1000, 16_500, 999_949, 999_951, 1.3e6, 2e9, 1e16].map(formatBytes)).toEqual([
      '0 B',
      '999 B',
      '1.0 kB',
      '16.5 kB',
      '999.9 kB',
      '1.0 MB',
      '1.3 MB',
      '2.0 GB',
      '10,000.0 TB',
    ])
  })
})

test.each([
  ['3', 3],
  [' 0.5 ', 0.5],
  ['.5', 0.5],
  ['5.', 5],
  ['+2', 2],
  ['−0.68', -0.68],
  ['-0.68', -0.68],
  ['1,5', 1.5],
  ['3,940', 3940],
  ['1,638,400.5', 1638400.5],
  ['1.5e−7', 1.5e-7],
  ['1e999', null],
  ['', null],
  ['-', null],
  ['.', null],
  ['0x10', null],
  ['Infinity', null],
  ['1 2', null],
  ['1,2,3', null],
  ['three', null],
])('parseNumber("%s") is %s', (text, value) => {
  expect(parseNumber(text)).toBe(value)
})

import { expect, test } from 'vitest'
import { parseMetrics } from './metrics'

const checkpoints = [
  { index: 0, label: 'start', epoch: 0, step: 0 },
  { index: 1, label: 'a', epoch: 0.1, step: 100 },
  { index: 2, label: 'b', epoch: 1, step: 1000 },
]
const positions = (lines: string[], on = checkpoints) =>
  parseMetrics(lines.join('\n'), on as never).map(r => r.position)

test('values, step and epoch of each line', () => {
  const [row] = parseMetrics(
    '{"step": 550, "epoch": 0.55, "loss": 0.25, "accuracy": 1, "note": "x", "rates": [1]}',
    checkpoints,
  )
  expect(row).toEqual({ position: 1.5, step: 550, epoch: 0.55, values: { loss: 0.25, accuracy: 1 } })
})

test('by step, piecewise linear, clamped', () => {
  const steps = [-5, 0, 50, 100, 550, 1000, 5000].map(step => `{"step": ${step}, "epoch": 99}`)
  expect(positions(steps)).toEqual([0, 0, 0.5, 1, 1.5, 2, 2])
})

test('by epoch where the line or the checkpoints have no step', () => {
  expect(positions(['{"epoch": 0.05}', '{"epoch": 0.55}'])).toEqual([0.5, 1.5])
  const epochs = checkpoints.map(({ step, ...rest }) => rest)
  expect(positions(['{"step": 3, "epoch": 0.55}'], epochs as never)).toEqual([1.5])
})

test('checkpoints without a step are passed over; the others keep their places', () => {
  const some = [checkpoints[0], { index: 1, label: 'a' }, checkpoints[2]]
  expect(positions(['{"step": 500}'], some as never)).toEqual([1])
})

test('nothing to go by: spread evenly', () => {
  expect(positions(['{"loss": 3}', '{"loss": 2}', '{"loss": 1}'])).toEqual([0, 1, 2])
  expect(positions(['{"loss": 3}'])).toEqual([0])
  expect(positions(['{"step": 3}'], [])).toEqual([0])
})

test('NaN is a value; a last line that is still being written, and lines that are nothing, are passed over', () => {
  const rows = parseMetrics(
    '{"step": 0, "loss": NaN, "other": null, "top": -Infinity}\r\n\n[1]\nnull\n{"step": 10, "lo',
    checkpoints,
  )
  expect(rows).toEqual([
    {
      position: 0,
      step: 0,
      epoch: null,
      values: { loss: Number.NaN, other: Number.NaN, top: Number.NEGATIVE_INFINITY },
    },
  ])
  expect(parseMetrics('', checkpoints)).toEqual([])
})

test('text that looks like NaN stays text, whatever it holds', () => {
  const rows = parseMetrics('{"number NaN": 1, "say \\"NaN\\"": 2, "loss": NaN, "s": "Infinity"}', checkpoints)
  expect(rows[0].values).toEqual({ 'number NaN': 1, 'say "NaN"': 2, loss: Number.NaN })
})

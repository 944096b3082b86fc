import { expect, test } from 'vitest'
import { parseMetrics, placeMetrics, placer } from './metrics'

const checkpoints = [
  { index: 0, label: 'start', epoch: 0, step: 0 },
  { index: 1, label: 'a', epoch: 0.1, step: 100 },
  { index: 2, label: 'b', epoch: 1, step: 1000 },
]
const parsed = (lines: string[]) => lines.map(parseMetrics).filter(line => line !== null)
const positions = (lines: string[], on = checkpoints) => placeMetrics(parsed(lines), on as never).map(r => r.position)

test('values, step and epoch of each line', () => {
  const line = parseMetrics('{"step": 550, "epoch": 0.55, "loss": 0.25, "accuracy": 1, "note": "x", "rates": [1]}')
  expect(line).toEqual({ step: 550, epoch: 0.55, values: { loss: 0.25, accuracy: 1 } })
  expect(placeMetrics([line!], checkpoints)).toEqual([{ ...line, position: 1.5 }])
})

test('by step, piecewise linear; what comes before the first checkpoint is put there', () => {
  const steps = [-5, 0, 50, 100, 550, 1000].map(step => `{"step": ${step}, "epoch": 99}`)
  expect(positions(steps)).toEqual([0, 0, 0.5, 1, 1.5, 2])
})

test('what no checkpoint covers yet goes on behind the last, as far apart as checkpoints are', () => {
  expect(positions(['{"step": 1450}', '{"step": 1900}'])).toEqual([2.5, 3])
  // A short last distance is no scale: the mean is.
  const close = [...checkpoints, { index: 3, label: 'c', epoch: 1, step: 1001 }]
  expect(positions(['{"step": 2002}'], close)).toEqual([3 + 1001 / (1001 / 3)])
  // One checkpoint alone: the curve has the width of the plot.
  expect(positions(['{"step": 5}', '{"step": 10}'], checkpoints.slice(0, 1))).toEqual([0.5, 1])
  expect(positions(['{"step": 0}'], checkpoints.slice(0, 1))).toEqual([0])
})

test('other things that happened at a step or an epoch have their places too', () => {
  const place = placer(checkpoints)
  expect(place({ step: 550, epoch: 0 })).toBe(1.5)
  expect(place({ step: null, epoch: 0.55 })).toBe(1.5)
  expect(place({})).toBe(null)
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
  expect(positions(['{"step": 3}', '{"step": 4}'], [])).toEqual([0, 1])
})

test('NaN is a value; a last line that is still being written, and lines that are nothing, are passed over', () => {
  expect(parseMetrics('{"step": 0, "loss": NaN, "other": null, "top": -Infinity}\r')).toEqual({
    step: 0,
    epoch: null,
    values: { loss: Number.NaN, other: Number.NaN, top: Number.NEGATIVE_INFINITY },
  })
  for (const line of ['', '[1]', 'null', '{"step": 10, "lo']) expect(parseMetrics(line)).toBe(null)
})

test('text that looks like NaN stays text, whatever it holds', () => {
  const line = parseMetrics('{"number NaN": 1, "say \\"NaN\\"": 2, "loss": NaN, "s": "Infinity"}')
  expect(line?.values).toEqual({ 'number NaN': 1, 'say "NaN"': 2, loss: Number.NaN })
})

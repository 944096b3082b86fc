import { expect, test, vi } from 'vitest'
import type { Insight } from '../generated/recording'
import { parseInsight } from '../recording/insights'
import { confusionOf, predictionOf } from './confusion'
import { byWeight, marksOf, type PlacedInsight } from './insights'
import { MOST_MOMENTS, OverTime, spread } from './over-time'
import { binsFor, coarser, ridgeAt, ridgesOf } from './ridges'
import { scoreLines } from './score-lines'

function insight(text: string, level: Insight['level'], position: number | null = null): PlacedInsight {
  return { rule: 'r', why: 'w', level, text, position }
}

test('a line of insights.jsonl, or half of one', () => {
  expect(parseInsight('{"rule": "r", "level": "note", "text": "t", "why": "w", "step": 3}')).toEqual({
    rule: 'r',
    level: 'note',
    text: 't',
    why: 'w',
    step: 3,
  })
  for (const line of ['', '{"rule": "dead-un', '[]', 'null', '{"level": "note"}', '{"level": "shout", "text": "t"}'])
    expect(parseInsight(line), line).toBe(null)
})

test('warnings come before notes, the newest of each first', () => {
  const given = [insight('a', 'warning'), insight('b', 'note'), insight('c', 'warning'), insight('d', 'note')]
  expect(byWeight(given).map(i => i.text)).toEqual(['c', 'a', 'd', 'b'])
})

test('insights that are close share a mark; one warning among them makes it one', () => {
  const given = [
    insight('later', 'note', 4),
    insight('first', 'note', 1),
    insight('beside', 'warning', 1.2),
    insight('nowhere', 'note'),
  ]
  const marks = marksOf(given, 0.5)
  expect(marks.map(m => [m.position, m.level, m.insights.map(i => i.text)])).toEqual([
    [1, 'warning', ['first', 'beside']],
    [4, 'note', ['later']],
  ])
})

test('many checkpoints are taken evenly, with the first and the last', () => {
  expect(spread(3)).toEqual([0, 1, 2])
  expect(spread(0)).toEqual([])
  const some = spread(1000)
  expect([some.length, some[0], some.at(-1)]).toEqual([MOST_MOMENTS, 0, 999])
  expect(new Set(some).size).toBe(MOST_MOMENTS)
})

test('what is asked for over time is fetched once, kept by number, and shown together', async () => {
  vi.useFakeTimers()
  const asked: string[] = []
  const running: Promise<unknown>[] = []
  const load = (key: string, request: () => Promise<unknown>) => {
    asked.push(key)
    running.push(request())
  }
  const store = new OverTime('x', load, async position => (position === 1 ? null : position * 10))
  const checkpoints = [3, 5, 8].map(index => ({ index, label: '' }))
  store.need([0, 1, 2], checkpoints)
  await Promise.all(running)
  expect(store.moments.value.size).toBe(0)
  vi.runAllTimers()
  expect([...store.moments.value]).toEqual([
    [3, 0],
    [5, null],
    [8, 20],
  ])
  // One that went and one that came: what is known stays known.
  store.need([0, 1], [checkpoints[2], { index: 13, label: '' }])
  expect(asked).toEqual(['x over time 3', 'x over time 5', 'x over time 8', 'x over time 13'])
  vi.useRealTimers()
})

test('confusion counts what has a label and scores', () => {
  const scores = [
    [0.1, 0.9],
    [0.8, 0.2],
    [0.3, 0.7],
    [Number.NaN, Number.NaN],
    [1, 0],
  ]
  const found = confusionOf([1, 0, 0, 1, null], scores)
  expect([found.classes, found.right, found.known]).toEqual([[0, 1], 2, 3])
  expect([...found.cells]).toEqual([
    ['1 1', [0]],
    ['0 0', [1]],
    ['0 1', [2]],
  ])
  expect(predictionOf([])).toBe(null)
})

test('of very many classes only those that occur are shown', () => {
  const scores = Array.from({ length: 2 }, (_, i) => Array.from({ length: 40 }, (_, c) => (c === 7 + i ? 1 : 0)))
  expect(confusionOf([7, 30], scores).classes).toEqual([7, 8, 30])
})

test('score lines keep the truth and the highest', () => {
  const values = Array.from({ length: 30 }, (_, i) => i / 100)
  const lines = scoreLines([{ position: 0, values }], 2)
  expect(lines.map(l => l.class)).toEqual([2, 21, 22, 23, 24, 25, 26, 27, 28, 29])
  expect(scoreLines([], 0)).toEqual([])
})

test('histograms of few values get few bins', () => {
  expect([binsFor(4), binsFor(100), binsFor(1e6)]).toEqual([8, 15, 40])
  const counts = Array.from({ length: 40 }, () => 1)
  expect(coarser({ low: 0, high: 1, counts }).counts).toEqual(Array.from({ length: 8 }, () => 5))
  expect(coarser({ low: 0, high: 1, counts: counts.map(() => 1000) }).counts.length).toBe(40)
})

test('ridges share one axis; the newest stands lowest and in front', () => {
  const histogram = (low: number, high: number) => ({ low, high, counts: Array.from({ length: 8 }, () => 100) })
  const { low, high, outlines } = ridgesOf(
    [
      { position: 0, histogram: histogram(-1, 0) },
      { position: 1, histogram: histogram(-2, 2) },
      { position: 2, histogram: { low: 0, high: 0, counts: [0] } },
      { position: 3, histogram: { low: 1, high: 1, counts: [5] } },
    ],
    200,
    100,
    30,
  )
  expect([low, high]).toEqual([-2, 2])
  expect(outlines.map(o => o.position)).toEqual([0, 1, 3])
  expect(outlines.map(o => o.base)).toEqual([31, 65, 99])
  expect(outlines[0].path.startsWith('M50.0 31.0L')).toBe(true)
  // The densest is as high as can be; one that is spread four times as wide is the fourth root of that lower.
  const top = (path: string) => Math.min(...[...path.matchAll(/ (-?[\d.]+)/g)].map(m => Number(m[1])))
  expect([31 - top(outlines[0].path), Number((65 - top(outlines[1].path)).toFixed(1))]).toEqual([30, 21.2])
  expect(ridgeAt(outlines, 60)!.position).toBe(1)
  expect(ridgesOf([], 1, 1, 1).outlines).toEqual([])
})

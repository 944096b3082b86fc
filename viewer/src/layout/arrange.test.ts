import { describe, expect, test } from 'vitest'
import { type Arrangement, arrange, circleRadius } from './arrange'

const base: Arrangement = {
  ...{ maps: 12, pitchX: 10, pitchY: 10, columns: 3, layout: 0, depthwise: 0, collapse: 0, front: -1 },
}

function centres(more: Partial<Arrangement>): [x: number, y: number, z: number][] {
  const flat = arrange({ ...base, ...more })
  return Array.from({ length: flat.length / 3 }, (_, m) => [...flat.subarray(3 * m, 3 * m + 3)] as never)
}

const distance = (a: number[], b: number[]) => Math.hypot(...a.map((v, i) => v - b[i]))

/** Widest square that can be drawn around every centre without meeting its neighbours, in one plane. */
function clearance(points: number[][]): number {
  let least = Number.POSITIVE_INFINITY
  for (const [i, a] of points.entries()) {
    for (const b of points.slice(i + 1)) {
      // In different planes nothing overlaps.
      if (Math.abs(a[2] - b[2]) < 1e-3) least = Math.min(least, Math.max(Math.abs(a[0] - b[0]), Math.abs(a[1] - b[1])))
    }
  }
  return least
}

describe('line', () => {
  test('neighbours are one pitch apart, left to right, around the axis', () => {
    const line = centres({ layout: 0 })
    for (let m = 1; m < line.length; m++) {
      expect(line[m][0] - line[m - 1][0]).toBeCloseTo(10, 4)
      expect([line[m][1], line[m][2]].map(Math.abs)).toEqual([0, 0])
    }
    expect(line[0][0]).toBeCloseTo(-line[11][0], 4)
  })

  test('turns to stand behind each other, the first one nearest to the reader, distances kept', () => {
    for (const depthwise of [0.3, 1]) {
      const line = centres({ layout: 0, depthwise })
      for (let m = 1; m < line.length; m++) {
        expect(distance(line[m], line[m - 1])).toBeCloseTo(10, 4)
        expect(line[m][2]).toBeLessThan(line[m - 1][2])
      }
    }
    expect(centres({ depthwise: 1 }).every(([x]) => Math.abs(x) < 1e-3)).toBe(true)
  })
})

describe('circle', () => {
  test('all stand at the same distance from the axis, in order, the first one on top', () => {
    const circle = centres({ layout: 1 })
    const radius = Math.hypot(circle[0][0], circle[0][1])
    for (const [x, y, z] of circle) {
      expect(Math.hypot(x, y)).toBeCloseTo(radius, 3)
      expect(Math.abs(z)).toBe(0)
    }
    expect(circle[0][0]).toBeCloseTo(0)
    expect(circle[0][1]).toBeGreaterThan(0)
    expect(circle[1][0]).toBeGreaterThan(0)
  })

  test('neighbours are at least one pitch apart, and no farther than they must', () => {
    for (const maps of [2, 3, 6, 16, 64, 500]) {
      const circle = centres({ layout: 1, maps })
      const chord = distance(circle[0], circle[1])
      expect(chord).toBeGreaterThan(9.99)
      expect(chord).toBeLessThan(10 * Math.SQRT2 + 0.01)
    }
  })

  test('one map stands in the middle', () => {
    expect(Math.hypot(...centres({ layout: 1, maps: 1 })[0])).toBe(0)
    expect(circleRadius(1, 10)).toBe(0)
  })

  test('two of them stand above each other, half a pitch from the middle', () => {
    expect(circleRadius(2, 10)).toBeCloseTo(5)
  })

  test('the map whose calculation is shown stands rightmost', () => {
    const circle = centres({ layout: 1, front: 4 })
    expect(Math.max(...circle.map(([x]) => x))).toBe(circle[4][0])
  })
})

describe('grid', () => {
  test('row by row from the top left, columns and rows one pitch apart', () => {
    const grid = centres({ layout: 2, pitchX: 7, pitchY: 11 })
    for (const [m, [x, y]] of grid.entries()) {
      expect(x).toBeCloseTo(((m % 3) - 1) * 7, 4)
      expect(y).toBeCloseTo((1.5 - Math.floor(m / 3)) * 11, 4)
    }
  })
})

test.each([1, 2, 3, 5, 6, 8, 16, 17, 64, 256])('%d maps do not overlap on the line, the circle and the grid', maps => {
  // A map fills 1/1.1 of its pitch (layout/sizes.ts).
  for (const layout of [0, 1, 2]) {
    for (const front of [-1, maps - 1]) {
      const columns = Math.ceil(Math.sqrt(maps))
      const free = clearance(centres({ layout, maps, columns, front }))
      expect(free, `layout ${layout}, front ${front}`).toBeGreaterThan(10 / 1.1)
    }
  }
})

test('a small step of any control moves every map a little', () => {
  const step = 0.01
  const reach = 12 * 10
  for (let t = 0; t <= 2 - step; t += step) {
    for (const [a, b] of [
      [centres({ layout: t }), centres({ layout: t + step })],
      [centres({ depthwise: t / 2 }), centres({ depthwise: t / 2 + step })],
      [centres({ collapse: t / 2, layout: 1.3 }), centres({ collapse: t / 2 + step, layout: 1.3 })],
    ]) {
      for (const [m, at] of a.entries()) expect(distance(at, b[m])).toBeLessThan(2 * step * reach)
    }
  }
})

test('collapsed, all maps lie on the axis', () => {
  for (const layout of [0, 1, 2]) {
    for (const [x, y] of centres({ layout, collapse: 1 })) expect(Math.hypot(x, y)).toBeLessThan(1e-3)
  }
})

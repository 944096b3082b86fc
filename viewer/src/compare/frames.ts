/** The frames of one picture: A alone, A and B beside each other, or their difference. */
import type { DrawnLayer } from '../layout/drawn'
import type { Readings } from '../readings'
import { checkpointPairs } from '../scene/differences'
import type { Frame, Moment } from '../scene/frame'
import type { Resources } from '../scene/resources'
import type { State } from '../state'
import type { Comparison } from './comparison'
import type { Halves } from './halves'

interface Beside {
  moment: Moment
  readings: Readings
  /** How many samples B's recording has, and its own pictures. */
  samples: number
  images: Frame['images']
}

type Range = [low: number, high: number]

/** `epoch`: A's, as it is on its way to what is asked for. `halves`: where both are shown beside each other. */
export function comparedFrames(
  a: Frame,
  comparison: Comparison,
  epoch: number,
  halves: Halves | null,
  resources: Resources,
): Frame[] {
  const other = comparison.other.value
  const moment = comparison.sides(epoch)?.[1]
  if (!other || !moment) return [a]
  const b: Beside = {
    moment: { epoch: moment.epoch, sample: moment.sample },
    readings: other.readings,
    samples: other.recording.index.samples.count,
    images: comparison.ownImages ?? a.images,
  }
  return halves ? framesBeside(a, b, halves, resources) : [frameOfDifference(a, b, resources)]
}

/** Two frames on `halves`. Colours reach over both. */
function framesBeside(a: Frame, b: Beside, halves: Halves, resources: Resources): Frame[] {
  const ranges = unite(a.ranges, b.readings.ranges())
  const mapRanges = a.ranges ? null : resources.mapRanges([{ epoch: a.epoch, sample: a.sample }, b.moment])
  const both = { ranges, viewport: halves.viewport }
  const compared = { difference: false, weights: true, mapRanges }
  return [
    { ...a, ...both, part: halves.parts[0], compared: { ...compared, other: b.moment } },
    {
      ...a,
      ...both,
      ...b.moment,
      side: 1,
      part: halves.parts[1],
      samples: b.samples,
      images: b.images,
      compared: { ...compared, other: { epoch: a.epoch, sample: a.sample } },
    },
  ]
}

/** One frame of B − A. */
function frameOfDifference(a: Frame, b: Beside, resources: Resources): Frame {
  const weights = a.state.compare?.with !== 'sample'
  const pairs = checkpointPairs(a.epoch, b.moment.epoch)
  const maps = resources.differences.mapScales(pairs, [a.sample, b.moment.sample])
  const ranges = differenceRanges(resources.drawn, maps, a.state.range)
  return { ...a, ranges, compared: { other: b.moment, difference: true, weights, mapRanges: ranges ? null : maps } }
}

/** By drawn layer, around zero; null where every map has its own. `maps`: largest |B − A| of every map. */
export function differenceRanges(
  drawn: readonly DrawnLayer[],
  maps: Float32Array | null,
  range: State['range'],
): Range[] | null {
  if (range === 'map' && maps) return null
  let first = 0
  const largest = drawn.map(layer => {
    const end = first + layer.maps
    const most = maps ? maps.subarray(first, end).reduce((a, b) => Math.max(a, b), 0) : 1
    first = end
    return most
  })
  const over = range === 'network' ? largest.map(() => Math.max(...largest)) : largest
  return over.map(most => [-most, most])
}

function unite(a: Range[] | null, b: Range[] | null): Range[] | null {
  if (!a || !b) return null
  return a.map(([low, high], i) => [Math.min(low, b[i][0]), Math.max(high, b[i][1])])
}

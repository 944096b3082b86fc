/** All recorded outputs of one sample at one checkpoint as one texture, with the mean and the range of every map behind them. */
import type { DrawnLayer } from '../layout/drawn'
import type { SampleActivations } from '../recording/types'

export interface MapStatistics {
  /** Means of all maps of all drawn layers, then their largest values (|value| where none is positive). */
  values: Float32Array
  /** By drawn layer: where its means and its largest values lie, counted from the texture's beginning. */
  means: number[]
  largest: number[]
}

/** O(activations), once when a sample has arrived. */
export function mapStatistics(drawn: readonly DrawnLayer[], sample: SampleActivations): MapStatistics {
  const maps = drawn.reduce((sum, layer) => sum + layer.maps, 0)
  const statistics: MapStatistics = { values: new Float32Array(2 * maps), means: [], largest: [] }
  let first = 0
  for (const layer of drawn) {
    statistics.means.push(sample.data.length + first)
    statistics.largest.push(sample.data.length + maps + first)
    const start = sample.offset.get(layer.id)
    if (start !== undefined) summarise(layer, sample.data.subarray(start), first, maps, statistics.values)
    first += layer.maps
  }
  return statistics
}

function summarise(layer: DrawnLayer, data: Float32Array, first: number, maps: number, out: Float32Array): void {
  const pixels = layer.rows * layer.columns
  for (let map = 0; map < layer.maps; map++) {
    let sum = 0
    let largest = 0
    for (let p = map * pixels; p < (map + 1) * pixels; p++) {
      sum += data[p]
      if (data[p] > largest) largest = data[p]
    }
    out[first + map] = sum / pixels
    out[maps + first + map] = largest
  }
}

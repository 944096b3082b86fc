/** Weights × the input activations that they multiply: kernels of products, ready to be packed and summed like weights. */
import type { Connection } from '../layout/connections'
import { denseInput, pixelUnder } from '../shaders/ends'

/**
 * Product of every weight with its input, a value of the earlier layer's `output`: for dense layers the input itself; for convolutions, whose weights stand for
 * all positions, the mean over all output positions (padding counts as 0), so that the products of one output map
 * add up to the mean of its pre-activation without bias. O(weights + input maps × taps × positions).
 */
export function products(c: Connection, kernel: Float32Array, output: Float32Array): Float32Array {
  const out = new Float32Array(c.weights)
  const input = output.subarray(c.inOffset * c.inRows * c.inColumns)
  if (c.link === 'dense') {
    const inputs = c.inMaps * c.inRows * c.inColumns
    const values = new Float32Array(inputs)
    for (let n = 0; n < inputs; n++) {
      const [map, row, column] = denseInput(c, n)
      values[n] = input[(map * c.inRows + row) * c.inColumns + column]
    }
    for (let i = 0; i < out.length; i++) out[i] = kernel[i] * values[i % inputs]
    return out
  }
  const means = tapMeans(c, input)
  const taps = c.kernel[0] * c.kernel[1]
  for (let i = 0; i < out.length; i++) {
    const rest = Math.floor(i / taps)
    const output = Math.floor(rest / c.inPerGroup)
    const map = Math.floor(output / c.outPerGroup) * c.inPerGroup + (rest % c.inPerGroup)
    out[i] = kernel[i] * means[map * taps + (i % taps)]
  }
  return out
}

/** Mean of what each tap of the kernel sees of each input map, [map, tap]. */
function tapMeans(c: Connection, input: Float32Array): Float64Array {
  const taps = c.kernel[0] * c.kernel[1]
  const means = new Float64Array(c.inMaps * taps)
  for (let map = 0; map < c.inMaps; map++) {
    for (let tap = 0; tap < taps; tap++) {
      means[map * taps + tap] = tapMean(c, input, map, Math.floor(tap / c.kernel[1]), tap % c.kernel[1])
    }
  }
  return means
}

function tapMean(c: Connection, input: Float32Array, map: number, ky: number, kx: number): number {
  let sum = 0
  for (let oy = 0; oy < c.outRows; oy++) {
    const [y, downwards] = pixelUnder(c, 0, ky, oy)
    if (!downwards || y < 0 || y >= c.inRows) continue
    for (let ox = 0; ox < c.outColumns; ox++) {
      const [x, across] = pixelUnder(c, 1, kx, ox)
      if (across && x >= 0 && x < c.inColumns) sum += input[(map * c.inRows + y) * c.inColumns + x]
    }
  }
  return sum / (c.outRows * c.outColumns)
}

/** The weights of a connection as its edges count them: O,I/groups,kH,kW, whatever its parameters look like. */
import type { Connection } from '../layout/connections'
import type { Recording, Tensor } from '../recording/types'

/** Made once for each tensor: rearranging is O(weights). */
const made = new WeakMap<Float32Array, Float32Array>()

/** Parameters that have to be in memory for `edgeWeights`. */
export function rolesOf(c: Connection): string[] {
  return c.separable ? ['depthwise', 'pointwise'] : c.role ? [c.role] : []
}

/** null where a parameter is not in memory. `parameter` gives them by role. */
export function edgeWeights(c: Connection, parameter: (role: string) => Tensor | null): Float32Array | null {
  const tensors = rolesOf(c).map(parameter)
  if (tensors.length === 0 || tensors.some(tensor => !tensor)) return null
  const [first, second] = tensors.map(tensor => tensor!.data)
  if (!second && c.walk !== 'transposed') return first
  const known = made.get(first)
  if (known) return known
  const weights = second ? multiplied(c, first, second) : turned(c, first)
  made.set(first, weights)
  return weights
}

/** Loads what is missing. Rejects where a parameter was not recorded. */
export async function loadEdgeWeights(recording: Recording, c: Connection, checkpoint: number): Promise<Float32Array> {
  const roles = rolesOf(c)
  const tensors = await Promise.all(roles.map(role => recording.parameter(c.layer, role, checkpoint)))
  return edgeWeights(c, role => tensors[roles.indexOf(role)])!
}

/** I,O/groups,kH,kW -> O,I/groups,kH,kW. */
function turned(c: Connection, kernel: Float32Array): Float32Array {
  const taps = c.kernel[0] * c.kernel[1]
  const weights = new Float32Array(kernel.length)
  for (let output = 0; output < c.outMaps; output++) {
    const group = Math.floor(output / c.outPerGroup)
    for (let i = 0; i < c.inPerGroup; i++) {
      const from = ((group * c.inPerGroup + i) * c.outPerGroup + (output % c.outPerGroup)) * taps
      weights.set(kernel.subarray(from, from + taps), (output * c.inPerGroup + i) * taps)
    }
  }
  return weights
}

/** What a depthwise kernel [I·m, 1, kH, kW] and a pointwise kernel [O, I·m, 1, 1] behind it amount to. */
function multiplied(c: Connection, depthwise: Float32Array, pointwise: Float32Array): Float32Array {
  const taps = c.kernel[0] * c.kernel[1]
  const between = depthwise.length / taps
  const each = between / c.inMaps
  const weights = new Float32Array(c.weights)
  for (let output = 0; output < c.outMaps; output++) {
    for (let channel = 0; channel < between; channel++) {
      const factor = pointwise[output * between + channel]
      const at = (output * c.inMaps + Math.floor(channel / each)) * taps
      for (let tap = 0; tap < taps; tap++) weights[at + tap] += factor * depthwise[channel * taps + tap]
    }
  }
  return weights
}

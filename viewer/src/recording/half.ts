/**
 * float16 <-> float32, exact, infinities, NaN and subnormals included. Where browsers have Float16Array it gives the same
 * values, and reading through it is slower than through the table (Chromium: 15 ms against 11 ms for 4 million).
 */

let table: Uint32Array | null = null

/** The float32 bits of all 65,536 float16 values: 256 KB, built on first use. */
function floatBits(): Uint32Array {
  if (table) return table
  table = new Uint32Array(65536)
  for (let half = 0; half < 65536; half++) table[half] = widen(half)
  return table
}

function widen(half: number): number {
  const sign = (half & 0x8000) << 16
  const exponent = (half >>> 10) & 31
  const fraction = half & 0x3ff
  if (exponent === 31) return (sign | 0x7f800000 | (fraction << 13)) >>> 0
  if (exponent > 0) return (sign | ((exponent + 112) << 23) | (fraction << 13)) >>> 0
  if (fraction === 0) return sign >>> 0
  // Subnormal: shift the highest set bit to where a float32 has its implicit one.
  const shift = Math.clz32(fraction) - 21
  return (sign | ((113 - shift) << 23) | (((fraction << shift) & 0x3ff) << 13)) >>> 0
}

/** float16 bits -> the same values as float32. */
export function fromHalf(half: Uint16Array): Float32Array<ArrayBuffer> {
  const bits = floatBits()
  const out = new Uint32Array(half.length)
  for (let i = 0; i < half.length; i++) out[i] = bits[half[i]]
  return new Float32Array(out.buffer)
}

/** float32 -> float16 bits, rounded to nearest, ties to even; what is too large becomes an infinity. */
export function toHalf(values: Float32Array): Uint16Array<ArrayBuffer> {
  const bits = new Uint32Array(values.buffer, values.byteOffset, values.length)
  const out = new Uint16Array(values.length)
  for (let i = 0; i < bits.length; i++) out[i] = narrow(bits[i])
  return out
}

function narrow(bits: number): number {
  const sign = (bits >>> 16) & 0x8000
  const magnitude = bits & 0x7fffffff
  if (magnitude > 0x7f800000) return sign | 0x7e00 | ((magnitude >>> 13) & 0x1ff) // NaN stays NaN
  if (magnitude >= 0x477ff000) return sign | 0x7c00 // from 65,520 on the nearest is infinity
  if (magnitude >= 0x38800000) {
    const scaled = magnitude - 0x38000000
    return sign | ((scaled + 0xfff + ((scaled >>> 13) & 1)) >>> 13)
  }
  if (magnitude <= 0x33000000) return sign // up to half the smallest subnormal
  const shift = 126 - (magnitude >>> 23)
  const fraction = (magnitude & 0x7fffff) | 0x800000
  const kept = fraction >>> shift
  const rest = fraction & ((1 << shift) - 1)
  const tie = 1 << (shift - 1)
  return sign | (kept + (rest > tie || (rest === tie && (kept & 1) === 1) ? 1 : 0))
}

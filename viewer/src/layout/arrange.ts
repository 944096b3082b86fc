/** Where the maps of one layer stand: on a line, a circle or a grid, and anything between. */

/** Distance between collapsed maps, world units: enough that they do not flicker through each other. */
const SHEET = 0.06

export interface Arrangement {
  maps: number
  /** Distance between neighbours, in world units, across and down. */
  pitchX: number
  pitchY: number
  /** Columns of the grid. */
  columns: number
  /** 0 line · 1 circle · 2 grid, real. */
  layout: number
  /** 0 … 1: the line turns from x to z. */
  depthwise: number
  /** 0 … 1: all maps move to the middle. */
  collapse: number
  /** Circle: this map stands rightmost, nearest to a reader who looks from the right; −1: the first one on top. */
  front: number
}

/**
 * Centres of the maps around the layer's axis, (x, y, z) each; y is up, z towards the input.
 * O(maps); called when a control moves.
 */
export function arrange(a: Arrangement, out = new Float32Array(3 * a.maps)): Float32Array {
  const open = 1 - a.collapse
  const towardsCircle = Math.min(1, a.layout)
  const towardsGrid = Math.max(0, a.layout - 1)
  const turn = (a.depthwise * Math.PI) / 2
  const start = a.front < 0 ? 0 : Math.PI / 2 - (2 * Math.PI * a.front) / a.maps
  const radius = circleRadius(a.maps, Math.max(a.pitchX, a.pitchY), start)
  const rows = Math.ceil(a.maps / a.columns)
  for (let m = 0; m < a.maps; m++) {
    const along = (m - (a.maps - 1) / 2) * a.pitchX
    const lineX = along * Math.cos(turn)
    const lineZ = -along * Math.sin(turn)
    const angle = start + (2 * Math.PI * m) / a.maps
    const circleX = radius * Math.sin(angle)
    const circleY = radius * Math.cos(angle)
    const gridX = ((m % a.columns) - (a.columns - 1) / 2) * a.pitchX
    const gridY = ((rows - 1) / 2 - Math.floor(m / a.columns)) * a.pitchY
    const x = mix(mix(lineX, circleX, towardsCircle), gridX, towardsGrid)
    const y = mix(mix(0, circleY, towardsCircle), gridY, towardsGrid)
    out[3 * m] = x * open
    out[3 * m + 1] = y * open
    // Collapsed maps lie on each other like sheets, the first one on top.
    out[3 * m + 2] = lineZ * (1 - towardsCircle) * open - m * SHEET * a.collapse
  }
  return out
}

/** Maps fill less of their pitch than this; so far apart, across or down, two of them are clear of each other. */
const CLEAR = 0.94

/**
 * Radius at which neighbours on a circle are at least `pitch` apart, and clear of each other also where they stand at a
 * slant: there squares need up to √2 times the distance. The first map stands at `start`; 0 for a single map.
 */
export function circleRadius(maps: number, pitch: number, start = 0): number {
  if (maps < 2) return 0
  let stretch = 1
  for (let m = 0; m < maps; m++) {
    const chord = start + (2 * Math.PI * (m + 0.5)) / maps
    stretch = Math.max(stretch, CLEAR / Math.max(Math.abs(Math.cos(chord)), Math.abs(Math.sin(chord))))
  }
  return (stretch * pitch) / (2 * Math.sin(Math.PI / maps))
}

export function mix(a: number, b: number, t: number): number {
  return a + (b - a) * t
}

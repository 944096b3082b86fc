/** Where the maps of one layer stand: on a line, a circle or a grid, and anything between. */

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
  const radius = circleRadius(a.maps, Math.max(a.pitchX, a.pitchY))
  const rows = Math.ceil(a.maps / a.columns)
  for (let m = 0; m < a.maps; m++) {
    const along = (m - (a.maps - 1) / 2) * a.pitchX
    const lineX = along * Math.cos(turn)
    const lineZ = -along * Math.sin(turn)
    const angle = (2 * Math.PI * m) / a.maps
    const circleX = radius * Math.sin(angle)
    const circleY = radius * Math.cos(angle)
    const gridX = ((m % a.columns) - (a.columns - 1) / 2) * a.pitchX
    const gridY = ((rows - 1) / 2 - Math.floor(m / a.columns)) * a.pitchY
    const x = mix(mix(lineX, circleX, towardsCircle), gridX, towardsGrid)
    const y = mix(mix(0, circleY, towardsCircle), gridY, towardsGrid)
    out[3 * m] = x * open
    out[3 * m + 1] = y * open
    out[3 * m + 2] = lineZ * (1 - towardsCircle) * open
  }
  return out
}

/** Radius at which `maps` neighbours on a circle are `pitch` apart; 0 for a single map. */
export function circleRadius(maps: number, pitch: number): number {
  return maps < 2 ? 0 : pitch / (2 * Math.sin(Math.PI / maps))
}

export function mix(a: number, b: number, t: number): number {
  return a + (b - a) * t
}

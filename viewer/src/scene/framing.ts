/** From where things are looked at: the whole network, one value, a layer or a map. Pure. */
import type { LayerPlace, Placement } from '../layout/place'
import type { CameraView } from '../state'
import { cornersOf, fitView, framePoints, type TextRoom, type Vec3, type Viewport } from './camera'

interface Shot {
  angles: { yaw: number; pitch: number }
  /** Room for the text around what is framed. */
  text: TextRoom
}

const WIDE: Shot = { angles: { yaw: 44, pitch: 17 }, text: { below: 40, right: 64, left: 0, above: 0 } }
const PORTRAIT: Shot = { angles: { yaw: 8, pitch: 42 }, text: { below: 0, right: 0, left: 64, above: 14 } }
const VALUE: Shot = { angles: { yaw: 40, pitch: 12 }, text: { below: 30, right: 24, left: 90, above: 64 } }
/** Halves of a stage: turned more towards their own shape. */
const BESIDE: Shot = { angles: { yaw: 34, pitch: 20 }, text: { below: 40, right: 64, left: 0, above: 0 } }
const STACKED: Shot = { angles: { yaw: 58, pitch: 13 }, text: { below: 34, right: 60, left: 8, above: 0 } }
const NO_TEXT: TextRoom = { below: 0, right: 0, left: 0, above: 0 }

/** The shape of what is framed: a wide stage, a high one, or one of two halves beside or above each other. */
export type Format = 'wide' | 'high' | 'beside' | 'stacked'

/** `only`: the layers of one calculation, by index; null: the whole network with its names. */
export function frameAll(
  placement: Placement,
  viewport: Viewport,
  format: Format,
  only: ReadonlySet<number> | null,
): CameraView {
  const shot =
    format === 'wide' && only ? VALUE : { wide: WIDE, high: PORTRAIT, beside: BESIDE, stacked: STACKED }[format]
  return fitView(only ? cornersOf(placement, only) : framePoints(placement), shot.angles, viewport, shot.text)
}

/** Comes close to a layer, or to one of its maps, without turning. */
export function frameTarget(
  placement: Placement,
  place: LayerPlace,
  map: number | undefined,
  angles: Shot['angles'],
  viewport: Viewport,
): CameraView {
  const points: Vec3[] = []
  const single = map !== undefined && map < place.drawnMaps
  const at = 4 * (place.first + (single ? map : 0))
  const [x, y, z] = single ? placement.centres.subarray(at, at + 3) : [place.x, place.y, place.z]
  // A map is shown with its neighbours around it.
  const [halfX, halfY] = single ? [place.width, place.height] : [place.halfX, place.halfY]
  for (const sx of [-1, 1]) for (const sy of [-1, 1]) points.push([x + sx * halfX, y + sy * halfY, z])
  return fitView(points, { yaw: angles.yaw, pitch: angles.pitch }, viewport, NO_TEXT)
}

/** World position of the middle of a pixel. */
export function pixelPoint(placement: Placement, place: LayerPlace, map: number, y: number, x: number): Vec3 {
  const at = 4 * (place.first + map)
  const [cx, cy, cz, scale] = placement.centres.subarray(at, at + 4)
  const { rows, columns } = place.layer
  const cell = place.cell * scale
  return [cx + (x + 0.5 - columns / 2) * cell, cy + (rows / 2 - y - 0.5) * cell, cz]
}

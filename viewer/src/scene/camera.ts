/** An orbit camera: where it looks, how the network is framed, and rays through the screen. Pure arithmetic. */
import { mat4 } from 'gl-matrix'
import type { PicturePlace, Placement } from '../layout/place'
import type { CameraView } from '../state'

export type Vec3 = [number, number, number]

/** CSS pixels of the stage, and what panels leave free of it (distances from its edges). */
export interface Viewport {
  width: number
  height: number
  free: { left: number; top: number; right: number; bottom: number }
}

/** Vertical field of view of the whole stage. */
const FOV = (24 * Math.PI) / 180
/** Air between the network and the panels, CSS pixels. */
const AIR = 20

/** Room for text around a framed network, CSS pixels: names below, class names and the best score to the right. */
export interface TextRoom {
  below: number
  right: number
  left: number
  above: number
}

export interface Eye {
  position: Vec3
  right: Vec3
  up: Vec3
  forward: Vec3
}

const dot = (a: Vec3, b: Vec3) => a[0] * b[0] + a[1] * b[1] + a[2] * b[2]
const add = (a: Vec3, b: Vec3, t: number): Vec3 => [a[0] + t * b[0], a[1] + t * b[1], a[2] + t * b[2]]

/** Position and axes for a view. yaw 0 looks along the network; 90 shows it from the side, input to the left. */
export function eyeOf(view: CameraView): Eye {
  const yaw = (view.yaw * Math.PI) / 180
  const pitch = (view.pitch * Math.PI) / 180
  const forward: Vec3 = [-Math.sin(yaw) * Math.cos(pitch), -Math.sin(pitch), -Math.cos(yaw) * Math.cos(pitch)]
  const right: Vec3 = [Math.cos(yaw), 0, -Math.sin(yaw)]
  const up: Vec3 = [-Math.sin(yaw) * Math.sin(pitch), Math.cos(pitch), -Math.cos(yaw) * Math.sin(pitch)]
  return { position: add(view.target, forward, -view.distance), right, up, forward }
}

/** Centre of the free area in clip coordinates: the projection is shifted so that the target appears there. */
function shift(viewport: Viewport): [x: number, y: number] {
  const { width, height, free } = viewport
  return [(free.left - free.right) / width, (free.bottom - free.top) / height]
}

/** World -> clip space, near and far planes around the network. */
export function viewProjection(view: CameraView, viewport: Viewport, depth: [near: number, far: number]): mat4 {
  const eye = eyeOf(view)
  const near = Math.max(0.5, depth[0] * 0.5)
  const far = Math.max(near + 1, depth[1] * 1.5 + 100)
  const projection = mat4.perspective(mat4.create(), FOV, viewport.width / viewport.height, near, far)
  const [x, y] = shift(viewport)
  projection[8] -= x
  projection[9] -= y
  const look = mat4.lookAt(mat4.create(), eye.position, add(eye.position, eye.forward, 1), [0, 1, 0])
  return mat4.multiply(mat4.create(), projection, look)
}

/** CSS pixels per world unit at distance 1. */
export function focalLength(viewport: Viewport): number {
  return viewport.height / 2 / Math.tan(FOV / 2)
}

/** CSS pixel -> direction from the eye (not normalised; its forward part is 1). */
export function rayThrough(
  view: CameraView,
  viewport: Viewport,
  x: number,
  y: number,
): { origin: Vec3; direction: Vec3 } {
  const eye = eyeOf(view)
  const [sx, sy] = shift(viewport)
  const tan = Math.tan(FOV / 2)
  const ndcX = (2 * x) / viewport.width - 1 - sx
  const ndcY = 1 - (2 * y) / viewport.height - sy
  const direction = add(
    add(eye.forward, eye.right, (ndcX * tan * viewport.width) / viewport.height),
    eye.up,
    ndcY * tan,
  )
  return { origin: eye.position, direction }
}

/** World -> CSS pixels and distance along the view; null behind the eye. */
export function project(matrix: mat4, viewport: Viewport, p: Vec3): { x: number; y: number; distance: number } | null {
  const [x, y, z] = p
  const w = matrix[3] * x + matrix[7] * y + matrix[11] * z + matrix[15]
  if (w < 0.1) return null
  const cx = (matrix[0] * x + matrix[4] * y + matrix[8] * z + matrix[12]) / w
  const cy = (matrix[1] * x + matrix[5] * y + matrix[9] * z + matrix[13]) / w
  return { x: ((cx + 1) / 2) * viewport.width, y: ((1 - cy) / 2) * viewport.height, distance: w }
}

/** What a framed network shows: all layers, the skips above them, and the floor on which their names stand. */
export function framePoints(placement: Placement): Vec3[] {
  return [...cornersOf(placement), ...placement.arcs, ...placement.layers.map((l): Vec3 => [l.x, placement.floor, l.z])]
}

/** Corners of the boxes around all layers, or those given by their indices. */
export function cornersOf(placement: Placement, only?: ReadonlySet<number>): Vec3[] {
  const corners: Vec3[] = []
  if (placement.picture && !only) corners.push(...pictureCorners(placement.picture))
  for (const l of placement.layers) {
    if (only && !only.has(l.layer.index)) continue
    for (const x of [l.x - l.halfX, l.x + l.halfX]) {
      for (const y of [l.y - l.halfY, l.y + (l.wall ? l.wall.top : l.halfY)]) {
        for (const z of [l.z - l.halfZ, l.z + l.halfZ]) corners.push([x, y, z])
      }
    }
  }
  return corners
}

function pictureCorners({ z, width, height }: PicturePlace): Vec3[] {
  return [-1, 1].flatMap(x => [-1, 1].map((y): Vec3 => [(x * width) / 2, (y * height) / 2, z]))
}

/**
 * The nearest view at these angles in which all points lie inside the free area.
 * Each side of the view is a plane through the eye; two opposite ones fix the eye's place across and its distance.
 */
export function fitView(
  points: readonly Vec3[],
  angles: { yaw: number; pitch: number },
  viewport: Viewport,
  text: TextRoom = { below: 0, right: 0, left: 0, above: 0 },
): CameraView {
  const { width, height, free } = viewport
  const eye = eyeOf({ target: [0, 0, 0], ...angles, distance: 0 })
  const tan = (Math.tan(FOV / 2) * 2) / height
  const across = width - free.left - free.right - 2 * AIR - text.left - text.right
  const down = height - free.top - free.bottom - 2 * AIR - text.below - text.above
  const x = between(points, eye.right, eye.forward, (tan * Math.max(40, across)) / 2)
  const y = between(points, eye.up, eye.forward, (tan * Math.max(40, down)) / 2)
  const forward = Math.min(x.forward, y.forward)
  const depths = points.map(p => dot(p, eye.forward))
  const middle = (Math.min(...depths) + Math.max(...depths)) / 2
  // The optical axis goes through the middle of the free area: half of the text's room is given back on its side.
  const perPixel = tan * (middle - forward)
  let target: Vec3 = [0, 0, 0]
  target = add(target, eye.right, x.across + ((text.right - text.left) / 2) * perPixel)
  target = add(target, eye.up, y.across - ((text.below - text.above) / 2) * perPixel)
  target = add(target, eye.forward, middle)
  // A single point would be looked at from no distance at all.
  return { ...angles, target, distance: Math.max(1, middle - forward) }
}

function between(points: readonly Vec3[], axis: Vec3, forward: Vec3, slope: number) {
  let low = Number.NEGATIVE_INFINITY
  let high = Number.NEGATIVE_INFINITY
  for (const p of points) {
    high = Math.max(high, dot(p, axis) - slope * dot(p, forward))
    low = Math.max(low, -dot(p, axis) - slope * dot(p, forward))
  }
  return { across: (high - low) / 2, forward: -(high + low) / (2 * slope) }
}

/** Nearest and farthest distance of the points along the view. */
export function depthRange(points: readonly Vec3[], view: CameraView): [near: number, far: number] {
  const eye = eyeOf(view)
  const origin = dot(eye.position, eye.forward)
  let near = Number.POSITIVE_INFINITY
  let far = 0
  for (const p of points) {
    const d = dot(p, eye.forward) - origin
    near = Math.min(near, d)
    far = Math.max(far, d)
  }
  return [Math.max(1, near), Math.max(2, far)]
}

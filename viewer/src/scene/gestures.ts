/** Mouse, touch and trackpad -> camera, hover, clicks. Alt-drag works as in Maya. */
import type { CameraView } from '../state'
import { eyeOf, focalLength, rayThrough, type Vec3, type Viewport } from './camera'

export interface GestureTarget {
  element: HTMLElement
  viewport(): Viewport
  /** Where a point of the stage lies in that view: a stage may show it twice. */
  place(point: { x: number; y: number }): { x: number; y: number }
  /** The camera as asked for, framing included. */
  camera(): CameraView
  setCamera(camera: CameraView): void
  hover(point: { x: number; y: number } | null): void
  click(point: { x: number; y: number }): void
  doubleClick(point: { x: number; y: number }): void
}

const ORBIT = 0.28 // degrees a pixel
const CLICK_SLOP = 4 // pixels
const DOUBLE = 500 // milliseconds
const NEAREST = 8

type Drag = 'orbit' | 'pan' | 'zoom'

export function attachGestures(target: GestureTarget): () => void {
  const { element } = target
  const pointers = new Map<number, { x: number; y: number }>()
  let drag: Drag | null = null
  let travelled = 0
  let clicked = { x: 0, y: 0, time: Number.NEGATIVE_INFINITY }
  const abort = new AbortController()
  const options = { signal: abort.signal }

  const local = (event: MouseEvent) => {
    const box = element.getBoundingClientRect()
    return { x: event.clientX - box.left, y: event.clientY - box.top }
  }

  element.addEventListener(
    'pointerdown',
    event => {
      element.setPointerCapture(event.pointerId)
      pointers.set(event.pointerId, local(event))
      travelled = pointers.size > 1 ? Number.POSITIVE_INFINITY : 0
      drag = dragOf(event)
    },
    options,
  )
  element.addEventListener(
    'pointermove',
    event => {
      const point = local(event)
      const before = pointers.get(event.pointerId)
      if (!before || !drag) {
        if (event.pointerType !== 'touch') target.hover(point)
        return
      }
      if (pointers.size === 2) pinch(target, pointers, event.pointerId, point)
      else {
        travelled += Math.hypot(point.x - before.x, point.y - before.y)
        if (travelled > CLICK_SLOP) {
          target.hover(null)
          move(target, drag, point.x - before.x, point.y - before.y, before)
        }
      }
      pointers.set(event.pointerId, point)
    },
    options,
  )
  const release = (event: PointerEvent) => {
    const point = pointers.get(event.pointerId)
    pointers.delete(event.pointerId)
    if (pointers.size > 0) return
    drag = null
    if (!point || event.type !== 'pointerup' || travelled > CLICK_SLOP || event.button !== 0) return
    // The second click of a double click is no click of its own: it would lead in while the other one turns the camera.
    const second = event.timeStamp - clicked.time < DOUBLE && distance(point, clicked) <= 2 * CLICK_SLOP
    clicked = { ...point, time: second ? Number.NEGATIVE_INFINITY : event.timeStamp }
    if (!second) target.click(point)
  }
  element.addEventListener('pointerup', release, options)
  element.addEventListener('pointercancel', release, options)
  element.addEventListener('pointerleave', () => drag || target.hover(null), options)
  element.addEventListener('dblclick', event => target.doubleClick(local(event)), options)
  element.addEventListener('contextmenu', event => event.preventDefault(), options)
  element.addEventListener(
    'wheel',
    event => {
      event.preventDefault()
      const lines = event.deltaMode === 1 ? 16 : 1
      // A pinch on a trackpad arrives as a wheel with Ctrl, in finer steps.
      const speed = event.ctrlKey ? 0.01 : 0.0015
      zoomAt(target, Math.exp(Math.max(-240, Math.min(240, event.deltaY * lines)) * speed), local(event))
    },
    { ...options, passive: false },
  )
  return () => abort.abort()
}

function distance(a: { x: number; y: number }, b: { x: number; y: number }): number {
  return Math.hypot(a.x - b.x, a.y - b.y)
}

function dragOf(event: PointerEvent): Drag {
  if (event.altKey) return event.button === 0 ? 'orbit' : event.button === 1 ? 'pan' : 'zoom'
  return event.button === 0 && !event.shiftKey ? 'orbit' : 'pan'
}

function move(target: GestureTarget, drag: Drag, dx: number, dy: number, at: { x: number; y: number }): void {
  if (drag === 'orbit') target.setCamera(orbit(target.camera(), dx, dy))
  else if (drag === 'pan') target.setCamera(pan(target.camera(), target.viewport(), dx, dy))
  else zoomAt(target, Math.exp(-(dx + dy) * 0.005), at)
}

export function orbit(camera: CameraView, dx: number, dy: number): CameraView {
  const pitch = Math.min(89, Math.max(-89, camera.pitch + dy * ORBIT))
  return { ...camera, yaw: camera.yaw - dx * ORBIT, pitch }
}

export function pan(camera: CameraView, viewport: Viewport, dx: number, dy: number): CameraView {
  const eye = eyeOf(camera)
  const scale = camera.distance / focalLength(viewport)
  const target = camera.target.map((t, i) => t + (-dx * eye.right[i] + dy * eye.up[i]) * scale) as Vec3
  return { ...camera, target }
}

/** Zooms by `factor` (below 1: nearer); what is under the point stays under it. */
export function zoom(camera: CameraView, viewport: Viewport, factor: number, x: number, y: number): CameraView {
  const distance = Math.max(NEAREST, camera.distance * factor)
  const share = 1 - distance / camera.distance
  const { origin, direction } = rayThrough(camera, viewport, x, y)
  const target = camera.target.map((t, i) => t + (origin[i] + direction[i] * camera.distance - t) * share) as Vec3
  return { ...camera, target, distance }
}

function zoomAt(target: GestureTarget, factor: number, at: { x: number; y: number }): void {
  const { x, y } = target.place(at)
  target.setCamera(zoom(target.camera(), target.viewport(), factor, x, y))
}

/** Two fingers: their distance zooms, their middle pans. */
function pinch(
  target: GestureTarget,
  pointers: ReadonlyMap<number, { x: number; y: number }>,
  moved: number,
  point: { x: number; y: number },
): void {
  const before = pointers.get(moved)!
  const other = [...pointers].find(([id]) => id !== moved)![1]
  const spread = (p: { x: number; y: number }) => Math.max(10, Math.hypot(p.x - other.x, p.y - other.y))
  const viewport = target.viewport()
  const panned = pan(target.camera(), viewport, (point.x - before.x) / 2, (point.y - before.y) / 2)
  const middle = target.place({ x: (point.x + other.x) / 2, y: (point.y + other.y) / 2 })
  target.setCamera(zoom(panned, viewport, spread(before) / spread(point), middle.x, middle.y))
}

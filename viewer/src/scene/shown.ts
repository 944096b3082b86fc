/** What is shown on the way to what was asked for: every number glides to its target, unless motion is off. */
import type { CameraView, LayerView } from '../state'
import { bundleInForce } from '../state'

/** Time constant of the glide; after `SETTLE` the target is reached exactly. */
const TAU = 70
const SETTLE = 400

/** Fields that glide; the others (names, flags, whole numbers) change at once. */
const GLIDING = [
  'expansion',
  'layout',
  'depthwise',
  'collapse',
  'spread',
  'pixelSpacing',
  'pixelSize',
  'layerGap',
  'lineWidth',
  'perspectiveWidth',
  'weightGain',
  'activationGain',
] as const satisfies (keyof LayerView)[]

/** Follows a vector of numbers. */
class Glide {
  private value: number[] | null = null
  private target: number[] = []
  private since = 0

  /** The value at `now`; `instant` jumps. */
  follow(target: number[], now: number, dt: number, instant: boolean): number[] {
    const changed = target.length !== this.target.length || target.some((t, i) => t !== this.target[i])
    if (changed) this.since = now
    this.target = target
    if (this.value === null || instant || this.value.length !== target.length || now - this.since >= SETTLE) {
      this.value = target.slice()
    } else {
      const share = 1 - Math.exp(-dt / TAU)
      this.value = this.value.map((v, i) => v + (target[i] - v) * share)
    }
    return this.value
  }

  /** Replaces what is on the way and where it goes, as if it had always been so. */
  map(to: (value: number) => number): void {
    this.value = this.value?.map(to) ?? null
    this.target = this.target.map(to)
  }

  get moving(): boolean {
    return this.value?.some((v, i) => v !== this.target[i]) ?? false
  }
}

/** The views, the epoch and the camera as they are drawn now. */
export class Shown {
  private readonly views: Glide[]
  private readonly epochs = new Glide()
  private readonly cameras = new Glide()
  private lastEpoch = Number.NaN
  private last = 0
  private dt = 16

  constructor(layers: number) {
    this.views = Array.from({ length: layers }, () => new Glide())
  }

  /** Call once a frame, before the others. */
  tick(now: number): void {
    // After a pause the first step is a normal one: nothing jumps because nothing was drawn for a while.
    this.dt = Math.min(50, Math.max(1, now - this.last))
    this.last = now
  }

  view(layer: number, target: LayerView, instant: boolean): LayerView {
    const numbers = [...GLIDING.map(field => target[field]), bundleInForce(target)]
    const shown = this.views[layer].follow(numbers, this.last, this.dt, instant)
    const view = { ...target, bundle: shown[GLIDING.length] }
    for (const [i, field] of GLIDING.entries()) view[field] = shown[i]
    return view
  }

  /** Neighbouring checkpoints blend into each other; a jump across several does not load all between. */
  epoch(target: number, instant: boolean): number {
    const jump = Math.abs(target - this.lastEpoch) > 1.01
    this.lastEpoch = target
    return this.epochs.follow([target], this.last, this.dt, instant || jump)[0]
  }

  /** Checkpoints came or went: the same moments stand at other positions, and nothing moves for it. */
  remapEpochs(to: (epoch: number) => number): void {
    this.epochs.map(to)
    this.lastEpoch = to(this.lastEpoch)
  }

  camera(target: CameraView, instant: boolean): CameraView {
    const numbers = [...target.target, target.yaw, target.pitch, target.distance]
    const [x, y, z, yaw, pitch, distance] = this.cameras.follow(numbers, this.last, this.dt, instant)
    return { target: [x, y, z], yaw, pitch, distance }
  }

  get moving(): boolean {
    return this.epochs.moving || this.cameras.moving || this.views.some(view => view.moving)
  }
}

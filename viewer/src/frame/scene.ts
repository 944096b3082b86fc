/** The network as it stands and is looked at in one frame, on its way to what the state asks for. */
import type { ReadonlySignal } from '@preact/signals'
import type { mat4 } from 'gl-matrix'
import { blendOf, numbered } from '../blending'
import type { Connection } from '../layout/connections'
import type { DrawnLayer } from '../layout/drawn'
import { type Placement, placeLayers } from '../layout/place'
import type { Pick } from '../model'
import type { Readings } from '../readings'
import type { Recording } from '../recording/types'
import { cornersOf, depthRange, viewProjection } from '../scene/camera'
import { Director } from '../scene/director'
import type { Blend, Frame, Spot } from '../scene/frame'
import { frameAll, frameTarget } from '../scene/framing'
import { Shown } from '../scene/shown'
import { type CameraView, type LayerView, layerView, type State, type Target } from '../state'
import type { StageArea } from './area'

export interface Staged {
  recording: Recording
  drawn: readonly DrawnLayer[]
  links: readonly Connection[]
  state: ReadonlySignal<State>
  hover: ReadonlySignal<Pick | null>
  images: ReadonlySignal<Frame['images']>
  readings: Readings
  edgeBudget(): number
}

export class Scene {
  /** null before the first frame. */
  placement: Placement | null = null
  camera: CameraView = { target: [0, 0, 0], yaw: 0, pitch: 0, distance: 100 }
  /** The view of each drawn layer. */
  views: LayerView[] = []
  /** By position among the checkpoints. */
  epoch = 0
  /** The same by the numbers of their files, as they were when the frame was drawn. */
  private blend: Blend = { before: -1, after: -1, t: 0 }
  private placementKey = ''
  private readonly shown: Shown
  private readonly director: Director

  constructor(
    private readonly on: Staged,
    private readonly area: StageArea,
  ) {
    this.shown = new Shown(on.drawn.length)
    this.director = new Director(on.drawn, on.links)
  }

  /** Goes on to what is asked for, as far as it has come at `now`; `instant`: all the way. */
  advance(now: number, instant: boolean): void {
    const { drawn, recording } = this.on
    const { checkpoints } = recording.index
    const state = this.on.state.value
    this.shown.tick(now)
    this.views = drawn.map((layer, i) => this.shown.view(i, this.directed(i, layerView(state, layer.id)), instant))
    this.place()
    this.epoch = this.shown.epoch(state.epoch, instant)
    this.blend = numbered(blendOf(this.epoch, checkpoints.length), checkpoints)
    this.camera = this.shown.camera(this.asked, instant)
  }

  get moving(): boolean {
    return this.shown.moving
  }

  /** Checkpoints came or went: the same moments stand at other positions. */
  remapEpochs(to: (epoch: number) => number): void {
    this.shown.remapEpochs(to)
  }

  /** The layers that one calculation needs; null while the whole network is shown. */
  get only(): ReadonlySet<number> | null {
    const { calculation, pinned } = this.on.state.value
    return calculation && pinned ? this.director.layersOf(pinned) : null
  }

  /** World -> clip space. */
  get matrix(): mat4 {
    return viewProjection(this.camera, this.area.viewport, depthRange(cornersOf(this.placement!), this.camera))
  }

  /** The camera as asked for, transitions left out: where there is none, all that is shown is framed. */
  get asked(): CameraView {
    return this.on.state.value.camera ?? frameAll(this.placement!, this.area.viewport, this.area.format, this.only)
  }

  /** Runs `work` with the camera as asked for on the area as it is now. */
  reframed<T>(work: () => T): T {
    const { camera } = this
    this.camera = this.asked
    try {
      return work()
    } finally {
      this.camera = camera
    }
  }

  /** The camera close to a layer, or to one of its maps; null where it does not stand. */
  closeUp(target: Target): CameraView | null {
    const place = this.placement?.layers.find(l => l.layer.id === target.layer)
    if (!place || !this.placement) return null
    return frameTarget(this.placement, place, target.map, this.asked, this.area.viewport)
  }

  /** In a calculation, the pinned layer stands in a circle with the pinned map in front. */
  private directed(layer: number, view: LayerView): LayerView {
    const { pinned } = this.on.state.value
    const { id, maps } = this.on.drawn[layer]
    const front = this.only && pinned && id === pinned.layer
    return front && maps > 1 ? { ...view, layout: 1, collapse: 0, depthwise: 0 } : view
  }

  private place(): void {
    const { drawn, links, state } = this.on
    const { portrait } = this.area
    const pinned = this.located(state.value.pinned)
    const front = this.only && pinned
    const picture = this.picture()
    const key = JSON.stringify([
      portrait,
      front && [front.layer, front.map],
      picture,
      this.views.map(v => [v.layout, v.depthwise, v.collapse, v.spread, v.pixelSpacing, v.layerGap, v.maxMaps]),
    ])
    if (key === this.placementKey && this.placement) return
    this.placementKey = key
    this.placement = placeLayers(drawn, links, this.views, { portrait, front, picture })
  }

  /** Rows and columns of the picture before the input, where it shows more than the input's maps do. */
  private picture(): [number, number] | null {
    const images = this.on.images.value
    const input = this.on.drawn[0]
    if (!images || input?.kind !== 'input' || this.area.portrait) return null
    const [, rows, columns] = images.shape
    const differs = input.maps === 3 || rows !== input.rows || columns !== input.columns
    // Two samples' pictures are no picture together.
    const { compare, picture } = this.on.state.value
    if (compare?.with === 'sample' && compare.show === 'difference') return null
    return (picture ?? differs) ? [rows, columns] : null
  }

  private located(target: Target | null): Spot | null {
    if (target?.map === undefined) return null
    const layer = this.on.drawn.findIndex(l => l.id === target.layer)
    return layer < 0 ? null : { layer, map: target.map, y: target.y ?? -1, x: target.x ?? -1 }
  }

  /** What is drawn of A, as if nothing were compared but for its share of the edges. */
  frame(pixelRatio: number): Frame {
    const { recording, readings, images, hover } = this.on
    const { only } = this
    const state = this.on.state.value
    const pinned = this.located(state.pinned)
    return {
      state,
      side: 0,
      sample: state.sample,
      compared: null,
      part: null,
      views: this.views,
      placement: this.placement!,
      camera: this.camera,
      viewport: this.area.viewport,
      pixelRatio,
      epoch: this.blend,
      ranges: readings.ranges(),
      hot: this.located(hover.value),
      pinned,
      only,
      patches: this.director.patches(only ? pinned : null, this.views, readings.calculation.value),
      images: images.value,
      samples: recording.index.completeness.activations ? recording.index.samples.count : 0,
      // Both halves together draw no more than one picture.
      budget: Math.floor(this.on.edgeBudget() / (this.area.halves ? 2 : 1)),
    }
  }
}

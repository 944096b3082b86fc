/** Wires the stages in order: recording -> layout -> stage -> frame, and gives the panels their model. */
import { batch, computed, effect, type ReadonlySignal, type Signal, signal } from '@preact/signals'
import { blendOf, outputAt, parameterAt } from './blending'
import type { Index, LayerSummary } from './generated/recording'
import { type Connection, connections } from './layout/connections'
import { type DrawnLayer, drawnLayers } from './layout/drawn'
import { type Placement, placeLayers } from './layout/place'
import type { Legend, Pick, Scores, Stats, ViewerModel } from './model'
import { pickMap } from './picking/pick'
import type { MetricRow, Recording, Tensor } from './recording/types'
import {
  cornersOf,
  depthRange,
  fitView,
  focalLength,
  framePoints,
  project,
  rayThrough,
  type Vec3,
  type Viewport,
  viewProjection,
} from './scene/camera'
import { attachGestures } from './scene/gestures'
import { Labels, type UnitLabels } from './scene/labels'
import { Loader } from './scene/loader'
import { Shown } from './scene/shown'
import { type Blend, type Frame, type FrameCounts, Stage } from './scene/stage'
import { classNames, scoresOf } from './scores'
import {
  bundleInForce,
  type CameraView,
  type Context,
  clampPatch,
  defaultState,
  layerView,
  type State,
  type StatePatch,
  type Target,
} from './state'

/** Angles from which a whole network is framed, on a wide and on a high stage. */
const WIDE = { yaw: 44, pitch: 17 }
const PORTRAIT = { yaw: 8, pitch: 42 }
/** Room for names and scores around the framed network. */
const WIDE_TEXT = { below: 40, right: 64, left: 0, above: 0 }
const PORTRAIT_TEXT = { below: 0, right: 0, left: 64, above: 14 }
const DESKTOP_BUDGET = 200_000
const SMALL_BUDGET = 30_000
/** Seconds that playing takes from one checkpoint to the next. */
const SECONDS_A_CHECKPOINT = 0.8

const NO_COUNTS: FrameCounts = { edgesDrawn: 0, edgesTotal: 0, mapsDrawn: 0, mapsTotal: 0, strands: [] }

export class Viewer implements ViewerModel {
  readonly state: Signal<State>
  readonly hover = signal<Pick | null>(null)
  readonly inspected: ReadonlySignal<Target | null>
  readonly scores: ReadonlySignal<Scores | null>
  readonly metrics = signal<MetricRow[]>([])
  readonly images = signal<{ shape: [number, number, number, number]; data: Uint8Array } | null>(null)
  readonly notices: ReadonlySignal<Loader['notices']['value']>
  readonly legend: ReadonlySignal<Legend | null>
  readonly stats = signal<Stats>(emptyStats())
  readonly bundleInForce: ReadonlySignal<number>
  readonly playing = signal(false)
  /** What the last frame drew, by connection: what the panels say about budgets. */
  readonly counts = signal<FrameCounts>(NO_COUNTS)
  readonly drawn: DrawnLayer[]
  readonly links: Connection[]

  private readonly loader: Loader
  private readonly shown: Shown
  private readonly labels: Labels
  private stage: Stage
  private readonly software: boolean
  private readonly reducedMotion = matchMedia('(prefers-reduced-motion: reduce)')
  private placement: Placement | null = null
  private placementKey = ''
  private camera: CameraView = { target: [0, 0, 0], ...WIDE, distance: 100 }
  private epochShown: Blend
  private scheduled = 0
  private dirty = true
  private frames = 0
  private waiting: (() => void)[] = []
  private readonly cleanups: (() => void)[] = []
  private insets: Viewport['free'] = { left: 0, top: 0, right: 0, bottom: 0 }
  private playedAt = 0

  constructor(
    readonly recording: Recording,
    private readonly host: HTMLElement,
    private readonly canvas: HTMLCanvasElement,
    private readonly gl: WebGL2RenderingContext,
    patch: StatePatch,
    /** CSS pixels that the panels cover at each edge. */
    private readonly covered: () => Viewport['free'],
  ) {
    const { index } = recording
    this.drawn = drawnLayers(index.network)
    this.links = connections(index.network, this.drawn)
    this.state = signal({ ...defaultState(index), ...this.clamp(patch) })
    this.epochShown = blendOf(this.state.value.epoch, index.checkpoints.length)
    this.software = isSoftware(gl)
    this.stage = new Stage(gl, this.drawn, this.links)
    this.shown = new Shown(this.drawn.length)
    this.loader = new Loader(recording, () => this.invalidate())
    this.labels = new Labels(this.drawn)
    this.notices = this.loader.notices
    this.inspected = computed(() => this.hover.value ?? this.state.value.pinned ?? this.selectedTarget())
    this.bundleInForce = computed(() => bundleInForce(this.state.value))
    this.scores = computed(() => this.computeScores())
    this.legend = computed(() => this.computeLegend())
    host.append(this.labels.element)
    this.attach()
    this.loadOnce()
  }

  private attach(): void {
    const { canvas } = this
    const sizes = new ResizeObserver(() => this.invalidate())
    sizes.observe(this.host)
    this.cleanups.push(
      () => sizes.disconnect(),
      effect(() => {
        this.state.value
        this.hover.value
        this.playing.value
        this.invalidate()
      }),
      attachGestures({
        element: canvas,
        viewport: () => this.viewport(),
        camera: () => this.state.value.camera ?? this.framed(),
        setCamera: camera => this.set({ camera }),
        hover: point => this.setHover(point),
        click: point => this.click(point),
        doubleClick: point => this.doubleClick(point),
      }),
    )
    const lost = (event: Event) => event.preventDefault()
    const restored = () => {
      this.stage = new Stage(this.gl, this.drawn, this.links)
      this.placementKey = ''
      this.invalidate()
    }
    canvas.addEventListener('webglcontextlost', lost)
    canvas.addEventListener('webglcontextrestored', restored)
    document.fonts?.ready.then(() => {
      this.labels.measure()
      this.invalidate()
    })
  }

  private loadOnce(): void {
    const { loader, recording } = this
    loader.load('metrics', async () => {
      this.metrics.value = await recording.metrics()
    })
    if (recording.index.samples.count === 0) return
    loader.load('images', async () => {
      this.images.value = await recording.images()
    })
  }

  // --- state ---

  private clamp(patch: unknown): StatePatch {
    return clampPatch(patch, contextOf(this.recording.index)).patch
  }

  set(patch: StatePatch): void {
    const clamped = this.clamp(patch)
    if (Object.keys(clamped).length === 0) return
    this.state.value = { ...this.state.value, ...clamped }
  }

  home(): void {
    this.set({ camera: null })
  }

  /** Frames a layer, or one of its maps. */
  focus(target: Target): void {
    const place = this.placement?.layers.find(l => l.layer.id === target.layer)
    if (!place || !this.placement) return
    const at = 4 * (place.first + (target.map ?? 0))
    const [x, y, z] = this.placement.centres.subarray(at, at + 3)
    const [hx, hy] = target.map === undefined ? [place.halfX, place.halfY] : [place.width, place.height]
    const centre: Vec3 = target.map === undefined ? [0, 0, place.z] : [x, y, z]
    const points = [-1, 1].flatMap(a => [-1, 1].map((b): Vec3 => [centre[0] + a * hx, centre[1] + b * hy, centre[2]]))
    const { yaw, pitch } = this.state.value.camera ?? this.framed()
    this.set({ camera: fitView(points, { yaw, pitch }, this.viewport()) })
  }

  private selectedTarget(): Target | null {
    const { selected } = this.state.value
    return selected === null ? null : { layer: selected }
  }

  // --- pointer ---

  /** CSS pixels of the stage -> map, pixel and its value. */
  pick(x: number, y: number): Pick | null {
    if (!this.placement) return null
    const { origin, direction } = rayThrough(this.camera, this.viewport(), x, y)
    const hit = pickMap(this.placement, origin, direction)
    if (!hit) return null
    const target = { layer: this.drawn[hit.layer].id, map: hit.map, y: hit.y, x: hit.x }
    return { ...target, value: this.valueAt(target) }
  }

  /** The recorded value of a pixel at the shown epoch. */
  valueAt(target: Required<Target>): number | null {
    const layer = this.drawn.find(l => l.id === target.layer)
    if (!layer) return null
    const at = (target.map * layer.rows + target.y) * layer.columns + target.x
    return outputAt(this.recording, this.epochAsked(), this.state.value.sample, layer.id, at, at + 1)?.[0] ?? null
  }

  screenPosition(layer: string, map: number, y: number, x: number): { x: number; y: number } | null {
    const place = this.placement?.layers.find(l => l.layer.id === layer)
    if (!place || !this.placement || map >= place.drawnMaps) return null
    const at = 4 * (place.first + map)
    const [cx, cy, cz, scale] = this.placement.centres.subarray(at, at + 4)
    const point: Vec3 = [
      cx + (x + 0.5 - place.layer.columns / 2) * place.cell * scale,
      cy + (place.layer.rows / 2 - y - 0.5) * place.cell * scale,
      cz,
    ]
    const viewport = this.viewport()
    const p = project(viewProjection(this.camera, viewport, this.depths()), viewport, point)
    return p && { x: p.x, y: p.y }
  }

  private setHover(point: { x: number; y: number } | null): void {
    const pick = point ? this.pick(point.x, point.y) : null
    const before = this.hover.value
    const same =
      pick &&
      before &&
      pick.layer === before.layer &&
      pick.map === before.map &&
      pick.y === before.y &&
      pick.x === before.x
    if (!same && (pick || before)) this.hover.value = pick
    this.canvas.style.cursor = pick ? 'pointer' : 'grab'
  }

  private click(point: { x: number; y: number }): void {
    const pick = this.pick(point.x, point.y)
    if (!pick) {
      this.set({ pinned: null, selected: null })
      return
    }
    const { layer, map, y, x } = pick
    this.set({ pinned: { layer, map, y, x }, selected: layer })
  }

  private doubleClick(point: { x: number; y: number }): void {
    const pick = this.pick(point.x, point.y)
    if (pick) this.focus({ layer: pick.layer, map: pick.map })
    else this.home()
  }

  // --- what panels read ---

  private epochAsked(): Blend {
    return blendOf(this.state.value.epoch, this.recording.index.checkpoints.length)
  }

  parameterAt(layer: string, role: string): Tensor | null {
    this.loader.arrivals.value
    const epoch = this.epochAsked()
    const found = parameterAt(this.recording, epoch, layer, role)
    if (!found) this.request(epoch, layer, role)
    return found
  }

  /** Parameters that the stage does not need (biases, norms) are fetched when a panel asks. */
  private request(epoch: Blend, layer: string, role: string): void {
    for (const checkpoint of epoch.t > 0 ? [epoch.before, epoch.after] : [epoch.before]) {
      queueMicrotask(() => {
        if (this.recording.parameterNow(layer, role, checkpoint)) return
        this.loader.load(`${role} of ${layer} at ${checkpoint}`, () =>
          this.recording.parameter(layer, role, checkpoint),
        )
      })
    }
  }

  summaryAt(layer: string): LayerSummary | null {
    this.loader.arrivals.value
    return this.recording.summaryNow(Math.round(this.state.value.epoch))?.[layer] ?? null
  }

  private computeScores(): Scores | null {
    this.loader.arrivals.value
    const output = this.outputLayer()
    if (!output) return null
    const { sample } = this.state.value
    const values = outputAt(this.recording, this.epochAsked(), sample, output.id, 0, output.maps)
    const truth = this.recording.index.samples.labels?.[sample] ?? null
    return values && scoresOf(values, classNames(this.recording.index, output.maps), truth)
  }

  /** The last drawn layer, if it is a vector that can be class scores. */
  private outputLayer(): DrawnLayer | null {
    const last = this.drawn.at(-1)
    const classes = this.recording.index.classes
    return last && last.rows * last.columns === 1 && (!classes || classes.length === last.maps) ? last : null
  }

  private computeLegend(): Legend | null {
    this.loader.arrivals.value
    const id = this.inspected.value?.layer ?? this.links.find(link => link.role)?.layer
    const layer = this.drawn.find(l => l.id === id)
    if (!layer) return null
    const range = this.rangeOf(layer.index)
    const link = this.links.find(l => l.to === layer.index && l.role)
    const kernel = link?.role ? this.summaryAt(layer.id)?.parameters?.[link.role] : undefined
    return {
      layer: layer.name,
      weight: kernel ? Math.max(Math.abs(kernel.low), Math.abs(kernel.high)) : null,
      activationLow: 0,
      activationHigh: range,
    }
  }

  private rangeOf(layer: number): number {
    const epoch = this.epochAsked()
    const high = (checkpoint: number) =>
      this.recording.summaryNow(checkpoint)?.[this.drawn[layer].id]?.activations?.high
    const a = high(epoch.before)
    const b = epoch.t > 0 ? (high(epoch.after) ?? a) : a
    const found = a === undefined || b === undefined ? Number.NaN : a + (b - a) * epoch.t
    return Number.isFinite(found) && found > 0 ? found : this.stage.sampleRange(layer, epoch, this.state.value.sample)
  }

  private ranges(): number[] | null {
    const { range } = this.state.value
    if (range === 'map') return null
    const all = this.drawn.map((_, i) => this.rangeOf(i))
    return range === 'layer' ? all : all.map(() => Math.max(...all))
  }

  // --- frame ---

  /** A stage higher than wide: the network runs upward. */
  get portrait(): boolean {
    return this.host.clientWidth < 0.8 * this.host.clientHeight
  }

  viewport(): Viewport {
    return { width: Math.max(1, this.host.clientWidth), height: Math.max(1, this.host.clientHeight), free: this.insets }
  }

  private budget(): number {
    const small = this.software || Math.min(this.host.clientWidth, this.host.clientHeight) < 600
    return this.state.value.budget ?? (small ? SMALL_BUDGET : DESKTOP_BUDGET)
  }

  private get instant(): boolean {
    return !this.state.value.animate || this.reducedMotion.matches || this.frames === 0
  }

  private depths(): [number, number] {
    return depthRange(cornersOf(this.placement!), this.camera)
  }

  private framed(): CameraView {
    const [angles, text] = this.portrait ? [PORTRAIT, PORTRAIT_TEXT] : [WIDE, WIDE_TEXT]
    return fitView(framePoints(this.placement!), angles, this.viewport(), text)
  }

  /** Draws one frame soon; nothing is drawn while nothing changes. */
  invalidate(): void {
    this.dirty = true
    if (!this.scheduled) this.scheduled = requestAnimationFrame(now => this.frame(now))
  }

  private frame(now: number): void {
    this.scheduled = 0
    this.dirty = false
    if (this.gl.isContextLost()) return
    const started = performance.now()
    this.play(now)
    this.shown.tick(now)
    const { instant, state } = this
    this.insets = this.covered()
    const views = this.drawn.map((layer, i) => this.shown.view(i, layerView(state.value, layer.id), instant))
    this.place(views)
    const epoch = this.shown.epoch(state.value.epoch, instant)
    this.epochShown = blendOf(epoch, this.recording.index.checkpoints.length)
    this.camera = this.shown.camera(state.value.camera ?? this.framed(), instant)
    this.loader.need(this.stage, this.epochAsked(), state.value.sample, this.budget())
    const counts = this.render(views)
    this.updateLabels()
    this.frames++
    this.report(counts, performance.now() - started)
    if (this.shown.moving || this.playing.value) this.invalidate()
    this.settle()
  }

  private place(views: Frame['views']): void {
    const key = JSON.stringify([
      this.portrait,
      views.map(v => [v.layout, v.depthwise, v.collapse, v.spread, v.pixelSpacing, v.layerGap, v.maxMaps]),
    ])
    if (key === this.placementKey && this.placement) return
    this.placementKey = key
    this.placement = placeLayers(this.drawn, this.links, views, this.portrait)
    this.stage.setPlacement(this.placement)
  }

  /** The view of a drawn layer as asked for, transitions left out. */
  viewOf(layer: number): Frame['views'][number] {
    return layerView(this.state.value, this.drawn[layer].id)
  }

  private render(views: Frame['views']): FrameCounts {
    const { host, canvas } = this
    const pixelRatio = Math.min(2, devicePixelRatio || 1)
    const width = Math.max(1, Math.round(host.clientWidth * pixelRatio))
    const height = Math.max(1, Math.round(host.clientHeight * pixelRatio))
    if (canvas.width !== width || canvas.height !== height) {
      canvas.width = width
      canvas.height = height
    }
    return this.stage.draw({
      state: this.state.value,
      views,
      placement: this.placement!,
      camera: this.camera,
      viewport: this.viewport(),
      pixelRatio,
      epoch: this.epochShown,
      ranges: this.ranges(),
      hot: this.located(this.hover.value),
      pinned: this.located(this.state.value.pinned),
      budget: this.budget(),
    })
  }

  private located(target: Target | null): Frame['hot'] {
    if (target?.map === undefined) return null
    const layer = this.drawn.findIndex(l => l.id === target.layer)
    return layer < 0 ? null : { layer, map: target.map, y: target.y ?? -1, x: target.x ?? -1 }
  }

  private updateLabels(): void {
    const viewport = this.viewport()
    const matrix = viewProjection(this.camera, viewport, this.depths())
    const lit = this.drawn.findIndex(l => l.id === this.inspected.value?.layer)
    const output = this.outputLayer()
    const scores = this.scores.value
    const units: UnitLabels | null =
      output && output.maps <= 40
        ? {
            layer: output.index,
            names: classNames(this.recording.index, output.maps),
            prediction: scores?.prediction ?? -1,
            score: scores ? scores.values[scores.prediction] : 0,
          }
        : null
    this.labels.update(
      this.placement!,
      matrix,
      viewport,
      this.portrait,
      lit < 0 ? null : lit,
      units,
      Math.sin((this.camera.yaw * Math.PI) / 180) > 0,
    )
  }

  private play(now: number): void {
    if (!this.playing.value) {
      this.playedAt = 0
      return
    }
    const last = this.recording.index.checkpoints.length - 1
    const dt = this.playedAt ? Math.min(100, now - this.playedAt) / 1000 : 0
    const fresh = this.playedAt === 0
    this.playedAt = now
    const { epoch } = this.state.value
    const next = fresh && epoch >= last ? 0 : epoch + dt / SECONDS_A_CHECKPOINT
    this.set({ epoch: Math.min(last, next) })
    if (next >= last) this.playing.value = false
  }

  private report(counts: FrameCounts, jsMs: number): void {
    const { drawCalls, bytesUploaded, gpuBytes } = this.stage.counters
    batch(() => {
      this.counts.value = counts
      this.stats.value = {
        drawCalls,
        edgesDrawn: counts.edgesDrawn,
        edgesTotal: counts.edgesTotal,
        mapsDrawn: counts.mapsDrawn,
        mapsTotal: counts.mapsTotal,
        frames: this.frames,
        jsMsLastFrame: jsMs,
        bytesFetched: this.recording.bytesFetched,
        bytesUploaded,
        gpuBytes,
        // Ribbons and pixels are pulled from vertex numbers: there is no geometry that could be uploaded.
        edgeGeometryBytes: 0,
      }
    })
  }

  /** Resolves when data is loaded, transitions are over and the frame is drawn. */
  settled(): Promise<void> {
    return new Promise(resolve => {
      this.waiting.push(resolve)
      this.invalidate()
    })
  }

  private settle(): void {
    if (this.dirty || this.loader.busy || this.shown.moving || this.playing.value) return
    for (const resolve of this.waiting.splice(0)) resolve()
  }

  /** The canvas' pixels of a frame drawn now: RGBA, bottom row first, alpha premultiplied. */
  pixels(): { width: number; height: number; data: Uint8Array } {
    const { gl } = this
    this.frame(performance.now())
    const [width, height] = [gl.drawingBufferWidth, gl.drawingBufferHeight]
    const data = new Uint8Array(4 * width * height)
    gl.readPixels(0, 0, width, height, gl.RGBA, gl.UNSIGNED_BYTE, data)
    return { width, height, data }
  }

  get placed(): Placement | null {
    return this.placement
  }

  /** CSS pixels per world unit at the middle of the network. */
  get scale(): number {
    return focalLength(this.viewport()) / this.camera.distance
  }

  dispose(): void {
    for (const clean of this.cleanups.splice(0)) clean()
    cancelAnimationFrame(this.scheduled)
    this.labels.element.remove()
    this.stage.dispose()
  }
}

/** What a recording allows a state to be. */
export function contextOf(index: Index): Context {
  return {
    checkpoints: index.checkpoints.length,
    samples: index.samples.count,
    layers: new Set(index.network.layers.map(layer => layer.id)),
  }
}

function emptyStats(): Stats {
  return {
    drawCalls: 0,
    edgesDrawn: 0,
    edgesTotal: 0,
    mapsDrawn: 0,
    mapsTotal: 0,
    frames: 0,
    jsMsLastFrame: 0,
    bytesFetched: 0,
    bytesUploaded: 0,
    gpuBytes: 0,
    edgeGeometryBytes: 0,
  }
}

function isSoftware(gl: WebGL2RenderingContext): boolean {
  const info = gl.getExtension('WEBGL_debug_renderer_info')
  const name = String(gl.getParameter(info ? info.UNMASKED_RENDERER_WEBGL : gl.RENDERER))
  return /swiftshader|llvmpipe|software|basic render/i.test(name)
}

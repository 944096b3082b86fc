/** Wires the stages in order: recording -> layout -> scene -> frame, and gives the panels their model. */
import { computed, effect, type ReadonlySignal, signal } from '@preact/signals'
import { Comparison } from './compare/comparison'
import { StageArea } from './frame/area'
import { isSoftware, suitableBudget } from './frame/budget'
import { Drawing } from './frame/drawing'
import { FrameLoop } from './frame/loop'
import { omittedNow } from './frame/omitted'
import { Scene } from './frame/scene'
import { FrameStats } from './frame/stats'
import { StageTexts } from './frame/texts'
import type { LayerSummary } from './generated/recording'
import { type Connection, connections } from './layout/connections'
import { type DrawnLayer, drawnLayers } from './layout/drawn'
import type { Placement } from './layout/place'
import { Live } from './live'
import type { EdgePick, Pick, ViewerModel } from './model'
import { StagePicker } from './picking/stage-picker'
import { type Played, Playing } from './playing'
import { Pointing } from './pointing'
import { type PresetName, presetPatch, strongestPixel } from './presets'
import { Readings } from './readings'
import { placeMetrics } from './recording/metrics'
import { remap } from './recording/remap'
import type { MetricRow, Recording, Tensor } from './recording/types'
import type { Viewport } from './scene/camera'
import type { Frame } from './scene/frame'
import { attachGestures } from './scene/gestures'
import { Loader } from './scene/loader'
import { bundleInForce, type LayerView, layerView, type StatePatch, type Target } from './state'
import { Insights } from './training/insights'
import { ViewState } from './view-state'

export class Viewer implements ViewerModel, Played {
  readonly metrics: ReadonlySignal<MetricRow[]>
  readonly images = signal<Frame['images']>(null)
  readonly omissions: ReadonlySignal<string[]>
  readonly bundleInForce: ReadonlySignal<number>
  readonly drawn: DrawnLayer[]
  readonly links: Connection[]
  readonly readings: Readings
  readonly comparison: Comparison

  private readonly view: ViewState
  private readonly loader: Loader
  private readonly follower: Live
  private readonly growing = computed(() => this.live.value.state === 'writing')
  private readonly happened: Insights
  private readonly player = new Playing(this)
  private readonly pointing: Pointing
  private readonly area: StageArea
  private readonly scene: Scene
  private readonly drawing: Drawing
  private readonly texts: StageTexts
  private readonly picker: StagePicker
  private readonly report = new FrameStats()
  private readonly loop: FrameLoop
  private readonly software: boolean
  private readonly reducedMotion = matchMedia('(prefers-reduced-motion: reduce)')
  private readonly cleanups: (() => void)[] = []

  constructor(
    readonly recording: Recording,
    private readonly host: HTMLElement,
    private readonly canvas: HTMLCanvasElement,
    private readonly gl: WebGL2RenderingContext,
    patch: StatePatch,
    /** CSS pixels that the panels cover at each edge. */
    covered: () => Viewport['free'],
    /** The recording to compare with, where there is one. */
    second: Promise<Recording> | null = null,
  ) {
    const { index } = recording
    const changed = () => this.loop.invalidate()
    this.drawn = drawnLayers(index.network)
    this.links = connections(index.network, this.drawn)
    this.view = new ViewState(recording, patch, second !== null)
    this.pointing = new Pointing(this, canvas)
    this.software = isSoftware(gl)
    this.loop = new FrameLoop({ draw: now => this.draw(now), busy: () => this.busy, rest: () => this.fetchHistory() })
    this.loader = new Loader(recording, changed)
    this.readings = new Readings(this, this.loader, layer =>
      this.drawing.stage.sampleRange(layer, this.readings.numbered, this.state.value.sample),
    )
    this.comparison = new Comparison(this, this.loader, this.readings, () => this.drawing.stage, changed)
    this.area = new StageArea(host, covered, () => this.comparison.show === 'side')
    this.scene = new Scene(this, this.area)
    this.drawing = new Drawing(canvas, gl, this, this.scene, this.area)
    this.texts = new StageTexts(this, this.scene, this.area)
    this.picker = new StagePicker(this, this.scene, this.area, () => this.report.counts.value.strands)
    if (second) void this.comparison.open(second)
    this.follower = new Live(recording, this.loader)
    this.happened = new Insights(
      recording,
      computed(() => this.live.value.insights),
    )
    this.metrics = computed(() => placeMetrics(this.follower.lines.value, recording.index.checkpoints))
    this.bundleInForce = computed(() => bundleInForce(this.state.value))
    this.omissions = omittedNow(this, this.scene, this.report.counts)
    recording.onRefresh((before, after) => this.remapEpochs(remap(before.checkpoints, after.checkpoints)))
    host.append(...this.texts.elements)
    this.attach()
    this.loadOnce()
  }

  get state() {
    return this.view.state
  }
  get playing() {
    return this.player.on
  }
  get live() {
    return this.follower.status
  }
  get hover() {
    return this.pointing.hover
  }
  get hoveredEdge() {
    return this.pointing.hoveredEdge
  }
  get canUndo() {
    return this.view.canUndo
  }
  get canRedo() {
    return this.view.canRedo
  }
  get inspected() {
    return this.readings.inspected
  }
  get scores() {
    return this.readings.scores
  }
  get legend() {
    return this.comparison.legend
  }
  get predictions() {
    return this.readings.predictions
  }
  get calculation() {
    return this.readings.calculation
  }
  get insights() {
    return this.happened.placed
  }
  get notices() {
    return this.loader.notices
  }
  get stats() {
    return this.report.stats
  }
  get placed(): Placement | null {
    return this.scene.placement
  }

  private attach(): void {
    const { canvas, pointing } = this
    const sizes = new ResizeObserver(() => this.panelsChanged())
    sizes.observe(this.host)
    this.cleanups.push(
      () => sizes.disconnect(),
      effect(() => {
        this.state.value
        this.recording.index
        this.hover.value
        this.playing.value
        this.images.value
        this.loader.growing = this.growing.value
        this.comparison.other.value?.recording.index
        this.loop.invalidate()
      }),
      attachGestures({
        element: canvas,
        viewport: () => this.area.viewport,
        place: point => this.area.sideOf(point.x, point.y),
        camera: () => this.scene.asked,
        setCamera: camera => this.set({ camera }),
        hover: point => pointing.moveTo(point),
        click: point => pointing.click(point),
        doubleClick: point => pointing.doubleClick(point),
      }),
    )
    canvas.addEventListener('webglcontextlost', event => event.preventDefault())
    canvas.addEventListener('webglcontextrestored', () => {
      this.drawing.restore()
      this.loop.invalidate()
    })
    document.fonts?.ready.then(() => {
      this.texts.measure()
      this.loop.invalidate()
    })
  }

  private loadOnce(): void {
    const { loader, recording } = this
    this.follower.start()
    if (recording.index.samples.count === 0) return
    loader.load('images', async () => {
      this.images.value = await recording.images()
    })
  }

  // --- state ---

  set(patch: StatePatch): void {
    this.view.set(patch)
  }

  moveEpoch(epoch: number): void {
    this.view.moveEpoch(epoch)
  }

  remapEpochOfB(to: (epoch: number) => number): void {
    this.view.remapEpochOfB(to)
  }

  private remapEpochs(to: (epoch: number) => number): void {
    this.view.remapEpochs(to)
    this.scene.remapEpochs(to)
  }

  undo(): void {
    this.view.undo()
  }

  redo(): void {
    this.view.redo()
  }

  preset(name: PresetName): void {
    const { pinned, sample } = this.state.value
    const checkpoint = Math.round(this.state.value.epoch)
    this.set(presetPatch(name, pinned, () => strongestPixel(this.recording, this.drawn, checkpoint, sample)))
  }

  link(): string {
    return this.view.link()
  }

  query(): string {
    return this.view.query()
  }

  home(): void {
    this.set({ camera: null })
  }

  /** Frames a layer, or one of its maps. */
  focus(target: Target): void {
    const camera = this.scene.closeUp(target)
    if (camera) this.set({ camera })
  }

  /** The view of a drawn layer as asked for, transitions left out. */
  viewOf(layer: number): LayerView {
    return layerView(this.state.value, this.drawn[layer].id)
  }

  edgeBudget(): number {
    return this.state.value.budget ?? suitableBudget(this.software || this.area.small)
  }

  // --- pointer ---

  pick(x: number, y: number): Pick | null {
    return this.picker.pick(x, y)
  }

  pickEdge(x: number, y: number): EdgePick | null {
    return this.picker.pickEdge(x, y)
  }

  screenPosition(layer: string, map: number, y: number, x: number, side: 'A' | 'B' = 'A') {
    return this.picker.screenPosition(layer, map, y, x, side)
  }

  // --- what panels read ---

  parameterAt(layer: string, role: string): Tensor | null {
    return this.readings.parameterAt(layer, role)
  }

  summaryAt(layer: string): LayerSummary | null {
    return this.readings.summaryAt(layer)
  }

  loadLater(key: string, request: () => Promise<unknown>): void {
    this.loader.load(key, request, true)
  }

  // --- frame ---

  /** The panels cover something else now. */
  panelsChanged(): void {
    this.area.panelsChanged()
    this.loop.invalidate()
  }

  private get instant(): boolean {
    return !this.state.value.animate || this.reducedMotion.matches || this.report.frames === 0
  }

  /** One frame, from the state to the picture; whether another one has to follow. */
  private draw(now: number): boolean {
    if (this.gl.isContextLost()) return false
    const { loader, comparison, scene, drawing, readings } = this
    const started = performance.now()
    this.player.tick(now)
    this.area.measure()
    scene.advance(now, this.instant)
    loader.need(drawing.stage, readings.epoch, this.state.value, this.edgeBudget())
    comparison.need(this.edgeBudget())
    const counts = drawing.draw()
    this.texts.update()
    this.report.drawn(counts, drawing.stage, this.recording.bytesFetched, performance.now() - started)
    return scene.moving || this.playing.value || !counts.complete
  }

  private get busy(): boolean {
    return this.gl.isContextLost() || this.loader.busy || this.comparison.busy
  }

  /** What only panels show comes after the picture. */
  private fetchHistory(): void {
    this.loader.needHistory(this.readings.output?.id ?? null, this.state.value.sample)
  }

  /** Resolves when data is loaded, transitions are over and the frame is drawn. */
  settled(): Promise<void> {
    return this.loop.settled()
  }

  /** The canvas' pixels of a frame drawn now: RGBA, bottom row first, alpha premultiplied. */
  pixels(): { width: number; height: number; data: Uint8Array } {
    return this.drawing.pixels()
  }

  async savePicture(scale: number, transparent: boolean): Promise<Blob> {
    await this.settled()
    const picture = this.drawing.picture(this.texts, this.state.value.theme, scale, transparent)
    this.loop.invalidate()
    return picture
  }

  // --- time ---

  ready(position: number): boolean {
    const at = { before: position, after: position, t: 0 }
    return this.loader.need(this.drawing.stage, at, this.state.value, this.edgeBudget())
  }

  room(): number {
    return this.drawing.stage.resources.room
  }

  writing(): boolean {
    return this.growing.value
  }

  dispose(): void {
    for (const clean of this.cleanups.splice(0)) clean()
    this.follower.dispose()
    this.comparison.dispose()
    this.happened.dispose()
    this.loop.stop()
    this.texts.remove()
    this.drawing.stage.dispose()
  }
}

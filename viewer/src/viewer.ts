/** Wires the stages in order: recording -> layout -> stage -> frame, and gives the panels their model. */
import { batch, computed, effect, type ReadonlySignal, signal } from '@preact/signals'
import { blendOf, numbered } from './blending'
import { Comparison } from './compare/comparison'
import { comparedFrames } from './compare/frames'
import { type Halves, halvesOf, sideAt } from './compare/halves'
import { CompareTexts } from './compare/texts'
import { sideWords } from './compare/words'
import type { LayerSummary } from './generated/recording'
import { type Connection, connections } from './layout/connections'
import { type DrawnLayer, drawnLayers } from './layout/drawn'
import { type Placement, placeLayers } from './layout/place'
import { Live } from './live'
import type { EdgePick, Pick, Stats, ViewerModel } from './model'
import { pickMap } from './picking/pick'
import { type Played, Playing } from './playing'
import { Pointing } from './pointing'
import { type PresetName, presetPatch, strongestPixel } from './presets'
import { Readings } from './readings'
import { placeMetrics } from './recording/metrics'
import { remap } from './recording/remap'
import type { MetricRow, Recording, Tensor } from './recording/types'
import { cornersOf, depthRange, project, rayThrough, type Viewport, viewProjection } from './scene/camera'
import { Director } from './scene/director'
import { pickEdge } from './scene/edge-pick'
import { composePicture } from './scene/export'
import type { Blend, Frame, SideIndex, Spot } from './scene/frame'
import { frameAll, frameTarget, pixelPoint } from './scene/framing'
import { attachGestures } from './scene/gestures'
import { Labels } from './scene/labels'
import { Loader } from './scene/loader'
import { omissions } from './scene/omissions'
import { Shown } from './scene/shown'
import { type FrameCounts, Stage } from './scene/stage'
import type { NamedUnits } from './scene/unit-labels'
import { ValueTags } from './scene/value-tags'
import { classNames } from './scores'
import { bundleInForce, type CameraView, type LayerView, layerView, type StatePatch, type Target } from './state'
import { Insights } from './training/insights'
import { ViewState } from './view-state'

const DESKTOP_BUDGET = 200_000
const SMALL_BUDGET = 30_000
const NO_COUNTS: FrameCounts = {
  edgesDrawn: 0,
  edgesTotal: 0,
  mapsDrawn: 0,
  mapsTotal: 0,
  strands: [],
  complete: false,
}

export class Viewer implements ViewerModel, Played {
  readonly metrics: ReadonlySignal<MetricRow[]>
  readonly images = signal<Frame['images']>(null)
  readonly stats = signal<Stats>(emptyStats())
  readonly omissions: ReadonlySignal<string[]>
  readonly bundleInForce: ReadonlySignal<number>
  readonly drawn: DrawnLayer[]
  readonly links: Connection[]
  readonly readings: Readings
  readonly comparison: Comparison

  private readonly counts = signal<FrameCounts>(NO_COUNTS)
  private readonly loader: Loader
  private readonly shown: Shown
  private readonly director: Director
  private readonly labels: Labels
  private readonly compareTexts: CompareTexts
  private readonly tags = new ValueTags()
  private readonly view: ViewState
  private readonly player = new Playing(this)
  private readonly follower: Live
  private readonly growing = computed(() => this.live.value.state === 'writing')
  private readonly happened: Insights
  private readonly pointing: Pointing
  private readonly software: boolean
  private readonly reducedMotion = matchMedia('(prefers-reduced-motion: reduce)')
  private readonly cleanups: (() => void)[] = []
  private stage: Stage
  private placement: Placement | null = null
  private placementKey = ''
  private views: LayerView[] = []
  private camera: CameraView = { target: [0, 0, 0], yaw: 0, pitch: 0, distance: 100 }
  /** By the numbers of the checkpoints' files. */
  private epochShown: Blend
  private shownEpoch = 0
  private insets: Viewport['free'] = { left: 0, top: 0, right: 0, bottom: 0 }
  private insetsStale = true
  private scheduled = 0
  private dirty = true
  private frames = 0
  private waiting: (() => void)[] = []
  private omitted: string[] = []

  constructor(
    readonly recording: Recording,
    private readonly host: HTMLElement,
    private readonly canvas: HTMLCanvasElement,
    private readonly gl: WebGL2RenderingContext,
    patch: StatePatch,
    /** CSS pixels that the panels cover at each edge. */
    private readonly covered: () => Viewport['free'],
    /** The recording to compare with, where there is one. */
    second: Promise<Recording> | null = null,
  ) {
    const { index } = recording
    this.drawn = drawnLayers(index.network)
    this.links = connections(index.network, this.drawn)
    this.view = new ViewState(recording, patch, second !== null)
    this.pointing = new Pointing(this, canvas)
    this.epochShown = numbered(blendOf(this.state.value.epoch, index.checkpoints.length), index.checkpoints)
    this.software = isSoftware(gl)
    this.stage = new Stage(gl, this.drawn, this.links)
    this.shown = new Shown(this.drawn.length)
    this.loader = new Loader(recording, () => this.invalidate())
    this.readings = new Readings(this, this.loader, layer =>
      this.stage.sampleRange(layer, this.readings.numbered, this.state.value.sample),
    )
    this.comparison = new Comparison(
      this,
      this.loader,
      this.readings,
      () => this.stage,
      () => this.invalidate(),
    )
    if (second) void this.comparison.open(second)
    this.follower = new Live(recording, this.loader)
    this.happened = new Insights(
      recording,
      computed(() => this.live.value.insights),
    )
    this.metrics = computed(() => placeMetrics(this.follower.lines.value, recording.index.checkpoints))
    recording.onRefresh((before, after) => this.remapEpochs(remap(before.checkpoints, after.checkpoints)))
    this.director = new Director(this.drawn, this.links)
    this.labels = new Labels(this.drawn)
    this.compareTexts = new CompareTexts(this.drawn)
    this.bundleInForce = computed(() => bundleInForce(this.state.value))
    this.omissions = computed(() => this.describeOmissions())
    host.append(this.labels.element, this.tags.element, ...this.compareTexts.elements)
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

  private attach(): void {
    const { canvas } = this
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
        this.comparison.other.value
        this.invalidate()
      }),
      attachGestures({
        element: canvas,
        viewport: () => this.viewport(),
        place: point => this.sideOf(point.x, point.y),
        camera: () => this.state.value.camera ?? this.framed(),
        setCamera: camera => this.set({ camera }),
        hover: point => this.pointing.moveTo(point),
        click: point => this.pointing.click(point),
        doubleClick: point => this.pointing.doubleClick(point),
      }),
    )
    canvas.addEventListener('webglcontextlost', event => event.preventDefault())
    canvas.addEventListener('webglcontextrestored', () => {
      this.stage = new Stage(this.gl, this.drawn, this.links)
      this.placementKey = ''
      this.invalidate()
    })
    document.fonts?.ready.then(() => {
      this.labels.measure()
      this.compareTexts.measure()
      this.invalidate()
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

  private remapEpochs(to: (epoch: number) => number): void {
    this.view.remapEpochs(to)
    this.shown.remapEpochs(to)
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
    const place = this.placement?.layers.find(l => l.layer.id === target.layer)
    if (!place || !this.placement) return
    const angles = this.state.value.camera ?? this.framed()
    this.set({ camera: frameTarget(this.placement, place, target.map, angles, this.viewport()) })
  }

  // --- pointer ---

  /** CSS pixels of the stage -> map, pixel and its value. */
  pick(x: number, y: number): Pick | null {
    if (!this.placement) return null
    const at = this.sideOf(x, y)
    const { origin, direction } = rayThrough(this.camera, this.viewport(), at.x, at.y)
    const hit = pickMap(this.placement, origin, direction, this.only ?? undefined)
    if (!hit) return null
    const target = { layer: this.drawn[hit.layer].id, map: hit.map, y: hit.y, x: hit.x }
    const values = [this.readings, this.comparison.other.value?.readings].map(readings => readings?.valueAt(target))
    const [value, other] = at.side === 0 ? values : values.toReversed()
    return { ...target, value: value ?? null, ...this.sided(at.side, other ?? null) }
  }

  /** In which half of the stage a point lies, and where in A's half the same thing is. */
  private sideOf(x: number, y: number): { side: SideIndex; x: number; y: number } {
    const { halves } = this
    return halves ? sideAt(halves, x, y) : { side: 0, x, y }
  }

  /** Whose a value is and what the other one has, while two things are compared. */
  private sided(side: SideIndex, other: number | null): Partial<Pick> {
    return this.comparison.other.value ? { side: side === 0 ? 'A' : 'B', other } : {}
  }

  /** `side`: the half of the stage, where there are two. */
  screenPosition(
    layer: string,
    map: number,
    y: number,
    x: number,
    side: 'A' | 'B' = 'A',
  ): { x: number; y: number } | null {
    const place = this.placement?.layers.find(l => l.layer.id === layer)
    if (!place || !this.placement || map >= place.drawnMaps) return null
    const viewport = this.viewport()
    const p = project(this.matrix(), viewport, pixelPoint(this.placement, place, map, y, x))
    const [right, down] = (side === 'B' && this.halves?.parts[1].move) || [0, 0]
    return p && { x: p.x + right, y: p.y + down }
  }

  pickEdge(x: number, y: number): EdgePick | null {
    if (!this.placement) return null
    const at = this.sideOf(x, y)
    const other = this.comparison.other.value
    const kernels = [this.readings, other?.readings].map(
      readings => (i: number) => readings?.edgeWeights(this.links[i]) ?? null,
    )
    const [kernel, otherKernel] = at.side === 0 ? kernels : kernels.toReversed()
    const scene = {
      drawn: this.drawn,
      links: this.links,
      placement: this.placement,
      views: this.views,
      strands: this.counts.value.strands,
      matrix: this.matrix(),
      viewport: this.viewport(),
      kernel,
      ...(other ? { otherKernel } : {}),
    }
    const edge = pickEdge(scene, at.x, at.y)
    return edge && { ...edge, ...(other ? { side: at.side === 0 ? 'A' : 'B' } : {}) }
  }

  // --- what panels read ---

  parameterAt(layer: string, role: string): Tensor | null {
    return this.readings.parameterAt(layer, role)
  }

  summaryAt(layer: string): LayerSummary | null {
    return this.readings.summaryAt(layer)
  }

  /** The same array while it says the same: panels are drawn anew only for news. */
  private describeOmissions(): string[] {
    const { strands } = this.counts.value
    if (!this.placement || this.recording.index.checkpoints.length === 0) return this.omitted
    const share = (link: number, count: number) => this.readings.normShare(link, count)
    const { compare } = this.state.value
    const difference =
      this.comparison.other.value !== null && compare?.show === 'difference' && compare.with !== 'sample'
    const sentences = omissions(this.drawn, this.links, this.placement, strands, difference ? null : share)
    if (sentences.join() !== this.omitted.join()) this.omitted = sentences
    return this.omitted
  }

  loadLater(key: string, request: () => Promise<unknown>): void {
    this.loader.load(key, request, true)
  }

  // --- frame ---

  /** A stage higher than wide: the network runs upward. */
  get portrait(): boolean {
    return this.high && !this.halves
  }

  private get high(): boolean {
    return this.host.clientWidth < 0.8 * this.host.clientHeight
  }

  viewport(): Viewport {
    return this.halves?.viewport ?? this.whole
  }

  /** Two halves, while two things are shown beside each other. */
  private get halves(): Halves | null {
    const beside = this.comparison.other.value && this.state.value.compare?.show === 'side'
    return beside ? halvesOf(this.whole, this.high) : null
  }

  private get whole(): Viewport {
    return { width: Math.max(1, this.host.clientWidth), height: Math.max(1, this.host.clientHeight), free: this.insets }
  }

  edgeBudget(): number {
    const small = this.software || Math.min(this.host.clientWidth, this.host.clientHeight) < 600
    return this.state.value.budget ?? (small ? SMALL_BUDGET : DESKTOP_BUDGET)
  }

  private get instant(): boolean {
    return !this.state.value.animate || this.reducedMotion.matches || this.frames === 0
  }

  private matrix() {
    return viewProjection(this.camera, this.viewport(), depthRange(cornersOf(this.placement!), this.camera))
  }

  /** The layers that one calculation needs; null while the whole network is shown. */
  private get only(): ReadonlySet<number> | null {
    const { calculation, pinned } = this.state.value
    return calculation && pinned ? this.director.layersOf(pinned) : null
  }

  private framed(): CameraView {
    const { halves } = this
    const format = halves ? (halves.stacked ? 'stacked' : 'beside') : this.portrait ? 'high' : 'wide'
    return frameAll(this.placement!, this.viewport(), format, this.only)
  }

  /** The panels cover something else now. Measuring them makes the browser lay out the page: not in every frame. */
  panelsChanged(): void {
    this.insetsStale = true
    this.invalidate()
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
    this.player.tick(now)
    this.shown.tick(now)
    const { instant } = this
    const state = this.state.value
    if (this.insetsStale) this.insets = this.covered()
    this.insetsStale = false
    this.views = this.drawn.map((layer, i) => this.shown.view(i, this.directed(i, layerView(state, layer.id)), instant))
    this.place()
    const epoch = this.shown.epoch(state.epoch, instant)
    const { checkpoints } = this.recording.index
    this.shownEpoch = epoch
    this.epochShown = numbered(blendOf(epoch, checkpoints.length), checkpoints)
    this.camera = this.shown.camera(state.camera ?? this.framed(), instant)
    this.loader.need(this.stage, this.readings.epoch, state, this.edgeBudget())
    this.comparison.need(this.edgeBudget())
    const counts = this.render(Math.min(2, devicePixelRatio || 1))
    this.updateTexts()
    this.frames++
    this.report(counts, performance.now() - started)
    if (this.shown.moving || this.playing.value || !counts.complete) this.invalidate()
    this.settle()
  }

  /** In a calculation, the pinned layer stands in a circle with the pinned map in front. */
  private directed(layer: number, view: LayerView): LayerView {
    const { pinned } = this.state.value
    const front = this.only && pinned && this.drawn[layer].id === pinned.layer
    return front && this.drawn[layer].maps > 1 ? { ...view, layout: 1, collapse: 0, depthwise: 0 } : view
  }

  private place(): void {
    const { only, portrait } = this
    const pinned = this.located(this.state.value.pinned)
    const front = only && pinned
    const picture = this.picture()
    const key = JSON.stringify([
      portrait,
      front && [front.layer, front.map],
      picture,
      this.views.map(v => [v.layout, v.depthwise, v.collapse, v.spread, v.pixelSpacing, v.layerGap, v.maxMaps]),
    ])
    if (key === this.placementKey && this.placement) return
    this.placementKey = key
    this.placement = placeLayers(this.drawn, this.links, this.views, { portrait, front, picture })
    this.stage.resources.setPlacement(this.placement)
  }

  /** Rows and columns of the picture before the input, where it shows more than the input's maps do. */
  private picture(): [number, number] | null {
    const images = this.images.value
    const input = this.drawn[0]
    if (!images || input?.kind !== 'input' || this.portrait) return null
    const [, rows, columns] = images.shape
    const differs = input.maps === 3 || rows !== input.rows || columns !== input.columns
    // Two samples' pictures are no picture together.
    const { compare, picture } = this.state.value
    if (compare?.with === 'sample' && compare.show === 'difference') return null
    return (picture ?? differs) ? [rows, columns] : null
  }

  private render(pixelRatio: number): FrameCounts {
    const { host, canvas } = this
    const width = Math.max(1, Math.round(host.clientWidth * pixelRatio))
    const height = Math.max(1, Math.round(host.clientHeight * pixelRatio))
    if (canvas.width !== width || canvas.height !== height) {
      canvas.width = width
      canvas.height = height
    }
    const state = this.state.value
    const pinned = this.located(state.pinned)
    const { halves } = this
    const frame: Frame = {
      state,
      side: 0,
      sample: state.sample,
      compared: null,
      part: null,
      views: this.views,
      placement: this.placement!,
      camera: this.camera,
      viewport: this.viewport(),
      pixelRatio,
      epoch: this.epochShown,
      ranges: this.readings.ranges(),
      hot: this.located(this.hover.value),
      pinned,
      only: this.only,
      patches: this.director.patches(this.only ? pinned : null, this.views, this.readings.calculation.value),
      images: this.images.value,
      samples: this.recording.index.completeness.activations ? this.recording.index.samples.count : 0,
      // Both halves together draw no more than one picture.
      budget: Math.floor(this.edgeBudget() / (halves ? 2 : 1)),
    }
    return this.stage.draw(comparedFrames(frame, this.comparison, this.shownEpoch, halves, this.stage.resources))
  }

  private located(target: Target | null): Spot | null {
    if (target?.map === undefined) return null
    const layer = this.drawn.findIndex(l => l.id === target.layer)
    return layer < 0 ? null : { layer, map: target.map, y: target.y ?? -1, x: target.x ?? -1 }
  }

  /** The view of a drawn layer as asked for, transitions left out. */
  viewOf(layer: number): LayerView {
    return layerView(this.state.value, this.drawn[layer].id)
  }

  private updateTexts(): void {
    const { only, portrait } = this
    const viewport = this.viewport()
    const matrix = this.matrix()
    const lit = this.drawn.findIndex(l => l.id === this.inspected.value?.layer)
    const fromRight = Math.sin((this.camera.yaw * Math.PI) / 180) > 0
    const { halves } = this
    const other = this.comparison.other.value
    const look = { portrait, fromRight, lit: lit < 0 ? null : lit }
    // A difference is nobody's prediction.
    const units = this.units(other && !halves ? null : this.readings)
    this.labels.element.hidden = only !== null
    if (!only) this.labels.update(this.placement!, matrix, viewport, look, units)
    const unitsOfB = this.units(other?.readings ?? null)
    this.compareTexts.update(this.placement!, matrix, look, unitsOfB, halves, sideWords(this), this.whole)
    this.tags.update(only ? this.calculation.value : null, this.drawn, this.placement!, matrix, viewport)
  }

  /** Names of the output's units, where they are classes. */
  private units(readings: Readings | null): NamedUnits | null {
    const { output } = this.readings
    if (!output || output.maps > 40) return null
    const scores = readings?.scores.value ?? null
    return {
      layer: output.index,
      names: classNames(this.recording.index, output.maps),
      prediction: scores?.prediction ?? -1,
      score: scores ? scores.values[scores.prediction] : 0,
    }
  }

  // --- time ---

  ready(position: number): boolean {
    const at = { before: position, after: position, t: 0 }
    return this.loader.need(this.stage, at, this.state.value, this.edgeBudget())
  }

  room(): number {
    return this.stage.resources.room
  }

  writing(): boolean {
    return this.growing.value
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
        uploaded: { ...this.stage.resources.uploaded },
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
    if (this.dirty || this.loader.busy || this.comparison.busy || this.shown.moving || this.playing.value) return
    for (const resolve of this.waiting.splice(0)) resolve()
    // What only panels show comes after the picture.
    this.loader.needHistory(this.readings.output?.id ?? null, this.state.value.sample)
  }

  /** The canvas' pixels of a frame drawn now: RGBA, bottom row first, alpha premultiplied. */
  pixels(): { width: number; height: number; data: Uint8Array } {
    const { gl } = this
    this.render(Math.min(2, devicePixelRatio || 1))
    const [width, height] = [gl.drawingBufferWidth, gl.drawingBufferHeight]
    const data = new Uint8Array(4 * width * height)
    gl.readPixels(0, 0, width, height, gl.RGBA, gl.UNSIGNED_BYTE, data)
    return { width, height, data }
  }

  async savePicture(scale: number, transparent: boolean): Promise<Blob> {
    await this.settled()
    const ratio = Math.min(4, Math.max(1, scale)) * Math.min(2, devicePixelRatio || 1)
    // No panels in the picture: what is framed has the whole of it.
    const { insets, camera } = this
    this.insets = { left: 0, top: 0, right: 0, bottom: 0 }
    this.camera = this.state.value.camera ?? this.framed()
    this.render(ratio)
    this.updateTexts()
    const texts = this.only ? [this.tags.element] : [this.labels.element, ...this.compareTexts.elements]
    const picture = composePicture(this.canvas, texts, this.state.value.theme, ratio, transparent)
    this.insets = insets
    this.camera = camera
    this.invalidate()
    return picture
  }

  get placed(): Placement | null {
    return this.placement
  }

  dispose(): void {
    for (const clean of this.cleanups.splice(0)) clean()
    this.follower.dispose()
    this.happened.dispose()
    cancelAnimationFrame(this.scheduled)
    this.labels.element.remove()
    this.compareTexts.remove()
    this.tags.element.remove()
    this.stage.dispose()
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
    uploaded: { weights: 0, activations: 0, layout: 0 },
    gpuBytes: 0,
    edgeGeometryBytes: 0,
  }
}

function isSoftware(gl: WebGL2RenderingContext): boolean {
  const info = gl.getExtension('WEBGL_debug_renderer_info')
  const name = String(gl.getParameter(info ? info.UNMASKED_RENDERER_WEBGL : gl.RENDERER))
  return /swiftshader|llvmpipe|software|basic render/i.test(name)
}

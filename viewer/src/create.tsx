/** Opens a recording into an element: canvas, panels, keys, address. Hosts only bring the element and the source. */
import { render } from 'preact'
import { type Api, makeApi } from './api'
import { attachKeys } from './keys'
import { freeArea, Panels } from './panels/Panels'
import { openRecording } from './recording/tensors'
import type { Source } from './source/source'
import { fromQuery, type StatePatch } from './state'
import { contextOf } from './view-state'
import { Viewer } from './viewer'
import './stage.css'
import { effect } from '@preact/signals'

export interface Options {
  /** Start state, over the defaults. */
  state?: StatePatch
  /** Keep the view in the page's address. */
  address?: boolean
  /** Where a second recording lies, to compare with. */
  second?: Source
}

/** Rejects with one sentence for the screen: what could not be opened and why. */
export async function createViewer(element: HTMLElement, source: Source, options: Options = {}): Promise<Api> {
  const canvas = document.createElement('canvas')
  canvas.className = 'stage'
  canvas.setAttribute('aria-label', 'The network in 3D')
  const gl = canvas.getContext('webgl2', {
    antialias: true,
    alpha: true,
    premultipliedAlpha: true,
    powerPreference: 'high-performance',
  })
  if (!gl)
    throw new Error(
      'This browser offers no WebGL2, which the 3D view is drawn with: update it, or switch on hardware acceleration.',
    )
  const steps = stepsAskedFor(options)
  const recording = await openRecording(source, { steps })
  element.classList.add('cutaway')
  const panels = document.createElement('div')
  element.replaceChildren(canvas)
  const query = options.address
    ? fromQuery(location.search, contextOf(recording.index, options.second !== undefined))
    : {}
  const second = options.second ? openRecording(options.second) : null
  const viewer = new Viewer(recording, element, canvas, gl, { ...options.state, ...query }, freeArea, second)
  element.append(panels)
  render(<Panels model={viewer} />, panels)
  watchPanels(panels, () => viewer.panelsChanged())
  attachKeys(viewer, canvas)
  effect(() => {
    document.documentElement.dataset.theme = viewer.state.value.theme
  })
  if (options.address) {
    keepAddress(viewer)
    beginAnew(viewer, steps)
  }
  return makeApi(viewer)
}

/** Whether norms and activations stand apart: that is another network, so it is asked before the recording is opened. */
function stepsAskedFor(options: Options): boolean {
  const asked = options.address ? fromQuery(location.search, { checkpoints: 0, samples: 0 }).steps : undefined
  return asked ?? options.state?.steps ?? false
}

/** The stage is built for one network: another one begins the page anew, with the same view. */
function beginAnew(viewer: Viewer, steps: boolean): void {
  effect(() => {
    if (viewer.state.value.steps === steps) return
    history.replaceState(null, '', viewer.query() || location.pathname)
    location.reload()
  })
}

/** Tells when panels that cover the stage come, go or change their size. */
function watchPanels(panels: HTMLElement, changed: () => void): void {
  const sizes = new ResizeObserver(changed)
  let watched: Element[] = []
  const scan = () => {
    const covering = [...panels.querySelectorAll('[data-covers]')]
    if (covering.length === watched.length && covering.every((element, i) => element === watched[i])) return
    sizes.disconnect()
    watched = covering
    for (const element of covering) sizes.observe(element)
    changed()
  }
  new MutationObserver(scan).observe(panels, { childList: true, subtree: true })
  scan()
}

/** The address follows the view, at most a few times a second: browsers limit how often it may change. */
function keepAddress(viewer: Viewer): void {
  let timer = 0
  effect(() => {
    const query = viewer.query()
    clearTimeout(timer)
    timer = window.setTimeout(() => history.replaceState(null, '', query || location.pathname), 250)
  })
}

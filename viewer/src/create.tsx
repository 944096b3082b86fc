/** Opens a recording into an element: canvas, panels, keys, address. Hosts only bring the element and the source. */
import { render } from 'preact'
import { type Api, makeApi } from './api'
import { attachKeys } from './keys'
import { freeArea, Panels } from './panels/Panels'
import { openRecording } from './recording/tensors'
import type { Source } from './source/source'
import { defaultState, fromQuery, type StatePatch, toQuery } from './state'
import { contextOf, Viewer } from './viewer'
import './stage.css'
import { effect } from '@preact/signals'

export interface Options {
  /** Start state, over the defaults. */
  state?: StatePatch
  /** Keep the view in the page's address. */
  address?: boolean
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
  const recording = await openRecording(source)
  element.classList.add('cutaway')
  const panels = document.createElement('div')
  element.replaceChildren(canvas)
  const query = options.address ? fromQuery(location.search, contextOf(recording.index)) : {}
  const viewer = new Viewer(recording, element, canvas, gl, { ...options.state, ...query }, freeArea)
  element.append(panels)
  render(<Panels model={viewer} />, panels)
  attachKeys(viewer)
  effect(() => {
    document.documentElement.dataset.theme = viewer.state.value.theme
  })
  if (options.address) keepAddress(viewer)
  return makeApi(viewer)
}

/** The address follows the view, at most a few times a second: browsers limit how often it may change. */
function keepAddress(viewer: Viewer): void {
  const defaults = defaultState(viewer.recording.index)
  const kept = new URLSearchParams(location.search).get('recording')
  let timer = 0
  effect(() => {
    const query = toQuery(viewer.state.value, defaults)
    clearTimeout(timer)
    timer = window.setTimeout(() => {
      const own = kept === null ? '' : `recording=${encodeURIComponent(kept)}`
      const rest = query.replace(/^\?/, '')
      const all = [own, rest].filter(Boolean).join('&')
      history.replaceState(null, '', all ? `?${all}` : location.pathname)
    }, 250)
  })
}

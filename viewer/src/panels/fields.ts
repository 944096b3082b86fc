/** Controls as data: one line each, for all layers or (with a `Scope`) for one. */
import type { ViewerModel } from '../model'
import { formatFixed } from '../numbers'
import { DEFAULT_VIEW, defaultState, type LayerView, type LimitedField, limits } from '../state'

export interface Stop {
  at: number
  name: string
  title: string
}

export interface NumberField {
  key: LimitedField
  label: string
  min: number
  max: number
  step: number
  digits: number
  /** What a double click on the label goes back to; null where the value then follows from another control. */
  initial: number | null
  /** The slider's middle stands for this value, not for the mean of the ends. */
  middle?: number
  stops?: Stop[]
}

const initial = defaultState()

function field(key: LimitedField, label: string, more: Pick<NumberField, 'middle' | 'stops'> = {}): NumberField {
  const { min, max, step, digits } = limits[key]
  return { key, label, min, max, step, digits, initial: initial[key], ...more }
}

export const fields = {
  layout: field('layout', 'Maps stand in a'),
  expansion: field('expansion', 'expansion', {
    stops: [
      { at: 0, name: 'bundled', title: 'Bundled: edges meet in the middle of the gap' },
      { at: 1, name: 'unbundled', title: 'Unbundled: one kernel or edge per pair of maps' },
      { at: 2, name: 'weights', title: 'All weights: every one starts at its own pixel' },
      { at: 3, name: 'all', title: 'All calculations: every output pixel with its own patch' },
    ],
  }),
  bundle: field('bundle', 'bundle'),
  depthwise: field('depthwise', 'depthwise'),
  spread: field('spread', 'spread', { middle: 1 }),
  layerGap: field('layerGap', 'layer gap', { middle: 1 }),
  collapse: field('collapse', 'collapse'),
  maxMaps: field('maxMaps', 'most maps', { middle: 64 }),
  pixelSpacing: field('pixelSpacing', 'pixel spacing', { middle: 1 }),
  pixelSize: field('pixelSize', 'pixel size'),
  activationGain: field('activationGain', 'activation gain', { middle: 1 }),
  weightGain: field('weightGain', 'weight gain', { middle: 1 }),
  lineWidth: field('lineWidth', 'line width', { middle: 1 }),
  perspectiveWidth: field('perspectiveWidth', 'perspective'),
  curve: field('curve', 'curve'),
  fade: field('fade', 'fade at the ends'),
  step: field('step', 'step'),
}

/** null: all layers; else the id of the layer whose own values are shown and set. */
export type Scope = string | null

/** The value in force. Reading it inside a computed subscribes to the state. */
export function readField<K extends keyof LayerView>(model: ViewerModel, scope: Scope, key: K): LayerView[K] {
  const state = model.state.value
  const own = scope !== null && Object.hasOwn(state.layers, scope) ? state.layers[scope][key] : undefined
  return (own === undefined ? state[key] : own) as LayerView[K]
}

export function writeField<K extends keyof LayerView>(
  model: ViewerModel,
  scope: Scope,
  key: K,
  value: LayerView[K],
): void {
  if (scope === null) {
    model.set({ [key]: value })
    return
  }
  const { layers } = model.state.peek()
  model.set({ layers: { ...layers, [scope]: { ...layers[scope], [key]: value } } })
}

/** Takes a value back: a layer's to that of all layers, that of all layers to its default. */
export function resetField(model: ViewerModel, scope: Scope, key: keyof LayerView): void {
  if (scope === null) {
    model.set({ [key]: DEFAULT_VIEW[key] })
    return
  }
  const { [scope]: own, ...others } = model.state.peek().layers
  const rest = Object.entries(own ?? {}).filter(([name]) => name !== key)
  model.set({ layers: rest.length > 0 ? { ...others, [scope]: Object.fromEntries(rest) } : others })
}

/** Whether a value stands out: a layer's own one, or one of all layers that is not the default. */
export function isOwn(model: ViewerModel, scope: Scope, key: keyof LayerView): boolean {
  const state = model.state.value
  if (scope === null) return state[key] !== DEFAULT_VIEW[key]
  return Object.hasOwn(state.layers, scope) && state.layers[scope][key] !== undefined
}

/** 0 … 1 along the slider for a value, and back; a power curve that puts `middle` in the middle. */
export function shareOf({ min, max, middle }: Pick<NumberField, 'min' | 'max' | 'middle'>, value: number): number {
  const linear = Math.min(1, Math.max(0, (value - min) / (max - min)))
  return middle === undefined ? linear : linear ** (1 / power(min, max, middle))
}

export function valueAtShare({ min, max, middle }: Pick<NumberField, 'min' | 'max' | 'middle'>, share: number): number {
  return min + (max - min) * (middle === undefined ? share : share ** power(min, max, middle))
}

function power(min: number, max: number, middle: number): number {
  return Math.log((middle - min) / (max - min)) / Math.log(0.5)
}

/** "1.0", "0.35": as many digits as a control needs, one at least. */
export function shown(value: number, digits: number): string {
  const text = formatFixed(value, digits)
  return digits > 1 ? text.replace(/0+$/, '').replace(/\.$/, '.0') : text
}

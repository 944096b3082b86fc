/** What is drawn between two layers at a given view: at most two draws, cross-faded, within the budget. Pure. */
import type { Connection } from '../layout/connections'
import { bundleSources, Mode, strandCount } from '../shaders/ends'
import type { LayerView } from '../state'
import { bundleInForce } from '../state'
import { hasPairs } from './weights'

export interface Strands {
  mode: Mode
  /** Strands drawn, and how many there are in all. */
  count: number
  total: number
  /** 0 … 1: cross-fade. */
  alpha: number
  expansion: number
  fixedMap: number
  fixedPixel: number
  /** Said on screen: the whole was too much, this is one map's share. */
  limited: boolean
}

/** Width of a cross-fade between two stops of `expansion`. */
const FADE = 0.3
/** From here to 1 the bundle's sums take over from the single edges. */
const BUNDLE_FADE = 0.85

type Part = [mode: Mode, alpha: number]

/** The output map that is looked at, and its pixel where one calculation fills the stage; −1: none. */
export interface Focus {
  map: number
  pixel: number
}

/** `budget`: edges that this connection may draw. Where all calculations are too many, those of the focused map are drawn. */
export function planStrands(c: Connection, view: LayerView, budget: number, focus: Focus): Strands[] {
  if (c.loose || (c.skip && focus.pixel < 0)) return [strands(c, Mode.Skip, 1, view.expansion, budget, -1, -1)]
  if (focus.pixel >= 0) return [single(c, focus.map, focus.pixel, budget)]
  if (view.step >= 0 && c.link !== 'dense') {
    return [strands(c, Mode.Calculation, 1, 3, budget, -1, Math.min(view.step, c.outRows * c.outColumns - 1))]
  }
  const focusMap = focus.map
  let expansion = view.expansion
  let fixedMap = -1
  let limited = false
  if (expansion > 2 && c.link !== 'dense') {
    const all = c.weights * c.outRows * c.outColumns
    limited = all > budget
    if (limited && focusMap >= 0 && all / c.outMaps <= budget) fixedMap = focusMap
    else if (limited) expansion = 2
  }
  const parts = c.role ? weighted(c, view, expansion, budget) : windows(expansion)
  return parts
    .filter(([, alpha]) => alpha > 0)
    .map(([mode, alpha]) => ({
      ...strands(c, mode, alpha, expansion, budget, mode === Mode.Calculation ? fixedMap : -1, -1),
      limited,
    }))
}

/** Everything that makes one value, and nothing else. */
function single(c: Connection, map: number, pixel: number, budget: number): Strands {
  const mode = c.link === 'dense' ? Mode.Weight : Mode.Calculation
  return strands(c, mode, 1, 3, budget, map, pixel)
}

function strands(
  c: Connection,
  mode: Mode,
  alpha: number,
  expansion: number,
  budget: number,
  fixedMap: number,
  fixedPixel: number,
): Strands {
  const total = strandCount(c, { mode, expansion, fixedMap, fixedPixel })
  // Only weights and pairs have an order from which the strongest can be taken.
  const cut = mode === Mode.Weight || mode === Mode.Pair
  return {
    mode,
    count: cut ? Math.min(total, budget) : total,
    total,
    alpha,
    expansion,
    fixedMap,
    fixedPixel,
    limited: false,
  }
}

const fade = (value: number, from: number, width: number) => Math.min(1, Math.max(0, (value - from) / width))

/** Pools and what maps pixel to pixel: frames, then taps, then every window. */
function windows(expansion: number): Part[] {
  if (expansion > 2) return crossfade(Mode.Weight, Mode.Calculation, fade(expansion, 2, FADE))
  return crossfade(Mode.Frame, Mode.Weight, fade(expansion, 1, FADE))
}

function weighted(c: Connection, view: LayerView, expansion: number, budget: number): Part[] {
  const bundle = bundleInForce(view)
  // One strand from every pixel of large maps is as much as every weight: then one from every map.
  const fits = bundleSources(c, Mode.BundleTap) + c.outMaps <= budget
  const sums = expansion > 1 && fits ? Mode.BundleTap : Mode.BundleMap
  const bundled: Part = [sums, fade(bundle, BUNDLE_FADE, 1 - BUNDLE_FADE)]
  const single = singles(c, expansion)
  if (bundled[1] === 0) return single
  const [mode] = single.reduce((a, b) => (b[1] > a[1] ? b : a))
  return [[mode, 1 - bundled[1]], bundled]
}

function singles(c: Connection, expansion: number): Part[] {
  if (c.link === 'dense') {
    return hasPairs(c) ? crossfade(Mode.Pair, Mode.Weight, fade(expansion, 1, FADE)) : [[Mode.Weight, 1]]
  }
  return crossfade(Mode.Weight, Mode.Calculation, fade(expansion, 2, FADE))
}

function crossfade(before: Mode, after: Mode, t: number): Part[] {
  return [
    [before, 1 - t],
    [after, t],
  ]
}

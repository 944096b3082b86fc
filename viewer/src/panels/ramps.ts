/** Colours of values as the panels show them: the same ramps and transfer functions as on the stage. */
import type { ActivationColors, Theme, WeightColors } from '../state'

export type Rgb = readonly [number, number, number]

function rgb(hex: string): Rgb {
  const n = Number.parseInt(hex.slice(1), 16)
  return [n >> 16, (n >> 8) & 255, n & 255]
}

interface Signed {
  minus: Rgb
  zero: Rgb
  plus: Rgb
  /** A cell of a table starts from the panel's own darkness, so that small weights recede. */
  cell: Rgb
}

function signed(minus: string, zero: string, plus: string, cell: string): Signed {
  return { minus: rgb(minus), zero: rgb(zero), plus: rgb(plus), cell: rgb(cell) }
}

const weights: Record<Theme, Record<WeightColors, Signed>> = {
  dark: {
    'blue-red': signed('#3D8BFF', '#DDE3EC', '#FF5546', '#1B202B'),
    'purple-green': signed('#B07CFF', '#DDE3EC', '#4FCB86', '#1B202B'),
  },
  light: {
    'blue-red': signed('#1B5FD0', '#B9BDC5', '#CF2F23', '#F2F1EE'),
    'purple-green': signed('#7A3DB8', '#B9BDC5', '#177A45', '#F2F1EE'),
  },
}

const viridis = ['#440154', '#3B528B', '#21918C', '#5EC962', '#FDE725'].map(rgb)

const activations: Record<Theme, Record<ActivationColors, Rgb[]>> = {
  dark: {
    calm: ['#171C25', '#2A4450', '#4C8085', '#9CCBB2', '#FBF6DC'].map(rgb),
    grey: ['#12151C', '#FFFFFF'].map(rgb),
    viridis,
    'blue-red': ['#3D8BFF', '#1B202B', '#FF5546'].map(rgb),
  },
  light: {
    calm: ['#FFFFFF', '#D5DEDD', '#8FAFAE', '#3E6670', '#101C2B'].map(rgb),
    grey: ['#FFFFFF', '#101010'].map(rgb),
    viridis,
    'blue-red': ['#1B5FD0', '#F2F1EE', '#CF2F23'].map(rgb),
  },
}

/** B − A on maps: as on the stage, zero is what lies behind. */
const differences: Record<Theme, Record<WeightColors, Rgb[]>> = {
  dark: {
    'blue-red': ['#3D8BFF', '#274F8C', '#171C25', '#8C3A37', '#FF5546'].map(rgb),
    'purple-green': ['#B07CFF', '#644A90', '#171C25', '#327456', '#4FCB86'].map(rgb),
  },
  light: {
    'blue-red': ['#1B5FD0', '#8FB0E6', '#FFFFFF', '#E69891', '#CF2F23'].map(rgb),
    'purple-green': ['#7A3DB8', '#BD9EDC', '#FFFFFF', '#8BBBA2', '#177A45'].map(rgb),
  },
}

function mix(a: Rgb, b: Rgb, t: number): Rgb {
  return [a[0] + (b[0] - a[0]) * t, a[1] + (b[1] - a[1]) * t, a[2] + (b[2] - a[2]) * t]
}

export function css(c: Rgb): string {
  return `rgb(${Math.round(c[0])} ${Math.round(c[1])} ${Math.round(c[2])})`
}

/** A weight as a share s = w / max|w| in −1 … 1, as ribbons, histograms and the legend show it. */
export function weightColor(theme: Theme, name: WeightColors, s: number): Rgb {
  const map = weights[theme][name]
  return mix(map.zero, s < 0 ? map.minus : map.plus, Math.min(1, 1.12 * Math.abs(s) ** 0.7))
}

/** The same weight as the ground of a cell with a number on it. */
export function cellColor(theme: Theme, name: WeightColors, s: number): Rgb {
  const map = weights[theme][name]
  return mix(map.cell, s < 0 ? map.minus : map.plus, Math.min(1, Math.abs(s) ** 0.8))
}

/** Position t in 0 … 1 on the ramp of activations. */
export function rampColor(theme: Theme, name: ActivationColors, t: number): Rgb {
  return between(activations[theme][name], t)
}

/** A difference as a share of the largest, −1 … 1, as maps show it. */
export function differenceColor(theme: Theme, name: WeightColors, s: number): Rgb {
  return between(differences[theme][name], 0.5 + 0.5 * Math.sign(s) * activationShare(Math.abs(s), 1))
}

function between(stops: readonly Rgb[], t: number): Rgb {
  const at = Math.min(1, Math.max(0, Number.isFinite(t) ? t : 0)) * (stops.length - 1)
  const i = Math.min(stops.length - 2, Math.floor(at))
  return mix(stops[i], stops[i + 1], at - i)
}

/** How far up its ramp an activation is drawn: lifted, because most values of a layer are far below its largest. */
export function activationShare(value: number, high: number): number {
  return high > 0 ? Math.min(1, (Math.max(0, value) / (0.75 * high)) ** 0.65) : 0
}

function luminance(c: Rgb): number {
  const [r, g, b] = c.map(v => (v / 255 <= 0.04045 ? v / 255 / 12.92 : ((v / 255 + 0.055) / 1.055) ** 2.4))
  return 0.2126 * r + 0.7152 * g + 0.0722 * b
}

/** Black or white, whichever stands out more on `ground`: one of them always by 4.5 : 1, which an ink only near black misses. */
export function inkOn(ground: Rgb): string {
  const l = luminance(ground)
  return (l + 0.05) / 0.05 > 1.05 / (l + 0.05) ? '#000000' : '#ffffff'
}

/** A CSS gradient through `color` at evenly spaced places. */
export function gradient(color: (t: number) => Rgb, steps = 24): string {
  const stops = Array.from({ length: steps + 1 }, (_, i) => css(color(i / steps)))
  return `linear-gradient(90deg, ${stops.join(', ')})`
}

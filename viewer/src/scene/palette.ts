/** Colours of the stage, for both themes (the panels have theirs in CSS). Components 0 … 1, sRGB. */
import type { ActivationColors, Theme, WeightColors } from '../state'

export type Color = [number, number, number]

function color(hex: string): Color {
  return [1, 3, 5].map(i => Number.parseInt(hex.slice(i, i + 2), 16) / 255) as Color
}

const ramp = (...stops: string[]) => new Float32Array(stops.flatMap(color))

export interface Palette {
  background: Color
  /** Between the pixels of a map. */
  paper: Color
  border: [number, number, number, number]
  accent: Color
  /** 1 px around the accent; alpha 0 in the dark theme. */
  accentEdge: [number, number, number, number]
  weights: Record<WeightColors, Float32Array>
  activations: Record<ActivationColors, Float32Array>
  /** B − A on maps, in the colours of the weights: zero is what lies behind, so that what is the same recedes. */
  differences: Record<WeightColors, Float32Array>
  frame: Color
  /** Red, green and blue inputs at full value. */
  tints: Float32Array
}

export const palettes: Record<Theme, Palette> = {
  dark: {
    background: color('#0D1017'),
    paper: color('#11151D'),
    border: [1, 1, 1, 0.22],
    accent: color('#FFC44D'),
    accentEdge: [0, 0, 0, 0],
    weights: {
      'blue-red': ramp('#3D8BFF', '#DDE3EC', '#FF5546'),
      'purple-green': ramp('#B07CFF', '#DDE3EC', '#4FCB86'),
    },
    activations: {
      calm: ramp('#171C25', '#2A4450', '#4C8085', '#9CCBB2', '#FBF6DC'),
      grey: ramp('#14181F', '#4A4F58', '#82878F', '#BDC1C8', '#FFFFFF'),
      viridis: ramp('#440154', '#3B528B', '#21918C', '#5EC962', '#FDE725'),
      'blue-red': ramp('#3D8BFF', '#274F8C', '#171C25', '#8C3A37', '#FF5546'),
    },
    differences: {
      'blue-red': ramp('#3D8BFF', '#274F8C', '#171C25', '#8C3A37', '#FF5546'),
      'purple-green': ramp('#B07CFF', '#644A90', '#171C25', '#327456', '#4FCB86'),
    },
    frame: color('#98A2B3'),
    tints: ramp('#FF7A6B', '#6FD692', '#74A8FF'),
  },
  light: {
    background: color('#FAF9F6'),
    paper: color('#FFFFFF'),
    border: [0.08, 0.1, 0.12, 0.38],
    accent: color('#F0A800'),
    accentEdge: [0.08, 0.094, 0.122, 1],
    weights: {
      'blue-red': ramp('#1B5FD0', '#B9BDC5', '#CF2F23'),
      'purple-green': ramp('#7A3DB8', '#B9BDC5', '#177A45'),
    },
    activations: {
      calm: ramp('#FFFFFF', '#D5DEDD', '#8FAFAE', '#3E6670', '#101C2B'),
      grey: ramp('#FFFFFF', '#C9CCD1', '#8E9299', '#52565D', '#14181F'),
      viridis: ramp('#440154', '#3B528B', '#21918C', '#5EC962', '#FDE725'),
      'blue-red': ramp('#1B5FD0', '#8FB0E6', '#FFFFFF', '#E69891', '#CF2F23'),
    },
    differences: {
      'blue-red': ramp('#1B5FD0', '#8FB0E6', '#FFFFFF', '#E69891', '#CF2F23'),
      'purple-green': ramp('#7A3DB8', '#BD9EDC', '#FFFFFF', '#8BBBA2', '#177A45'),
    },
    frame: color('#586070'),
    tints: ramp('#A81E14', '#0E6336', '#123F93'),
  },
}

/** Width and alpha of ribbons by how many share the gap: [width 0, width 1, alpha 0, alpha 1, gamma]. */
export type RibbonStyle = [number, number, number, number, number]

export function ribbonStyle(edges: number): RibbonStyle {
  if (edges <= 50) return [0.7, 3.2, 0.16, 0.9, 1.1]
  if (edges <= 500) return [0.5, 2.6, 0.05, 0.8, 1.5]
  if (edges <= 1500) return [0.4, 2, 0.02, 0.62, 1.9]
  return [0.35, 1.9, 0.004, 0.66, 2]
}

/** An arc that passes over layers. */
export const SKIP_STYLE: RibbonStyle = [1.6, 1.6, 0.75, 0.75, 1]

/** One value: every product of a single calculation. */
export const VALUE_STYLE: RibbonStyle = [1, 4.4, 0.25, 0.95, 0.9]

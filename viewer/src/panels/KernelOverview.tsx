/** All weights of a layer as one picture: a row per output, a column per input. */
import { useComputed } from '@preact/signals'
import type { JSX } from 'preact'
import { useEffect, useRef } from 'preact/hooks'
import type { Layer } from '../generated/recording'
import type { ViewerModel } from '../model'
import { formatCount } from '../numbers'
import type { Tensor } from '../recording/types'
import { cellColor } from './ramps'
import { plural } from './text'

/** Room for the picture in CSS px, drawn at twice that. */
const WIDTH = 228
const HEIGHT = 160

interface Grid {
  rows: number
  columns: number
  /** Rows and columns that fit. */
  shownRows: number
  shownColumns: number
  height: number
  width: number
  /** Whole device pixels per weight, and between kernels. */
  unit: number
  gap: number
}

function gridOf(shape: readonly number[]): Grid {
  const [rows, columns] = shape
  const height = shape.length > 3 ? shape[2] : 1
  const width = shape.length > 2 ? shape[shape.length - 1] : 1
  const kernels = shape.length > 2
  const gapAt = (unit: number) => (kernels ? Math.max(1, Math.min(4, unit >> 1)) : 0)
  const needs = (n: number, taps: number, unit: number) => n * (taps * unit + gapAt(unit)) - gapAt(unit)
  // The largest whole unit at which all fit; below two pixels a kernel is no picture any more, so some are left out.
  let unit = 16
  const smallest = kernels ? 2 : 1
  while (unit > smallest && (needs(columns, width, unit) > WIDTH * 2 || needs(rows, height, unit) > HEIGHT * 2)) unit--
  const gap = gapAt(unit)
  const count = (n: number, taps: number, room: number) => Math.min(n, Math.floor((room + gap) / (taps * unit + gap)))
  return {
    rows,
    columns,
    shownRows: count(rows, height, HEIGHT * 2),
    shownColumns: count(columns, width, WIDTH * 2),
    height,
    width,
    unit,
    gap,
  }
}

interface Props {
  model: ViewerModel
  layer: Layer
  tensor: Tensor
  largest: number
}

export function KernelOverview({ model, layer, tensor, largest }: Props): JSX.Element {
  const canvas = useRef<HTMLCanvasElement>(null)
  const theme = useComputed(() => model.state.value.theme).value
  const colors = useComputed(() => model.state.value.weightColors).value
  const grid = gridOf(tensor.shape)
  const { rows, columns, shownRows, shownColumns, height, width, unit, gap } = grid
  const pixelWidth = shownColumns * (width * unit + gap) - gap
  const pixelHeight = shownRows * (height * unit + gap) - gap
  useEffect(() => {
    const context = canvas.current?.getContext('2d')
    if (!context) return
    const picture = context.createImageData(pixelWidth, pixelHeight)
    const pixels = new Uint32Array(picture.data.buffer)
    const paint = (x0: number, y0: number, w: number) => {
      const [r, g, b] = cellColor(theme, colors, largest > 0 ? w / largest : 0).map(Math.round)
      const color = (0xff000000 | (b << 16) | (g << 8) | r) >>> 0
      for (let y = y0; y < y0 + unit; y++) for (let x = x0; x < x0 + unit; x++) pixels[y * pixelWidth + x] = color
    }
    for (let o = 0; o < shownRows; o++)
      for (let i = 0; i < shownColumns; i++)
        for (let t = 0; t < height * width; t++)
          paint(
            i * (width * unit + gap) + (t % width) * unit,
            o * (height * unit + gap) + Math.floor(t / width) * unit,
            tensor.data[(o * columns + i) * height * width + t],
          )
    context.putImageData(picture, 0, 0)
  }, [tensor, largest, theme, colors])
  const cut = shownRows < rows || shownColumns < columns
  const words = cut
    ? `the first ${formatCount(shownRows)} of ${formatCount(rows)} outputs and ${formatCount(shownColumns)} of ${formatCount(columns)} inputs`
    : `${plural(rows, 'output')} down, ${plural(columns, 'input')} across`
  const transposed = layer.kind === 'conv_transpose2d'
  return (
    <section class="section">
      <h3>{layer.kind === 'dense' ? 'All weights' : 'All kernels'}</h3>
      <figure class="overview">
        <canvas
          ref={canvas}
          width={pixelWidth}
          height={pixelHeight}
          style={{ width: `${pixelWidth / 2}px` }}
          role="img"
          aria-label={`Weights of ${layer.name}`}
        />
        <figcaption>
          {transposed ? words.replace('output', '\n').replace('input', 'output').replace('\n', 'input') : words}
        </figcaption>
      </figure>
    </section>
  )
}

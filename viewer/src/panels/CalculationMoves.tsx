/** Buttons that move the pinned pixel, and play, which visits all of them: what the arrow keys do, for touch and mouse. */
import { type Signal, useSignal, useSignalEffect } from '@preact/signals'
import type { JSX } from 'preact'
import type { Layer } from '../generated/recording'
import type { ViewerModel } from '../model'
import { Glyph } from './icons'
import { isVector, outputShape } from './text'

const MS_A_PIXEL = 300

interface Props {
  model: ViewerModel
  layer: Layer
}

/** Where the pinned value stands among those that the buttons visit: the pixels of its map, or the units of its vector. */
function placeOf({ model, layer }: Props): { at: number; columns: number; count: number } | null {
  const { pinned } = model.state.peek()
  if (pinned?.layer !== layer.id || pinned.map === undefined) return null
  const [maps, ...sides] = outputShape(layer)
  if (sides.length === 0) return { at: pinned.map, columns: maps, count: maps }
  const [rows, columns] = sides.length === 1 ? [1, sides[0]] : sides
  return { at: (pinned.y ?? 0) * columns + (pinned.x ?? 0), columns, count: rows * columns }
}

function goTo({ model, layer }: Props, at: number, columns: number): void {
  const { pinned } = model.state.peek()
  const place = isVector(layer)
    ? { map: at, y: 0, x: 0 }
    : { map: pinned?.map, y: Math.floor(at / columns), x: at % columns }
  model.set({ pinned: { layer: layer.id, ...place } })
}

function move(props: Props, dy: number, dx: number): void {
  const place = placeOf(props)
  if (!place) return
  const y = Math.floor(place.at / place.columns) + dy
  const x = (place.at % place.columns) + dx
  if (y < 0 || x < 0 || x >= place.columns || y * place.columns >= place.count) return
  goTo(props, y * place.columns + x, place.columns)
}

/** Visits value after value while `playing`, from the start again when it begins at the end. */
function usePlaying(props: Props, playing: Signal<boolean>): void {
  useSignalEffect(() => {
    if (!playing.value) return
    let first = true
    const timer = setInterval(() => {
      const place = placeOf(props)
      const last = !place || place.at >= place.count - 1
      if (place && last && first) goTo(props, 0, place.columns)
      else if (place && !last) goTo(props, place.at + 1, place.columns)
      else playing.value = false
      first = false
    }, MS_A_PIXEL)
    return () => clearInterval(timer)
  })
}

export function CalculationMoves(props: Props): JSX.Element {
  const playing = useSignal(false)
  usePlaying(props, playing)
  const vector = isVector(props.layer)
  const what = vector ? 'unit' : 'pixel'
  const button = (name: 'left' | 'up' | 'down' | 'right', words: string, dy: number, dx: number) => (
    <button
      type="button"
      class="tool"
      aria-label={words}
      title={words}
      onClick={() => {
        playing.value = false
        move(props, dy, dx)
      }}
    >
      <Glyph name={name} />
    </button>
  )
  const play = playing.value ? 'Stop' : `Visit ${what} after ${what}`
  return (
    <fieldset class="moves" aria-label={`Move the ${what}`}>
      {button('left', vector ? 'Unit before' : 'Pixel to the left', 0, -1)}
      {!vector && button('up', 'Pixel above', -1, 0)}
      {!vector && button('down', 'Pixel below', 1, 0)}
      {button('right', vector ? 'Next unit' : 'Pixel to the right', 0, 1)}
      <button
        type="button"
        class="tool"
        aria-label={play}
        title={play}
        aria-pressed={playing.value}
        onClick={() => {
          playing.value = !playing.value
        }}
      >
        <Glyph name={playing.value ? 'pause' : 'play'} />
      </button>
    </fieldset>
  )
}

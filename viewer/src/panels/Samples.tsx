/** The recorded inputs as thumbnails. */
import { type ReadonlySignal, useComputed } from '@preact/signals'
import type { JSX } from 'preact'
import { useEffect, useRef } from 'preact/hooks'
import type { ViewerModel } from '../model'
import type { ActivationColors, Theme } from '../state'
import { activationShare, rampColor } from './ramps'
import { useName } from './use-name'

/** Larger pictures are sampled down to this: thumbnails are at most 44 px, drawn sharp at 2 px per CSS px. */
const THUMBNAIL_PX = 96

type Images = NonNullable<ViewerModel['images']['value']>

function paint(
  canvas: HTMLCanvasElement,
  images: Images,
  sample: number,
  theme: Theme,
  colors: ActivationColors,
): void {
  const [count, height, width, channels] = images.shape
  if (sample >= count) return
  const shrink = Math.max(1, Math.max(height, width) / THUMBNAIL_PX)
  const w = Math.max(1, Math.round(width / shrink))
  const h = Math.max(1, Math.round(height / shrink))
  canvas.width = w
  canvas.height = h
  const context = canvas.getContext('2d')
  if (!context) return
  const pixels = context.createImageData(w, h)
  // 256 shades at most, so the ramp is evaluated once each.
  // A ramp with a colour for each sign has zero in its middle.
  const place = (share: number) => (colors === 'blue-red' ? 0.5 + 0.5 * share : share)
  const ramp =
    channels < 3
      ? Array.from({ length: 256 }, (_, v) => rampColor(theme, colors, place(activationShare(v, 255))))
      : null
  const start = sample * height * width * channels
  for (let y = 0; y < h; y++) {
    for (let x = 0; x < w; x++) {
      const from = start + (Math.floor(y * shrink) * width + Math.floor(x * shrink)) * channels
      const value = images.data[from]
      const color = ramp ? ramp[value] : [value, images.data[from + 1], images.data[from + 2]]
      const to = (y * w + x) * 4
      pixels.data.set([color[0], color[1], color[2], 255], to)
    }
  }
  context.putImageData(pixels, 0, 0)
}

export function Thumbnail({ model, sample }: { model: ViewerModel; sample: number }): JSX.Element {
  const canvas = useRef<HTMLCanvasElement>(null)
  const theme = useComputed(() => model.state.value.theme).value
  const colors = useComputed(() => model.state.value.activationColors).value
  const images = model.images.value
  useEffect(() => {
    if (canvas.current && images) paint(canvas.current, images, sample, theme, colors)
  }, [images, sample, theme, colors])
  const small = images !== null && Math.max(images.shape[1], images.shape[2]) <= 64
  return <canvas ref={canvas} class={small ? 'pixelated' : ''} />
}

export function sampleName(model: ViewerModel, sample: number): string {
  return model.recording.index.samples.names?.[sample] ?? `sample ${sample + 1}`
}

interface TileProps {
  model: ViewerModel
  sample: number
  selected: ReadonlySignal<number>
  group: string
}

function Tile({ model, sample, selected, group }: TileProps): JSX.Element {
  const isSelected = useComputed(() => selected.value === sample).value
  const tile = useRef<HTMLLabelElement>(null)
  useEffect(() => {
    if (isSelected) tile.current?.scrollIntoView({ block: 'nearest', inline: 'nearest' })
  }, [isSelected])
  const name = sampleName(model, sample)
  return (
    <label ref={tile} class={`thumbnail ${isSelected ? 'chosen' : ''}`} title={name}>
      <input
        type="radio"
        class="cover"
        name={group}
        aria-label={name}
        checked={isSelected}
        onChange={() => model.set({ sample })}
      />
      <Thumbnail model={model} sample={sample} />
    </label>
  )
}

/** The strip: one row that scrolls sideways; arrow keys go through it. */
export function Samples({ model }: { model: ViewerModel }): JSX.Element {
  const { count } = model.recording.index.samples
  const selected = useComputed(() => model.state.value.sample)
  const group = useName()
  const strip = useRef<HTMLDivElement>(null)
  // A mouse wheel goes up and down, the strip sideways. Not passive, so not an attribute.
  useEffect(() => {
    const element = strip.current
    const onWheel = (event: WheelEvent) => {
      if (!element || event.deltaX !== 0 || element.scrollWidth <= element.clientWidth) return
      event.preventDefault()
      element.scrollLeft += event.deltaY
    }
    element?.addEventListener('wheel', onWheel, { passive: false })
    // Scores beside it come later and take their room: the chosen one stays in sight.
    const sizes = new ResizeObserver(() => {
      element?.querySelector('.chosen')?.scrollIntoView({ block: 'nearest', inline: 'nearest' })
    })
    if (element) sizes.observe(element)
    return () => {
      sizes.disconnect()
      element?.removeEventListener('wheel', onWheel)
    }
  }, [])
  return (
    <div ref={strip} class="samples scroll" role="radiogroup" aria-label="Recorded inputs">
      {Array.from({ length: count }, (_, sample) => (
        <Tile key={sample} model={model} sample={sample} selected={selected} group={group} />
      ))}
    </div>
  )
}

/** The stage as a PNG: its size, and whether it has a background. */
import { type ReadonlySignal, useComputed, useSignal } from '@preact/signals'
import type { JSX } from 'preact'
import type { ViewerModel } from '../model'
import { formatFixed } from '../numbers'
import { axisOf, valueAt } from './axis'
import { Choices, Toggle } from './Choices'
import { Popover } from './Popover'
import type { Ui } from './ui'

const scales = [1, 2, 3, 4].map(value => ({ value, name: `${value}×` }))

/** "lenet-on-mnist-epoch-10-sample-2.png". */
function fileName(model: ViewerModel): string {
  const { index } = model.recording
  const { epoch, sample } = model.state.peek()
  const axis = axisOf(index.checkpoints)
  const place = `${axis.unit} ${valueAt(axis, epoch).toFixed(Number.isInteger(epoch) ? 0 : axis.digits)}`
  const words = `${index.name} ${place} sample ${sample + 1}`
  return `${words
    .toLowerCase()
    .replace(/[^\p{L}\p{N}.]+/gu, '-')
    .replace(/^-+|-+$/g, '')}.png`
}

function download(blob: Blob, name: string): void {
  const link = document.createElement('a')
  link.href = URL.createObjectURL(blob)
  link.download = name
  link.click()
  // The browser reads it after the click.
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000)
}

interface Props {
  model: ViewerModel
  ui: Ui
  words?: boolean
}

export function SavePicture({ model, ui, words }: Props): JSX.Element {
  const open = useSignal(false)
  const scale = useSignal(2)
  const transparent = useSignal(false)
  const said = useSignal('')
  const save = async () => {
    said.value = 'drawing …'
    try {
      download(await model.savePicture(scale.peek(), transparent.peek()), fileName(model))
      said.value = ''
      open.value = false
    } catch (error) {
      said.value = error instanceof Error ? error.message : String(error)
    }
  }
  return (
    <Popover
      open={open}
      name="Save a picture"
      glyph="picture"
      class={words ? 'wide-button' : 'tool'}
      label={words ? 'Save picture' : undefined}
    >
      <h2>Save a picture</h2>
      <Choices
        label="Size"
        choices={scales}
        value={scale}
        onChange={v => {
          scale.value = v
        }}
      />
      <Size ui={ui} scale={scale} />
      <Toggle
        label="transparent background"
        value={transparent}
        onChange={v => {
          transparent.value = v
        }}
      />
      <button type="button" class="primary" onClick={save}>
        Save PNG
      </button>
      <p class="said" role="status">
        {said}
      </p>
    </Popover>
  )
}

function Size({ ui, scale }: { ui: Ui; scale: ReadonlySignal<number> }): JSX.Element {
  const size = useComputed(() => {
    const ratio = scale.value * Math.min(2, window.devicePixelRatio || 1)
    return ui.size.value.map(side => formatFixed(Math.round(side * ratio), 0)).join(' × ')
  })
  return <p class="size">{size} pixels</p>
}

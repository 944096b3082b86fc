/** One calculation on a wide stage: the panel at the right, all other panels give way to one low bar. */
import { useComputed } from '@preact/signals'
import type { JSX } from 'preact'
import { useRef } from 'preact/hooks'
import type { Calculation } from '../explain/calculation'
import type { ViewerModel } from '../model'
import { formatCount } from '../numbers'
import { CopyLink, HelpButton, Tool } from './Actions'
import { Brand } from './Brand'
import { Breadcrumb } from './Breadcrumb'
import { CalculationPanel } from './CalculationPanel'
import { Legend } from './Legend'
import { Omissions } from './Omissions'
import { Plot } from './Plot'
import { Thumbnail } from './Samples'
import { SavePicture } from './SavePicture'
import { EpochNumber } from './Timeline'
import { ThemeButton } from './TopBar'
import { PlayButton } from './Transport'
import type { Ui } from './ui'
import { useSize } from './use-size'

interface Props {
  model: ViewerModel
  ui: Ui
}

export function ValueMode({ model, ui }: Props): JSX.Element {
  return (
    <>
      <Brand model={model} now />
      <Breadcrumb model={model} />
      <div class="value-foot" data-covers="bottom">
        <div class="value-notes">
          <Legend model={model} />
          <Drawn model={model} />
        </div>
        <section class="panel value-bar" aria-label="Checkpoint, sample and actions">
          <PlayButton model={model} />
          <EpochNumber model={model} />
          <EpochTrack model={model} />
          <SampleStep model={model} />
          <div class="tools" role="toolbar" aria-label="Actions">
            <CopyLink model={model} />
            <SavePicture model={model} ui={ui} />
            <ThemeButton model={model} />
            <HelpButton ui={ui} />
          </div>
        </section>
      </div>
      <CalculationPanel model={model} />
    </>
  )
}

function EpochTrack({ model }: { model: ViewerModel }): JSX.Element {
  const frame = useRef<HTMLDivElement>(null)
  const size = useSize(frame)
  return (
    <div class="epoch-track timeline low" ref={frame}>
      {size.value[0] > 0 && <Plot model={model} width={size.value[0]} height={size.value[1]} top={18} ticks={22} low />}
    </div>
  )
}

/** The sample, and the ones before and after it. */
export function SampleStep({ model }: { model: ViewerModel }): JSX.Element | null {
  const sample = useComputed(() => model.state.value.sample).value
  const { count } = model.recording.index.samples
  if (count === 0) return null
  return (
    <fieldset class="sample-step" aria-label="Sample">
      <Tool
        glyph="left"
        name="Sample before"
        hint=","
        disabled={sample === 0}
        onClick={() => model.set({ sample: sample - 1 })}
      />
      <span class="thumbnail">
        <Thumbnail model={model} sample={sample} />
      </span>
      <Tool
        glyph="right"
        name="Next sample"
        hint="."
        disabled={sample === count - 1}
        onClick={() => model.set({ sample: sample + 1 })}
      />
    </fieldset>
  )
}

/** How many weights take part: those that lie on the input, not on its padding. */
function weightsIn(calculation: Calculation): number {
  const products = calculation.parts.filter(part => part.kernel).flatMap(part => part.products.flat())
  return products.filter(product => product !== null).length
}

/** What is drawn of all weights; or else what had to be left out. */
function Drawn({ model }: { model: ViewerModel }): JSX.Element | null {
  const left = useComputed(() => model.omissions.value.length > 0).value
  const words = useComputed(() => {
    const calculation = model.calculation.value
    const layer = model.recording.index.network.layers.find(l => l.id === calculation?.layer)
    const kernel = layer?.parameters?.find(p => p.shape.length > 1)
    if (!calculation || !layer || !kernel) return ''
    const all = formatCount(kernel.shape.reduce((a, b) => a * b, 1))
    return `drawn ${formatCount(weightsIn(calculation))} of ${all} weights of ${layer.name}, all that make this value`
  }).value
  if (left) return <Omissions model={model} />
  return words ? <p class="omissions">{words}</p> : null
}

/** The layer, map or pixel under the cursor, pinned or selected: what it is and its numbers. */
import { type ReadonlySignal, type Signal, useComputed } from '@preact/signals'
import type { JSX } from 'preact'
import type { Layer } from '../generated/recording'
import type { ViewerModel } from '../model'
import { formatValue } from '../numbers'
import { ComparedRows, WhoseWeights } from './compare/Compared'
import { DenseInputs } from './DenseInputs'
import { LayerFacts, NetworkFacts, windowWords } from './Facts'
import { FoldButton } from './Folding'
import { WeightHistogram } from './Histogram'
import { Kernels } from './Kernels'
import { isVector, kindWord, mapWord } from './text'
import { OverTime } from './training/OverTime'
import type { Ui } from './ui'
import { useInspectedValue } from './use-value'

/** Which of hover, pin and selection the inspector follows; the pin shows that it stays. */
function useMode(model: ViewerModel) {
  return useComputed(() => {
    if (model.hover.value) return 'hover'
    return model.state.value.pinned ? 'pinned' : 'selected'
  })
}

interface BodyProps {
  model: ViewerModel
  ui: Ui
  layer: Layer
  map: ReadonlySignal<number | null>
  compact: boolean
}

function PixelRow({ model, layer }: { model: ViewerModel; layer: Layer }): JSX.Element | null {
  // Two primitives, so that moving within one pixel renders nothing.
  const place = useComputed(() => {
    const t = model.inspected.value
    if (t?.layer !== layer.id || t.map === undefined) return null
    if (isVector(layer)) return 'value'
    return t.y === undefined || t.x === undefined ? null : `value at (${t.y}, ${t.x})`
  }).value
  const value = useInspectedValue(model, layer).value
  if (place === null || value === undefined) return null
  return (
    <dl class="facts pixel">
      <div>
        <dt>{place}</dt>
        <dd>{value === null ? 'not recorded' : formatValue(value)}</dd>
      </div>
      <ComparedRows model={model} layer={layer} value={value} />
    </dl>
  )
}

/** The way in from a pinned pixel. Inputs are made of nothing. */
function ShowCalculation({ model, layer }: { model: ViewerModel; layer: Layer }): JSX.Element | null {
  const pinned = useComputed(() => {
    const { pinned } = model.state.value
    return pinned?.layer === layer.id && pinned.y !== undefined && model.hover.value === null
  }).value
  if (!pinned || layer.kind === 'input') return null
  return (
    <button type="button" class="primary show-calculation" onClick={() => model.set({ calculation: true })}>
      <span>
        Show<span class="article"> the</span> calculation
      </span>
      <kbd>Enter</kbd>
    </button>
  )
}

function Body({ model, ui, layer, map, compact }: BodyProps): JSX.Element {
  const hasWeights = layer.parameters?.some(p => p.shape.length > 1) ?? false
  const facts = <LayerFacts model={model} layer={layer} />
  return (
    <>
      <div class="pixel-line">
        <PixelRow model={model} layer={layer} />
        <ShowCalculation model={model} layer={layer} />
      </div>
      {!compact && facts}
      {hasWeights && <WhoseWeights model={model} />}
      {hasWeights && layer.kind === 'dense' && <DenseInputs model={model} layer={layer} unit={map} />}
      {hasWeights && layer.kind !== 'dense' && <Kernels model={model} layer={layer} map={map} compact={compact} />}
      {compact && <section class="section">{facts}</section>}
      <WeightHistogram model={model} layer={layer} />
      <OverTime model={model} open={ui.overTime} layer={layer} />
    </>
  )
}

interface Props {
  model: ViewerModel
  ui: Ui
  folded?: Signal<boolean>
  /** On a phone, the kernel comes first and what it is stands in the head. */
  compact?: boolean
}

export function Inspector({ model, ui, folded, compact = false }: Props): JSX.Element {
  const id = useComputed(() => model.inspected.value?.layer ?? null).value
  const map = useComputed(() => model.inspected.value?.map ?? null)
  const mode = useMode(model)
  const layer = model.recording.index.network.layers.find(l => l.id === id)
  const subtitle = useComputed(() => {
    const target = model.inspected.value
    const { index } = model.recording
    const shown = index.network.layers.find(l => l.id === target?.layer)
    if (!shown) return ''
    return target?.map === undefined ? kindWord(shown.kind, shown.op) : mapWord(shown, target.map, index)
  })
  return (
    <>
      <div class="inspector-head">
        <h2 title={layer?.id}>{layer ? layer.name : 'Network'}</h2>
        <span class="subtitle">{subtitle}</span>
        {layer && !compact && <span class={`tag ${mode.value}`}>{mode}</span>}
        {layer && compact && <span class="window">{windowWords(model, layer)}</span>}
        {folded && <FoldButton folded={folded} name="inspector" />}
      </div>
      {/* Without a focus, a keyboard could not scroll it. */}
      <div class="scroll" tabIndex={compact ? undefined : 0}>
        {layer ? (
          <Body key={layer.id} model={model} ui={ui} layer={layer} map={map} compact={compact} />
        ) : (
          <NetworkFacts model={model} />
        )}
      </div>
    </>
  )
}

/** How the network is shown: for all layers, or for the selected one, whose own values go before. */
import { type ReadonlySignal, useComputed, useSignalEffect } from '@preact/signals'
import type { JSX } from 'preact'
import { useRef } from 'preact/hooks'
import type { ViewerModel } from '../model'
import { type PresetName, presetPatch } from '../presets'
import { DEFAULT_VIEW, type LayerView } from '../state'
import { Choices } from './Choices'
import { LayoutControl, MainControls } from './Controls'
import { FoldButton, FoldingPanel } from './Folding'
import type { Scope } from './fields'
import { MoreControls } from './MoreControls'
import { plural } from './text'
import type { Ui } from './ui'

interface Props {
  model: ViewerModel
  ui: Ui
}

/** Choosing a layer opens its controls; pinning one of its pixels leaves them as they are. */
export function useLayerScope(model: ViewerModel, ui: Ui): void {
  const selected = useComputed(() => model.state.value.selected)
  const before = useRef<string | null>(null)
  useSignalEffect(() => {
    const id = selected.value
    if (id === before.current) return
    before.current = id
    if (id === null) ui.ofLayer.value = false
    else if (!model.state.peek().pinned) ui.ofLayer.value = true
  })
}

export function useScope({ model, ui }: Props): ReadonlySignal<Scope> {
  return useComputed(() => (ui.ofLayer.value ? model.state.value.selected : null))
}

function nameOf(model: ViewerModel, id: string): string {
  return model.recording.index.network.layers.find(l => l.id === id)?.name ?? id
}

export function ScopeSwitch({ model, ui }: Props): JSX.Element {
  const selected = useComputed(() => model.state.value.selected).value
  const own = useComputed(() => selected !== null && Object.hasOwn(model.state.value.layers, selected)).value
  const ofLayer = useComputed(() => ui.ofLayer.value)
  if (selected === null) return <h2 title="Click a layer to give it values of its own">All layers</h2>
  return (
    <Choices
      label="Controls of"
      choices={[
        { value: false, name: 'All layers' },
        { value: true, name: nameOf(model, selected), dot: own },
      ]}
      value={ofLayer}
      onChange={v => {
        ui.ofLayer.value = v
      }}
    />
  )
}

export function AllControls({ model, ui, scope }: Props & { scope: Scope }): JSX.Element {
  // Another scope is another set of controls.
  return (
    <div class="controls" key={scope ?? ''}>
      <LayoutControl model={model} scope={scope} />
      <MainControls model={model} scope={scope} />
      <MoreControls model={model} scope={scope} open={ui.group} />
    </div>
  )
}

const looks: { name: PresetName; title: string }[] = [
  { name: 'overview', title: 'The whole network as it opens' },
  { name: 'weights', title: 'Every weight on its own; the maps step back' },
  { name: 'calculation', title: 'One value taken apart: the pinned one, or the strongest' },
]

/** Looks at one click. Where the view is as a look has it, that one is marked. */
export function Looks({ model }: { model: ViewerModel }): JSX.Element {
  const current = useComputed(() => {
    const state = model.state.value
    if (state.calculation) return 'calculation'
    if (Object.keys(state.layers).length > 0) return null
    const fields = Object.keys(DEFAULT_VIEW) as (keyof LayerView)[]
    const same = (name: PresetName) => {
      const patch = presetPatch(name, null, () => null)
      return fields.every(field => patch[field] === state[field])
    }
    return (['overview', 'weights'] as const).find(same) ?? null
  }).value
  return (
    <fieldset class="looks" aria-label="Looks">
      {looks.map(({ name, title }) => (
        <button
          key={name}
          type="button"
          title={title}
          aria-pressed={name === current}
          onClick={() => model.preset(name)}
        >
          {name}
        </button>
      ))}
    </fieldset>
  )
}

/** How many values are a layer's own, and the button that takes them all back. */
export function LayerReset({ model, scope }: { model: ViewerModel; scope: string }): JSX.Element {
  const count = useComputed(() => Object.keys(model.state.value.layers[scope] ?? {}).length).value
  if (count === 0) return <p class="layer-reset">as all layers</p>
  return (
    <p class="layer-reset">
      <span>
        {plural(count, 'own value')}
        <i class="dot own" />
      </span>
      <button
        type="button"
        class="link"
        onClick={() => {
          const { [scope]: _, ...others } = model.state.peek().layers
          model.set({ layers: others })
        }}
      >
        Reset {nameOf(model, scope)}
      </button>
    </p>
  )
}

export function ViewPanel({ model, ui }: Props): JSX.Element {
  const scope = useScope({ model, ui }).value
  return (
    <FoldingPanel folded={ui.folded.view} class="view" name="View" covers="left">
      <div class="scope-row">
        <ScopeSwitch model={model} ui={ui} />
        <FoldButton folded={ui.folded.view} name="view" />
      </div>
      <div class="scroll">
        <AllControls model={model} ui={ui} scope={scope} />
      </div>
      <footer>{scope === null ? <Looks model={model} /> : <LayerReset model={model} scope={scope} />}</footer>
    </FoldingPanel>
  )
}

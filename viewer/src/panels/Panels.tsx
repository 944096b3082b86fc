/** The panels around the stage. They read the model's signals and call its functions; they never touch the scene. */
import './panels.css'
import { useComputed, useSignal, useSignalEffect } from '@preact/signals'
import type { JSX } from 'preact'
import { useLayoutEffect, useMemo, useRef } from 'preact/hooks'
import type { ViewerModel } from '../model'
import { Brand } from './Brand'
import { CompareControls, CompareTools } from './compare/ComparePanel'
import { MostChanged } from './compare/MostChanged'
import { FoldButton, FoldingPanel } from './Folding'
import { setPanelsRoot } from './free-area'
import { Help } from './Help'
import { Inspector } from './Inspector'
import { Glyph } from './icons'
import { Legend } from './Legend'
import { Live } from './Live'
import { Notices } from './Notices'
import { StageFoot } from './Omissions'
import { LayerList, SearchField, Totals } from './Outline'
import { Phone } from './Phone'
import { Timeline, useStill } from './Timeline'
import { Tooltip } from './Tooltip'
import { TopBar } from './TopBar'
import { TrainingDrawer } from './training/Training'
import { createUi, type Ui } from './ui'
import { ValueMode } from './ValueMode'
import { useLayerScope, ViewPanel } from './ViewPanel'

export { type FreeArea, freeArea } from './free-area'

interface Props {
  model: ViewerModel
  ui: Ui
}

function LayersPanel({ model, ui }: Props): JSX.Element {
  const query = useSignal('')
  return (
    <FoldingPanel folded={ui.folded.layers} class="layers" name="Layers" covers="left">
      <div class="search-row">
        <SearchField query={query} />
        <FoldButton folded={ui.folded.layers} name="layers" />
      </div>
      <LayerList model={model} query={query} />
      <Totals model={model} />
    </FoldingPanel>
  )
}

function ComparePanel({ model, ui }: Props): JSX.Element | null {
  const on = useComputed(() => model.state.value.compare !== null).value
  if (!on) return null
  return (
    <FoldingPanel folded={ui.folded.compare} class="compare" name="Compare" covers="right">
      <div class="compare-head-row">
        <h2>Compare</h2>
        <CompareTools model={model} />
        <FoldButton folded={ui.folded.compare} name="comparison" />
      </div>
      <div class="scroll">
        <CompareControls model={model} />
        <MostChanged model={model} />
      </div>
    </FoldingPanel>
  )
}

function Wide({ model, ui }: Props): JSX.Element {
  const folded = ui.folded.timeline
  const still = useStill(model)
  const low = folded.value || still
  return (
    <>
      <Brand model={model} />
      <TopBar model={model} ui={ui} />
      <div class="column left">
        <LayersPanel model={model} ui={ui} />
        <ViewPanel model={model} ui={ui} />
      </div>
      <div class="column right">
        <ComparePanel model={model} ui={ui} />
        <FoldingPanel folded={ui.folded.inspector} class="inspector" name="Inspector" covers="right">
          <Inspector model={model} ui={ui} folded={ui.folded.inspector} />
        </FoldingPanel>
      </div>
      <Legend model={model} />
      <StageFoot model={model} />
      <TrainingDrawer model={model} ui={ui} />
      <section
        class={`panel timeline ${low ? 'low' : ''} ${still ? 'still' : ''}`}
        data-covers="bottom"
        aria-label="Timeline"
      >
        <Timeline model={model} ui={ui} low={low} still={still} />
        {!still && <FoldButton folded={folded} name="timeline" />}
      </section>
    </>
  )
}

function ShowButton({ model }: { model: ViewerModel }): JSX.Element {
  return (
    <button
      type="button"
      class="tool show-panels"
      aria-label="Show the panels"
      title="Show the panels (Tab)"
      onClick={() => model.set({ panels: true })}
    >
      <Glyph name="panels" />
    </button>
  )
}

/** Measures the stage, so that the panels fit where the viewer is embedded, not only where it fills the window. */
function useStage(ui: Ui) {
  const root = useRef<HTMLDivElement>(null)
  useLayoutEffect(() => {
    const element = root.current
    if (!element) return
    setPanelsRoot(element)
    const measure = () => {
      const next = [element.clientWidth, element.clientHeight] as const
      const [width, height] = ui.size.peek()
      if (next[0] !== width || next[1] !== height) ui.size.value = next
    }
    measure()
    const observer = new ResizeObserver(measure)
    observer.observe(element)
    return () => {
      observer.disconnect()
      setPanelsRoot(null)
    }
  }, [ui])
  return root
}

export function Panels({ model }: { model: ViewerModel }): JSX.Element {
  const ui = useMemo(createUi, [])
  const root = useStage(ui)
  const theme = useComputed(() => model.state.value.theme)
  const visible = useComputed(() => model.state.value.panels).value
  useSignalEffect(() => {
    document.documentElement.dataset.theme = theme.value
    const color = theme.value === 'dark' ? '#0d1017' : '#faf9f6'
    document.querySelector('meta[name="theme-color"]')?.setAttribute('content', color)
  })
  useLayerScope(model, ui)
  const phone = ui.phone.value
  const calculation = useComputed(() => model.state.value.calculation).value
  const Wanted = phone ? Phone : calculation ? ValueMode : Wide
  return (
    <div ref={root} class={`panels ${phone ? 'phone' : 'wide'} ${calculation ? 'calculating' : ''}`}>
      {!visible && <ShowButton model={model} />}
      {visible && <Wanted model={model} ui={ui} />}
      <Notices model={model} />
      <Tooltip model={model} />
      <Live model={model} />
      <Help open={ui.help} />
    </div>
  )
}

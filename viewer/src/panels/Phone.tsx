/** The panels of a narrow screen: a bar at the top, a sheet with tabs and the timeline at the bottom. */
import { useComputed, useSignal, useSignalEffect } from '@preact/signals'
import type { JSX } from 'preact'
import { useRef } from 'preact/hooks'
import type { ViewerModel } from '../model'
import { CopyLink, FullScreen, HelpButton, UndoRedo } from './Actions'
import { CalculationPanel } from './CalculationPanel'
import { Prediction, ScoreBars } from './ClassScores'
import { ThemeChoice } from './Controls'
import { CompareButton, CompareControls, CompareTools } from './compare/ComparePanel'
import { MostChanged } from './compare/MostChanged'
import { Inspector } from './Inspector'
import { Omissions } from './Omissions'
import { LayerList, SearchField, Totals } from './Outline'
import { PhoneTimeline } from './PhoneTimeline'
import { PhoneTop } from './PhoneTop'
import { Samples } from './Samples'
import { SavePicture } from './SavePicture'
import { SheetHandle } from './SheetHandle'
import { Loop, Speed } from './Transport'
import { TrainingParts, useHasTraining } from './training/Training'
import { SHEET_HEIGHT, type Tab, type Ui } from './ui'
import { AllControls, LayerReset, Looks, ScopeSwitch, useScope } from './ViewPanel'

interface Props {
  model: ViewerModel
  ui: Ui
}

function LayersTab({ model }: { model: ViewerModel }): JSX.Element {
  const query = useSignal('')
  return (
    <>
      <SearchField query={query} />
      <LayerList model={model} query={query} />
      <Totals model={model} />
      <Omissions model={model} />
    </>
  )
}

function InputTab({ model }: { model: ViewerModel }): JSX.Element {
  return (
    <>
      <Samples model={model} />
      <div class="phone-scores">
        <ScoreBars model={model} />
        <Prediction model={model} />
      </div>
    </>
  )
}

function ViewTab({ model, ui }: Props): JSX.Element {
  const scope = useScope({ model, ui }).value
  return (
    <>
      <div class="scope-row">
        <ScopeSwitch model={model} ui={ui} />
      </div>
      {scope === null ? <Looks model={model} /> : <LayerReset model={model} scope={scope} />}
      <AllControls model={model} ui={ui} scope={scope} />
      <ThemeChoice model={model} />
      <div class="pair phone-playing">
        <span>playing</span>
        <Speed model={model} />
        <Loop model={model} />
      </div>
      <div class="phone-actions">
        <UndoRedo model={model} words />
        <CopyLink model={model} words />
        <CompareButton model={model} words />
        <SavePicture model={model} ui={ui} words />
        <FullScreen words />
        <HelpButton ui={ui} words />
        <button type="button" class="wide-button" onClick={() => model.set({ panels: false })}>
          Hide the panels
        </button>
      </div>
    </>
  )
}

function CompareTab({ model }: { model: ViewerModel }): JSX.Element {
  return (
    <>
      <CompareControls model={model} />
      <MostChanged model={model} />
      <div class="compare-tools">
        <CompareTools model={model} />
      </div>
    </>
  )
}

/** Comparing opens its tab; to stop leads back to the view. */
function useCompareTab({ model, ui }: Props): boolean {
  const on = useComputed(() => model.state.value.compare !== null)
  useSignalEffect(() => {
    if (on.value) ui.tab.value = 'compare'
    else if (ui.tab.peek() === 'compare') ui.tab.value = 'view'
  })
  return on.value
}

interface TabName {
  tab: Tab
  name: string
}

const view: TabName = { tab: 'view', name: 'View' }
const input: TabName = { tab: 'input', name: 'Input' }
const compare: TabName = { tab: 'compare', name: 'Compare' }
const tabs: TabName[] = [{ tab: 'layers', name: 'Layers' }, { tab: 'inspect', name: 'Inspect' }, view, input]
const trainingTabs: TabName[] = [...tabs.slice(0, 2), { tab: 'training', name: 'Training' }, view, input]
/** While two things are compared, that takes its place. */
const compareTabs: TabName[] = [...tabs.slice(0, 2), compare, view, input]
/** One value is being looked at: what it is made of takes the place of layers and inspector. */
const valueTabs: TabName[] = [{ tab: 'calculation', name: 'Calculation' }, view, input]

/** A calculation opens its tab and half of the screen; leaving it goes back to the inspector. */
function useCalculationTab({ model, ui }: Props): boolean {
  const on = useComputed(() => model.state.value.calculation)
  useSignalEffect(() => {
    if (on.value) {
      ui.tab.value = 'calculation'
      ui.sheet.value = Math.max(ui.sheet.peek(), Math.round(ui.size.peek()[1] * CALCULATION_SHARE))
    } else if (ui.tab.peek() === 'calculation') {
      ui.tab.value = 'inspect'
      ui.sheet.value = SHEET_HEIGHT
    }
  })
  return on.value
}

/** Share of the screen's height that the sheet's body takes at first for a calculation. */
const CALCULATION_SHARE = 0.38
const VIEW_SHARE = 0.34

function Tabs({ ui, names }: { ui: Ui; names: TabName[] }): JSX.Element {
  const tab = ui.tab.value
  const list = useRef<HTMLDivElement>(null)
  const open = (to: Tab) => {
    // Controls need more room than one row of kernels; what nobody has pulled up goes down again with them.
    const high = Math.round(ui.size.peek()[1] * VIEW_SHARE)
    const sheet = ui.sheet.peek()
    if (to === 'view' || to === 'training') ui.sheet.value = Math.max(sheet, high)
    else if (sheet === 0 || ((tab === 'view' || tab === 'training') && sheet === high)) ui.sheet.value = SHEET_HEIGHT
    ui.tab.value = to
  }
  return (
    <div
      ref={list}
      class="choices tabs"
      role="tablist"
      onKeyDown={event => {
        const by = { ArrowRight: 1, ArrowLeft: -1 }[event.key]
        if (by === undefined) return
        event.preventDefault()
        event.stopPropagation()
        const next = (names.findIndex(n => n.tab === tab) + by + names.length) % names.length
        open(names[next].tab)
        list.current?.querySelectorAll('button')[next]?.focus()
      }}
    >
      {names.map(({ tab: t, name }) => (
        <button
          key={t}
          type="button"
          role="tab"
          aria-selected={t === tab}
          tabIndex={t === tab ? 0 : -1}
          onClick={() => open(t)}
        >
          {name}
        </button>
      ))}
    </div>
  )
}

export function Phone({ model, ui }: Props): JSX.Element {
  const comparing = useCompareTab({ model, ui })
  const calculation = useCalculationTab({ model, ui })
  const trained = useHasTraining(model)
  const names = calculation ? valueTabs : comparing ? compareTabs : trained ? trainingTabs : tabs
  const tab = ui.tab.value
  const body = useRef<HTMLDivElement>(null)
  useSignalEffect(() => {
    // Another tab starts at its top.
    ui.tab.value
    body.current?.scrollTo(0, 0)
  })
  return (
    <>
      <PhoneTop model={model} ui={ui} />
      <section class="panel sheet" data-covers="bottom" aria-label="Panels">
        <SheetHandle ui={ui} />
        <Tabs ui={ui} names={names} />
        <div
          ref={body}
          class={`sheet-body scroll tab-${tab}`}
          role="tabpanel"
          aria-label={tab}
          // biome-ignore lint/a11y/noNoninteractiveTabindex: without a focus, a keyboard could not scroll it
          tabIndex={0}
          style={{ height: `${ui.sheet.value}px` }}
        >
          {tab === 'layers' && <LayersTab model={model} />}
          {tab === 'inspect' && <Inspector model={model} ui={ui} compact />}
          {tab === 'training' && <TrainingParts model={model} ui={ui} />}
          {tab === 'calculation' && <CalculationPanel model={model} compact />}
          {tab === 'view' && <ViewTab model={model} ui={ui} />}
          {tab === 'compare' && <CompareTab model={model} />}
          {tab === 'input' && <InputTab model={model} />}
        </div>
        <PhoneTimeline model={model} ui={ui} />
      </section>
    </>
  )
}

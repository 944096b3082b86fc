/** The panels of a narrow screen: a bar at the top, a sheet with tabs and the timeline at the bottom. */
import { useComputed, useSignal } from '@preact/signals'
import type { JSX } from 'preact'
import { useRef } from 'preact/hooks'
import type { ViewerModel } from '../model'
import { formatPercent } from '../numbers'
import { Prediction, ScoreBars } from './ClassScores'
import { LayoutControl, MainControls, MoreControls, ThemeChoice } from './Controls'
import { Inspector } from './Inspector'
import { Glyph } from './icons'
import { LayerList, SearchField, Totals } from './Outline'
import { PhoneTimeline } from './PhoneTimeline'
import { Samples, Thumbnail } from './Samples'
import { SHEET_HEIGHT, type Tab, type Ui } from './ui'

interface Props {
  model: ViewerModel
  ui: Ui
}

function PhoneTop({ model, ui }: Props): JSX.Element {
  const sample = useComputed(() => model.state.value.sample).value
  const { count } = model.recording.index.samples
  const scores = model.scores.value
  const truth = scores && scores.truth !== null ? `, truth ${scores.classes[scores.truth]}` : ''
  const open = (tab: Tab) => {
    ui.tab.value = tab
    if (ui.sheet.value === 0) ui.sheet.value = SHEET_HEIGHT
  }
  return (
    <header class="phone-top" data-covers="top">
      <button type="button" class="thumbnail chosen" aria-label="Choose an input" onClick={() => open('input')}>
        <Thumbnail model={model} sample={sample} />
      </button>
      <div class="phone-words">
        <p>
          {scores ? (
            <>
              <b>{scores.classes[scores.prediction]}</b>{' '}
              <small>{formatPercent(scores.values[scores.prediction])}</small>
            </>
          ) : (
            <b>{model.recording.index.name}</b>
          )}
        </p>
        <p>
          sample {sample + 1} of {count}
          {truth}
        </p>
      </div>
      <button type="button" class="tool" aria-label="Layers" onClick={() => open('layers')}>
        <Glyph name="lines" size={18} />
      </button>
      <button type="button" class="tool" aria-label="Frame the whole network" onClick={() => model.home()}>
        <Glyph name="frame" size={18} />
      </button>
    </header>
  )
}

function LayersTab({ model }: { model: ViewerModel }): JSX.Element {
  const query = useSignal('')
  return (
    <>
      <SearchField query={query} />
      <LayerList model={model} query={query} />
      <Totals model={model} />
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

function ViewTab({ model }: { model: ViewerModel }): JSX.Element {
  return (
    <>
      <LayoutControl model={model} />
      <MainControls model={model} />
      <MoreControls model={model} />
      <ThemeChoice model={model} />
      <button type="button" class="wide-button" onClick={() => model.set({ panels: false })}>
        Hide the panels
      </button>
    </>
  )
}

const tabs: { tab: Tab; name: string }[] = [
  { tab: 'layers', name: 'Layers' },
  { tab: 'inspect', name: 'Inspect' },
  { tab: 'view', name: 'View' },
  { tab: 'input', name: 'Input' },
]

/** Heights of the sheet's body where it comes to rest: closed, as first shown, most of the screen. */
function rests(ui: Ui): number[] {
  const room = ui.size.peek()[1]
  return [0, SHEET_HEIGHT, Math.max(SHEET_HEIGHT, Math.round(room * 0.86) - 240)]
}

function SheetHandle({ ui }: { ui: Ui }): JSX.Element {
  const start = useRef<{ y: number; sheet: number; moved: boolean } | null>(null)
  const settle = () => {
    const now = ui.sheet.peek()
    ui.sheet.value = rests(ui).reduce((a, b) => (Math.abs(b - now) < Math.abs(a - now) ? b : a))
  }
  return (
    <button
      type="button"
      class="handle"
      aria-label={ui.sheet.value === 0 ? 'Open the panel' : 'Close the panel'}
      aria-expanded={ui.sheet.value > 0}
      onPointerDown={event => {
        event.currentTarget.setPointerCapture(event.pointerId)
        start.current = { y: event.clientY, sheet: ui.sheet.peek(), moved: false }
      }}
      onPointerMove={event => {
        const from = start.current
        if (!from || (!from.moved && Math.abs(event.clientY - from.y) < 4)) return
        from.moved = true
        ui.sheet.value = Math.min(rests(ui)[2], Math.max(0, from.sheet + from.y - event.clientY))
      }}
      onPointerUp={() => {
        if (start.current?.moved) settle()
      }}
      onPointerCancel={settle}
      onClick={() => {
        // A drag ends in a click too; that one has already come to rest.
        const dragged = start.current?.moved
        start.current = null
        if (!dragged) ui.sheet.value = ui.sheet.peek() === 0 ? SHEET_HEIGHT : 0
      }}
    >
      <i />
    </button>
  )
}

export function Phone({ model, ui }: Props): JSX.Element {
  const tab = ui.tab.value
  return (
    <>
      <PhoneTop model={model} ui={ui} />
      <section class="panel sheet" data-covers="bottom" aria-label="Panels">
        <SheetHandle ui={ui} />
        <div class="choices tabs" role="tablist">
          {tabs.map(({ tab: t, name }) => (
            <button
              key={t}
              type="button"
              role="tab"
              aria-selected={t === tab}
              onClick={() => {
                ui.tab.value = t
                if (ui.sheet.peek() === 0) ui.sheet.value = SHEET_HEIGHT
              }}
            >
              {name}
            </button>
          ))}
        </div>
        <div class={`sheet-body scroll tab-${tab}`} role="tabpanel" style={{ height: `${ui.sheet.value}px` }}>
          {tab === 'layers' && <LayersTab model={model} />}
          {tab === 'inspect' && <Inspector model={model} compact />}
          {tab === 'view' && <ViewTab model={model} />}
          {tab === 'input' && <InputTab model={model} />}
        </div>
        <PhoneTimeline model={model} />
      </section>
    </>
  )
}

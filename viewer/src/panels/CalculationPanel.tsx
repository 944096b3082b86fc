/** One value taken apart: patches, kernels, products, sums, what becomes of them, and the recorded value. */
import './calculation.css'
import './calculation-terms.css'
import './calculation-outcome.css'
import './calculation-phone.css'
import { useComputed, useSignal } from '@preact/signals'
import type { JSX } from 'preact'
import { useMemo, useRef } from 'preact/hooks'
import { obstacle } from '../explain/at'
import type { Calculation } from '../explain/calculation'
import { plainName } from '../explain/functions'
import { connections } from '../layout/connections'
import { drawnLayers } from '../layout/drawn'
import type { ViewerModel } from '../model'
import type { Target } from '../state'
import { SoftmaxBars, Waterfall } from './CalculationBars'
import { Formula, Others } from './CalculationFormula'
import { CalculationMoves } from './CalculationMoves'
import { CalculationTable } from './CalculationTable'
import { tableLayout } from './calculation-layout'
import { usePaint } from './calculation-paint'
import { chooseRows, layerOf, placeWords, rowsOf, summaryWords } from './calculation-rows'
import { extraLines } from './calculation-words'
import { Glyph } from './icons'
import { isVector } from './text'
import { useSize } from './use-size'

interface Props {
  model: ViewerModel
  /** In the sheet of a phone: full width, stacked, scrolled by the sheet. */
  compact?: boolean
}

/** Shown while `state.calculation` is on and one value is pinned. */
export function CalculationPanel({ model, compact = false }: Props): JSX.Element | null {
  const frame = useRef<HTMLDivElement>(null)
  const size = useSize(frame)
  const pinned = useComputed(() => model.state.value.pinned).value
  const kept = useRef<Calculation | null>(null)
  const { index } = model.recording
  const layer = pinned ? layerOf(index, pinned.layer) : undefined
  const fresh = model.calculation.value
  if (fresh) kept.current = fresh
  // While the next one is loading, the last one of the same layer stays, dimmed: nothing jumps.
  const calculation = fresh ?? (kept.current?.layer === pinned?.layer ? kept.current : null)
  if (!pinned || !layer || pinned.map === undefined) return null
  const at = { layer: pinned.layer, map: pinned.map, y: pinned.y ?? 0, x: pinned.x ?? 0 }
  return (
    <div ref={frame} class={`calculation-frame ${compact ? 'compact' : ''}`}>
      <section
        class={`calculation ${compact ? '' : 'panel'}`}
        data-covers={compact ? undefined : 'right'}
        aria-label="Calculation of one value"
        aria-busy={!fresh}
      >
        <Head model={model} at={calculation ?? at} calculation={calculation} />
        {calculation && size.value[0] > 0 ? (
          <Body
            model={model}
            calculation={calculation}
            width={size.value[0]}
            height={size.value[1]}
            compact={compact}
          />
        ) : (
          <Waiting model={model} target={pinned} />
        )}
        <footer>
          <CalculationMoves key={layer.id} model={model} layer={layer} />
          {!compact && (
            <p class="keys">
              {isVector(layer) ? 'Esc back to the layer' : `arrow keys move the pixel · Esc back to map ${pinned.map}`}
            </p>
          )}
        </footer>
      </section>
    </div>
  )
}

interface HeadProps {
  model: ViewerModel
  at: { layer: string; map: number; y: number; x: number }
  calculation: Calculation | null
}

function Head({ model, at, calculation }: HeadProps): JSX.Element {
  const { index } = model.recording
  const between = useComputed(() => !Number.isInteger(model.state.value.epoch)).value
  const words = calculation ? summaryWords(calculation, rowsOf(calculation, index), index) : ''
  const [name, ...place] = placeWords(at, index)
  return (
    <header>
      <h2>
        <span title={at.layer}>{name}</span>
        {place.map(word => (
          <span key={word}> · {word}</span>
        ))}
      </h2>
      <p>
        {words}
        {between && calculation && (
          <small>at {index.checkpoints[calculation.checkpoint].label}, the nearest checkpoint</small>
        )}
      </p>
      <button
        type="button"
        class="tool close"
        aria-label="Close the calculation"
        title="Close (Esc)"
        onClick={() => model.set({ calculation: false, pinned: { layer: at.layer, map: at.map } })}
      >
        <Glyph name="cross" />
      </button>
    </header>
  )
}

function Waiting({ model, target }: { model: ViewerModel; target: Target }): JSX.Element {
  const on = useMemo(() => {
    const { network } = model.recording.index
    const drawn = drawnLayers(network)
    return { recording: model.recording, drawn, links: connections(network, drawn) }
  }, [model])
  // Read for its subscription: it changes whenever something has been loaded.
  model.summaryAt(target.layer)
  const { epoch, sample } = model.state.value
  return <p class="empty waiting">{obstacle(on, { epoch, sample }, target) ?? 'loading the numbers'}</p>
}

interface BodyProps {
  model: ViewerModel
  calculation: Calculation
  width: number
  height: number
  compact: boolean
}

/** More lines than this would only make the page slow: the rest stays one sum. */
const MOST_ROWS = 240
/** CSS px that everything but the table's lines takes. */
const RESERVED = { high: 414, low: 340, softmax: 134 }

const LINE = 21

function Body({ model, calculation, width, height, compact }: BodyProps): JSX.Element {
  const { index } = model.recording
  const all = useSignal(false)
  const paint = usePaint(model, calculation)
  const rows = useMemo(() => rowsOf(calculation, index), [calculation, index])
  const [first] = rows
  const weighted = rows.some(row => row.kernel)
  const matrices = weighted ? 3 : 1
  const layout = tableLayout(width, first?.patch.length ?? 1, first?.patch[0].length ?? 1, matrices, compact)
  const softmax = calculation.steps.find(step => plainName(step.name) === 'softmax')
  const low = height < 800
  const reserved = (low ? RESERVED.low : RESERVED.high) + (softmax ? RESERVED.softmax : LINE * extraLines(calculation))
  // On a low screen a few lines are there to scroll through, rather than two and a button.
  const fitting = compact ? 4 : Math.max(low ? 4 : 2, Math.floor((height - reserved) / layout.rowHeight))
  const fits = rows.length <= fitting
  // Formula and waterfall stay as they are when all lines are listed.
  const chosen = chooseRows(rows, fitting)
  const listed = all.value ? chooseRows(rows, MOST_ROWS) : chosen
  const inner = width - 2 * layout.padding
  const added =
    calculation.operation === 'sum' && (rows.length > 1 || calculation.bias !== null || calculation.missing.length > 0)
  return (
    <div class="calculation-body" style={{ '--pad': `${layout.padding}px` }}>
      {/* Without a focus, a keyboard could not scroll it. */}
      <div class="terms-scroll scroll" tabIndex={compact ? undefined : 0}>
        <CalculationTable calculation={calculation} chosen={listed} layout={layout} paint={paint} />
      </div>
      <div class="outcome">
        {!fits && <Others all={all} chosen={listed} />}
        {added && (
          <Waterfall
            calculation={calculation}
            chosen={chosen}
            paint={paint}
            width={inner}
            height={compact || low ? 132 : 168}
          />
        )}
        {softmax && <SoftmaxBars calculation={calculation} step={softmax} index={index} width={inner} />}
        <Formula calculation={calculation} chosen={chosen} />
      </div>
    </div>
  )
}

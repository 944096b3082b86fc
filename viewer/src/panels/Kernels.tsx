/** The kernels of one output map, one heat map per input map, with their numbers where they fit. */
import { type ReadonlySignal, useComputed, useSignal } from '@preact/signals'
import type { JSX } from 'preact'
import type { Layer } from '../generated/recording'
import type { ViewerModel } from '../model'
import { formatFixed, formatValue } from '../numbers'
import { useShownParameter } from './compare/use-shown'
import { KernelOverview } from './KernelOverview'
import { type KernelGrid, kernelsOf, maxAbs, readsFrom } from './kernels'
import { cellColor, css, inkOn } from './ramps'
import { plural } from './text'
import { useStageScale } from './use-recorded'

/** Kernels up to this side show numbers side by side; up to the other, one at a time; above it colours only. */
const SIDE_BY_SIDE = 3
const WITH_NUMBERS = 7
const AT_FIRST = 4
const SMALL_AT_FIRST = 8

interface GridProps {
  model: ViewerModel
  grid: KernelGrid
  largest: number
  digits: number | null
}

export function Cells({ model, grid, largest, digits }: GridProps): JSX.Element {
  const theme = useComputed(() => model.state.value.theme).value
  const colors = useComputed(() => model.state.value.weightColors).value
  return (
    <div class={`cells ${digits === null ? 'small' : ''}`} style={{ '--columns': grid.width }}>
      {Array.from(grid.values, (w, i) => {
        const ground = cellColor(theme, colors, largest > 0 ? w / largest : 0)
        return (
          <span
            key={i}
            style={{ background: css(ground), color: inkOn(ground) }}
            title={`(${Math.floor(i / grid.width)}, ${i % grid.width}): ${formatValue(w)}`}
          >
            {digits === null ? '' : formatFixed(w, digits)}
          </span>
        )
      })}
    </div>
  )
}

interface SetProps {
  model: ViewerModel
  grids: KernelGrid[]
  largest: number
  from: string
  compact: boolean
}

function SideBySide({ model, grids, largest, from, compact }: SetProps): JSX.Element {
  const all = useSignal(false)
  const shown = all.value ? grids : grids.slice(0, AT_FIRST)
  return (
    <>
      <div class={`kernels ${grids.length === 1 ? 'single' : ''}`}>
        {shown.map(grid => (
          <figure key={grid.input}>
            <Cells model={model} grid={grid} largest={largest} digits={compact ? 1 : 2} />
            <figcaption>
              <span class="from">from&nbsp;</span>
              <span class="ellipsis">{from}</span>
              &nbsp;· {grid.input}
            </figcaption>
          </figure>
        ))}
      </div>
      <More all={all} hidden={grids.length - AT_FIRST} />
    </>
  )
}

function OneByOne({ model, grids, largest, from, compact }: SetProps): JSX.Element {
  const all = useSignal(false)
  const chosen = useSignal(0)
  const large = grids[Math.min(chosen.value, grids.length - 1)]
  const shown = all.value ? grids : grids.slice(0, SMALL_AT_FIRST)
  const numbers = large.width <= WITH_NUMBERS
  const figure = (
    <figure class="large">
      <Cells model={model} grid={large} largest={largest} digits={numbers ? (large.width > 5 ? 1 : 2) : null} />
      <figcaption>
        from {from} · {large.input}
      </figcaption>
    </figure>
  )
  // On a phone the choice comes first: the large one may be below the fold.
  return (
    <>
      {!compact && figure}
      {grids.length > 1 && (
        <div class="kernels small">
          {shown.map((grid, i) => (
            <button
              key={grid.input}
              type="button"
              aria-pressed={grid === large}
              aria-label={`Kernel over ${from}, map ${grid.input}`}
              onClick={() => {
                chosen.value = i
              }}
            >
              <Cells model={model} grid={grid} largest={largest} digits={null} />
            </button>
          ))}
        </div>
      )}
      <More all={all} hidden={grids.length - SMALL_AT_FIRST} />
      {compact && figure}
    </>
  )
}

function More({ all, hidden }: { all: { value: boolean }; hidden: number }): JSX.Element | null {
  if (hidden <= 0) return null
  return (
    <button
      type="button"
      class="link"
      onClick={() => {
        all.value = !all.value
      }}
    >
      {all.value ? 'fewer' : `+${hidden} more`}
    </button>
  )
}

interface Props {
  model: ViewerModel
  layer: Layer
  map: ReadonlySignal<number | null>
  compact: boolean
}

export function Kernels({ model, layer, map, compact }: Props): JSX.Element {
  const parameter = layer.parameters?.find(p => p.shape.length > 2)
  const tensor = useShownParameter(model, layer.id, parameter?.role ?? 'kernel').value
  const scale = useStageScale(model, layer).value
  if (!parameter) return <p class="empty section">kernel not recorded</p>
  if (!tensor) return <p class="empty section">loading the kernel</p>
  const from = readsFrom(model.recording.index.network, layer)
  const name = from?.name ?? 'input'
  const largest = scale ?? maxAbs(tensor)
  if (map.value === null) return <KernelOverview model={model} layer={layer} tensor={tensor} largest={largest} />
  const grids = kernelsOf(layer, tensor, map.value)
  if (grids.length === 0) return <p class="empty section">no kernel for this map</p>
  const all =
    grids.length === 1 ? '' : `, ${grids.length <= AT_FIRST ? 'all ' : ''}${plural(grids.length, 'input map')}`
  const View = grids[0].width <= SIDE_BY_SIDE && grids[0].height <= SIDE_BY_SIDE ? SideBySide : OneByOne
  return (
    <section class="section kernel-section">
      {!compact && (
        <h3>
          Kernel of map {map.value}
          {all}
        </h3>
      )}
      <View model={model} grids={grids} largest={largest} from={name} compact={compact} />
    </section>
  )
}

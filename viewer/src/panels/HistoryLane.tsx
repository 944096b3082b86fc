/** The lane of the timeline that shows what the sample was taken for: a dot where that was right, a cross where not. */
import { type ReadonlySignal, useComputed } from '@preact/signals'
import type { JSX } from 'preact'
import { useMemo } from 'preact/hooks'
import type { ViewerModel } from '../model'
import { classNames } from '../scores'
import { type Mark, marksOf, tally } from './history-marks'

/** Below this distance of checkpoints, px, marks become stretches. */
const JOINED_PX = 12
/** Px of one character of a class's name. */
const CHARACTER = 6.2
const LONGEST_NAME = 14

interface History {
  predictions: (number | null)[]
  truth: number | null
  names: string[]
}

/** Changes with the sample and with what is loaded, not with the playhead. */
export function useHistory(model: ViewerModel): ReadonlySignal<History> {
  const { index } = model.recording
  // The model makes a new list whenever anything arrives; its text says whether it is another one.
  const key = useComputed(() =>
    JSON.stringify([model.predictions.value, index.samples.labels?.[model.state.value.sample] ?? null]),
  )
  return useComputed(() => {
    const [predictions, truth] = JSON.parse(key.value)
    const largest = Math.max(-1, truth ?? -1, ...predictions.map((p: number | null) => p ?? -1))
    return { predictions, truth, names: classNames(index, Math.max(index.classes?.length ?? 0, largest + 1)) }
  })
}

interface Props {
  model: ViewerModel
  /** Width of the axis and the lane's middle, px. */
  width: number
  y: number
}

export function HistoryLane({ model, width, y }: Props): JSX.Element | null {
  const history = useHistory(model).value
  const current = useComputed(() => Math.round(model.state.value.epoch)).value
  const last = history.predictions.length - 1
  const gap = width / Math.max(1, last)
  const joined = gap < JOINED_PX
  const marks = useMemo(() => marksOf(history.predictions, history.truth, joined), [history, joined])
  if (marks.every(m => m.prediction === null)) return null
  return (
    <g class="history" transform={`translate(0 ${y})`}>
      {marks.map(mark => (
        <MarkShape
          key={mark.from}
          mark={mark}
          name={mark.prediction === null ? '' : (history.names[mark.prediction] ?? String(mark.prediction))}
          gap={gap}
          now={current >= mark.from && current <= mark.to}
          atEnd={mark.from === last && last > 0}
        />
      ))}
    </g>
  )
}

interface MarkProps {
  mark: Mark
  name: string
  gap: number
  now: boolean
  /** At the right edge: the name goes to the left. */
  atEnd: boolean
}

function MarkShape({ mark, name, gap, now, atEnd }: MarkProps): JSX.Element {
  const x = mark.from * gap
  const length = (mark.to - mark.from) * gap
  const kind = mark.prediction === null ? 'unknown' : mark.right === false ? 'wrong' : 'right'
  const short = name.length > LONGEST_NAME ? `${name.slice(0, LONGEST_NAME - 1)}…` : name
  // The last name shares its gap with the one before.
  const room = atEnd ? gap / 2 - 12 : (length || gap) - 16
  return (
    <g class={`${kind} ${now ? 'now' : ''}`} transform={`translate(${x.toFixed(1)} 0)`}>
      {length > 0 && <line x1="5" x2={Math.max(5, length - 3)} />}
      {kind === 'unknown' && <circle r="1" />}
      {kind === 'right' && <circle r={now ? 3.5 : 2.75} />}
      {kind === 'wrong' && <path d="M-2.75 -2.75l5.5 5.5M2.75 -2.75l-5.5 5.5" />}
      {short.length * CHARACTER <= room && (
        <text x={atEnd ? -8 : 8} y="3.5" text-anchor={atEnd ? 'end' : undefined}>
          {short}
        </text>
      )}
    </g>
  )
}

/** The lane's entry in the head of the timeline: what the marks mean, with how many there are of each. */
export function HistoryKey({ model }: { model: ViewerModel }): JSX.Element | null {
  const { predictions, truth } = useHistory(model).value
  const { right, wrong, known } = tally(predictions, truth)
  if (known === 0) return null
  return (
    <span class="history-key">
      this sample
      {truth === null ? (
        ' at each checkpoint'
      ) : (
        <>
          <svg width="9" height="9" viewBox="-4.5 -4.5 9 9" class="right" aria-hidden="true">
            <circle r="2.75" />
          </svg>
          right <b>{right}</b>
          <svg width="9" height="9" viewBox="-4.5 -4.5 9 9" class="wrong" aria-hidden="true">
            <path d="M-2.75 -2.75l5.5 5.5M2.75 -2.75l-5.5 5.5" />
          </svg>
          wrong <b>{wrong}</b>
        </>
      )}
    </span>
  )
}

/** Marks of the timeline where insights appeared. A press goes there and opens the list. */
import type { JSX } from 'preact'
import { useMemo } from 'preact/hooks'
import type { ViewerModel } from '../../model'
import { marksOf } from '../../training/insights'
import type { Ui } from '../ui'
import { visit } from './Happened'
import { InsightShape } from './InsightGlyph'

/** Marks keep this distance, px. */
const APART = 13

interface Props {
  model: ViewerModel
  ui: Ui
  width: number
  /** The position at the axis' end. */
  end: number
  y: number
}

export function InsightMarks({ model, ui, width, end, y }: Props): JSX.Element {
  const insights = model.insights.value
  const marks = useMemo(
    () => marksOf(insights, (APART / Math.max(1, width)) * end).map(m => ({ ...m, x: (m.position / end) * width })),
    [insights, width, end],
  )
  return (
    <>
      {marks.map(mark => (
        <g
          key={mark.position}
          class="insight-mark"
          transform={`translate(${mark.x.toFixed(1)} ${y})`}
          onPointerDown={event => {
            // The plot below would take it for a drag of the playhead.
            event.stopPropagation()
            visit({ model, ui }, mark.insights[0])
            ui.training.value = true
          }}
        >
          <rect x="-7" y="-8" width="14" height="14" fill="transparent" />
          <InsightShape level={mark.level} />
          <title>{mark.insights.map(insight => insight.text).join('\n')}</title>
        </g>
      ))}
    </>
  )
}

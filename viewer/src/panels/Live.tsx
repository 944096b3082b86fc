/** The picture as text: what is selected as it changes, and a table of what is shown to read at leisure. */
import { useComputed } from '@preact/signals'
import type { JSX } from 'preact'
import { sideWords } from '../compare/words'
import type { ViewerModel } from '../model'
import { formatPercent, formatValue } from '../numbers'
import { axisOf, valueAt } from './axis'
import { useHistory } from './HistoryLane'
import { sampleName } from './Samples'
import { kindWord, outputShape, shapeLong, targetWords } from './text'
import { useInspectedValue } from './use-value'

export function Live({ model }: { model: ViewerModel }): JSX.Element {
  const text = useComputed(() => {
    const { pinned, selected, sample, calculation } = model.state.value
    const { index } = model.recording
    const parts: string[] = []
    if (pinned) parts.push(`${calculation ? 'Calculation of' : 'Pinned:'} ${targetWords(pinned, index)}.`)
    else if (selected) parts.push(`Selected: ${targetWords({ layer: selected }, index)}.`)
    const scores = model.scores.value
    // While the training plays, every frame has other scores: reading them out would never end.
    if (scores && !model.playing.value) {
      const percent = formatPercent(scores.values[scores.prediction])
      parts.push(`Sample ${sample + 1}: prediction ${scores.classes[scores.prediction]}, ${percent}.`)
    }
    return parts.join(' ')
  })
  return (
    <>
      <p class="for-readers" aria-live="polite">
        {text}
      </p>
      <div class="for-readers">
        <Shown model={model} />
        <HistoryTable model={model} />
      </div>
    </>
  )
}

type Row = [name: string, value: string]

function Table({ caption, rows }: { caption: string; rows: Row[] }): JSX.Element {
  return (
    <table>
      <caption>{caption}</caption>
      <tbody>
        {rows.map(([name, value]) => (
          <tr key={name}>
            <th scope="row">{name}</th>
            <td>{value}</td>
          </tr>
        ))}
      </tbody>
    </table>
  )
}

/** Follows what is pinned or selected, not the cursor, and waits while the training plays. */
function Shown({ model }: { model: ViewerModel }): JSX.Element {
  const id = useComputed(() => model.state.value.pinned?.layer ?? model.state.value.selected).value
  return <ShownTable key={id ?? ''} model={model} id={id} />
}

function ShownTable({ model, id }: { model: ViewerModel; id: string | null }): JSX.Element {
  const { network } = model.recording.index
  const layer = network.layers.find(l => l.id === id) ?? network.layers[0]
  const value = useInspectedValue(model, layer)
  const rows = useComputed(() => {
    if (model.playing.value) return '[]'
    const { pinned, sample, epoch } = model.state.value
    const { index } = model.recording
    const axis = axisOf(index.checkpoints)
    const list: Row[] = [
      ['Network', index.name],
      [axis.unit, String(valueAt(axis, epoch))],
      ['Sample', sampleName(model, sample)],
    ]
    const scores = model.scores.value
    if (scores) {
      list.push([
        'Prediction',
        `${scores.classes[scores.prediction]}, ${formatPercent(scores.values[scores.prediction])}`,
      ])
      list.push(['Truth', scores.truth === null ? 'not recorded' : scores.classes[scores.truth]])
    }
    for (const { letter, title, note } of sideWords(model))
      list.push([`Compared: ${letter}`, [title, note].filter(Boolean).join(', ')])
    if (id !== null && layer) {
      list.push(['Layer', `${layer.name}, ${kindWord(layer.kind, layer.op)}`])
      list.push(['Output', shapeLong(outputShape(layer))])
      if (pinned?.map !== undefined) list.push(['Map or unit', String(pinned.map)])
      if (pinned?.y !== undefined) list.push(['Pixel', `row ${pinned.y}, column ${pinned.x}`])
      if (pinned && !model.hover.value && value.value !== undefined) {
        list.push(['Value', value.value === null ? 'not recorded' : formatValue(value.value)])
      }
    }
    if (model.omissions.value.length > 0) list.push(['Left out', model.omissions.value.join('; ')])
    // As text, so that a frame that changes none of it renders nothing.
    return JSON.stringify(list)
  }).value
  return <Table caption="What is shown" rows={JSON.parse(rows)} />
}

function HistoryTable({ model }: { model: ViewerModel }): JSX.Element | null {
  const { predictions, truth, names } = useHistory(model).value
  const { checkpoints } = model.recording.index
  const rows = predictions.flatMap((prediction, i): Row[] => {
    if (prediction === null) return []
    const verdict = truth === null ? '' : prediction === truth ? ', right' : ', wrong'
    return [[checkpoints[i].label, `${names[prediction]}${verdict}`]]
  })
  return rows.length > 0 ? <Table caption="Prediction for this sample at each checkpoint" rows={rows} /> : null
}

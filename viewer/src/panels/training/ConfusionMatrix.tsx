/** Truth against prediction of the recorded samples at the shown epoch; a press on a cell shows its samples in turn. */
import { useComputed, useSignalEffect } from '@preact/signals'
import type { JSX } from 'preact'
import { useMemo, useRef } from 'preact/hooks'
import type { ViewerModel } from '../../model'
import { classNames } from '../../scores'
import { type Confusion, cellKey, confusionOf } from '../../training/confusion'
import { OverTime } from '../../training/over-time'
import { plural } from '../text'
import { allScores } from './scores'

interface Props {
  model: ViewerModel
  output: string
}

/** Of the checkpoint nearest to the epoch; while that is on its way, of the one before. */
function useConfusion({ model, output }: Props) {
  const store = useMemo(
    () =>
      new OverTime<number[][]>(
        'scores',
        (key, request) => model.loadLater(key, request),
        checkpoint => allScores(model.recording, output, checkpoint),
      ),
    [model, output],
  )
  const near = useComputed(() => Math.round(model.state.value.epoch))
  useSignalEffect(() => {
    const { checkpoints } = model.recording.index
    if (checkpoints[near.value]) store.need([near.value], checkpoints)
  })
  const last = useRef<Confusion | null>(null)
  return useComputed(() => {
    const { checkpoints, samples } = model.recording.index
    const scores = store.moments.value.get(checkpoints[near.value]?.index)
    if (scores) last.current = confusionOf(samples.labels ?? [], scores)
    return last.current
  })
}

export function ConfusionMatrix({ model, output }: Props): JSX.Element | null {
  const confusion = useConfusion({ model, output }).value
  const sample = useComputed(() => model.state.value.sample).value
  const { index } = model.recording
  const units = index.network.layers.find(l => l.id === output)?.output_shapes?.[0]?.[0] ?? 0
  const names = useMemo(() => classNames(index, units), [index, units])
  return (
    <section class="confusion" aria-label="Confusion">
      <h3>
        Truth ↓ prediction →{' '}
        {confusion && (
          <small>
            {confusion.right} of {plural(confusion.known, 'sample')} right
          </small>
        )}
      </h3>
      {confusion ? (
        <div class="scroll">
          <table style={{ '--classes': confusion.classes.length }}>
            <caption class="for-readers">Recorded samples by truth (rows) and prediction (columns)</caption>
            <thead>
              <tr>
                <td />
                {confusion.classes.map(c => (
                  <th key={c} scope="col" title={`predicted ${names[c]}`}>
                    <span>{names[c]}</span>
                  </th>
                ))}
              </tr>
            </thead>
            <tbody>
              {confusion.classes.map(truth => (
                <tr key={truth}>
                  <th scope="row" title={`truth ${names[truth]}`}>
                    <span>{names[truth]}</span>
                  </th>
                  {confusion.classes.map(prediction => (
                    <Cell
                      key={prediction}
                      model={model}
                      samples={confusion.cells.get(cellKey(truth, prediction)) ?? NONE}
                      shown={sample}
                      words={`truth ${names[truth]}, predicted ${names[prediction]}`}
                      right={truth === prediction}
                    />
                  ))}
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      ) : (
        <p class="empty">loading</p>
      )}
    </section>
  )
}

const NONE: number[] = []

interface CellProps {
  model: ViewerModel
  samples: number[]
  shown: number
  words: string
  right: boolean
}

function Cell({ model, samples, shown, words, right }: CellProps): JSX.Element {
  if (samples.length === 0) return <td class={right ? 'right' : ''} />
  const here = samples.indexOf(shown)
  const { names } = model.recording.index.samples
  const listed = samples.map(s => names?.[s] ?? `sample ${s}`).join(', ')
  return (
    <td class={right ? 'right' : 'wrong'}>
      <button
        type="button"
        aria-pressed={here >= 0}
        aria-label={`${words}: ${plural(samples.length, 'sample')}`}
        title={`${words}: ${listed}`}
        onClick={() => model.set({ sample: samples[(here + 1) % samples.length] })}
      >
        {samples.length}
      </button>
    </td>
  )
}

/** The class scores of the shown sample over the training: truth and prediction lit, a press goes to a moment. */
import { useComputed, useSignal } from '@preact/signals'
import type { JSX } from 'preact'
import { useMemo } from 'preact/hooks'
import type { Scores, ViewerModel } from '../../model'
import { formatPercent } from '../../numbers'
import { classNames, scoresOf } from '../../scores'
import { scoreLines } from '../../training/score-lines'
import { sampleName } from '../Samples'
import { MomentPicker, nearestMoment, useShownMoment } from './MomentPicker'
import { sampleScores } from './scores'
import { type Moment, useOverTime } from './use-over-time'

const HEIGHT = 100

interface Props {
  model: ViewerModel
  output: string
}

export function ScoreHistory({ model, output }: Props): JSX.Element {
  const sample = useComputed(() => model.state.value.sample).value
  return (
    <section class="score-history" aria-label="Scores of the sample">
      <h3>Scores of {sampleName(model, sample)}</h3>
      <Lines key={sample} model={model} output={output} sample={sample} />
    </section>
  )
}

function Lines({ model, output, sample }: Props & { sample: number }): JSX.Element {
  const { index } = model.recording
  const truth = index.samples.labels?.[sample] ?? null
  const hover = useSignal<number | null>(null)
  const moments = useOverTime<Scores>(model, `scores of sample ${sample}`, async checkpoint => {
    const values = await sampleScores(model.recording, output, checkpoint, sample)
    return scoresOf(Float32Array.from(values), classNames(index, values.length), truth)
  }).value
  const last = Math.max(1, index.checkpoints.length - 1)
  const x = (position: number) => (position / last) * 100
  const lines = useMemo(() => {
    const shown = moments.map(m => ({ position: m.position, values: m.value.values }))
    return scoreLines(shown, truth).map(line => ({
      class: line.class,
      path: line.points
        .map(
          (p, i) => `${i ? 'L' : 'M'}${((p.position / last) * 100).toFixed(2)} ${((1 - p.value) * HEIGHT).toFixed(2)}`,
        )
        .join(''),
    }))
  }, [moments, truth, last])
  const now = nearestMoment(moments, useShownMoment(model, hover))
  if (!now) return <p class="empty">loading</p>
  const { prediction, classes } = now.value
  const role = (c: number) => (c === truth ? 'truth' : c === prediction ? 'prediction' : '')
  // What is lit lies over the rest.
  const ordered = lines.toSorted((a, b) => Number(role(a.class) !== '') - Number(role(b.class) !== ''))
  return (
    <>
      <MomentPicker
        model={model}
        label="Class scores over the training"
        class="score-plot"
        at={share => share * last}
        hover={hover}
      >
        <svg viewBox={`0 0 100 ${HEIGHT}`} preserveAspectRatio="none" aria-hidden="true">
          <line class="half" x1="0" x2="100" y1={HEIGHT / 2} y2={HEIGHT / 2} />
          {ordered.map(line => (
            <path key={line.class} class={`line ${role(line.class)}`} d={line.path} />
          ))}
          <line class="now" x1={x(now.position)} x2={x(now.position)} y1="0" y2={HEIGHT} />
        </svg>
      </MomentPicker>
      <p class="caption">
        <span>{now.label}</span>
        {truth !== null && (
          <span class="truth">
            {prediction === truth ? 'right, ' : 'truth '}
            {classes[truth]} <b>{formatPercent(now.value.values[truth])}</b>
          </span>
        )}
        {prediction !== truth && (
          <span class="taken">
            taken for {classes[prediction]} <b>{formatPercent(now.value.values[prediction])}</b>
          </span>
        )}
      </p>
      <Table moments={moments} />
    </>
  )
}

function Table({ moments }: { moments: readonly Moment<Scores>[] }): JSX.Element {
  return (
    <div class="for-readers">
      <table>
        <caption>Best class of this sample at each checkpoint, and the score of the truth</caption>
        <tbody>
          {moments.map(({ position, label, value: { prediction, truth, classes, values } }) => (
            <tr key={position}>
              <th scope="row">{label}</th>
              <td>{`${classes[prediction]} ${formatPercent(values[prediction])}`}</td>
              {truth !== null && <td>{`truth ${classes[truth]} ${formatPercent(values[truth])}`}</td>}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  )
}

/** Class scores as bars, the prediction, and whether it is right. */
import type { JSX } from 'preact'
import type { Scores, ViewerModel } from '../model'
import { formatPercent } from '../numbers'
import { Glyph } from './icons'

/** More classes than this don't fit under bars: then the five best, by name. */
const MANY_CLASSES = 12

function className(scores: Scores, i: number): string {
  return scores.classes[i] ?? String(i)
}

function best(scores: Scores, count: number): number[] {
  return scores.values
    .map((_, i) => i)
    .sort((a, b) => scores.values[b] - scores.values[a])
    .slice(0, count)
}

function Bars({ scores, other }: { scores: Scores; other: Scores | null }): JSX.Element {
  return (
    <ol class="bars" aria-label="Class scores">
      {scores.values.map((value, i) => (
        <li
          key={className(scores, i)}
          class={i === scores.prediction ? 'predicted' : ''}
          title={`${className(scores, i)}: ${other ? `A ${formatPercent(value)}, B ${formatPercent(other.values[i] ?? 0)}` : formatPercent(value)}`}
        >
          <i style={{ '--score': Math.min(1, Math.max(0, value)) }}>
            {/* B's score stands as a line over A's. */}
            {other && <s style={{ '--score': Math.min(1, Math.max(0, other.values[i] ?? 0)) }} />}
          </i>
          <span>{className(scores, i)}</span>
        </li>
      ))}
    </ol>
  )
}

function TopFive({ scores }: { scores: Scores }): JSX.Element {
  return (
    <ol class="top-five" aria-label="Best classes">
      {best(scores, 5).map(i => (
        <li key={i} class={i === scores.prediction ? 'predicted' : ''} title={className(scores, i)}>
          <span>{className(scores, i)}</span>
          <i style={{ '--score': Math.min(1, Math.max(0, scores.values[i])) }} />
          <b>{formatPercent(scores.values[i])}</b>
        </li>
      ))}
    </ol>
  )
}

export function ScoreBars({ model }: { model: ViewerModel }): JSX.Element | null {
  const scores = model.scores.value
  if (!scores) return null
  const names = scores.classes.every(c => c.length <= 2)
  return names && scores.values.length <= MANY_CLASSES ? (
    <Bars scores={scores} other={model.comparison.other.value?.readings.scores.value ?? null} />
  ) : (
    <TopFive scores={scores} />
  )
}

export function Prediction({ model }: { model: ViewerModel }): JSX.Element {
  const scores = model.scores.value
  if (!scores) {
    const begun = model.recording.index.checkpoints.length > 0
    return <p class="prediction muted">{begun ? 'scores not recorded' : 'no checkpoint yet'}</p>
  }
  const { prediction, truth } = scores
  const right = truth === prediction
  return (
    <dl class="prediction" title={scores.softmaxed ? 'softmax of the recorded outputs' : undefined}>
      <div>
        <dt>prediction</dt>
        <dd>
          <b>{className(scores, prediction)}</b>
          <small>{formatPercent(scores.values[prediction])}</small>
        </dd>
      </div>
      <div>
        <dt>truth</dt>
        <dd>
          <b class="truth">{truth === null ? 'not recorded' : className(scores, truth)}</b>
          {truth !== null && (
            <span class={right ? 'right' : 'wrong'} role="img" aria-label={right ? 'right' : 'wrong'}>
              <Glyph name={right ? 'check' : 'cross'} size={13} />
            </span>
          )}
        </dd>
      </div>
    </dl>
  )
}

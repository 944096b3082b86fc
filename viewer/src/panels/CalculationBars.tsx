/** Draws the waterfall, and for a softmax all its inputs and outputs. */
import type { JSX } from 'preact'
import type { Calculation, CalculationStep } from '../explain/calculation'
import type { Index } from '../generated/recording'
import { formatFixed, formatPercent, formatSigned } from '../numbers'
import { type Bar, barsOf } from './calculation-bars'
import type { Paint } from './calculation-cells'
import { type Chosen, layerOf } from './calculation-rows'
import { css, weightColor } from './ramps'
import { mapWord, outputShape } from './text'

const NARROWEST = 56
const BELOW = 20
const ABOVE = 16

interface Props {
  calculation: Calculation
  chosen: Chosen
  paint: Paint
  width: number
  height: number
}

export function Waterfall({ calculation, chosen, paint, width, height }: Props): JSX.Element {
  const bars = barsOf(calculation, chosen, Math.floor(width / NARROWEST))
  const ends = bars.flatMap(bar => [bar.from, bar.to]).filter(Number.isFinite)
  const [low, high] = [Math.min(0, ...ends), Math.max(0, ...ends)]
  const scale = (height - BELOW - ABOVE - (low < 0 ? 4 : 0)) / (high - low || 1)
  const y = (value: number) => ABOVE + (high - (Number.isFinite(value) ? value : 0)) * scale
  const step = width / bars.length
  const bar = Math.min(step - 14, 90)
  const fill = ({ kind, from, to }: Bar) =>
    kind === 'term' ? css(weightColor(paint.theme, paint.weights, to < from ? -1 : 1)) : undefined
  return (
    <svg class="waterfall" width={width} height={height} role="img" aria-label={words(bars)}>
      <line class="zero" x1="0" x2={width} y1={y(0)} y2={y(0)} />
      {bars.map((b, i) => {
        const left = i * step + (step - bar) / 2
        const top = Math.min(y(b.from), y(b.to))
        const next = bars[i + 1]
        return (
          <g key={`${b.label}${i}`} class={b.kind}>
            <rect
              x={left}
              y={top}
              width={bar}
              height={Math.max(1.5, Math.abs(y(b.to) - y(b.from)))}
              rx="2"
              fill={fill(b)}
            />
            {next && next.kind !== 'recorded' && (b.kind === 'term' || next.kind === 'term') && (
              <line class="join" x1={left + bar} x2={left + step} y1={y(b.to)} y2={y(b.to)} />
            )}
            <text class="number" x={left + bar / 2} y={top - 6}>
              {numberOn(b, step < 60 ? 2 : 3)}
            </text>
            <text class="label" x={left + bar / 2} y={height - 4}>
              {b.label.length * 5.9 <= step - 4 ? b.label : b.short}
            </text>
          </g>
        )
      })}
    </svg>
  )
}

function numberOn({ kind, from, to }: Bar, digits: number): string {
  const value = kind === 'term' ? to - from : to
  if (value === 0) return '0'
  return kind === 'term' ? formatSigned(value, digits) : formatFixed(value, digits)
}

function words(bars: Bar[]): string {
  const word = (bar: Bar) => `${bar.label} ${formatFixed(bar.kind === 'term' ? bar.to - bar.from : bar.to, 3)}`
  return `How the value adds up: ${bars.map(word).join(', ')}`
}

const NARROWEST_CLASS = 46

interface SoftmaxProps {
  calculation: Calculation
  step: CalculationStep
  index: Index
  width: number
}

/** Which maps are shown: all, or those with the largest outputs and always the one in question. */
function shownMaps(outputs: number[], own: number, most: number): number[] {
  const maps = outputs.map((_, map) => map)
  if (maps.length <= most) return maps
  const best = maps.toSorted((a, b) => outputs[b] - outputs[a]).slice(0, most)
  return best.includes(own) ? best : [...best.slice(0, -1), own]
}

export function SoftmaxBars({ calculation, step, index, width }: SoftmaxProps): JSX.Element | null {
  const { inputs = [], outputs = [] } = step
  const layer = layerOf(index, calculation.layer)
  const own = step.own ?? calculation.map
  const maps = shownMaps(outputs, own, Math.floor((width - 44) / NARROWEST_CLASS))
  const largest = Math.max(...inputs.map(Math.abs), 1e-9)
  const ofMaps = layer && outputs.length === outputShape(layer)[0]
  const name = (map: number) => (ofMaps ? (index.classes?.[map] ?? mapWord(layer, map, index)) : String(map))
  return (
    <table class="softmax">
      <caption>
        softmax over {inputs.length}
        {maps.length < inputs.length ? `, the ${maps.length} likeliest` : ''}
      </caption>
      <tbody>
        <tr>
          <th scope="row">class</th>
          {maps.map(map => (
            <th key={map} scope="col" class={map === own ? 'own' : ''} title={name(map)}>
              {name(map)}
            </th>
          ))}
        </tr>
        <tr>
          <th scope="row">logit</th>
          {maps.map(map => (
            <td key={map} class={`logit ${inputs[map] < 0 ? 'minus' : 'plus'} ${map === own ? 'own' : ''}`}>
              {formatFixed(inputs[map], 2)}
              <i style={{ '--share': Math.abs(inputs[map]) / largest }} />
            </td>
          ))}
        </tr>
        <tr>
          <th scope="row">share</th>
          {maps.map(map => (
            <td key={map} class={`share ${map === own ? 'own' : ''}`}>
              {formatPercent(outputs[map])}
              <i style={{ '--share': outputs[map] }} />
            </td>
          ))}
        </tr>
      </tbody>
    </table>
  )
}

/** A slider with its number; stops are named places on it that can be clicked. */
import { type ReadonlySignal, useComputed } from '@preact/signals'
import type { ComponentChildren, JSX } from 'preact'
import type { ViewerModel } from '../model'
import { bundleInForce, layerView } from '../state'
import { Chip } from './Choices'
import {
  type NumberField,
  readField,
  resetField,
  type Scope,
  type Stop,
  shareOf,
  shown,
  valueAtShare,
  writeField,
} from './fields'
import { Reset } from './Group'
import { NumberInput } from './NumberInput'
import { useName } from './use-name'

interface Props extends Pick<NumberField, 'label' | 'min' | 'max' | 'step' | 'digits' | 'middle' | 'stops'> {
  value: ReadonlySignal<number>
  /** Draws only the track: label and number stand elsewhere. */
  bare?: boolean
  /** Stands between the label and the number. */
  extra?: ComponentChildren
  onChange(value: number): void
  onReset?(): void
}

/** The range input counts thousandths of its length, so that curved scales move as smoothly as straight ones. */
const FINE = 1000
/** This close to a stop, as a share of the length, a drag lands on it. */
const SNAP = 0.012

function nearestStop(stops: Stop[] | undefined, value: number): Stop | undefined {
  return stops?.find(s => Math.abs(s.at - value) < 0.005)
}

function Track({ id, ...props }: Props & { id: string }): JSX.Element {
  const { label, value, digits, stops, step, min, max, onChange } = props
  const v = value.value
  const stop = nearestStop(stops, v)
  const text = shown(v, digits)
  return (
    <div class="slider-track">
      {stops?.map(s => (
        <i key={s.at} class="tick" style={{ '--at': shareOf(props, s.at) }} />
      ))}
      {props.middle !== undefined && <i class="tick" style={{ '--at': 0.5 }} />}
      <input
        id={id}
        type="range"
        min={0}
        max={FINE}
        step={1}
        value={Math.round(shareOf(props, v) * FINE)}
        aria-label={label}
        aria-valuetext={stop ? `${text}, ${stop.name}` : text}
        onInput={event => {
          const share = event.currentTarget.valueAsNumber / FINE
          const near = stops?.find(s => Math.abs(shareOf(props, s.at) - share) < SNAP)
          onChange(near ? near.at : Number(valueAtShare(props, share).toFixed(digits)))
        }}
        onKeyDown={event => {
          const by = { ArrowRight: 1, ArrowUp: 1, ArrowLeft: -1, ArrowDown: -1, PageUp: 10, PageDown: -10 }[event.key]
          if (by === undefined) return
          // Steps of the value itself, not of thousandths; and no snapping, which would hold small steps back.
          event.preventDefault()
          event.stopPropagation()
          onChange(Math.min(max, Math.max(min, Number((value.peek() + by * step).toFixed(digits)))))
        }}
      />
    </div>
  )
}

function Stops(props: Props & { stops: Stop[] }): JSX.Element {
  const at = nearestStop(props.stops, props.value.value)
  return (
    <div class="stops">
      {props.stops.map(s => (
        <button
          key={s.at}
          type="button"
          title={s.title}
          tabIndex={-1}
          class={s === at ? 'at' : ''}
          style={{ '--at': shareOf(props, s.at) }}
          onClick={() => props.onChange(s.at)}
        >
          {s.name}
        </button>
      ))}
    </div>
  )
}

export function Slider(props: Props): JSX.Element {
  const { label, value, min, max, step, digits, stops, onChange, onReset } = props
  const id = useName()
  return (
    <div class="slider" style={{ '--share': shareOf(props, value.value) }}>
      {!props.bare && (
        <div class="slider-head">
          <label for={id} onDblClick={onReset} title={onReset && 'Double click: back to the default'}>
            {label}
          </label>
          {props.extra}
          <NumberInput {...{ label, value, min, max, step, digits, onChange }} />
        </div>
      )}
      <Track {...props} id={id} />
      {stops && !props.bare && <Stops {...props} stops={stops} />}
    </div>
  )
}

interface FieldProps {
  model: ViewerModel
  scope: Scope
  field: NumberField
}

/** A slider for one number of the state. */
export function FieldSlider({ model, scope, field }: FieldProps): JSX.Element {
  // The bundling follows from the expansion as long as nobody sets it.
  const value = useComputed(() => {
    const set = readField(model, scope, field.key) ?? bundleInForce(layerView(model.state.value, scope ?? ''))
    // A limit for all layers can be beyond what this one has.
    return Math.min(field.max, set)
  })
  const set = (v: number | null) => writeField(model, scope, field.key, v as number)
  const extra = (
    <>
      <Reset model={model} scope={scope} field={field.key} label={field.label} />
      {field.initial === null && <Auto model={model} scope={scope} field={field} />}
    </>
  )
  return (
    <Slider {...field} value={value} extra={extra} onChange={set} onReset={() => resetField(model, scope, field.key)} />
  )
}

/** For a value that follows from another control unless it is set. */
function Auto({ model, scope, field }: FieldProps): JSX.Element {
  const auto = useComputed(() => readField(model, scope, field.key) === null)
  return (
    <Chip
      pressed={auto}
      title={`${field.label} follows from the expansion`}
      onClick={() => writeField(model, scope, field.key, null as never)}
    >
      auto
    </Chip>
  )
}

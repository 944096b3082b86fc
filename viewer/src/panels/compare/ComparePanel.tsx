/** What is compared with what, how it is shown, and what changed most. */
import { type ReadonlySignal, useComputed } from '@preact/signals'
import type { JSX } from 'preact'
import { useEffect, useMemo, useRef } from 'preact/hooks'
import { swapped, toggleCompare } from '../../compare/toggle'
import type { ViewerModel } from '../../model'
import type { Compared } from '../../state'
import { Tool } from '../Actions'
import { axisOf, positionOf, valueAt } from '../axis'
import { Choices, Toggle } from '../Choices'
import { NumberInput } from '../NumberInput'
import { sampleName, Thumbnail } from '../Samples'
import { useName } from '../use-name'

interface Props {
  model: ViewerModel
}

export function CompareButton({ model, words }: Props & { words?: boolean }): JSX.Element {
  const on = useComputed(() => model.state.value.compare !== null).value
  return (
    <Tool
      glyph="compare"
      name={on ? 'Stop comparing' : 'Compare'}
      hint="V"
      label={words ? (on ? 'Stop comparing' : 'Compare') : undefined}
      pressed={on}
      onClick={() => toggleCompare(model)}
    />
  )
}

const SHOWS = [
  { value: 'side' as const, name: 'side by side' },
  { value: 'difference' as const, name: 'difference' },
]

export function CompareControls({ model }: Props): JSX.Element | null {
  const compare = useComputed(() => model.state.value.compare)
  const on = compare.value !== null
  const kind = useComputed(() => compare.value?.with ?? 'checkpoint')
  const show = useComputed(() => compare.value?.show ?? 'side')
  const second = model.comparison.second.value
  if (!on) return null
  const patch = (change: Partial<Compared>) => model.set({ compare: { ...compare.peek()!, ...change } })
  const kinds: { value: Compared['with']; name: string }[] = [
    { value: 'checkpoint', name: axisOf(model.recording.index.checkpoints).unit },
    { value: 'sample', name: 'sample' },
    ...(second ? [{ value: 'recording' as const, name: 'recording' }] : []),
  ]
  const choose = (value: Compared['with']) => {
    const { epoch, sample } = model.state.peek()
    const others: Record<Compared['with'], Partial<Compared>> = {
      checkpoint: { epoch: epoch < 0.5 ? model.recording.index.checkpoints.length - 1 : 0, sample: undefined },
      sample: { sample: sample === 0 ? 1 : 0, epoch: undefined },
      recording: { epoch: undefined, sample: undefined },
    }
    if (value !== kind.peek()) patch({ with: value, ...others[value] })
  }
  return (
    <div class="compare-controls">
      <Choices label="Compare with another" choices={kinds} value={kind} onChange={choose} />
      {kind.value === 'sample' && <SampleOfB model={model} />}
      {kind.value === 'checkpoint' && <EpochOfB model={model} of={model.recording.index.checkpoints} />}
      {kind.value === 'recording' && second && <RecordingB model={model} second={second} />}
      <Choices label="Show" choices={SHOWS} value={show} onChange={value => patch({ show: value })} />
    </div>
  )
}

/** A and B exchanged, and the way out. */
export function CompareTools({ model }: Props): JSX.Element {
  const swap = useComputed(() => swapped(model.state.value) !== null).value
  return (
    <>
      {swap && <Tool glyph="swap" name="Swap A and B" onClick={() => model.set(swapped(model.state.peek()) ?? {})} />}
      <Tool glyph="cross" name="Stop comparing" hint="V" onClick={() => toggleCompare(model)} />
    </>
  )
}

type Checkpoints = ViewerModel['recording']['index']['checkpoints']

function EpochOfB({ model, of }: Props & { of: Checkpoints }): JSX.Element {
  const axis = useMemo(() => axisOf(of), [of])
  const value = useComputed(() => valueAt(axis, model.comparison.state.value.epoch))
  const { values, unit, digits } = axis
  return (
    <p class="of-b">
      <b>B</b>
      <span class="key-value">
        {unit}
        <NumberInput
          label={`${unit} of B`}
          value={value}
          min={values[0] ?? 0}
          max={values.at(-1) ?? 0}
          step={unit === 'epoch' ? 1 : Math.max(1, ((values.at(-1) ?? 0) - (values[0] ?? 0)) / 100)}
          digits={digits}
          onChange={v => model.set({ compare: { ...model.state.peek().compare!, epoch: positionOf(axis, v) } })}
        />
      </span>
    </p>
  )
}

function SampleOfB({ model }: Props): JSX.Element {
  const { count } = model.recording.index.samples
  const group = useName()
  const chosen = useComputed(() => model.state.value.compare?.sample ?? 0)
  return (
    <div class="samples-of-b scroll" role="radiogroup" aria-label="Sample of B">
      {Array.from({ length: count }, (_, sample) => (
        <SampleTile key={sample} model={model} sample={sample} chosen={chosen} group={group} />
      ))}
    </div>
  )
}

interface TileProps extends Props {
  sample: number
  chosen: ReadonlySignal<number>
  group: string
}

function SampleTile({ model, sample, chosen, group }: TileProps): JSX.Element {
  const is = useComputed(() => chosen.value === sample).value
  const tile = useRef<HTMLLabelElement>(null)
  useEffect(() => {
    if (is) tile.current?.scrollIntoView({ block: 'nearest', inline: 'nearest' })
  }, [is])
  const name = sampleName(model, sample)
  return (
    <label ref={tile} class={`thumbnail ${is ? 'chosen' : ''}`} title={name}>
      <input
        type="radio"
        class="cover"
        name={group}
        aria-label={`B: ${name}`}
        checked={is}
        onChange={() => model.set({ compare: { ...model.state.peek().compare!, sample } })}
      />
      <Thumbnail model={model} sample={sample} />
    </label>
  )
}

function RecordingB({ model, second }: Props & { second: ViewerModel['recording'] }): JSX.Element {
  const follows = useComputed(() => model.state.value.compare?.epoch === undefined)
  const writing = model.comparison.writing.value
  const set = (epoch: number | undefined) => model.set({ compare: { ...model.state.peek().compare!, epoch } })
  return (
    <>
      <p class="of-b">
        <b>B</b>
        <span class="ellipsis" title={second.index.name}>
          {second.index.name}
        </span>
        {writing && (
          <span class="live">
            <b class="on">
              <i />
              LIVE
            </b>
          </span>
        )}
      </p>
      <Toggle
        label="the same moment as A"
        value={follows}
        onChange={on => set(on ? undefined : model.comparison.state.peek().epoch)}
      />
      {!follows.value && <EpochOfB model={model} of={second.index.checkpoints} />}
    </>
  )
}

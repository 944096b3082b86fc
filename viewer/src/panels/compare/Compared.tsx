/** A, B and their difference among the inspector's numbers. */
import { useComputed } from '@preact/signals'
import type { JSX } from 'preact'
import type { Whose } from '../../compare/comparison'
import type { Layer } from '../../generated/recording'
import type { ViewerModel } from '../../model'
import { formatSigned, formatValue } from '../../numbers'
import { Choices } from '../Choices'
import { indexIn } from '../use-value'
import { useWhose } from './use-shown'

interface Props {
  model: ViewerModel
  layer: Layer
  /** A's value; null where it is not recorded or not loaded yet. */
  value: number | null
}

/** Below A's value: B's, and B − A. */
export function ComparedRows({ model, layer, value }: Props): JSX.Element | null {
  const other = useComputed(() => {
    const b = model.comparison.other.value
    const target = model.inspected.value
    const at = target?.layer === layer.id ? indexIn(layer, target) : null
    if (!b || at === null) return undefined
    // Read for its subscription: it changes whenever something has been loaded.
    b.readings.summaryAt(layer.id)
    return b.readings.outputOf(layer.id, at, at + 1)?.[0] ?? null
  }).value
  if (other === undefined) return null
  return (
    <>
      <div>
        <dt>in B</dt>
        <dd>{other === null ? 'not recorded' : formatValue(other)}</dd>
      </div>
      {value !== null && other !== null && (
        <div>
          <dt>B − A</dt>
          <dd>{formatSigned(other - value, 4)}</dd>
        </div>
      )}
    </>
  )
}

const choices = (['A', 'B', 'B − A'] satisfies Whose[]).map(value => ({ value, name: value }))

/** Whose weights the kernels below are. */
export function WhoseWeights({ model }: { model: ViewerModel }): JSX.Element | null {
  const whose = useWhose(model)
  if (whose.value === null) return null
  return (
    <div class="whose">
      <Choices
        label="Whose weights"
        choices={choices}
        value={whose}
        onChange={value => {
          if (value) model.comparison.whose.value = value
        }}
      />
    </div>
  )
}

/** Maps or units that are zero for all samples, by number; a click pins one. */
import { useSignal } from '@preact/signals'
import type { JSX } from 'preact'
import type { Layer } from '../generated/recording'
import type { ViewerModel } from '../model'
import { mapWord } from './text'

/** Two lines of numbers. */
const AT_FIRST = 16

interface Props {
  model: ViewerModel
  layer: Layer
  dead: readonly number[]
}

export function DeadMaps({ model, layer, dead }: Props): JSX.Element | null {
  const all = useSignal(false)
  if (dead.length === 0) return null
  const shown = all.value ? dead : dead.slice(0, AT_FIRST)
  return (
    <p class="dead">
      {shown.map(map => (
        <button
          key={map}
          type="button"
          aria-label={`Pin ${mapWord(layer, map, model.recording.index)}`}
          onClick={() => model.set({ pinned: { layer: layer.id, map }, selected: layer.id })}
        >
          {map}
        </button>
      ))}
      {dead.length > AT_FIRST && (
        <button
          type="button"
          class="link"
          aria-expanded={all.value}
          onClick={() => {
            all.value = !all.value
          }}
        >
          {all.value ? 'fewer' : `+${dead.length - AT_FIRST} more`}
        </button>
      )}
    </p>
  )
}

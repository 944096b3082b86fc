/** The way from the network down to one value; each part leads out to its level. */
import { useComputed } from '@preact/signals'
import type { JSX } from 'preact'
import type { ViewerModel } from '../model'
import type { StatePatch } from '../state'
import { Glyph } from './icons'
import { isVector, mapWord } from './text'

export function Breadcrumb({ model }: { model: ViewerModel }): JSX.Element | null {
  const pinned = useComputed(() => model.state.value.pinned).value
  const { index } = model.recording
  const layer = index.network.layers.find(l => l.id === pinned?.layer)
  if (!pinned || !layer || pinned.map === undefined) return null
  const levels: [string, StatePatch][] = [
    ['network', { calculation: false, pinned: null, selected: null }],
    [layer.name, { calculation: false, pinned: null, selected: layer.id }],
  ]
  const map = mapWord(layer, pinned.map, index)
  const vector = isVector(layer)
  if (!vector) levels.push([map, { calculation: false, pinned: { layer: layer.id, map: pinned.map } }])
  return (
    <nav class="breadcrumb" aria-label="Where you are">
      <ol>
        {levels.map(([name, patch]) => (
          <li key={name}>
            <button type="button" onClick={() => model.set(patch)}>
              {name}
            </button>
            <Glyph name="right" size={11} />
          </li>
        ))}
        <li aria-current="location">{vector ? map : `value (${pinned.y}, ${pinned.x})`}</li>
      </ol>
    </nav>
  )
}

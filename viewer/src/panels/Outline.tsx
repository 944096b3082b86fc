/** The layers of the network: search, modules that collapse, a click opens the layer's panel. */
import { type ReadonlySignal, type Signal, useComputed, useSignal, useSignalEffect } from '@preact/signals'
import type { JSX } from 'preact'
import { useEffect, useRef } from 'preact/hooks'
import type { Layer } from '../generated/recording'
import type { ViewerModel } from '../model'
import { formatCount, formatShape } from '../numbers'
import { Glyph, KindIcon } from './icons'
import { type OutlineRow, outlineRows } from './outline-rows'
import { kindWord, outputShape } from './text'

/** From this many layers on, modules start collapsed. */
const MANY_LAYERS = 24

export function SearchField({ query }: { query: Signal<string> }): JSX.Element {
  const field = useRef<HTMLInputElement>(null)
  useEffect(() => {
    const onKey = (event: KeyboardEvent) => {
      const typing = event.target instanceof HTMLElement && event.target.matches('input:not([type=range]), textarea')
      if (event.key !== '/' || typing || event.ctrlKey || event.metaKey || event.altKey) return
      event.preventDefault()
      field.current?.focus()
    }
    window.addEventListener('keydown', onKey)
    return () => window.removeEventListener('keydown', onKey)
  }, [])
  return (
    <label class="search">
      <Glyph name="search" />
      <input
        ref={field}
        type="text"
        placeholder="Find a layer"
        aria-label="Find a layer"
        autocomplete="off"
        spellcheck={false}
        value={query}
        onInput={event => {
          query.value = event.currentTarget.value
        }}
        onKeyDown={event => {
          event.stopPropagation()
          if (event.key !== 'Escape') return
          if (query.value) query.value = ''
          else event.currentTarget.blur()
        }}
      />
      <kbd>/</kbd>
    </label>
  )
}

interface RowProps {
  model: ViewerModel
  row: OutlineRow
  selected: ReadonlySignal<string | null>
  toggled: Signal<ReadonlySet<string>>
}

function LayerRow({ model, row, layer, selected }: Omit<RowProps, 'toggled'> & { layer: Layer }): JSX.Element {
  const isSelected = useComputed(() => selected.value === layer.id).value
  const own = useComputed(() => Object.hasOwn(model.state.value.layers, layer.id)).value
  const button = useRef<HTMLButtonElement>(null)
  useEffect(() => {
    if (isSelected) button.current?.scrollIntoView({ block: 'nearest' })
  }, [isSelected])
  const weighted = (layer.parameters?.length ?? 0) > 0 || layer.kind === 'input'
  return (
    <button
      ref={button}
      type="button"
      class={`row ${isSelected ? 'selected' : ''} ${weighted ? '' : 'quiet'}`}
      style={{ '--depth': row.depth }}
      aria-current={isSelected ? 'true' : undefined}
      title={`${layer.id} · ${kindWord(layer.kind, layer.op)}`}
      onClick={() => {
        // What is pinned would keep the inspector; a click on the selected layer goes back out to it, then to the network.
        const out = isSelected && !model.state.peek().pinned
        model.set({ selected: out ? null : layer.id, pinned: null })
      }}
    >
      <KindIcon kind={layer.kind} />
      <span class="name">
        {layer.name}
        {own && <i class="dot own" title="Has values of its own" />}
      </span>
      <span class="shape">{formatShape(outputShape(layer), 'HWC')}</span>
    </button>
  )
}

function ModuleRow({ row, toggled }: Pick<RowProps, 'row' | 'toggled'>): JSX.Element {
  const flip = () => {
    const next = new Set(toggled.peek())
    if (!next.delete(row.key)) next.add(row.key)
    toggled.value = next
  }
  return (
    <button type="button" class="row module" style={{ '--depth': row.depth }} aria-expanded={row.open} onClick={flip}>
      <KindIcon kind="module" />
      <span class="name">
        {row.module}
        <Glyph name={row.open ? 'down' : 'right'} size={11} />
      </span>
      <span class="shape">{row.count} layers</span>
    </button>
  )
}

export function LayerList({ model, query }: { model: ViewerModel; query: ReadonlySignal<string> }): JSX.Element {
  const { layers } = model.recording.index.network
  const openAtFirst = layers.length <= MANY_LAYERS
  const toggled = useSignal<ReadonlySet<string>>(new Set())
  const selected = useComputed(() => model.state.value.selected)
  const rows = useComputed(() => outlineRows(layers, query.value, key => toggled.value.has(key) !== openAtFirst)).value
  // A layer selected on the stage is shown in the list too, so its modules open.
  useSignalEffect(() => {
    const layer = layers.find(l => l.id === selected.value)
    if (!layer || query.peek() || rows.some(r => r.layer === layer)) return
    const all = outlineRows(layers, '', () => true)
    const at = all.findIndex(r => r.layer === layer)
    const next = new Set(toggled.peek())
    let depth = all[at].depth
    for (let i = at; i >= 0 && depth > 0; i--) {
      if (all[i].module === null || all[i].depth >= depth) continue
      depth = all[i].depth
      if (openAtFirst) next.delete(all[i].key)
      else next.add(all[i].key)
    }
    toggled.value = next
  })
  return (
    <nav class="rows scroll" aria-label="Layers">
      {rows.map(row =>
        row.layer ? (
          <LayerRow key={row.key} model={model} row={row} layer={row.layer} selected={selected} />
        ) : (
          <ModuleRow key={row.key} row={row} toggled={toggled} />
        ),
      )}
      {rows.length === 0 && <p class="empty">No layer of that name or kind.</p>}
    </nav>
  )
}

function size(shape: readonly number[]): number {
  return shape.reduce((a, b) => a * b, 1)
}

const weightRoles = new Set(['kernel', 'depthwise', 'pointwise'])

/** Weights of the network and how much of it is on the picture. */
export function Totals({ model }: { model: ViewerModel }): JSX.Element {
  const { layers } = model.recording.index.network
  // A parameter that two layers share has one key and counts once.
  const shapes = new Map(layers.flatMap(l => l.parameters ?? []).map(p => [p.key, p]))
  const sum = (wanted: boolean) =>
    [...shapes.values()].filter(p => weightRoles.has(p.role) === wanted).reduce((n, p) => n + size(p.shape), 0)
  const others = sum(false)
  const drawn = useComputed(() => {
    const { edgesDrawn, edgesTotal } = model.stats.value
    if (edgesTotal === 0 || edgesDrawn === 0) return 'none'
    const drawn = formatCount(edgesDrawn)
    // A ribbon may stand for the sum of many weights: then nothing is left out, though there are fewer ribbons.
    if (model.omissions.value.length > 0) return `${drawn} of ${formatCount(edgesTotal)}`
    return edgesDrawn === edgesTotal ? 'all' : `all, as ${drawn} ribbons`
  })
  const maps = useComputed(() => {
    const { mapsDrawn, mapsTotal } = model.stats.value
    return mapsDrawn < mapsTotal ? `${formatCount(mapsDrawn)} of ${formatCount(mapsTotal)}` : null
  }).value
  const row = (name: string, value: string | ReadonlySignal<string>) => (
    <div class={name === 'drawn' ? 'drawn' : ''}>
      <dt>{name}</dt>
      <dd>{value}</dd>
    </div>
  )
  return (
    <dl class="facts totals">
      {row('weights', formatCount(sum(true)))}
      {others > 0 && row('biases, norms', formatCount(others))}
      {row('drawn', drawn)}
      {maps && row('maps drawn', maps)}
    </dl>
  )
}

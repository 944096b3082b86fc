/** Rows of names and values: what a layer computes, and what the recording holds. */
import type { JSX } from 'preact'
import type { Layer } from '../generated/recording'
import type { ViewerModel } from '../model'
import { formatCount } from '../numbers'
import { readsFrom } from './kernels'
import { fusedWords, kindWord, outputShape, plural, shapeLong } from './text'

type Row = [name: string, value: string]

export function Facts({ rows }: { rows: Row[] }): JSX.Element {
  return (
    <dl class="facts">
      {rows.map(([name, value]) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd title={value.length > 24 ? value : undefined}>{value}</dd>
        </div>
      ))}
    </dl>
  )
}

function count(shape: readonly number[]): number {
  return shape.reduce((a, b) => a * b, 1)
}

function weightWords(layer: Layer): string {
  const parameters = layer.parameters ?? []
  const weights = parameters.filter(p => ['kernel', 'depthwise', 'pointwise'].includes(p.role))
  const bias = parameters.find(p => p.role === 'bias')
  const sum = weights.reduce((n, p) => n + count(p.shape), 0)
  return bias ? `${formatCount(sum)} + ${formatCount(count(bias.shape))} bias` : formatCount(sum)
}

/** "2", or "2×1" where the two directions differ. */
function pair(values: readonly number[] | null | undefined): string | null {
  if (!values?.length) return null
  return values.every(v => v === values[0]) ? String(values[0]) : values.join('×')
}

function paddingWords(layer: Layer): string | null {
  const sides = layer.attributes?.padding?.flat()
  if (!sides?.some(v => v > 0)) return null
  return sides.every(v => v === sides[0])
    ? String(sides[0])
    : (layer.attributes?.padding ?? []).map(p => p.join('–')).join(', ')
}

/** "3×3 over 4 maps", or "" for layers without a kernel. */
export function windowWords(model: ViewerModel, layer: Layer): string {
  const { kernel, groups } = layer.attributes ?? {}
  if (!kernel?.length) return layer.kind === 'dense' ? shapeLong(outputShape(layer)) : ''
  const from = readsFrom(model.recording.index.network, layer)
  const maps = from ? outputShape(from)[0] / (groups ?? 1) : undefined
  return maps === undefined || layer.kind.includes('pool')
    ? kernel.join('×')
    : `${kernel.join('×')} over ${plural(maps, 'map')}`
}

/** How the kernel or window lies on its input. */
function windowRows(model: ViewerModel, layer: Layer): Row[] {
  const { kernel, stride, dilation, groups } = layer.attributes ?? {}
  if (!kernel?.length) return []
  const rows: Row[] = []
  rows.push([layer.kind.includes('pool') ? 'window' : 'kernel', windowWords(model, layer)])
  if (pair(stride) !== null && pair(stride) !== '1') rows.push(['stride', pair(stride)!])
  if (pair(dilation) !== null && pair(dilation) !== '1') rows.push(['dilation', pair(dilation)!])
  if (groups && groups > 1) rows.push(['groups', formatCount(groups)])
  const padding = paddingWords(layer)
  if (padding !== null) rows.push(['padding', padding])
  return rows
}

/** Everything about a layer that doesn't change with the epoch. */
export function LayerFacts({ model, layer }: { model: ViewerModel; layer: Layer }): JSX.Element {
  const { network, completeness } = model.recording.index
  const from = readsFrom(network, layer)
  const rows: Row[] = []
  if (layer.kind === 'dense' && from) rows.push(['input', formatCount(count(outputShape(from)))])
  rows.push(['output', shapeLong(outputShape(layer))])
  rows.push(...windowRows(model, layer))
  if (layer.parameters?.some(p => p.shape.length > 1)) rows.push(['weights', weightWords(layer)])
  const norms = layer.parameters?.filter(p => ['gamma', 'beta', 'mean', 'variance'].includes(p.role)) ?? []
  if (norms.length > 0) rows.push(['has', norms.map(p => p.role).join(', ')])
  if (fusedWords(layer)) rows.push(['then', fusedWords(layer)])
  if ((layer.inputs?.length ?? 0) > 1) {
    const names = layer.inputs!.map(i => network.layers.find(l => l.id === i.layer)?.name ?? i.layer)
    rows.push(['reads', names.join(', ')])
  }
  const missing = completeness.missing?.[layer.id] ?? []
  if (missing.length > 0) rows.push(['not recorded', missing.join(', ')])
  return <Facts rows={rows} />
}

/** Shown while nothing is hovered, pinned or selected. */
export function NetworkFacts({ model }: { model: ViewerModel }): JSX.Element {
  const { index } = model.recording
  const kinds = new Map<string, number>()
  for (const layer of index.network.layers) kinds.set(layer.kind, (kinds.get(layer.kind) ?? 0) + 1)
  const rows: Row[] = [
    ['layers', formatCount(index.network.layers.length)],
    ...[...kinds]
      .filter(([kind]) => kind !== 'input' && kind !== 'output')
      .sort((a, b) => b[1] - a[1])
      .slice(0, 5)
      .map(([kind, n]): Row => [kindWord(kind as Layer['kind']), formatCount(n)]),
    ['checkpoints', formatCount(index.checkpoints.length)],
    ['samples', formatCount(index.samples.count)],
  ]
  if (index.classes) rows.push(['classes', formatCount(index.classes.length)])
  return (
    <>
      <Facts rows={rows} />
      {index.completeness.notes.length > 0 && (
        <section class="section notes">
          <h3>About this recording</h3>
          {index.completeness.notes.map(note => (
            <p key={note}>{note}</p>
          ))}
        </section>
      )}
      <p class="hint">Point at a map to see its kernel and numbers; click to keep it here.</p>
    </>
  )
}

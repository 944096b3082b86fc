/** Patch × kernel = products, Σ: one line for each input map. */
import { type ReadonlySignal, useComputed, useSignal } from '@preact/signals'
import type { JSX } from 'preact'
import type { Calculation } from '../explain/calculation'
import { formatFixed, formatSigned, formatValue } from '../numbers'
import { Matrix } from './CalculationMatrix'
import type { CellKind, Paint } from './calculation-cells'
import type { TableLayout } from './calculation-layout'
import type { Chosen, Row } from './calculation-rows'

interface Cell {
  key: string
  row: number
  column: number
  /** CSS px in the table's frame. */
  x: number
  y: number
  /** On which sides of the cursor there is room for its numbers. */
  side: string
}

interface Props {
  calculation: Calculation
  chosen: Chosen
  layout: TableLayout
  paint: Paint
}

const HEADS: Partial<Record<Calculation['operation'], string>> = { max: 'largest', min: 'smallest', mean: 'mean' }

export function CalculationTable({ calculation, chosen, layout, paint }: Props): JSX.Element {
  const cell = useSignal<Cell | null>(null)
  const weighted = chosen.rows.some(row => row.kernel)
  const joined = chosen.rows.length > 1 && !weighted
  const separable = chosen.rows.some(row => row.factor !== undefined)
  const weightedHead = separable ? '× pointwise' : weighted ? 'sum' : 'value'
  const summed = (joined ? null : HEADS[calculation.operation]) ?? weightedHead
  const single = layout.matrix.rows * layout.matrix.columns === 1
  const most = single ? Math.max(...chosen.rows.map(row => Math.abs(row.sum)), 1e-30) : null
  const style = {
    '--name': `${layout.name}px`,
    '--operator': `${layout.operator}px`,
    '--matrix': `${layout.matrix.width}px`,
  }
  return (
    <div
      class={`terms ${layout.stacked ? 'stacked' : ''} ${single ? 'single' : ''}`}
      style={style}
      onPointerMove={event => {
        cell.value = cellUnder(event, layout)
      }}
      onPointerDown={event => {
        cell.value = cellUnder(event, layout)
      }}
      onPointerLeave={() => {
        cell.value = null
      }}
    >
      <table>
        <thead>
          <tr>
            <th scope="col">{chosen.rows[0]?.patch.flat().length === 1 ? 'input' : 'input map'}</th>
            <th scope="col">{weighted ? 'patch' : 'values'}</th>
            {weighted && <th scope="col">kernel</th>}
            {weighted && <th scope="col">product</th>}
            <th scope="col">{summed}</th>
          </tr>
        </thead>
        <tbody>
          {chosen.rows.map(row => (
            <Line
              key={row.key}
              row={row}
              layout={layout}
              paint={paint}
              cell={cell}
              operation={calculation.operation}
              most={most}
            />
          ))}
        </tbody>
      </table>
      <Exact cell={cell} rows={chosen.rows} />
    </div>
  )
}

interface LineProps {
  row: Row
  layout: TableLayout
  paint: Paint
  cell: ReadonlySignal<Cell | null>
  operation: Calculation['operation']
  /** Lines of one cell have room for a bar: the largest |sum|; null for others. */
  most: number | null
}

function Line({ row, layout, paint, cell, operation, most }: LineProps): JSX.Element {
  // A string, so that moving within one cell renders nothing.
  const at = useComputed(() => (cell.value?.key === row.key ? `${cell.value.row},${cell.value.column}` : '')).value
  const marked = at ? (at.split(',').map(Number) as [number, number]) : null
  const winner = operation === 'max' ? winnerOf(row) : null
  const matrix = (kind: CellKind, values: (number | null)[][]) => (
    <Matrix
      kind={kind}
      layer={row.layer}
      values={values}
      size={layout.matrix}
      paint={paint}
      marked={marked}
      winner={winner}
    />
  )
  return (
    <tr data-key={row.key}>
      <th scope="row" title={row.name}>
        <span>{row.from}</span> {row.number && <b>· {row.number}</b>}
      </th>
      <td>{matrix('patch', row.patch)}</td>
      {row.kernel && (
        <>
          <td class="times">{matrix('kernel', row.kernel)}</td>
          <td class="equals">{matrix('product', row.products)}</td>
        </>
      )}
      <td class={`sum ${row.kernel ? signOf(row.sum) : ''}`}>
        {row.kernel && most !== null && <i style={{ '--share': Math.abs(row.sum) / most }} />}
        {row.kernel && most === null && <span aria-hidden="true">Σ </span>}
        {row.kernel ? formatSigned(row.sum, 3) : formatValue(row.sum)}
        {row.factor !== undefined && <small>{factorWords(row)}</small>}
      </td>
    </tr>
  )
}

/** "0.412 × 0.313": what the depthwise kernel gives, times the pointwise weight. */
function factorWords({ products, factor = 1 }: Row): string {
  const sum = products.flat().reduce<number>((a, b) => a + (b ?? 0), 0)
  return `${formatFixed(sum, 2)} × ${formatFixed(factor, 2)}`
}

function signOf(value: number): string {
  return value === 0 ? '' : value < 0 ? 'minus' : 'plus'
}

/** Row and column of the first largest value. */
function winnerOf(row: Row): [number, number] | null {
  for (const [y, values] of row.patch.entries()) {
    const x = values.indexOf(row.sum)
    if (x >= 0) return [y, x]
  }
  return null
}

function cellUnder(event: PointerEvent, layout: TableLayout): Cell | null {
  const target = event.target as HTMLElement
  const matrix = target.closest<HTMLElement>('.matrix')
  const key = matrix?.closest<HTMLElement>('tr')?.dataset.key
  const frame = target.closest('.terms')
  if (!matrix || key === undefined || !frame) return null
  const box = matrix.getBoundingClientRect()
  const outer = frame.getBoundingClientRect()
  const { rows, columns } = layout.matrix
  const share = (at: number, size: number, count: number) =>
    Math.min(count - 1, Math.max(0, Math.floor((at / size) * count)))
  return {
    key,
    row: share(event.clientY - box.top, box.height, rows),
    column: share(event.clientX - box.left, box.width, columns),
    x: event.clientX - outer.left,
    y: event.clientY - outer.top,
    side: `${event.clientX - outer.left > outer.width / 2 ? 'left' : ''} ${event.pointerType === 'touch' ? 'above' : ''}`,
  }
}

/** The numbers under the cursor in full. */
function Exact({ cell, rows }: { cell: ReadonlySignal<Cell | null>; rows: Row[] }): JSX.Element | null {
  const at = cell.value
  const row = at && rows.find(r => r.key === at.key)
  if (!at || !row) return null
  const value = row.patch[at.row]?.[at.column]
  const weight = row.kernel?.[at.row]?.[at.column]
  const product = row.products[at.row]?.[at.column]
  const place = row.patch.flat().length > 1 ? ` (${at.row}, ${at.column})` : ''
  const text =
    value === null || value === undefined
      ? 'padding'
      : weight === undefined
        ? formatValue(value)
        : `${formatValue(value)} × ${formatValue(weight)} = ${formatValue(product ?? 0)}`
  return (
    <div class={`exact ${at.side}`} aria-hidden="true" style={{ left: `${at.x}px`, top: `${at.y}px` }}>
      {row.name}
      {place} <b>{text}</b>
    </div>
  )
}

/** A patch, a kernel or the products: cells with numbers, or a picture where they would be too small to read. */
import type { JSX } from 'preact'
import { useLayoutEffect, useRef } from 'preact/hooks'
import { formatFixed } from '../numbers'
import { type CellKind, cellText, groundOf, type Paint } from './calculation-cells'
import { CELL_GAP, type MatrixSize } from './calculation-layout'
import { css, inkOn } from './ramps'

interface Props {
  kind: CellKind
  layer: string
  values: (number | null)[][]
  size: MatrixSize
  paint: Paint
  /** Row and column under the cursor in any matrix of this line; null: none. */
  marked: readonly [number, number] | null
  /** Row and column of the value that a max pool chose. */
  winner?: readonly [number, number] | null
}

export function Matrix(props: Props): JSX.Element {
  const { size, kind, values, marked, winner = null } = props
  const place = (at: readonly [number, number], name: string) => (
    <i
      class={name}
      style={{
        left: `${at[1] * pitch(size.cellWidth, size)}px`,
        top: `${at[0] * pitch(size.cellHeight, size)}px`,
        width: `${size.cellWidth}px`,
        height: `${size.cellHeight}px`,
      }}
    />
  )
  return (
    <div
      class={`matrix ${kind}`}
      role="img"
      aria-label={words(kind, values)}
      style={{ width: `${size.width}px`, height: `${size.height}px`, fontSize: `${size.fontSize}px` }}
    >
      {size.characters > 0 ? <Numbers {...props} /> : <Picture {...props} />}
      {winner && place(winner, 'winner')}
      {marked && place(marked, 'marked')}
    </div>
  )
}

function pitch(cell: number, size: MatrixSize): number {
  return size.characters > 0 ? cell + CELL_GAP : cell
}

function Numbers({ kind, layer, values, size, paint }: Props): JSX.Element {
  return (
    <div
      class="numbers"
      style={{
        gridTemplateColumns: `repeat(${size.columns}, ${size.cellWidth}px)`,
        gridAutoRows: `${size.cellHeight}px`,
      }}
    >
      {values.flatMap((row, y) =>
        row.map((value, x) => {
          const key = `${y},${x}`
          if (value === null) {
            return (
              <span key={key} class="ghost">
                {kind === 'patch' && size.cellWidth >= 26 ? 'pad' : ''}
              </span>
            )
          }
          const ground = groundOf(paint, kind, layer, value)
          return (
            <span key={key} style={{ background: css(ground), color: inkOn(ground) }}>
              {cellText(value, size.characters)}
            </span>
          )
        }),
      )}
    </div>
  )
}

function Picture({ kind, layer, values, size, paint }: Props): JSX.Element {
  const canvas = useRef<HTMLCanvasElement>(null)
  useLayoutEffect(() => {
    const element = canvas.current
    const context = element?.getContext('2d')
    if (!element || !context) return
    const ratio = Math.min(2, window.devicePixelRatio || 1)
    element.width = Math.round(size.width * ratio)
    element.height = Math.round(size.height * ratio)
    const [w, h] = [element.width / size.columns, element.height / size.rows]
    // Below 4 px a gap would take more than the value leaves.
    const gap = Math.min(w, h) > 4 * ratio ? ratio : 0
    const ghost = getComputedStyle(element).getPropertyValue('--track')
    for (const [y, row] of values.entries()) {
      for (const [x, value] of row.entries()) {
        const [left, top] = [Math.round(x * w), Math.round(y * h)]
        const [right, bottom] = [Math.round((x + 1) * w) - gap, Math.round((y + 1) * h) - gap]
        if (value === null) {
          context.strokeStyle = ghost
          context.strokeRect(left + 0.5, top + 0.5, right - left - 1, bottom - top - 1)
          continue
        }
        context.fillStyle = css(groundOf(paint, kind, layer, value))
        context.fillRect(left, top, right - left, bottom - top)
      }
    }
  }, [kind, layer, values, size, paint])
  return <canvas ref={canvas} style={{ width: `${size.width}px`, height: `${size.height}px` }} />
}

const NAMES: Record<CellKind, string> = { patch: 'patch', kernel: 'kernel', product: 'products' }

/** For screen readers: all numbers of small matrices, the size of large ones. */
function words(kind: CellKind, values: (number | null)[][]): string {
  const size = `${values.length} by ${values[0]?.length ?? 0}`
  if (values.flat().length > 49) return `${NAMES[kind]}, ${size} values`
  const rows = values.map(row => row.map(value => (value === null ? 'padding' : formatFixed(value, 2))).join(', '))
  return `${NAMES[kind]}: ${rows.join('; ')}`
}

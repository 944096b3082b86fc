/** Sizes in the calculation's table: cells keep their numbers as long as these can be read. */

export interface MatrixSize {
  rows: number
  columns: number
  cellWidth: number
  cellHeight: number
  /** CSS px of the whole matrix. */
  width: number
  height: number
  /** Whether numbers stand in the cells, and how many characters of them fit. */
  characters: number
  fontSize: number
}

export interface TableLayout {
  padding: number
  name: number
  sum: number
  operator: number
  /** Name and sum stand above the matrices. */
  stacked: boolean
  matrix: MatrixSize
  rowHeight: number
}

export const CELL_GAP = 1.5
const SMALLEST_WITH_NUMBERS = 21
const ROW_PADDING = 24

/** `matrices`: 3 for patch × kernel = product, 1 for a pool. */
export function tableLayout(
  width: number,
  rows: number,
  columns: number,
  matrices: number,
  sheet: boolean,
): TableLayout {
  const small = width < 640
  const padding = sheet ? 0 : small ? 18 : 24
  const operator = small ? 19 : 24
  const inner = width - 2 * padding
  // Lines of one cell are short enough for a phone; larger ones go below their names there.
  const stacked = sheet && rows * columns > 1
  const sides = stacked ? [0, 0] : small ? [78, 76] : [92, 82]
  const free = inner - sides[0] - sides[1] - operator * (matrices - 1)
  const matrix = matrixSize(free / matrices, rows, columns, sheet)
  const rowHeight = Math.max(matrix.height, 20) + (rows === 1 ? 9 : ROW_PADDING) + (stacked ? 26 : 0)
  return { padding, name: sides[0], sum: sides[1], operator, stacked, matrix, rowHeight }
}

function matrixSize(room: number, rows: number, columns: number, sheet: boolean): MatrixSize {
  const gaps = (n: number) => (n - 1) * CELL_GAP
  const fitting = Math.min(44, Math.floor((room - gaps(columns)) / columns))
  const characters = Math.floor(fitting / 5)
  if (fitting >= SMALLEST_WITH_NUMBERS && rows <= 9) {
    const cellHeight = Math.min(fitting, rows === 1 ? 24 : rows <= 3 ? 33 : 20)
    const fontSize = fitting >= 34 ? 10.5 : fitting >= 27 ? 9.5 : 8.5
    return {
      rows,
      columns,
      cellWidth: fitting,
      cellHeight,
      width: columns * fitting + gaps(columns),
      height: rows * cellHeight + gaps(rows),
      characters: fitting >= 34 ? 6 : fitting >= 27 ? 5 : Math.min(4, characters),
      fontSize,
    }
  }
  const side = Math.max(1, Math.min(room / columns, 118 / rows, sheet ? 22 : 16))
  return {
    rows,
    columns,
    cellWidth: side,
    cellHeight: side,
    width: Math.round(side * columns),
    height: Math.round(side * rows),
    characters: 0,
    fontSize: 0,
  }
}

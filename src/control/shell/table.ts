/**
 * Results as psql's aligned format shows them. Pure.
 *
 * @module
 */

export interface Column {
  readonly name: string
  /** Numbers stand at the right. */
  readonly numeric: boolean
}

/** Rows as text, null as an empty cell, with psql's row count below. */
export function alignedTable(columns: readonly Column[], rows: readonly (readonly (string | null)[])[]): string {
  const cells = rows.map((row) => row.map((cell) => (cell ?? '').split('\n')))
  const widths = columns.map(({ name }, index) =>
    Math.max(displayWidth(name), ...cells.map((row) => Math.max(0, ...(row[index] ?? []).map(displayWidth)))),
  )
  const header = columns.map(({ name }, index) => ` ${centre(name, widths[index] ?? 0)} `).join('|')
  const rule = widths.map((width) => '-'.repeat(width + 2)).join('+')
  const lines = cells.flatMap((row) => rowLines(row, columns, widths))
  const count = `(${rows.length} row${rows.length === 1 ? '' : 's'})`
  return [header, rule, ...lines, count, ''].join('\n')
}

/** One row; cells of several lines continue below, marked with psql's `+`. */
function rowLines(
  row: readonly (readonly string[])[],
  columns: readonly Column[],
  widths: readonly number[],
): string[] {
  const height = Math.max(1, ...row.map((cell) => cell.length))
  return Array.from({ length: height }, (_, line) =>
    columns
      .map(({ numeric }, index) => {
        const cell = row[index] ?? []
        const text = cell[line] ?? ''
        const blank = ' '.repeat(Math.max((widths[index] ?? 0) - displayWidth(text), 0))
        const isLast = index === columns.length - 1
        const mark = line < cell.length - 1 ? '+' : isLast ? '' : ' '
        return ` ${numeric ? blank + text : isLast && mark === '' ? text : text + blank}${mark}`
      })
      .join('|'),
  )
}

function centre(text: string, width: number): string {
  const blank = Math.max(width - displayWidth(text), 0)
  const left = Math.floor(blank / 2)
  return ' '.repeat(left) + text + ' '.repeat(blank - left)
}

const wide =
  /[\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6\u{1f300}-\u{1f64f}\u{1f900}-\u{1f9ff}]/u
const combining = /\p{Mn}/u

/** Columns that a text takes in a terminal: East Asian and emoji characters two, combining ones none. */
function displayWidth(text: string): number {
  let width = 0
  for (const character of text) width += wide.test(character) ? 2 : combining.test(character) ? 0 : 1
  return width
}

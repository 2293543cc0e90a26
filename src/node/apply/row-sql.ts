/**
 * Row changes as SQL with parameters: for writesets that hold DDL (rows and statements run in one SQL transaction), and
 * for records that the apply worker can't apply (RULES 8).
 *
 * Values travel as text of unknown type, so the server's own input functions read them, as its apply worker's would.
 *
 * @module
 */
import type { Relation, RowChange, Value } from '../../wire/pgoutput/messages.ts'

export interface SqlStatement {
  readonly text: string
  readonly values: readonly (string | null)[]
}

export const quoteIdentifier = (name: string): string => `"${name.replaceAll('"', '""')}"`

const tableOf = (relation: Relation): string => `${quoteIdentifier(relation.schema)}.${quoteIdentifier(relation.name)}`

const textOf = (value: Value): string | null => (value == null ? null : Buffer.from(value).toString('utf8'))

const insert = (relation: Relation, row: readonly Value[]): SqlStatement => {
  const names = relation.columns.map((column) => quoteIdentifier(column.name))
  const places = names.map((_, i) => `$${i + 1}`)
  if (names.length === 0) return { text: `INSERT INTO ${tableOf(relation)} DEFAULT VALUES`, values: [] }
  return {
    text: `INSERT INTO ${tableOf(relation)} (${names.join(', ')}) OVERRIDING SYSTEM VALUE VALUES (${places.join(', ')})`,
    values: row.map(textOf),
  }
}

/**
 * The condition that finds the row: its key columns by equality, or one row of those whose every column has the same text
 * (a table without a key may hold duplicates; any of them will do).
 * @param keyNames columns of the primary key where the caller knows it; else those that the relation flags
 */
const rowCondition = (
  relation: Relation,
  tuple: readonly Value[],
  keyNames: ReadonlySet<string> | undefined,
  firstPlace: number,
): SqlStatement => {
  const values: (string | null)[] = []
  const place = (value: Value): string => {
    values.push(textOf(value))
    return `$${firstPlace + values.length - 1}`
  }
  const isKey = (name: string, flagged: boolean): boolean =>
    keyNames === undefined ? relation.identity !== 'f' && flagged : keyNames.has(name)
  const keyed = relation.columns.some((column) => isKey(column.name, column.key))
  if (keyed) {
    const conditions = relation.columns.flatMap((column, i) =>
      isKey(column.name, column.key) ? [`${quoteIdentifier(column.name)} = ${place(tuple[i])}`] : [],
    )
    return { text: conditions.join(' AND '), values }
  }
  const conditions = relation.columns.flatMap((column, i) =>
    // An unchanged TOAST value was not sent: the other columns have to do.
    tuple[i] === undefined ? [] : [`${quoteIdentifier(column.name)}::text IS NOT DISTINCT FROM ${place(tuple[i])}`],
  )
  const where = conditions.length === 0 ? 'true' : conditions.join(' AND ')
  return { text: `ctid = (SELECT ctid FROM ONLY ${tableOf(relation)} WHERE ${where} LIMIT 1)`, values }
}

/** @param keyNames names of the primary key's columns, where known */
export const rowChangeSql = (
  relation: Relation,
  change: RowChange,
  keyNames: ReadonlySet<string> | undefined,
): SqlStatement => {
  if (change.kind === 'insert') return insert(relation, change.new)
  if (change.kind === 'delete') {
    const condition = rowCondition(relation, change.old, keyNames, 1)
    return { text: `DELETE FROM ONLY ${tableOf(relation)} WHERE ${condition.text}`, values: condition.values }
  }
  const values: (string | null)[] = []
  const assignments = relation.columns.flatMap((column, i) => {
    const value = change.new[i]
    if (value === undefined) return []
    values.push(textOf(value))
    return [`${quoteIdentifier(column.name)} = $${values.length}`]
  })
  const condition = rowCondition(relation, change.old ?? change.new, keyNames, values.length + 1)
  return {
    text: `UPDATE ONLY ${tableOf(relation)} SET ${assignments.join(', ')} WHERE ${condition.text}`,
    values: [...values, ...condition.values],
  }
}

export const truncateSql = (relations: readonly Relation[]): SqlStatement => ({
  text: `TRUNCATE ONLY ${relations.map(tableOf).join(', ')}`,
  values: [],
})

/**
 * Row changes as SQL with parameters: for writesets that hold DDL (rows and statements run in one SQL transaction), and
 * for records that the apply worker can't apply (RULES 8).
 *
 * Values travel as text of unknown type, so the server's own input functions read them, as its apply worker's would.
 *
 * @module
 */
import type { Relation, RelationColumn, RowChange, Value } from '../../wire/pgoutput/messages.ts'

export interface SqlStatement {
  readonly text: string
  readonly values: readonly (string | null)[]
}

export const quoteIdentifier = (name: string): string => `"${name.replaceAll('"', '""')}"`

export const tableOf = (relation: Relation): string =>
  `${quoteIdentifier(relation.schema)}.${quoteIdentifier(relation.name)}`

const textOf = (value: Value): string | null => (value == null ? null : Buffer.from(value).toString('utf8'))

const insert = (relation: Relation, row: readonly Value[], generated: ReadonlySet<string>): SqlStatement => {
  const given = relation.columns.map(({ name }) => !generated.has(name))
  const names = relation.columns.filter((_, i) => given[i]).map((column) => quoteIdentifier(column.name))
  const places = names.map((_, i) => `$${i + 1}`)
  if (names.length === 0) return { text: `INSERT INTO ${tableOf(relation)} DEFAULT VALUES`, values: [] }
  return {
    text: `INSERT INTO ${tableOf(relation)} (${names.join(', ')}) OVERRIDING SYSTEM VALUE VALUES (${places.join(', ')})`,
    values: row.filter((_, i) => given[i]).map(textOf),
  }
}

/** Types that PostgreSQL brings along have OIDs below this (FirstNormalObjectId); their operators are in pg_catalog. */
const builtinOids = 16_384

/**
 * A column's text as its output function writes it, which is what the stream carries; a cast differs for bool, char(n) and
 * inet. `concat` uses the output function, and is '' for null.
 */
export const outputOf = (name: string): string => `pg_catalog.concat(${quoteIdentifier(name)})`

const outputIs = (name: string, place: string): string => `${outputOf(name)} OPERATOR(pg_catalog.=) ${place}`

/** `IS NULL` is true for a row value of nothing but nulls as well. */
const isNull = (name: string): string => `pg_catalog.num_nulls(${quoteIdentifier(name)}) OPERATOR(pg_catalog.=) 1`
export const isNotNull = (name: string): string =>
  `pg_catalog.num_nulls(${quoteIdentifier(name)}) OPERATOR(pg_catalog.=) 0`

/** Has the type an equality that nobody but PostgreSQL defines? */
export const hasOwnEquality = (column: RelationColumn): boolean => column.typeOid < builtinOids

/**
 * The columns that tell a row from all others; none where only all of them do.
 * @param keyNames columns of the primary key where the caller knows it; else those that the relation flags
 */
export const keyColumns = (
  relation: Relation,
  keyNames: ReadonlySet<string> | undefined,
): readonly { readonly column: RelationColumn; readonly index: number }[] =>
  relation.columns
    .map((column, index) => ({ column, index }))
    .filter(({ column }) =>
      keyNames === undefined ? relation.identity !== 'f' && column.key : keyNames.has(column.name),
    )

/**
 * The condition that finds the row: its key columns by equality, or one row of those whose every column has the same text
 * (a table without a key may hold duplicates; any of them will do). Operators are pg_catalog's: anyone may define an operator
 * with the same name that fits better.
 */
const rowCondition = (
  relation: Relation,
  tuple: readonly Value[],
  keyNames: ReadonlySet<string> | undefined,
  generated: ReadonlySet<string>,
  firstPlace: number,
  at: string | undefined,
): SqlStatement => {
  if (at !== undefined) return { text: `ctid OPERATOR(pg_catalog.=) $${firstPlace}`, values: [at] }
  const values: (string | null)[] = []
  const place = (value: Value): string => {
    values.push(textOf(value))
    return `$${firstPlace + values.length - 1}`
  }
  const keys = keyColumns(relation, keyNames)
  if (keys.length > 0) {
    const conditions = keys.map(({ column, index }) =>
      hasOwnEquality(column)
        ? `${quoteIdentifier(column.name)} OPERATOR(pg_catalog.=) ${place(tuple[index])}`
        : outputIs(column.name, place(tuple[index])),
    )
    return { text: conditions.join(' AND '), values }
  }
  const conditions = relation.columns.flatMap((column, i) => {
    const value = tuple[i]
    // An unchanged TOAST value was not sent, and what is computed from the others says nothing more: they have to do.
    if (value === undefined || generated.has(column.name)) return []
    if (value === null) return [isNull(column.name)]
    return [isNotNull(column.name), outputIs(column.name, place(value))]
  })
  const where = conditions.length === 0 ? 'true' : conditions.join(' AND ')
  return { text: `ctid = (SELECT ctid FROM ONLY ${tableOf(relation)} WHERE ${where} LIMIT 1)`, values }
}

const sameValue = (a: Value, b: Value): boolean => a === b || (a != null && b != null && Buffer.compare(a, b) === 0)

/**
 * Whether an update leaves a column as it is, as far as the message tells. Such a one is not assigned: an identity column that
 * is GENERATED ALWAYS refuses even its own value.
 */
const stays = (relation: Relation, change: Extract<RowChange, { kind: 'update' }>, i: number): boolean => {
  const isKey = relation.columns[i]?.key === true
  // Without an old tuple the identity's columns have stayed; an old key says nothing of other columns.
  if (change.old === undefined) return isKey && relation.identity !== 'f'
  return (isKey || !change.oldIsKey) && sameValue(change.old[i], change.new[i])
}

/**
 * @param keyNames names of the primary key's columns, where known
 * @param generated names of stored generated columns: they are computed, never assigned
 * @param at the row's ctid, where it has been looked for (row-search.ts)
 * @returns undefined for an update that changes nothing
 */
export const rowChangeSql = (
  relation: Relation,
  change: RowChange,
  keyNames: ReadonlySet<string> | undefined,
  generated: ReadonlySet<string> = new Set(),
  at?: string,
): SqlStatement | undefined => {
  if (change.kind === 'insert') return insert(relation, change.new, generated)
  if (change.kind === 'delete') {
    const condition = rowCondition(relation, change.old, keyNames, generated, 1, at)
    return { text: `DELETE FROM ONLY ${tableOf(relation)} WHERE ${condition.text}`, values: condition.values }
  }
  const values: (string | null)[] = []
  const assignments = relation.columns.flatMap((column, i) => {
    const value = change.new[i]
    if (value === undefined || generated.has(column.name) || stays(relation, change, i)) return []
    values.push(textOf(value))
    return [`${quoteIdentifier(column.name)} = $${values.length}`]
  })
  if (assignments.length === 0) return undefined
  const condition = rowCondition(relation, change.old ?? change.new, keyNames, generated, values.length + 1, at)
  return {
    text: `UPDATE ONLY ${tableOf(relation)} SET ${assignments.join(', ')} WHERE ${condition.text}`,
    values: [...values, ...condition.values],
  }
}

export const truncateSql = (relations: readonly Relation[]): SqlStatement => ({
  text: `SELECT allwrite.truncate(${relations.map((_, index) => `$${index + 1}`).join(', ')})`,
  values: relations.map(tableOf),
})

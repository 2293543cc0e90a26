/**
 * Where the rows are that can only be told by the text of their columns: those of tables without a key, and of keys whose types are the
 * user's. Looking for them one by one reads the table once for each; here many are looked for in one reading.
 *
 * A place that was found holds until its row is changed: rows of other transactions are not changed meanwhile, since all commits of a node
 * have one order, and nothing moves a row that its table's lock does not keep from it.
 *
 * @module
 */
import type { Relation, RowChange, Value } from '../../wire/pgoutput/messages.ts'
import { hasOwnEquality, isNotNull, keyColumns, outputOf, tableOf, type SqlStatement } from './row-sql.ts'

/** A row by its text, which equal rows share. */
export interface SoughtRow {
  /** Its table and columns: rows of one kind can be looked for together. */
  readonly kind: string
  readonly table: string
  readonly columns: readonly string[]
  /** An array literal of the columns' values. */
  readonly key: string
}

const element = (value: Value): string =>
  value == null
    ? 'NULL'
    : `"${Buffer.from(value)
        .toString('utf8')
        .replaceAll(/["\\]/g, String.raw`\$&`)}"`

/**
 * How a change's row is to be looked for; undefined where an index finds it, or there is none to find.
 * @param keyNames columns of the primary key where the caller knows it
 * @param generated columns that are computed from the others
 */
export const soughtRow = (
  relation: Relation,
  change: RowChange,
  keyNames: ReadonlySet<string> | undefined,
  generated: ReadonlySet<string>,
): SoughtRow | undefined => {
  if (change.kind === 'insert') return undefined
  const tuple = change.kind === 'delete' ? change.old : (change.old ?? change.new)
  const keys = keyColumns(relation, keyNames)
  if (keys.length > 0 && keys.every(({ column }) => hasOwnEquality(column))) return undefined
  const telling =
    keys.length > 0
      ? keys
      : relation.columns
          .map((column, index) => ({ column, index }))
          // An unchanged TOAST value was not sent: the others have to do.
          .filter(({ column, index }) => tuple[index] !== undefined && !generated.has(column.name))
  if (telling.length === 0) return undefined
  const table = tableOf(relation)
  const columns = telling.map(({ column }) => column.name)
  const key = `{${telling.map(({ index }) => element(tuple[index])).join(',')}}`
  return { kind: JSON.stringify([table, columns]), table, columns, key }
}

/** Answers (index in `sought`, from 0; ctid) of those that are there. Of equal rows each is given once. All are of one kind. */
export const searchSql = (sought: readonly [SoughtRow, ...SoughtRow[]]): SqlStatement => {
  const [{ table, columns }] = sought
  const key = columns.map((name) => `CASE WHEN ${isNotNull(name)} THEN ${outputOf(name)} END`).join(', ')
  return {
    text: `WITH wanted AS (
  SELECT index, key, pg_catalog.row_number() OVER (PARTITION BY key ORDER BY index) AS nth
    FROM (SELECT w.ordinality AS index, w.key::pg_catalog.text[] AS key
            FROM pg_catalog.unnest($1::pg_catalog.text[]) WITH ORDINALITY AS w (key, ordinality)) AS w),
there AS (
  SELECT at, key, pg_catalog.row_number() OVER (PARTITION BY key) AS nth
    FROM (SELECT ctid AS at, ARRAY[${key}] AS key FROM ONLY ${table}) AS r
   WHERE EXISTS (SELECT FROM wanted WHERE wanted.key OPERATOR(pg_catalog.=) r.key))
SELECT (wanted.index OPERATOR(pg_catalog.-) 1)::pg_catalog.int4 AS index, there.at::pg_catalog.text AS at
  FROM wanted JOIN there ON wanted.key OPERATOR(pg_catalog.=) there.key AND wanted.nth OPERATOR(pg_catalog.=) there.nth`,
    values: [`{${sought.map(({ key: row }) => element(Buffer.from(row))).join(',')}}`],
  }
}

/** How many rows are looked for at first, and at most. */
const firstWindow = 64
const windowMax = 16_384

export interface RowSearch<Change> {
  /**
   * The place of a change's row; undefined: it is not there yet, or is to be looked for by itself.
   * @param following changes behind it, in order, up to where something else than rows changes
   */
  locate(
    change: Change,
    sought: SoughtRow,
    following: Iterable<readonly [Change, SoughtRow]>,
  ): Promise<string | undefined>
}

/**
 * How many are looked for at once follows from how many were found before: rows that the record itself makes on the way (one that is
 * changed twice) are not there yet, and asking for all of them again and again would cost more than reading the table.
 */
export const createRowSearch = <Change extends object>(
  query: (sql: SqlStatement) => Promise<readonly { readonly index: number; readonly at: string }[]>,
): RowSearch<Change> => {
  /** By table: from one reading, so that no row is given away twice. */
  const found = new Map<string, Map<Change, string>>()
  let window = firstWindow
  return {
    async locate(change, sought, following) {
      const known = found.get(sought.table)?.get(change)
      if (known !== undefined) return known
      const changes = [change]
      const rows: [SoughtRow, ...SoughtRow[]] = [sought]
      for (const [next, row] of following) {
        if (rows.length >= window) break
        if (row.kind !== sought.kind) continue
        changes.push(next)
        rows.push(row)
      }
      const places = rows.length === 1 ? [] : await query(searchSql(rows))
      window = Math.min(2 * Math.max(places.length, 1), windowMax)
      const located = new Map<Change, string>()
      for (const { index, at } of places) {
        const owner = changes[index]
        if (owner !== undefined) located.set(owner, at)
      }
      found.set(sought.table, located)
      return located.get(change)
    },
  }
}

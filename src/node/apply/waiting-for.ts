/**
 * Names the row that an apply waits for, for the DETAIL of the transaction that has to go.
 *
 * @module
 */
import type { Query } from '../recovery/progress.ts'
import { quoteIdentifier } from './row-sql.ts'

export interface WaitedFor {
  /** `public.accounts`. */
  readonly table: string
  /** `Key (id)=(42)`; undefined where the wait is not for one row. */
  readonly key: string | undefined
}

/**
 * Reading the row takes a lock on its table, in whose queue someone may wait for just those whom the apply waits for: then the
 * search must go on without the row's key. 10 times what the read takes, ms.
 */
const lockTimeoutMs = 5

// Elsewhere the same number is another table's.
const here = '(SELECT d.oid FROM pg_database d WHERE d.datname = current_database())'

// A backend that waits for a row's locker has the row's tuple lock; one that waits for a table has it ungranted.
const lockSql = `SELECT n.nspname AS schema, c.relname AS name, l.page::text AS page, l.tuple::text AS tuple,
  (SELECT json_agg(a.attname ORDER BY k.ordinality)::text FROM pg_index i, unnest(i.indkey::int2[]) WITH ORDINALITY AS k (number, ordinality)
     JOIN pg_attribute a ON a.attnum = k.number WHERE i.indrelid = c.oid AND i.indisprimary AND a.attrelid = c.oid) AS columns
  FROM pg_locks l JOIN pg_class c ON c.oid = l.relation JOIN pg_namespace n ON n.oid = c.relnamespace
  WHERE l.pid = $1 AND l.database = ${here} AND (l.locktype = 'tuple' OR l.locktype = 'relation' AND NOT l.granted) LIMIT 1`

// The apply worker waits for a row's *writer* by transaction id alone (RelationFindReplTupleByIndex): then no lock names the
// row, but the tables that it has opened are few.
const openTablesSql = `SELECT n.nspname AS schema, c.relname AS name
  FROM pg_locks l JOIN pg_class c ON c.oid = l.relation JOIN pg_namespace n ON n.oid = c.relnamespace
  WHERE l.pid = $1 AND l.database = ${here} AND l.locktype = 'relation' AND l.mode = 'RowExclusiveLock' AND c.relkind = 'r'
    AND n.nspname NOT IN ('allwrite', 'pg_catalog')
    AND EXISTS (SELECT FROM pg_locks w WHERE w.pid = $1 AND w.locktype = 'transactionid' AND NOT w.granted) LIMIT 2`

const onlyOpenTable = async (query: Query, pid: number): Promise<WaitedFor | undefined> => {
  const [table, second] = await query(openTablesSql, [pid])
  if (table === undefined || second !== undefined) return undefined
  return { table: `${table['schema']}.${table['name']}`, key: undefined }
}

export const waitedFor = async (query: Query, pid: number): Promise<WaitedFor | undefined> => {
  const [lock] = await query(lockSql, [pid])
  const { schema, name, page, tuple, columns } = lock ?? {}
  if (schema == null || name == null) return onlyOpenTable(query, pid)
  const table = `${schema}.${name}`
  if (page == null || tuple == null || columns == null) return { table, key: undefined }
  const names = JSON.parse(columns) as string[]
  const list = names.map((column) => `${quoteIdentifier(column)}::text`).join(', ')
  // For the session: nothing that this connection asks ever needs to wait for a lock.
  await query(`SET lock_timeout = ${lockTimeoutMs}`)
  const [row] = await query(
    `SELECT ${list} FROM ${quoteIdentifier(schema)}.${quoteIdentifier(name)} WHERE ctid = '(${page},${tuple})'::tid`,
  ).catch(() => [])
  if (row === undefined) return { table, key: undefined }
  return { table, key: `Key (${names.join(', ')})=(${Object.values(row).join(', ')})` }
}

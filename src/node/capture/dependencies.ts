/**
 * What a transaction depends on besides the rows that it wrote, and that others must not have changed: tables that a SERIALIZABLE one
 * read (ADR 12), rows and tables that it locked (ADR 13).
 *
 * @module
 */
import { assert } from '../../core/errors.ts'
import { LockMode } from '../../core/writeset.ts'
import type { Relation, Value } from '../../wire/pgoutput/messages.ts'
import type { QualifiedName } from '../catalog/relations.ts'
import type { RecordKeys } from './keys.ts'

export interface LockedRow {
  /** Its columns as the stream has them. */
  readonly relation: Relation
  readonly values: readonly Value[]
  readonly mode: LockMode
}

export interface Dependencies {
  readonly reads: readonly QualifiedName[]
  readonly lockedRows: readonly LockedRow[]
  /** Locked in whole, or rows of them that could not be named. */
  readonly lockedTables: readonly QualifiedName[]
}

export const noDependencies: Dependencies = { reads: [], lockedRows: [], lockedTables: [] }

/** Does it hold locks that its changes don't show? */
export const holdsLocks = ({ lockedRows, lockedTables }: Dependencies): boolean =>
  lockedRows.length + lockedTables.length > 0

/** Gives all of it to a record's keys. */
export const feedDependencies = (dependencies: Dependencies, keys: RecordKeys): void => {
  for (const { relation, values, mode } of dependencies.lockedRows) keys.lockRow(relation, values, mode)
  for (const table of dependencies.lockedTables) keys.lockTable(table)
  for (const table of dependencies.reads) keys.readTable(table)
}

/** `[mode, value, …]`: a value's text, NULL, or false where it was not read. */
type RawRow = readonly [number, ...(string | null | false)[]]

interface RawLocks {
  readonly rows: readonly (readonly [
    schema: string,
    name: string,
    columns: readonly string[],
    rows: readonly RawRow[],
  ])[]
  readonly tables: readonly (readonly [schema: string, name: string])[]
}

const modes: ReadonlySet<number> = new Set(Object.values(LockMode))

/** What `allwrite.locks_held()` answered: base64 of JSON (catalog/sql/row-locks.ts); empty: nothing. */
export const parseLocks = (base64: string): Pick<Dependencies, 'lockedRows' | 'lockedTables'> => {
  if (base64 === '') return noDependencies
  const raw = JSON.parse(Buffer.from(base64, 'base64').toString('utf8')) as RawLocks
  const lockedRows = raw.rows.flatMap(([schema, name, columns, rows]) => {
    // Keys of rows go by names and values alone: the rest of a definition is the stream's.
    const relation: Relation = {
      schema,
      name,
      identity: 'd',
      columns: columns.map((column) => ({ name: column, key: false, typeOid: 0, typeModifier: -1 })),
    }
    return rows.map(([mode, ...values]): LockedRow => {
      assert(modes.has(mode) && values.length === columns.length, 'a locked row has a mode and a value for each column')
      return { relation, mode: mode as LockMode, values: values.map(valueOf) }
    })
  })
  return { lockedRows, lockedTables: raw.tables.map(([schema, name]) => ({ schema, name })) }
}

const valueOf = (value: string | null | false): Value => {
  if (value === false) return undefined
  return value === null ? null : Buffer.from(value, 'utf8')
}

/**
 * Journaled statements as they are captured: rows of `allwrite.ddl`.
 *
 * @module
 */
import { assert } from '../../core/errors.ts'
import type { Relation, RowChange } from '../../wire/pgoutput/messages.ts'
import { parseDdlRow } from '../catalog/ddl.ts'

/** The statement in a captured row of allwrite.ddl. */
export const statementOf = (relation: Relation, change: RowChange) => {
  assert(change.kind === 'insert', 'a statement row is inserted')
  const columns = Object.fromEntries(
    relation.columns.map((column, i) => {
      const value = change.new[i]
      return [column.name, value == null ? null : Buffer.from(value).toString('utf8')] as const
    }),
  )
  const { statement, tables, kind } = parseDdlRow(columns)
  const named = tables.map((table) => {
    const dot = table.indexOf('.')
    return { schema: table.slice(0, dot), name: table.slice(dot + 1) }
  })
  return { statement, tables: named, kind }
}

/**
 * Statements that must travel before the rows they made. CREATE TABLE AS fills its table before its event trigger can
 * journal the statement, so in the stream the rows come first; elsewhere the table has to be there before them.
 *
 * The journaled statement is moved in front of the first announcement of its table. A table of the same name that the
 * transaction dropped before has an announcement of its own, an earlier one; the last before the statement is meant.
 *
 * @module
 */
import type { Statement } from '../../core/writeset.ts'
import type { QualifiedName } from '../catalog/relations.ts'

/** Command tags whose rows stand before them. */
const filling = new Set(['create table as', 'select into'])

const identifier = String.raw`(?:"(?:[^"]|"")*"|[^\s".(]+)`
const createdPattern = new RegExp(`^CREATE TABLE (${identifier})\\.(${identifier}) \\(`, 's')

const unquote = (text: string): string => (text.startsWith('"') ? text.slice(1, -1).replaceAll('""', '"') : text)

/** The table that a synthesized `CREATE TABLE schema.name (…)` makes. */
export const createdTable = (text: string): QualifiedName | undefined => {
  const [, schema, name] = createdPattern.exec(text) ?? []
  return schema === undefined || name === undefined ? undefined : { schema: unquote(schema), name: unquote(name) }
}

export interface Hoists {
  /** Statement messages by the record's relation number before whose announcement they go. */
  readonly before: ReadonlyMap<number, Statement>
  /** Indexes, among the transaction's statements, of those that have moved. */
  readonly moved: ReadonlySet<number>
}

/** Collects what has to move, given a transaction's announcements and statements in order. */
export const createHoistFinder = (): {
  relation(local: number, name: QualifiedName): void
  statement(statement: Statement, kind: string): void
  readonly found: Hoists
} => {
  const announced = new Map<string, number>()
  const before = new Map<number, Statement>()
  const moved = new Set<number>()
  let statements = 0
  const keyOf = ({ schema, name }: QualifiedName): string => JSON.stringify([schema, name])
  return {
    relation(local, name) {
      announced.set(keyOf(name), local)
    },
    statement(statement, kind) {
      const index = statements
      statements += 1
      const table = filling.has(kind) ? createdTable(statement.text) : undefined
      const local = table === undefined ? undefined : announced.get(keyOf(table))
      if (local === undefined || before.has(local)) return
      before.set(local, statement)
      moved.add(index)
    },
    found: { before, moved },
  }
}

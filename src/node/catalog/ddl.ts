/**
 * Statements that travel as text: from the captured row of `allwrite.ddl` to what another node runs.
 *
 * The agent that applies a record with statements does so in one transaction on a superuser connection, in order:
 * {@link applyPreamble} once; for each item {@link statementsFor} or the row change; {@link applyEpilogue} once, before COMMIT.
 *
 * @module
 */
import { AllwriteError } from '../../core/errors.ts'
import type { Statement } from '../../core/writeset.ts'

/** One row of `allwrite.ddl`. */
export interface JournaledStatement {
  readonly statement: Statement
  /** `schema.name`, unquoted, of the tables whose table keys the record needs. */
  readonly tables: readonly string[]
  /** The lower-case command tag, or `statement`, `value`, `restart`: for people. */
  readonly kind: string
}

/**
 * Silences triggers and event triggers, and makes the session's own search_path harmless ("$user" would be schema allwrite).
 * `public` is in it because functions of CHECKs, domains and expression indexes often count on it; the apply worker's path is
 * empty, so their rows come here (RULES 8).
 */
export const applyPreamble: readonly string[] = [
  `SET LOCAL session_replication_role = replica`,
  `SET LOCAL search_path = pg_catalog, public`,
  `SET LOCAL lock_timeout = 0`,
  `SET LOCAL statement_timeout = 0`,
]

/** Replica identities, subscription rows and sequence ranges of what the statements made. */
export const applyEpilogue: readonly string[] = [`SELECT allwrite.settle()`]

/** The SQL that runs one statement of another node, between {@link applyPreamble} and {@link applyEpilogue}. */
export const statementsFor = (item: Statement): string[] => [
  `SELECT allwrite.apply_statement(${literal(item.text)}, ${literal(item.role)}, ${literal(JSON.stringify(item.settings))}::pg_catalog.jsonb)`,
]

/** A string as an SQL literal that means the same under both settings of standard_conforming_strings. */
export const literal = (text: string): string => {
  const quoted = text.replaceAll("'", "''")
  return quoted.includes('\\') ? ` E'${quoted.replaceAll('\\', '\\\\')}'` : `'${quoted}'`
}

/**
 * Reads a captured row.
 * @param columns column name → text, as pgoutput gives it
 * @throws AllwriteError `protocol` if a column is missing or malformed
 */
export const parseDdlRow = (columns: Readonly<Record<string, string | null>>): JournaledStatement => {
  const text = (name: string): string => {
    const value = columns[name]
    if (typeof value !== 'string') throw new AllwriteError('protocol', `captured row of allwrite.ddl without "${name}"`)
    return value
  }
  return {
    statement: { text: text('statement'), role: text('role'), settings: parseSettings(text('settings')) },
    tables: parseTextArray(text('tables')),
    kind: text('kind'),
  }
}

const parseSettings = (json: string): Record<string, string> => {
  let value: unknown
  try {
    value = JSON.parse(json)
  } catch (cause) {
    throw new AllwriteError('protocol', 'captured row of allwrite.ddl with malformed settings', { cause })
  }
  const isSettings = (candidate: unknown): candidate is Record<string, string> =>
    typeof candidate === 'object' &&
    candidate !== null &&
    Object.values(candidate).every((entry) => typeof entry === 'string')
  if (!isSettings(value)) throw new AllwriteError('protocol', 'captured row of allwrite.ddl with malformed settings')
  return value
}

/** Parses the text form of a one-dimensional text[] without NULLs (PostgreSQL docs, 8.15.6). */
export const parseTextArray = (text: string): string[] => {
  if (!text.startsWith('{') || !text.endsWith('}')) throw new AllwriteError('protocol', `not an array: ${text}`)
  const items = text.slice(1, -1).matchAll(/"((?:[^"\\]|\\.)*)"|([^",]+)/gsu)
  return Array.from(items, ([, quoted, plain]) =>
    quoted === undefined ? (plain ?? '') : quoted.replaceAll(/\\(.)/gsu, '$1'),
  )
}

/** docs/DDL.md says what becomes of every command; it must be what the code does. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { before, test } from 'node:test'
import { createStatementClassifier } from './classifier.ts'
import type { StatementClassifier } from './classifier.ts'
import type { ClassifiedStatement } from './contract.ts'
import { ddlSql } from '../../catalog/sql/ddl.ts'
import { fixtureContext } from './fixtures.ts'
import { loadParser } from './parser.ts'

const document = readFileSync(new URL('../../../../docs/DDL.md', import.meta.url), 'utf8')
const rows = [...document.matchAll(/^\| ([A-Z][A-Za-z ()]+?) +\| (\w[\w ]*?) +\| `([^`]+)` +\|(.*)\|$/gm)].map(
  ([, command, kind, example, remark]) => ({
    command: command ?? '',
    kind: kind ?? '',
    example: example ?? '',
    remark: remark ?? '',
  }),
)

/** Commands of the session whose class in the code is "write" because their query may be one. */
const cursors = new Set(['CLOSE', 'DEALLOCATE', 'DECLARE', 'FETCH', 'MOVE', 'PREPARE'])
const perNode = new Set(['ANALYZE', 'CHECKPOINT', 'CLUSTER', 'LISTEN', 'LOAD', 'REINDEX', 'UNLISTEN', 'VACUUM'])

const classOf = (command: string, statement: ClassifiedStatement): string => {
  switch (statement.kind) {
    case 'refused':
      return 'refused'
    case 'journaled':
      return 'statement'
    case 'copy_in':
      return 'rows'
    case 'local':
      return perNode.has(command) ? 'per node' : 'local'
    case 'write':
      if (statement.ddl) return 'statement'
      return cursors.has(command) ? 'local' : 'rows'
    case 'concurrently':
      return 'barrier'
    case 'empty':
    case 'invalid':
      return statement.kind
    default:
      return 'local'
  }
}

let classifier: StatementClassifier
before(async () => {
  await loadParser()
  classifier = createStatementClassifier({ harmless: fixtureContext, cacheBytesMax: 1 << 20 })
})

test('docs/DDL.md has every command of PostgreSQL 18 once', () => {
  assert.equal(new Set(rows.map(({ command }) => command)).size, rows.length)
  // 183 pages of the manual's reference of commands (TABLE and WITH are on SELECT's), three forms twice.
  assert.equal(rows.filter(({ command }) => !command.includes('(')).length, 183)
})

test('docs/DDL.md says how each command is classified', () => {
  for (const { command, kind, example } of rows) {
    const [statement, ...more] = classifier.classify(example).statements
    assert(statement !== undefined && more.length === 0, example)
    assert.equal(classOf(command, statement), kind, `${command}: ${example}: ${JSON.stringify(statement)}`)
  }
})

test('what docs/DDL.md calls a statement is captured by event triggers, journaled by the session, or said to be refused there', () => {
  for (const { command, kind, example, remark } of rows.filter((row) => row.kind === 'statement')) {
    const [statement] = classifier.classify(example).statements
    if (statement?.kind === 'journaled' || command.includes('(')) continue
    const captured = ddlSql.includes(`'${command}'`)
    assert.equal(captured, !remark.includes('0A000 by the event trigger'), `${command} (${kind})`)
  }
})

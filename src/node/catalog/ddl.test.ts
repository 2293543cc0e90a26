import assert from 'node:assert/strict'
import { test } from 'node:test'
import { literal, parseDdlRow, parseTextArray, statementsFor } from './ddl.ts'

test('a captured row becomes the statement that other nodes run', () => {
  const row = {
    id: 'x',
    statement: `CREATE TABLE "a\\b" (c text DEFAULT 'it''s')`,
    role: 'bob',
    settings: '{"search_path": "app, public"}',
    tables: '{app.t,"odd \\"name, x"}',
    kind: 'create table',
  }
  const parsed = parseDdlRow(row)
  assert.deepEqual(parsed.tables, ['app.t', 'odd "name, x'])
  assert.deepEqual(statementsFor(parsed.statement), [
    `SELECT allwrite.apply_statement( E'CREATE TABLE "a\\\\b" (c text DEFAULT ''it''''s'')', 'bob', '{"search_path":"app, public"}'::pg_catalog.jsonb)`,
  ])
})

test('a malformed row is a protocol error, not a statement', () => {
  const row = { statement: 'x', role: 'y', settings: '{}', tables: '{}', kind: 'z' }
  for (const broken of [{ statement: null }, { settings: 'no json' }, { settings: '{"a": 1}' }, { tables: 'x' }])
    assert.throws(() => parseDdlRow({ ...row, ...broken }), { code: 'protocol' })
})

test('text arrays and literals keep quotes, commas, backslashes and line ends', () => {
  assert.deepEqual(parseTextArray('{}'), [])
  assert.deepEqual(parseTextArray('{a,"b,c","d\\\\e","",f g}'), ['a', 'b,c', 'd\\e', '', 'f g'])
  assert.equal(literal(`it's`), `'it''s'`)
  assert.equal(literal('a\\\nb'), ` E'a\\\\\nb'`)
})

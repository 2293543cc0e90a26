import assert from 'node:assert/strict'
import { before, test } from 'node:test'
import { loadParser, parse } from './parser.ts'
import type { Tree } from './tree.ts'
import { namesOwnRole, writesSystemTable } from './targets.ts'

before(() => loadParser())

const nodeOf = (sql: string): Tree => {
  const parsed = parse(sql)
  assert(parsed.kind === 'statements' && parsed.pieces[0] !== undefined, sql)
  return parsed.pieces[0].node
}
const catalogs = new Set(['pg_proc', 'pg_authid', 'pg_class', 'pg_attribute', 'pg_database'])
const writes = (sql: string): boolean =>
  writesSystemTable(nodeOf(sql), { isSystemRelation: (name) => catalogs.has(name) })

test('rows of catalogs and of the agent are not written, however deep the statement hides it', () => {
  for (const sql of [
    `update pg_proc set prosrc = ''`,
    'insert into pg_catalog.pg_largeobject_metadata values (1)',
    'delete from allwrite.secret',
    'truncate t, allwrite.heartbeat',
    'copy pg_authid from stdin',
    'merge into pg_class using t on true when matched then delete',
    'with d as (delete from allwrite.range returning 1) select * from d',
    'prepare p as delete from pg_attribute',
    'explain analyze update pg_database set datname = datname',
  ])
    assert(writes(sql), sql)
})

test('reading catalogs, and writing tables of one’s own, is nobody’s business', () => {
  for (const sql of [
    'insert into t select oid from pg_class',
    'update s.pg_mine set a = 1',
    'insert into pg_lsn_tbl values (1)',
    'copy pg_authid to stdout',
    'delete from t using pg_class c where c.oid = t.id',
    'select * from allwrite.heartbeat',
  ])
    assert(!writes(sql), sql)
})

test('the role of the agent is found wherever a statement on roles names it', () => {
  for (const sql of [
    'alter role allwrite rename to x',
    'alter role allwrite nologin',
    `alter role allwrite set lock_timeout = 1`,
    'drop role a, allwrite',
    'grant allwrite to a',
    'reassign owned by allwrite to a',
    'drop owned by allwrite',
  ])
    assert(namesOwnRole(nodeOf(sql)), sql)
  assert(!namesOwnRole(nodeOf('alter role clerk rename to seller')))
})

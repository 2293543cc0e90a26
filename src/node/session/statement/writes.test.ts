import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createStatementClassifier } from './classifier.ts'
import { fixtureContext, startClassifying } from './fixtures.ts'

const { write } = await startClassifying()

test('fields of writes', () => {
  assert.deepEqual(write('lock table s.a, b in share mode nowait').lockTable, [
    { schema: 's', name: 'a', mode: 5 },
    { name: 'b', mode: 5 },
  ])
  assert.equal(write('lock b').lockTable[0]?.mode, 8)
  assert.equal(write('truncate t restart identity').truncateRestart, true)
  assert.equal(write('truncate t').truncateRestart, false)
  assert.equal(write('insert into t values (1) returning a').returnsRows, true)
  assert.equal(write('insert into t values (1)').returnsRows, false)
  assert.equal(
    write('insert into t select * from u where a = $1 on conflict (a) do update set b = excluded.b').opaque,
    false,
  )
  assert.equal(write('update t set a = a + 1, (b, c) = (select 1, 2) from u where t.a = u.a').opaque, false)
  assert.equal(write('insert into t values (f())').opaque, true)
  assert.equal(write('update t set a = 1 where b = writes()').opaque, true)
  assert.equal(write('delete from t using v').opaque, true)
  assert.equal(write('do $$ begin end $$').opaque, true)
  assert.equal(write("select pg_notify('c', 'p')").opaque, false)
  assert.equal(
    write("with u as (update t set a = 1 returning a) select pg_catalog.pg_notify('c', a::text) from u").opaque,
    false,
  )
  assert.equal(write("select other.pg_notify('c', 'p')").opaque, true)
  assert.equal(write("select pg_notify('c', f())").opaque, true)
  assert.equal(write('select * from t for update').opaque, false)
  assert.equal(write('select * from t for update').returnsRows, true)
  assert.equal(write('create table n (a int)').ddl, true)
  assert.equal(write('select * into n from t').ddl, true)
  assert.equal(write('insert into t values (1)').ddl, false)
  assert.equal(write('create temp view v as select 1').createsTemp, true)
  assert.equal(write('create temp table x (a int)').createsTemp, true)
  assert.equal(write('create view v as select 1').createsTemp, true)
  assert.equal(write('create table x (a int)').createsTemp, false)
  assert.equal(write('declare c cursor with hold for select * from t').holdCursor, true)
  assert.deepEqual(write('execute q(1)').execute, { name: 'q' })
  assert.deepEqual(write('deallocate all').deallocate, {})
  assert.deepEqual(write('deallocate q').deallocate, { name: 'q' })
  const prepared = write('prepare q(int) as select * from t where a = $1')
  assert.equal(prepared.prepare?.name, 'q')
  assert.equal(prepared.prepare.inner.kind, 'harmless')
  assert.equal(write('copy v to stdout').copyOut, true)
})

test('a write runs code that is not in its text, unless its targets are proven to have none (RULES 5)', () => {
  for (const text of [
    'insert into t values (1)',
    'with v as (delete from t returning *) update u set b = v.a from v where u.a = v.a',
    'prepare p as insert into triggered values (1)',
  ])
    assert.equal(write(text).opaque, false, text)
  for (const text of [
    'insert into triggered values (1)',
    'explain analyze insert into triggered values (1)',
    'merge into triggered using u on triggered.a = u.a when matched then delete',
    'truncate t',
    `copy t from '/dev/null'`,
  ])
    assert.equal(write(text).opaque, true, text)
})

test('a write may lock what it does not write, unless its text and its targets are proven not to (RULES 12)', () => {
  for (const text of [
    'insert into t values (1)',
    'insert into public.t select * from u on conflict (a) do nothing',
    'with v as (delete from t returning *) update u set b = v.a from v where u.a = v.a',
    'merge into t using u on t.a = u.a when matched then update set b = 1',
    'declare c cursor for select * from t',
    'fetch c',
    'prepare p as select * from t for update',
  ])
    assert.equal(write(text).mayLock, false, text)
  for (const text of [
    'select * from t for update',
    'select * from t for key share of t',
    'with v as (select * from t for share) insert into u select * from v',
    'update t set a = (select 1 from u for no key update)',
    'declare c cursor for select * from t for update',
    'insert into triggered values (1)',
    'with w as (insert into triggered values (1)) delete from t',
    'insert into t values (f())',
    'select f()',
    'do $$ begin end $$',
    'call f()',
    'execute p',
    'explain analyze select * from t for update',
    'lock table t',
    'truncate t',
    'create table x as select 1 as a',
  ])
    assert.equal(write(text).mayLock, true, text)
  const hidden = write('insert into t values (1)', { standardConformingStrings: true, temporaryObjects: true })
  assert.equal(hidden.mayLock, true, 'a temporary table may hide the plain one')
})

test('what acts outside the transaction is not retried', () => {
  for (const text of [
    "select dblink('x', 'y')",
    'select pg_advisory_lock(1)',
    "select public.dblink_exec('x')",
    'insert into t values (setval($1, 1))',
  ])
    assert.equal(write(text).retryable, false, text)
  for (const text of ['insert into t values (1)', 'call p()', 'update t set a = f()', 'truncate t'])
    assert.equal(write(text).retryable, true, text)
  const wary = createStatementClassifier({
    harmless: { ...fixtureContext, hasExternalEffects: true },
    cacheBytesMax: 1 << 16,
  })
  for (const text of ['call p()', 'update t set a = f()']) {
    const [statement] = wary.classify(text).statements
    assert.ok(statement?.kind === 'write' && !statement.retryable, text)
  }
})

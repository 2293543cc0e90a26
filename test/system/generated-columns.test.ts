/** Stored generated columns: PostgreSQL takes them into a FULL replica identity, its apply workers compute them themselves. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { outcomeOf } from '#testing/errors.ts'
import { assertAllEqual, assertSameCatalogs } from '#testing/equality.ts'
import { commitOutcome, useCluster } from './rules-cluster.ts'

const bench = useCluster({ nodes: 2 })

const tables: Readonly<Record<string, string>> = {
  'a primary key': 'create table t (id int primary key, a text, g text generated always as (a || id) stored)',
  'a secondary unique column':
    'create table t (id int primary key, a text unique, g text generated always as (upper(a)) stored)',
  'a generated column that is unique':
    'create table t (id int primary key, a text, g text generated always as (upper(a)) stored unique)',
  'no key at all': 'create table t (id int, a text, g text generated always as (upper(a)) stored)',
  'only generated columns behind dropped ones':
    'create table t (gone int, g0 text generated always as (1::text) stored, id int, a text unique, g text generated always as (upper(a)) stored); alter table t drop column gone',
  'a stored and a virtual one':
    'create table t (id int primary key, a text unique, v text generated always as (a || 1), g text generated always as (upper(a)) stored)',
  'a large one':
    'create table t (id int primary key, a text unique, g text generated always as (repeat(a, 2000)) stored, n int default 0)',
}

for (const [name, definition] of Object.entries(tables)) {
  test(`rows of a table with ${name} are inserted, updated and deleted at any node`, async () => {
    await bench.setUp('drop table if exists t', ...definition.split('; '))
    for (const [index, statement] of [
      `insert into t (id, a) select n, 'a' || n from generate_series(1, 20) n`,
      `update t set a = a || 'x' where id <= 10`,
      `update t set id = id + 100 where id <= 5`,
      'delete from t where id between 8 and 12',
      `insert into t (id, a) values (21, 'again')`,
    ].entries()) {
      const client = await bench.on(1 + (index % 2))
      await client.query(statement)
      await assertAllEqual(bench.cluster())
    }
    const client = await bench.on(2)
    await client.query(
      `begin; alter table t add column extra int; update t set a = 'b' || id; insert into t (id, a) values (500, 'late')`,
    )
    await client.query('delete from t where id = 500; commit')
    await client.query(`update t set a = 'c' || id where id = 20`)
    await assertAllEqual(bench.cluster())
    assert.equal(await bench.everywhere('select a from t where id = 20'), 'c20')
  })
}

test('a table that is made, filled and no longer generated in one transaction is the same everywhere', async () => {
  await bench.setUp('drop table if exists t')
  const client = await bench.on(1)
  await client.query(`begin; create table t (id int primary key, a text unique, g text generated always as (upper(a)) stored);
    insert into t (id, a) values (1, 'one'), (2, 'two'); update t set a = 'uno' where id = 1;
    alter table t alter column g drop expression; update t set g = 'own' where id = 2; insert into t values (3, 'three', 'mine'); commit`)
  await assertAllEqual(bench.cluster())
  assert.equal(await bench.everywhere(`select string_agg(g, ',' order by id) from t`), 'UNO,own,mine')
  const other = await bench.on(2)
  await other.query(`update t set g = 'theirs', a = 'x' where id = 3`)
  await assertAllEqual(bench.cluster())
  assert.equal(await bench.everywhere(`select string_agg(g, ',' order by id) from t`), 'UNO,own,theirs')
  await assertSameCatalogs(bench.cluster())
})

test('of two rows with one value of a unique column beside a virtual one at two nodes, one wins', async () => {
  await bench.setUp(
    'drop table if exists t',
    'create table t (id int primary key, a text unique, v text generated always as (upper(a)))',
    `insert into t values (1, 'a'), (2, 'b'), (3, 'c')`,
  )
  const [left, right] = await Promise.all([bench.on(1), bench.on(2)])
  for (const [there, here] of [
    [`update t set a = 'x' where id = 1`, `update t set a = 'x' where id = 2`],
    [`update t set a = 'free' where a = 'c'`, `insert into t values (4, 'c2'), (5, 'free')`],
    [`delete from t where id = 1`, `update t set a = 'y' where id = 1`],
  ] as const) {
    await left.query(`begin; ${there}`)
    await right.query(`begin; ${here}`)
    assert.deepEqual([await commitOutcome(left), await commitOutcome(right)], ['commit', '40001'])
    await assertAllEqual(bench.cluster())
  }
})

test('of two rows with one value of a generated unique column at two nodes, one wins', async () => {
  await bench.setUp(
    'drop table if exists t',
    'create table t (id int primary key, a text, g text generated always as (lower(a)) stored unique)',
    `insert into t values (1, 'a'), (2, 'b')`,
  )
  const [left, right] = await Promise.all([bench.on(1), bench.on(2)])
  await left.query(`begin; update t set a = 'X' where id = 1`)
  await right.query(`begin; update t set a = 'x' where id = 2`)
  const outcomes = [await outcomeOf(left.query('commit')), await outcomeOf(right.query('commit'))]
  assert.deepEqual(outcomes.toSorted(), ['40001', 'ok'])
  await assertAllEqual(bench.cluster())
  assert.equal(await bench.everywhere(`select count(*) from t where g = 'x'`), '1')
})

/** Materialized views: every node fills them by itself, at the command's place in the order, to the same rows; or they are refused. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { needsCluster } from '#testing/cluster.ts'
import { fieldsOf, outcomeOf } from '#testing/errors.ts'
import { assertAllEqual, assertSameCatalogs } from '#testing/equality.ts'
import { overlap, useCluster } from './rules-cluster.ts'

const skip = needsCluster
const bench = useCluster()

const equalEverywhere = async (): Promise<void> => {
  await assertAllEqual(bench.cluster())
  await assertSameCatalogs(bench.cluster())
}

test('materialized views are made, filled, changed and dropped on any node', { skip }, async () => {
  const statements = [
    'create table sale (id int primary key, shop text not null, amount numeric not null, at timestamptz)',
    `insert into sale select n, 'shop ' || n % 5, n, timestamptz '2026-01-01' + n * interval '7 hours' from generate_series(1, 200) n`,
    'create materialized view per_shop as select shop, count(*) as sales, sum(amount) as total from sale group by shop',
    'create materialized view per_day (day, first) as select date_trunc($$day$$, at), min(id) from sale group by 1 with no data',
    `insert into sale values (1000, 'shop 9', 1, '2026-02-01')`,
    'refresh materialized view per_shop',
    `set timezone = 'Asia/Tokyo'; refresh materialized view per_day`,
    'create unique index on per_shop (shop)',
    'delete from sale where id < 10',
    'refresh materialized view concurrently per_shop',
    'create role shopkeeper',
    'alter materialized view per_shop owner to shopkeeper',
    'grant select on sale to shopkeeper',
    'refresh materialized view concurrently per_shop',
    'alter materialized view per_shop rename to by_shop',
    'alter materialized view by_shop rename column total to sum',
    `comment on materialized view by_shop is 'sums'`,
    'grant select on by_shop to public',
    'create materialized view top as select shop from by_shop order by sum desc fetch first 2 rows with ties',
    `do $$ begin refresh materialized view by_shop; end $$`,
    `begin; update sale set amount = amount + 1; refresh materialized view by_shop; update sale set amount = 0 where id = 50;
     refresh materialized view top; commit`,
    'begin; savepoint s; refresh materialized view by_shop; rollback to s; refresh materialized view by_shop; commit',
    'refresh materialized view per_day with no data',
    'drop materialized view per_day',
    'drop materialized view by_shop cascade',
  ]
  for (const [index, statement] of statements.entries()) {
    const client = await bench.on(1 + (index % 4))
    await client.query(statement).catch((error: unknown) => {
      throw new Error(`${statement}: ${fieldsOf(error).message}`, { cause: error })
    })
    await assertAllEqual(bench.cluster())
  }
  await equalEverywhere()
})

test('what might come out otherwise at another node is refused by name (RULES 7)', { skip }, async () => {
  await bench.setUp(
    'create table source (id int primary key, n numeric, f float8, s text, at timestamptz)',
    `insert into source select n, n, 1.0 / n, 'x' || n % 3, now() from generate_series(1, 50) n`,
    'create view clock as select id, now() as now from source',
    `create view stale as select id, timestamptz '2026-01-01' as made from source`,
    'create view plain as select id, s from source',
    `create function claims(int) returns int immutable language sql as 'select (random() * 100)::int'`,
    `create function shown(int) returns int immutable language sql return $1 + 1`,
    'create table guarded (id int primary key)',
    'alter table guarded enable row level security',
  )
  const refused: readonly (readonly [query: string, named: RegExp])[] = [
    ['select now()', /now\(\)/],
    ['select current_timestamp', /CURRENT_TIMESTAMP/],
    ['select current_user', /CURRENT_USER/],
    ['select random()', /random\(\)/],
    ['select gen_random_uuid()', /gen_random_uuid\(\)/],
    [`select current_setting('work_mem')`, /current_setting/],
    ['select * from clock', /now\(\)/],
    ['select * from stale', /timestamptz/],
    ['select claims(id) from source', /claims/],
    ['select id from source limit 3', /LIMIT/],
    ['select id from source offset 3', /OFFSET/],
    ['select distinct on (s) s, id from source', /DISTINCT ON/],
    ['select array_agg(id) from source', /array_agg/],
    [`select string_agg(s, ',' order by s) from source`, /string_agg/],
    ['select array(select id from source)', /ARRAY/],
    ['select sum(f) from source', /sum/],
    ['select max(n) from source', /max/],
    ['select n from source group by n', /numeric/],
    ['select row_number() over (order by s) from source', /row_number/],
    ['select sum(id) over (order by s rows 1 preceding) from source', /ROWS/],
    ['select id from source tablesample system (10)', /tablesample/],
    ['select at::text::timestamptz from source', /timestamptz/],
    ['select relname from pg_class', /pg_class/],
    ['select ctid as place from source', /system column/],
    [`select 'source'::regclass`, /regclass/],
    ['select id from guarded', /row security/],
  ]
  const client = await bench.on(2)
  for (const statement of [
    `create view frozen as select timestamptz 'now' as made`,
    `create table frozen (id int primary key, made timestamptz default 'now')`,
    `create table frozen (id int primary key, made date check (made > 'yesterday'))`,
    `create function frozen() returns date language sql return date 'today'`,
  ])
    assert.equal(await outcomeOf(client.query(statement)), '0A000', statement)
  for (const [query, named] of refused) {
    const error = fieldsOf(await client.query(`create materialized view no as ${query}`).catch((e: unknown) => e))
    assert.equal(error.code, '0A000', `${query}: ${error.code} ${error.message}`)
    assert.match(error.message, named)
  }
  await bench.setUp('create materialized view over as select id, s from plain')
  await bench.setUp('create or replace view plain as select id, s || random()::text as s from source')
  assert.equal(await outcomeOf(client.query('refresh materialized view over')), '0A000')
  await bench.setUp('create materialized view held as select id, shown(id) from source')
  await client.query('begin isolation level repeatable read')
  assert.equal(await outcomeOf(client.query('refresh materialized view held')), '0A000')
  await client.query('rollback')
  assert.equal(
    await outcomeOf(client.query('explain analyze create materialized view no as select 1')),
    '0A000',
    'EXPLAIN ANALYZE fires no event trigger',
  )
  await equalEverywhere()
})

test('a session’s settings are those under which every node fills', { skip }, async () => {
  await bench.setUp(
    'create table measured (id int primary key, f float8, at timestamptz)',
    `insert into measured values (1, 0.1::float8 + 0.2, '2026-07-01 12:00:00+00')`,
  )
  await bench.withClient(3, async (client) => {
    await client.query(`set extra_float_digits = 0; set datestyle = 'SQL, DMY'; set intervalstyle = 'sql_standard'`)
    await client.query(`set timezone = 'Asia/Kolkata'`)
    await client.query(`create materialized view shown_as as select f::text as f, at::text as at, at::date as on,
      timestamptz '2026-07-01 12:00:00+00' as noon, interval '-1 day 02:03' as span, f + 0.1::float8 as g from measured`)
    await equalEverywhere()
    await client.query('refresh materialized view shown_as')
  })
  await equalEverywhere()
  assert.match(await bench.everywhere('select f || at from shown_as'), /^0\.301\/07\/2026 17:30:00 IST$/)
})

test(`'now' in a materialized view is the moment at which its home made it`, { skip }, async () => {
  await bench.setUp(`create materialized view made as select timestamptz 'now' as at, date 'today' as on`)
  await bench.everywhere('select at from made')
  await (await bench.on(3)).query('refresh materialized view made')
  await equalEverywhere()
})

test('a refresh that overlaps with a write of another node reads it, or loses', { skip }, async () => {
  await bench.setUp(
    'create table stock (id int primary key, n int)',
    'insert into stock select n, n from generate_series(1, 20) n',
    'create materialized view total as select count(*), sum(n) from stock',
  )
  const [left, right] = [await bench.on(1), await bench.on(2)]
  for (let round = 0; round < 5; round++) {
    await overlap(left, `insert into stock values (${100 + round}, 1)`, right, 'refresh materialized view total')
    await equalEverywhere()
  }
})

test('refreshes while every node writes: equal, and each what the tables hold', { skip }, async () => {
  await bench.setUp(
    'create table busy (id serial primary key, n int)',
    'create materialized view busy_sum as select count(*) as rows, coalesce(sum(n), 0) as n from busy',
    'create unique index on busy_sum (rows)',
  )
  const until = Date.now() + 4_000
  let refreshed = 0
  await Promise.all(
    [1, 2, 3, 4].map((number) =>
      bench.withClient(number, async (client) => {
        for (let i = 0; Date.now() < until; i++) {
          const refreshes = number === 4 ? i % 4 === 0 : number === 1 && i % 10 === 5
          const sql = refreshes
            ? `refresh materialized view ${i % 8 === 0 ? 'concurrently' : ''} busy_sum`
            : 'insert into busy (n) values (1)'
          const outcome = await outcomeOf(client.query(sql))
          assert(['ok', '40001', '40P01'].includes(outcome), `${sql}: ${outcome}`)
          if (refreshes && outcome === 'ok') refreshed++
        }
      }),
    ),
  )
  assert(refreshed > 0, 'a refresh got through')
  await equalEverywhere()
  await (await bench.on(2)).query('refresh materialized view busy_sum')
  await equalEverywhere()
  assert.equal(await bench.everywhere('select rows = (select count(*) from busy) from busy_sum'), 'true')
})

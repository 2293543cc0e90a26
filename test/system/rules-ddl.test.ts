/** RULES 7, 8: a schema change is the same at every node, and no record stops a node. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type pg from 'pg'
import { needsCluster } from '#testing/cluster.ts'
import { fieldsOf, outcomeOf } from '#testing/errors.ts'
import { assertAllEqual, assertSameCatalogs } from '#testing/equality.ts'
import { signal } from '#testing/processes.ts'
import { runFor, testSeconds, until } from '#testing/wait.ts'
import { assertOneWon, commitOutcome, overlap, useCluster } from './rules-cluster.ts'

const skip = needsCluster
const bench = useCluster()

const equalEverywhere = async (): Promise<void> => {
  await assertAllEqual(bench.cluster())
  await assertSameCatalogs(bench.cluster())
}

test('values that a schema change computes are the same at every node (RULES 7)', { skip }, async (context) => {
  const statements = [
    'alter table computed add column c1 timestamptz default clock_timestamp()',
    'alter table computed add column c2 float8 default random()',
    'alter table computed add column c3 uuid default gen_random_uuid() not null',
    'alter table computed add column c4 bigserial',
    'alter table computed add column c5 int generated always as identity',
    `alter table computed add column c6 int default volatile_default()`,
    'alter table computed add column c7 text generated always as (id::text) stored',
    'alter table computed alter column v type float8 using v + random()',
    'alter table computed add column c8 timestamptz default now(), add column c9 timestamptz default current_timestamp, alter column v type numeric using v * random()',
    `alter table computed add column c10 amount_now`,
    'alter table computed add column c11 amount_later',
    'alter table computed add column c12 float8 default (1 <~> 2)',
    'alter table computed alter column v type float8 using v <~> v',
    'create table c_as as select id, random() as r, clock_timestamp() as at from computed',
    'create table c_as2 (id, r) as select id, random() from computed with data',
    'select id, random() as r into c_into from computed',
    `do $$ begin execute 'create table c_do as select random() as r from generate_series(1, 5)'; end $$`,
    `do $$ begin create table c_do2 as select random() as r from generate_series(1, 5); end $$`,
    'explain analyze create table c_explain as select random() as r from generate_series(1, 5)',
    'create materialized view c_mv as select random() as r',
    'create table c_part (id int, at timestamptz default now()) partition by range (id)',
    'create table c_part_1 partition of c_part for values from (0) to (100)',
    'insert into c_part (id) values (1)',
    'alter table c_part add column r float8 default random()',
    'create schema computing create table inside (id int primary key, at timestamptz default now()) create view peek as select * from inside',
    'create table c_like (like computed including all)',
    'insert into c_like (id, v) values (1, 2)',
    `prepare ctas as select random() as r; create table c_exec as execute ctas`,
  ]
  await bench.setUp(
    'create function volatile_default() returns int language sql volatile as $$ select (random() * 1000000)::int $$',
    'create domain amount_now as float8 default random()',
    'create domain amount_later as amount_now',
    'create function chance(float8, float8) returns float8 language sql volatile as $$ select random() $$',
    'create operator <~> (leftarg = float8, rightarg = float8, function = chance)',
    'create table computed (id int primary key, v float8)',
    'insert into computed select n, n from generate_series(1, 20) n',
  )
  for (const [index, statement] of statements.entries()) {
    const code = await outcomeOf((await bench.on(1 + (index % 4))).query(statement))
    context.diagnostic(`${code}: ${statement}`)
    assert(['ok', '0A000'].includes(code), `${statement}: ${code}`)
    await assertAllEqual(bench.cluster())
  }
  await equalEverywhere()
})

test('BEGIN; ALTER; UPDATE; COMMIT in two sessions at once: one wins whole (RULES 7)', { skip }, async () => {
  await bench.setUp(
    'create table migrated (id int primary key, v int)',
    'insert into migrated select n, n from generate_series(1, 10) n',
  )
  const [left, right] = [await bench.on(1), await bench.on(2)]
  for (let round = 0; round < 5; round++) {
    const outcome = await overlap(
      left,
      `alter table migrated add column l${round} int; update migrated set l${round} = v + 1`,
      right,
      `alter table migrated add column r${round} int; update migrated set r${round} = v + 2`,
    )
    assertOneWon(outcome, `round ${round}`)
    await equalEverywhere()
  }
  const whole = await bench.everywhere(
    `select count(*) from pg_attribute where attrelid = 'migrated'::regclass and attnum > 2 and not attisdropped`,
  )
  assert.equal(whole, '5')
})

const ddlRaces: readonly (readonly [name: string, setUp: readonly string[], left: string, right: string])[] = [
  [
    'DROP FUNCTION against a table that uses it',
    ['create function used() returns int language sql as $$ select 1 $$'],
    'drop function used()',
    'create table uses (id int default used())',
  ],
  [
    'DROP TYPE against a column of it',
    [`create type used_type as enum ('a')`],
    'drop type used_type',
    'create table uses_type (c used_type)',
  ],
  [
    'DROP SCHEMA against a table in it',
    ['create schema doomed'],
    'drop schema doomed',
    'create table doomed.t (id int)',
  ],
  [
    'DROP TABLE against a foreign key to it',
    ['create table target (id int primary key)', 'create table pointer (id int primary key, t int)'],
    'drop table target',
    'alter table pointer add foreign key (t) references target',
  ],
  ['the same table made twice', [], 'create table twice (a int)', 'create table twice (b text)'],
  ['the same role made twice', [], 'create role twin', 'create role twin'],
  [
    'DROP COLUMN against a row in it',
    ['create table shrinking (id int primary key, v int)'],
    'alter table shrinking drop column v',
    'insert into shrinking values (1, 1)',
  ],
  [
    'RENAME against a row',
    ['create table renamed (id int primary key)'],
    'alter table renamed rename to renamed2',
    'insert into renamed values (1)',
  ],
  [
    'NOT NULL against a null',
    ['create table strict (id int primary key, v int)'],
    'alter table strict alter v set not null',
    'insert into strict values (1, null)',
  ],
  [
    'a new CHECK against a row that breaks it',
    ['create table checked (id int primary key, v int)'],
    'alter table checked add check (v > 0)',
    'insert into checked values (1, -1)',
  ],
  [
    'ATTACH PARTITION against a row that does not fit',
    ['create table root (a int) partition by list (a)', 'create table leaf (a int)'],
    'alter table root attach partition leaf for values in (1)',
    'insert into leaf values (2)',
  ],
  [
    'a trigger made against a row',
    [
      'create table triggered (id int primary key, v int)',
      'create function tf() returns trigger language plpgsql as $$ begin new.v := 7; return new; end $$',
    ],
    'create trigger t before insert on triggered for each row execute function tf()',
    'insert into triggered values (1, 1)',
  ],
  [
    'GRANT against DROP ROLE',
    ['create role leaving', 'create table granted (id int)'],
    'drop role leaving',
    'grant select on granted to leaving',
  ],
  [
    'ADD VALUE against its use',
    [`create type mood as enum ('ok')`, 'create table moods (id int primary key, m mood)'],
    `alter type mood add value 'new'`,
    `insert into moods values (1, 'ok')`,
  ],
]

test(
  'a schema change against a concurrent one or a row that needs the old schema: never half (RULES 7)',
  { skip },
  async (context) => {
    await bench.setUp(...ddlRaces.flatMap(([, setUp]) => setUp))
    for (const [name, , leftSql, rightSql] of ddlRaces) {
      await context.test(name, async (inner) => {
        const [left, right] = [await bench.on(3), await bench.on(4)]
        const outcome = await overlap(left, leftSql, right, rightSql)
        inner.diagnostic(outcome.join(' and '))
        assert(outcome.includes('commit'), outcome.join(' and '))
      })
    }
    await equalEverywhere()
  },
)

test(
  'kill -9 of nodes while schema changes run: every change everywhere, once (RULES 7)',
  { skip },
  async (context) => {
    await bench.setUp('create table evolving (id serial primary key, at timestamptz default now())')
    const stop = new AbortController()
    const done: string[] = []
    const unknown: string[] = []
    const work = (async () => {
      let client: pg.Client | undefined
      for (let turn = 0; !stop.signal.aborted; turn++) {
        try {
          client ??= await bench.cluster().connect(1)
          await client.query(
            `begin; alter table evolving add column c${turn} float8 default ${turn}; insert into evolving (c${turn}) values (${turn}); commit`,
          )
          done.push(`c${turn}`)
        } catch (thrown) {
          unknown.push(`c${turn} ${fieldsOf(thrown).code}`)
          await client?.end().catch(() => undefined)
          client = undefined
          await runFor(100)
        }
      }
      await client?.end().catch(() => undefined)
    })()
    try {
      await runFor(500)
      for (const id of ['n2', 'n1']) {
        const node = (await bench.cluster().status()).find((status) => status.id === id)
        assert(node?.agentPid && node.postgresPid)
        signal(id === 'n2' ? node.postgresPid : node.agentPid, 'SIGKILL')
        await until(`${id} has a new agent`, async () => {
          const now = (await bench.cluster().status()).find((status) => status.id === id)
          return now?.agentPid !== null && now?.agentPid !== node.agentPid
        })
        await bench.serving()
        await runFor(testSeconds(1) * 500)
      }
    } finally {
      stop.abort()
      await work
    }
    context.diagnostic(`${done.length} changes; not acknowledged: ${unknown.join(', ') || 'none'}`)
    await equalEverywhere()
    const present = await bench.everywhere(
      `select string_agg(attname, ' ' order by attnum) from pg_attribute where attrelid = 'evolving'::regclass and attnum > 2 and not attisdropped`,
    )
    for (const column of done) assert(present.split(' ').includes(column), `${column} was acknowledged`)
  },
)

/** [statements at n1, statement at n2]: neither may stop another node's apply; both may be refused. */
const poison: readonly (readonly [name: string, setUp: readonly string[], use: readonly string[]])[] = [
  [
    'CHECK (ts <= now())',
    ['create table p1 (id int primary key, ts timestamptz check (ts <= clock_timestamp()))'],
    ['insert into p1 values (1, clock_timestamp())'],
  ],
  [
    'a CHECK that depends on a setting',
    [`create table p2 (id int primary key, v text check (current_setting('my.mode', true) = 'on'))`],
    [`set my.mode = 'on'`, `insert into p2 values (1, 'x')`],
  ],
  [
    'functions that need the usual search_path, in CHECK, domain, generated column and index',
    [
      'create function helper(int) returns bool immutable language sql as $$ select true $$',
      'create function valid(int) returns bool immutable language plpgsql as $$ begin return helper($1); end $$',
      'create function twice(int) returns int immutable language plpgsql as $$ begin if helper($1) then return $1 * 2; end if; return 0; end $$',
      'create domain valid_int as int check (valid(value))',
      'create table p3 (id int primary key check (valid(id)), v valid_int, g int generated always as (twice(id)) stored)',
      'create index on p3 (twice(v))',
    ],
    ['insert into p3 values (1, 1), (2, 2)', 'update p3 set v = 3', 'delete from p3 where id = 1'],
  ],
  [
    'FORCE ROW LEVEL SECURITY',
    [
      'create table p6 (id int primary key)',
      'alter table p6 enable row level security',
      'alter table p6 force row level security',
      'create policy none on p6 using (false) with check (false)',
    ],
    ['insert into p6 values (1)', 'delete from p6'],
  ],
  [
    'ALTER DATABASE … SET',
    [
      `alter database postgres set lock_timeout = '1ms'`,
      `alter database postgres set statement_timeout = '1ms'`,
      `alter database postgres set transaction_timeout = '1ms'`,
      `alter database postgres set idle_in_transaction_session_timeout = '1ms'`,
      `alter database postgres set default_transaction_isolation = 'serializable'`,
      `alter database postgres set default_transaction_read_only = on`,
      `alter database postgres set session_replication_role = 'replica'`,
      `alter database postgres set search_path = 'nowhere'`,
      `alter database postgres set default_transaction_deferrable = on`,
      `alter database postgres set row_security = off`,
      `alter database postgres set default_tablespace = 'nowhere'`,
      `alter database postgres set datestyle = 'German'`,
      `alter database postgres set event_triggers = off`,
    ],
    ['create table public.p7 (id int primary key, at date)', `insert into public.p7 values (1, '2026-01-02')`],
  ],
  [
    'ALTER DATABASE … RESET ALL',
    ['alter database postgres reset all'],
    ['create table p7b (id int primary key)', 'insert into p7b values (1)'],
  ],
  [
    'ALTER ROLE allwrite … SET',
    [
      `alter role allwrite set lock_timeout = '1ms'`,
      `alter role all set lock_timeout = '1ms'`,
      `alter role allwrite in database postgres set statement_timeout = 1`,
    ],
    ['create table p8 (id int primary key)', 'insert into p8 values (1)'],
  ],
  ['ALTER ROLE ALL RESET', ['alter role all reset all'], []],
  [
    'ALWAYS and REPLICA triggers',
    [
      'create table p9 (id int primary key, v int)',
      'create function p9f() returns trigger language plpgsql as $$ begin insert into p9log values (new.id); return new; end $$',
      'create table p9log (id int)',
      'create trigger t after insert on p9 for each row execute function p9f()',
      'alter table p9 enable always trigger t',
      'alter table p9 enable replica trigger t',
      'create rule r as on insert to p9 do also insert into p9log values (0)',
      'alter table p9 enable always rule r',
    ],
    ['insert into p9 values (1, 1)'],
  ],
  [
    'json beside a secondary unique',
    ['create table p10 (id int primary key, u int unique, j json)', `insert into p10 values (1, 1, '{}')`],
    [`update p10 set j = '[]'`, `update p10 set u = 2`, 'delete from p10'],
  ],
  [
    'json without a key, rows that look alike',
    ['create table p11 (a int, j json)', `insert into p11 select 1, '{"a":1}' from generate_series(1, 3)`],
    [
      `update p11 set j = '[1]' where ctid = (select min(ctid) from p11)`,
      'delete from p11 where ctid = (select max(ctid) from p11)',
    ],
  ],
  [
    'a table without columns, a row without values',
    ['create table p12 ()', 'create table p12b (g int generated always as (1) stored)'],
    ['insert into p12 default values', 'insert into p12b default values', 'delete from p12'],
  ],
  [
    'dropped columns and defaults that were not there',
    [
      'create table p13 (a int, b int, c int primary key)',
      'alter table p13 drop column b',
      'alter table p13 add column d int default 5',
    ],
    ['insert into p13 (c) values (1)', 'update p13 set d = 6'],
  ],
  [
    'names that need quotes',
    [
      'create schema "Odd ""schema"',
      `create table "Odd ""schema"."t'a b" ("Id" int primary key, "select" text, "é" int)`,
    ],
    [`insert into "Odd ""schema"."t'a b" values (1, 'x', 2)`, `update "Odd ""schema"."t'a b" set "select" = 'y'`],
  ],
  [
    'values with every oddity',
    [`create table p15 (id int primary key, t text, b bytea, a text[], f float8, c "char", n numeric, i interval)`],
    [
      `insert into p15 values (1, E'\\\\N\\t\\n\\r\\b', '\\x0001ff', array['NULL', null, '', '{"x"}'], 'NaN', '\\200', 'Infinity', '-1 year 3 days -04:05:06.7')`,
      `update p15 set t = repeat('é', 100000)`,
      'update p15 set f = -f',
    ],
  ],
  [
    'TOAST that is not touched',
    [
      'create table p16 (id int primary key, big text, v int, u int unique)',
      'alter table p16 alter big set storage external',
      `insert into p16 values (1, repeat('x', 100000), 0, 1)`,
    ],
    ['update p16 set v = 1', 'update p16 set u = 2', 'update p16 set id = 5', 'delete from p16'],
  ],
  [
    'an update that moves a row between partitions',
    [
      'create table p17 (id int, part int, j json, primary key (id, part)) partition by list (part)',
      'create table p17_1 partition of p17 for values in (1)',
      'create table p17_2 partition of p17 for values in (2)',
      `insert into p17 values (1, 1, '{}')`,
    ],
    ['update p17 set part = 2'],
  ],
  [
    'a unique value swapped in one statement',
    ['create table p18 (id int primary key, u int unique deferrable)', 'insert into p18 values (1, 1), (2, 2)'],
    ['update p18 set u = 3 - u'],
  ],
  [
    'a primary key shifted in one statement',
    ['create table p19 (id int primary key)', 'insert into p19 select generate_series(1, 100)'],
    ['update p19 set id = id + 100', 'update p19 set id = -id'],
  ],
]

test('no record stops a node: refused at home or applied everywhere (RULES 8)', { skip }, async (context) => {
  for (const [name, setUp, use] of poison) {
    await context.test(name, async (inner) => {
      const seen: string[] = []
      await bench.withClient(1, async (client) => {
        for (const statement of setUp) seen.push(await outcomeOf(client.query(statement)))
      })
      await assertAllEqual(bench.cluster(), 20_000)
      await bench.withClient(2, async (client) => {
        for (const statement of use) seen.push(await outcomeOf(client.query(statement)))
      })
      inner.diagnostic(seen.join(' '))
      await assertAllEqual(bench.cluster(), 20_000)
    })
  }
  await assertSameCatalogs(bench.cluster())
})

test('two schema changes in one transaction with rows between them keep their order (RULES 7)', { skip }, async () => {
  await bench.withClient(3, async (client) => {
    await client.query('begin')
    for (const statement of [
      'create table ordered (id int primary key, v int)',
      'insert into ordered values (1, 1), (2, 2)',
      'alter table ordered add column w int not null default 9',
      'update ordered set w = v',
      'alter table ordered rename column w to x',
      'insert into ordered values (3, 3, 3)',
      'create unique index on ordered (x)',
      'alter table ordered drop column v',
      'update ordered set x = x + 10',
    ])
      await client.query(statement)
    assert.equal(await commitOutcome(client), 'commit')
  })
  await equalEverywhere()
})

// By name: keys of rows and tables bear the name a table has at the end; a concurrent record knows it by its old one.
test(
  'a table renamed and changed in one transaction keeps its conflicts: no lost update (RULES 7)',
  { skip },
  async () => {
    await bench.setUp('create table was (id int primary key, v int)', 'insert into was values (1, 0)')
    const outcome = await overlap(
      await bench.on(1),
      'alter table was rename to is_now; update is_now set v = v + 1',
      await bench.on(2),
      'update was set v = v + 1',
    )
    await equalEverywhere()
    const committed = outcome.filter((each) => each === 'commit').length
    const table = await bench.everywhere(`select coalesce(to_regclass('is_now'), to_regclass('was'))`)
    assert.equal(await bench.everywhere(`select v from ${table}`), String(committed), outcome.join(' and '))
  },
)

// The walsender ends with "could not map filenumber … to relation OID", and with it the agent.
test(
  'a table made, filled, and dropped under a savepoint that is rolled back: the transaction commits (RULES 7)',
  { skip, todo: 'streamed decoding of such a transaction fails, and takes the agent of its node with it' },
  async () => {
    const told = await bench.withClient(3, async (client) => {
      await client.query('begin')
      for (const statement of [
        'create table phoenix (id int primary key, v int)',
        'insert into phoenix values (1, 1), (2, 2)',
        'alter table phoenix add column w int not null default 9',
        'update phoenix set w = v',
        'savepoint s',
        'drop table phoenix',
        'rollback to s',
        'insert into phoenix values (3, 3, 3)',
      ])
        await client.query(statement)
      return commitOutcome(client)
    })
    await bench.serving()
    await equalEverywhere()
    assert.equal(told, 'commit')
  },
)

// Last: when it fails, the nodes that could not apply the row have left the endpoints.
test(
  "a CHECK that works only under its session's search_path stops no node (RULES 8)",
  { skip, todo: 'issue 3: neither the worker nor the agent applies it; the nodes leave service and name the record' },
  async () => {
    await bench.withClient(1, async (client) => {
      for (const statement of [
        'create schema hidden',
        'create function hidden.only_here(int) returns bool immutable language sql as $$ select true $$',
        'create function hidden.valid(int) returns bool immutable language plpgsql as $$ begin return only_here($1); end $$',
        'create table hidden.t (id int primary key check (hidden.valid(id)))',
        'set search_path = hidden',
        'insert into hidden.t values (1)',
      ])
        await client.query(statement)
    })
    await assertAllEqual(bench.cluster(), 20_000)
  },
)

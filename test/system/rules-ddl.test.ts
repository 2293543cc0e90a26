/** RULES 7: a schema change is the same at every node. */
import assert from 'node:assert/strict'
import { rmSync } from 'node:fs'
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
  // The second to ask waits ten seconds for the first one's turn to be over, then goes on without (ADR 18).
  for (let round = 0; round < 2; round++) {
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
  assert.equal(whole, '2')
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

// Without allwrite.await_decoding the walsender ended with "could not map filenumber … to relation OID", and with it the agent.
test(
  'a table that is dropped or changed under a savepoint, rolled back, and changed again: the transaction commits (RULES 7)',
  { skip },
  async () => {
    const make = ['create table phoenix (id int primary key, v int)', 'insert into phoenix values (1, 1), (2, 2)']
    const transactions: readonly (readonly string[])[] = [
      [
        ...make,
        'alter table phoenix add column w int not null default 9',
        'update phoenix set w = v',
        'savepoint s',
        'drop table phoenix',
        'rollback to s',
        'insert into phoenix values (3, 3, 3)',
        'alter table phoenix add column x int not null default 10',
        'insert into phoenix values (4, 4, 4, 4)',
      ],
      ['savepoint s', 'drop table phoenix', 'rollback to s', 'insert into phoenix values (5)', 'drop table phoenix'],
      ['savepoint s', ...make, 'drop table phoenix', 'rollback to s', ...make, 'alter table phoenix rename v to w'],
    ]
    const { agentPid } = bench.cluster().nodes[2] ?? {}
    for (const statements of transactions) {
      const told = await bench.withClient(3, async (client) => {
        await client.query('begin')
        for (const statement of statements) await client.query(statement)
        return commitOutcome(client)
      })
      assert.equal(told, 'commit', statements.join('; '))
      await equalEverywhere()
    }
    assert.equal((await bench.cluster().status())[2]?.agentPid, agentPid, 'the agent has never left')
    await bench.withClient(3, async (client) => {
      await until('journaled statements are swept away', async () => {
        const { rows } = await client.query<{ left: string }>('select count(*) as left from allwrite.ddl')
        return rows[0]?.left === '0'
      })
    })
  },
)

// The walsender opens the type's relation to print a value, and would wait for the transaction that waits for it.
test(
  'a transaction that makes a row type and writes rows of it is refused at once, the node goes on (RULES 7)',
  { skip },
  async () => {
    const make = ['create type pair as (a int, b text)', 'create table paired (id int primary key, p pair, ps pair[])']
    const write = `insert into paired values (1, (1, 'x'), array[(2, 'y')::pair])`
    const before = bench.cluster().changes.length
    await bench.withClient(3, async (client) => {
      await client.query('begin')
      for (const statement of [...make, write]) await client.query(statement)
      assert.equal(await commitOutcome(client), '0A000')
      await client.query('begin')
      for (const statement of [...make, write]) await client.query(statement)
      assert.equal(await outcomeOf(client.query('create index on paired (p)')), '0A000')
      await client.query('rollback')
      for (const statement of [...make, write, 'alter type pair add attribute c int']) await client.query(statement)
      await client.query('begin')
      for (const statement of ['alter type pair rename attribute b to d', 'create table beside (id int primary key)'])
        await client.query(statement)
      await client.query('insert into beside values (1)')
      assert.equal(await commitOutcome(client), 'commit')
    })
    await equalEverywhere()
    assert.deepEqual(bench.cluster().changes.slice(before), [], 'no node has left service')
  },
)

/** What the log of {@link eventTriggers} has, oldest first. */
const logged = `(select string_agg(concat_ws(' ', at, tag, object), ', ' order by id) from ddl_log)`

const eventTriggers = [
  'create table ddl_log (id bigint generated always as identity primary key, at text, tag text, object text)',
  `create function log_ddl() returns event_trigger language plpgsql as $$ declare o record; begin
     if tg_event = 'ddl_command_end' then
       for o in select * from pg_event_trigger_ddl_commands() loop insert into ddl_log (at, tag, object) values ('end', tg_tag, o.object_identity); end loop;
     elsif tg_event = 'sql_drop' then
       for o in select * from pg_event_trigger_dropped_objects() d where d.original loop insert into ddl_log (at, tag, object) values ('drop', tg_tag, o.object_identity); end loop;
     else insert into ddl_log (at, tag) values (split_part(tg_event, '_', -1), tg_tag); end if; end $$`,
  // Their names are before the cluster's old ones, and behind them.
  'create event trigger a_start on ddl_command_start execute function log_ddl()',
  'create event trigger a_end on ddl_command_end execute function log_ddl()',
  'create event trigger a_drop on sql_drop execute function log_ddl()',
  'create event trigger z_rewrite on table_rewrite execute function log_ddl()',
]

test('an event trigger of the user fires at the client’s node only, and what it writes travels', { skip }, async () => {
  await bench.setUp(...eventTriggers)
  const steps: readonly [number, string][] = [
    [1, 'create table observed (id int primary key, v int)'],
    [2, 'insert into observed values (1, 1)'],
    [2, 'alter table observed alter v type bigint'],
    [3, 'begin; savepoint s; create table gone (id int); rollback to s; alter table observed drop column v; commit'],
    [4, 'alter event trigger a_start disable; alter event trigger a_start rename to b_start'],
    [4, 'drop table observed'],
    [1, 'drop event trigger b_start, a_end, a_drop, z_rewrite'],
    [2, 'create table unobserved (id int)'],
  ]
  for (const [number, text] of steps) {
    const client = await bench.on(number)
    await client.query(text).catch((error: unknown) => {
      throw new Error(`${text}: ${fieldsOf(error).message}`, { cause: error })
    })
    await equalEverywhere()
  }
  assert.equal(
    await bench.everywhere(logged),
    [
      'start CREATE TABLE, end CREATE TABLE public.observed, end CREATE TABLE public.observed_pkey',
      'start ALTER TABLE, rewrite ALTER TABLE, end ALTER TABLE public.observed',
      'start ALTER TABLE, drop ALTER TABLE public.observed.v, end ALTER TABLE public.observed',
      'drop DROP TABLE public.observed',
    ].join(', '),
  )
})

test('schema changes of an event trigger’s own come behind the command’s, once, at every node', { skip }, async () => {
  await bench.setUp(
    `create function with_index() returns event_trigger language plpgsql as $$ declare o record; begin
       for o in select * from pg_event_trigger_ddl_commands() c where c.object_type = 'table' loop
         execute format('create index on %s (id)', o.object_identity);
         execute format('alter table %s add column made_by text default %L', o.object_identity, 'the trigger');
       end loop; end $$`,
    `create function drop_companion() returns event_trigger language plpgsql as $$ begin drop table if exists companion; end $$`,
    `create event trigger a_index on ddl_command_end when tag in ('CREATE TABLE') execute function with_index()`,
    `create event trigger a_companion on sql_drop when tag in ('DROP TABLE', 'ALTER TABLE') execute function drop_companion()`,
  )
  for (const number of [2, 3]) {
    const client = await bench.on(number)
    await client.query(`create table made_${number} (id int primary key, v int)`)
    await client.query(`insert into made_${number} values (1, 1)`)
    await equalEverywhere()
  }
  assert.equal(
    await bench.everywhere(`select string_agg(made_by, ',') from (table made_2 union all table made_3) m`),
    'the trigger,the trigger',
  )
  const client = await bench.on(4)
  await client.query('create table companion (id int)')
  // Its record comes at the command's end, and the trigger's would be before it.
  assert.equal(await outcomeOf(client.query('alter table made_2 drop column v')), '0A000')
  await client.query('drop table made_3')
  await equalEverywhere()
  assert.equal(await bench.everywhere(`select coalesce(to_regclass('companion')::text, 'none')`), 'none')
  await client.query('drop event trigger a_index, a_companion')
})

test('an event trigger that forbids everything is in no other node’s way, nor in the agent’s', { skip }, async () => {
  await bench.setUp(
    'create table calm (id int primary key)',
    `create function deny() returns event_trigger language plpgsql as $$ begin raise 'no % here', tg_tag using errcode = 'P0123'; end $$`,
    'create event trigger deny_start on ddl_command_start execute function deny()',
    'create event trigger deny_end on ddl_command_end execute function deny()',
    'create event trigger deny_drop on sql_drop execute function deny()',
  )
  const client = await bench.on(1)
  assert.equal(await outcomeOf(client.query('create table forbidden (id int)')), 'P0123')
  assert.equal(await outcomeOf(client.query('drop table calm')), 'P0123')
  const { dataDir } = bench.cluster().nodes[3] ?? { dataDir: '' }
  await bench.cluster().command(['kill', 'n4'])
  rmSync(dataDir, { recursive: true, force: true })
  await client.query('insert into calm values (1)')
  await client.query('create index concurrently calm_again on calm (id)')
  await bench.cluster().command(['start', 'n4'])
  await bench.serving()
  await (await bench.on(4)).query('insert into calm values (2)')
  await equalEverywhere()
  await (await bench.on(3)).query('drop event trigger deny_start, deny_end, deny_drop')
  await client.query('drop table calm')
  await equalEverywhere()
})

test(
  'an event trigger is refused that could lock the agent out, or that a function makes or drops',
  { skip },
  async () => {
    await bench.setUp(
      'create function noop() returns event_trigger language plpgsql as $$ begin end $$',
      'create event trigger kept on ddl_command_end execute function noop()',
    )
    const client = await bench.on(2)
    for (const text of [
      'create event trigger l on login execute function noop()',
      `do $$ begin create event trigger l on login execute function noop(); end $$`,
      `do $$ begin create event trigger e on ddl_command_end execute function noop(); end $$`,
      `do $$ begin alter event trigger kept enable always; end $$`,
      `do $$ begin drop event trigger kept; end $$`,
      `do $$ begin execute 'drop event trigger "!allwrite_ddl_end"'; end $$`,
      'alter event trigger kept enable replica',
      'alter event trigger kept rename to "~~"',
    ])
      assert.equal(await outcomeOf(client.query(text)), '0A000', text)
    await equalEverywhere()
    assert.equal(
      await bench.everywhere(`select string_agg(evtname, ',') from pg_event_trigger where evtname !~ 'allwrite'`),
      'kept',
    )
    await client.query('drop function noop cascade')
    await equalEverywhere()
  },
)

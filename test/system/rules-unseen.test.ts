/** RULES 5: what PostgreSQL's decoding does not show is refused by name, or done at every node. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type pg from 'pg'
import { needsCluster } from '#testing/cluster.ts'
import { fieldsOf, outcomeOf } from '#testing/errors.ts'
import { assertAllEqual, assertSameCatalogs } from '#testing/equality.ts'
import { useCluster } from './rules-cluster.ts'

const skip = needsCluster
const bench = useCluster()

/** Everything that a way prints or raises: `ok` or SQLSTATE per statement. */
const outcomes = async (client: pg.Client, statements: readonly string[]): Promise<string[]> => {
  const seen: string[] = []
  for (const statement of statements) seen.push(await outcomeOf(client.query(statement)))
  return seen
}

/** Writes that decoding does not show. [statements, query]: the query must answer the same at every node afterwards. */
const invisible: readonly (readonly [statements: readonly string[], query: string])[] = [
  [[`select lo_create(4711)`], 'select count(*) from pg_largeobject_metadata'],
  [[`select lo_from_bytea(0, 'x')`], 'select count(*) from pg_largeobject_metadata'],
  [[`begin`, `select lo_creat(-1)`, 'commit'], 'select count(*) from pg_largeobject_metadata'],
  [[`select allwrite.raw_lo_create(4712)`], 'select count(*) from pg_largeobject_metadata'],
  [[`insert into pg_largeobject_metadata select 4713, 10, null`], 'select count(*) from pg_largeobject_metadata'],
  [
    [`set allow_system_table_mods = on`, `update pg_class set reltuples = 77 where relname = 'seen'`],
    `select reltuples = 77 from pg_class where relname = 'seen'`,
  ],
  [
    [`update pg_proc set prosrc = prosrc || ' ' where proname = 'plain'`],
    `select md5(prosrc) from pg_proc where proname = 'plain'`,
  ],
  [
    [
      `begin`,
      `insert into seen values (1)`,
      `update pg_proc set prosrc = prosrc || ' ' where proname = 'plain'`,
      'commit',
    ],
    `select md5(prosrc) from pg_proc where proname = 'plain'`,
  ],
  [
    [
      `begin`,
      `create table mixed (a int)`,
      `update pg_proc set prosrc = prosrc || ' ' where proname = 'plain'`,
      'commit',
    ],
    `select md5(prosrc) from pg_proc where proname = 'plain'`,
  ],
  [[`create unlogged table fast (id int primary key)`, 'insert into fast values (1)'], 'select count(*) from fast'],
  [[`alter table seen set unlogged`], `select relpersistence from pg_class where relname = 'seen'`],
  [
    [`do $$ begin create unlogged table fast2 (id int primary key); insert into fast2 values (1); end $$`],
    'select count(*) from fast2',
  ],
  [[`select setval('counter', 500)`], `select nextval('counter') >= 500`],
  [[`do $$ begin perform setval('counter', 5000); end $$`], `select nextval('counter') >= 5000`],
  [[`alter sequence counter restart with 90000`], `select nextval('counter') >= 90000`],
  [[`create materialized view mv as select 1`], `select count(*) from mv`],
  [[`do $$ begin create role sneaky_role; end $$`], `select count(*) from pg_roles where rolname = 'sneaky_role'`],
  [
    [`do $$ begin execute 'alter role postgres connection limit 77'; end $$`],
    `select rolconnlimit from pg_roles where rolname = 'postgres'`,
  ],
  [
    [`begin`, `insert into seen values (50)`, `do $$ begin create role sneaky_role2; end $$`, 'commit'],
    `select count(*) from pg_roles where rolname = 'sneaky_role2'`,
  ],
  [
    [`create role r1`, `do $$ begin grant r1 to postgres; end $$`],
    `select count(*) from pg_auth_members where roleid = 'r1'::regrole`,
  ],
  [[`do $$ begin grant select on seen to public; end $$`], `select relacl::text from pg_class where relname = 'seen'`],
  [
    [`grant create on database postgres to public`],
    `select coalesce(datacl::text, '') from pg_database where datname = 'postgres'`,
  ],
  [
    [`do $$ begin grant temp on database postgres to public; end $$`],
    `select coalesce(datacl::text, '') from pg_database where datname = 'postgres'`,
  ],
  [[`alter default privileges grant select on tables to public`], `select count(*) from pg_default_acl`],
  [
    [`comment on database postgres is 'x'`],
    `select shobj_description(oid, 'pg_database') from pg_database where datname = 'postgres'`,
  ],
  [
    [`comment on role postgres is 'x'`],
    `select shobj_description(oid, 'pg_authid') from pg_authid where rolname = 'postgres'`,
  ],
  [
    [`alter database postgres set work_mem = '7MB'`],
    `select count(*) from pg_db_role_setting where setconfig::text like '%work_mem%'`,
  ],
  [
    [`alter role postgres set work_mem = '7MB'`],
    `select count(*) from pg_db_role_setting where setconfig::text like '%work_mem%'`,
  ],
  [
    [`do $$ begin execute 'alter role postgres set work_mem = ''9MB'''; end $$`],
    `select max(setconfig::text) from pg_db_role_setting where setconfig::text like '%work_mem%'`,
  ],
  [[`reassign owned by postgres to postgres`], 'select 1'],
  [
    [`select pg_import_system_collations('public')`],
    `select count(*) from pg_collation where collnamespace = 'public'::regnamespace`,
  ],
  [[`select lo_import('/etc/hostname')`], 'select count(*) from pg_largeobject_metadata'],
  [[`security label on table seen is 'x'`], 'select count(*) from pg_seclabel'],
  [
    [`alter event trigger "~allwrite_ddl_start" disable`],
    'select string_agg(evtname || evtenabled::text, $$ $$ order by evtname) from pg_event_trigger',
  ],
  [
    [`set event_triggers = off`, 'create table silent (id int)'],
    `select coalesce(to_regclass('silent')::text, 'none')`,
  ],
  [
    [`begin`, `set local event_triggers = off`, 'create table silent2 (id int)', 'commit'],
    `select coalesce(to_regclass('silent2')::text, 'none')`,
  ],
  [
    [`with d as (delete from allwrite.heartbeat returning 1) select * from d`],
    'select count(*) > 0 from allwrite.heartbeat',
  ],
  [[`prepare p as delete from allwrite.secret`, 'execute p'], 'select count(*) from allwrite.secret'],
  [[`delete from allwrite.secret`], 'select count(*) from allwrite.secret'],
  [[`truncate allwrite.heartbeat`], 'select count(*) > 0 from allwrite.heartbeat'],
  [[`drop schema allwrite cascade`], `select count(*) from pg_namespace where nspname = 'allwrite'`],
  [[`drop subscription allwrite`], `select count(*) from pg_subscription`],
  [[`drop publication allwrite`], `select count(*) from pg_publication`],
  [[`alter publication allwrite set table seen`], `select puballtables from pg_publication where pubname = 'allwrite'`],
  [
    [`drop role allwrite`, `alter role allwrite rename to x`, 'alter role allwrite nologin'],
    `select rolcanlogin from pg_roles where rolname = 'allwrite'`,
  ],
]

test('writes that decoding does not show are refused or done at every node (RULES 5)', { skip }, async (context) => {
  await bench.setUp(
    'create table seen (id int primary key)',
    'create sequence counter',
    `create function plain() returns int language sql as 'select 1'`,
  )
  for (const [statements] of invisible) {
    await context.test(statements.join('; '), async (inner) => {
      const seen = await bench.withClient(2, (client) => outcomes(client, statements))
      inner.diagnostic(seen.join(' '))
    })
  }
  await assertAllEqual(bench.cluster())
  const answers = await Promise.all(
    [1, 2, 3, 4].map((number) =>
      bench.withClient(number, async (client) => {
        const values: string[] = []
        for (const [statements, query] of invisible) {
          const { rows } = await client
            .query<{ value: string }>(`select (${query})::text as value`)
            .catch((thrown: unknown) => ({ rows: [{ value: fieldsOf(thrown).code }] }))
          values.push(`${statements.join('; ')} → ${rows[0]?.value}`)
        }
        return values
      }),
    ),
  )
  for (const others of answers.slice(1)) assert.deepEqual(others, answers[0])
  await assertSameCatalogs(bench.cluster())
})

/** What code behind a table may do: refused in these words; or undefined: done at every node. */
const hiddenWrites: readonly (readonly [name: string, body: string, refused: RegExp | undefined])[] = [
  ['a large object', `perform lo_from_bytea(0, 'x')`, /large objects/],
  ['a large object by another name', 'perform make_lo(0)', /a large object/],
  ['a role', 'create role by_trigger', /catalog pg_auth/],
  ['a role changed', 'alter role postgres connection limit 78', /catalog pg_authid/],
  ['privileges', 'grant temp on database postgres to public', /privileges on a database/],
  ['a catalog', `update pg_class set reltuples = 78 where relname = 'hidden'`, /catalog pg_class/],
  ['the agent’s tables', 'delete from allwrite.heartbeat', /table allwrite.heartbeat/],
  ['setval', `perform setval('hidden_counter', 5000)`, undefined],
  ['TRUNCATE RESTART', 'truncate hidden_numbered restart identity', undefined],
]

test(
  'what the code behind a table writes unseen is refused by name or done at every node (RULES 5)',
  { skip },
  async (context) => {
    await bench.setUp(
      'create table hidden (id int primary key, v int)',
      'create table hidden_numbered (id serial primary key)',
      'create table hidden_default (id int primary key, v int)',
      'create table hidden_check (id int primary key, v int)',
      'create table hidden_truncate (id int primary key)',
      'create sequence hidden_counter',
      `create function make_lo(oid) returns oid language internal as 'be_lo_create'`,
      `create function hidden_code() returns int language plpgsql as 'begin return 1; end'`,
      `create function hidden_trigger() returns trigger language plpgsql as $$ begin perform hidden_code(); return new; end $$`,
      'create trigger hidden_row before insert or update on hidden for each row execute function hidden_trigger()',
      'create trigger hidden_statement before truncate on hidden_truncate execute function hidden_trigger()',
      'alter table hidden_default alter v set default hidden_code()',
      'alter table hidden_check add check (hidden_code() = v)',
    )
    const ways = [
      (id: number) => `insert into hidden values (${id}, 1)`,
      (id: number) => `with w as (insert into hidden values (${id}, 1) returning id) select * from w`,
      (id: number) => `insert into hidden_default values (${id})`,
      (id: number) => `insert into hidden_check values (${id}, 1)`,
      () => 'truncate hidden_truncate',
    ]
    const state = `concat_ws(' ',
    (select count(*) from pg_largeobject_metadata), (select count(*) from pg_roles where rolname = 'by_trigger'),
    (select rolconnlimit from pg_roles where rolname = 'postgres'), (select datacl from pg_database where datname = 'postgres'),
    (select reltuples = 78 from pg_class where relname = 'hidden'),
    (select string_agg(name || epoch, ',' order by name) from allwrite.sequence where name ~ 'hidden_'))`
    let id = 0
    for (const [name, body, refused] of hiddenWrites) {
      await context.test(name, async () => {
        await bench.setUp(
          `create or replace function hidden_code() returns int language plpgsql as $$ begin ${body}; return 1; end $$`,
        )
        await bench.withClient(2, async (client) => {
          for (const way of ways) {
            for (const block of [false, true]) {
              id += 1
              if (block) await client.query('begin')
              const ran = await client
                .query(way(id))
                .then(() => (block ? client.query('commit').then(() => undefined, fieldsOf) : undefined), fieldsOf)
              if (block) await client.query('rollback')
              assert.equal(ran?.code, refused === undefined ? undefined : '0A000', `${way(id)}: ${ran?.message}`)
              if (refused !== undefined) assert.match(ran?.message ?? '', refused)
            }
          }
        })
        await assertAllEqual(bench.cluster())
        await bench.everywhere(state)
      })
    }
    await assertSameCatalogs(bench.cluster())
  },
)

test('pg_logical_emit_message and the capture call can not be forged by a user (RULES 5)', { skip }, async () => {
  await bench.setUp('create table forged (id int primary key)')
  await bench.withClient(2, async (client) => {
    for (const prefix of ['allwrite', '', 'x']) {
      for (const transactional of ['true', 'false']) {
        await outcomeOf(client.query(`select pg_logical_emit_message(${transactional}, '${prefix}', repeat('1', 100))`))
      }
    }
    // A capture of one's own, in the middle: what is written afterwards must travel all the same.
    await client.query('begin')
    await client.query('insert into forged values (1)')
    const called = await outcomeOf(client.query(`select allwrite.capture('guessed')`))
    if (called !== 'ok') await client.query('rollback')
    else {
      await client.query('insert into forged values (2)')
      await client.query('commit')
    }
    await client.query('insert into forged values (3)')
  })
  await assertAllEqual(bench.cluster())
})

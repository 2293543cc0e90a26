/** RULES 4, 5, 13, 16: no way around the agent, nothing done at one node only, no lock held against the order. */
import assert from 'node:assert/strict'
import { createConnection } from 'node:net'
import type { Socket } from 'node:net'
import { test } from 'node:test'
import type pg from 'pg'
import { needsCluster } from '#testing/cluster.ts'
import { fieldsOf, outcomeOf } from '#testing/errors.ts'
import { assertAllEqual, assertSameCatalogs } from '#testing/equality.ts'
import { libpqEnv, missing, run } from '#testing/tools.ts'
import { until } from '#testing/wait.ts'
import { useCluster } from './rules-cluster.ts'

const skip = needsCluster
const noPsql = skip === false ? missing('psql') : skip
const bench = useCluster()

/** Everything that a way prints or raises: `ok` or SQLSTATE per statement. */
const outcomes = async (client: pg.Client, statements: readonly string[]): Promise<string[]> => {
  const seen: string[] = []
  for (const statement of statements) seen.push(await outcomeOf(client.query(statement)))
  return seen
}

/** Each is tried in a session of its own at n2; `%` is replaced by the way's number. What is said to be done is done everywhere. */
const bypasses: readonly (readonly string[])[] = [
  [`select sneak('%')`],
  [`values (sneak('%'))`],
  [`select 1 where sneak('%') = 1`],
  [`select * from sneaky_view where how = '%'`],
  [`table sneaky_view`],
  [`explain analyze select sneak('%')`],
  [`copy (select sneak('%')) to stdout`],
  [`select 'x'::sneaky_domain`],
  [`select '%' === 'x'`],
  [`select row_to_json(r) from (select sneak('%')) r`],
  [`with w as (insert into guard (how) values ('%') returning 1) select * from w`],
  [`explain analyze insert into guard (how) values ('%')`],
  [`prepare p as select sneak('%')`, 'execute p'],
  [`prepare p as select sneak('%')`, 'create temp table t% as execute p'],
  [`begin read only`, `select sneak('%')`, 'commit'],
  [`begin`, `set transaction read write`, `insert into guard (how) values ('%')`, 'commit'],
  [`begin read only`, `set transaction read write`, `insert into guard (how) values ('%')`, 'commit'],
  [`set transaction read write`, `insert into guard (how) values ('%')`],
  [`set session characteristics as transaction read write`, `select sneak('%')`],
  [`set default_transaction_read_only = off`, `select sneak('%')`],
  [`select set_config('default_transaction_read_only', 'off', false)`, `select sneak('%')`],
  [`select set_config('default_transaction_read_only','off',false); commit; select sneak('%')`],
  [`begin read write; insert into guard (how) values ('%'); commit`],
  [
    `begin; insert into guard (how) values ('%'); commit and chain; insert into guard (how) values ('% chained'); commit`,
  ],
  [
    `begin`,
    `insert into guard (how) values ('%')`,
    'commit and chain',
    `insert into guard (how) values ('% chained')`,
    'commit',
  ],
  [`begin`, 'rollback and chain', `insert into guard (how) values ('%')`, 'commit'],
  [`select 1; insert into guard (how) values ('%'); select 1/0`],
  [`do $$ begin commit; set transaction read write; insert into guard (how) values ('%'); commit; end $$`],
  [`do $$ begin insert into guard (how) values ('%'); commit; end $$`],
  [`do $$ begin perform set_config('default_transaction_read_only','off',false); end $$`, `select sneak('%')`],
  [`call committing('%')`],
  [`begin`, `call committing('%')`, 'commit'],
  [
    `set default_transaction_read_only = on`,
    `select sneak('%')`,
    `reset all`,
    `select sneak('% reset')`,
    `discard all`,
    `select sneak('% discard')`,
  ],
  [`begin`, `declare c cursor for select sneak('%')`, 'fetch c', 'commit'],
  [`begin`, `declare c cursor with hold for select sneak('% hold')`, 'commit', 'fetch c'],
  [
    `begin`,
    `insert into guard (how) values ('%')`,
    `declare c cursor with hold for select sneak('% hold')`,
    'commit',
    'fetch c',
  ],
  [`declare c cursor with hold for select sneak('%')`, 'fetch c'],
  [`set session_replication_role = replica`, `insert into guard (how) values ('%')`],
  [`set role allwrite`, `insert into guard (how) values ('%')`],
  [`set session authorization allwrite`, `insert into guard (how) values ('%')`],
  [`alter role postgres set default_transaction_read_only = off`, `select sneak('%')`],
  [`/* */ ; ; select sneak('%') ; -- x`],
  [`select pg_catalog.query_to_xml('select sneak(''%'')', true, true, '')`],
  [`select * from cursor_to_xml('x', 1, true, true, '')`, `select database_to_xml(true, true, '')`],
  [`savepoint a`, `insert into guard (how) values ('%')`],
  [`lock table guard`, `begin`, `lock table guard`, `insert into guard (how) values ('%')`, 'commit'],
  [`set local default_transaction_read_only = off`, `select sneak('%')`],
  [`begin isolation level repeatable read, read write; select sneak('%'); end`],
  [`set search_path = shadow, pg_catalog`, `select lower('%')`, `reset search_path`],
]

test(
  'no way around the guard: what a session is told is done is done at every node (RULES 4)',
  { skip },
  async (context) => {
    await bench.setUp(
      'create table guard (id serial primary key, how text)',
      `create function sneak(how text) returns int language plpgsql as $$ begin insert into public.guard (how) values (sneak.how); return 1; exception when others then return 0; end $$`,
      `create function sneak2(text, text) returns bool language sql as $$ select sneak($1) = 1 $$`,
      `create operator === (leftarg = text, rightarg = text, function = sneak2)`,
      `create view sneaky_view as select sneak('view') as done, how from guard limit 1`,
      `create domain sneaky_domain as text check (sneak('domain') = 1)`,
      `create procedure committing(how text) language plpgsql as $$ begin insert into guard (how) values (how); commit; insert into guard (how) values (how || ' 2'); end $$`,
      'create schema shadow',
      `create function shadow.lower(text) returns int language sql volatile as $$ select public.sneak($1) $$`,
    )
    for (const [number, way] of bypasses.entries()) {
      const statements = way.map((statement) => statement.replaceAll('%', String(number)))
      await context.test(statements.join('; '), async (inner) => {
        const seen = await bench.withClient(2, (client) => outcomes(client, statements))
        inner.diagnostic(seen.join(' '))
      })
    }
    await assertAllEqual(bench.cluster()).catch(async (thrown: unknown) => {
      // The rows name their way.
      await bench.everywhere(`select string_agg(how, ', ' order by how) from guard`)
      throw thrown
    })
    await assertSameCatalogs(bench.cluster())
  },
)

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
    [`alter event trigger allwrite_ddl_start disable`],
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

/** A client that we read ourselves: node-postgres logs in, then gives its socket up. */
interface RawClient {
  readonly socket: Socket
  /** Bytes received so far, as text. */
  text(): string
  query(sql: string): void
  end(): Promise<void>
}

const rawClient = async (number: number): Promise<RawClient> => {
  const client = await bench.cluster().connect(number)
  const connection: unknown = Reflect.get(client, 'connection')
  assert(typeof connection === 'object' && connection !== null)
  const socket = Reflect.get(connection, 'stream') as Socket
  socket.removeAllListeners('data')
  const chunks: Buffer[] = []
  socket.on('data', (chunk: Buffer) => chunks.push(chunk))
  return {
    socket,
    text: () => Buffer.concat(chunks).toString('latin1'),
    query(sql) {
      const body = Buffer.from(`${sql}\0`)
      const head = Buffer.alloc(5)
      head.write('Q')
      head.writeInt32BE(body.length + 4, 1)
      socket.write(Buffer.concat([head, body]))
    },
    end: () =>
      new Promise((resolve) => {
        socket.once('close', () => resolve())
        socket.destroy()
      }),
  }
}

const visibleAt = (number: number, query: string, value: string): Promise<true> =>
  until(
    `n${number} answers ${value} to ${query}`,
    () =>
      bench.withClient(number, async (client) => {
        const { rows } = await client.query<{ value: string }>(`select (${query})::text as value`)
        return rows[0]?.value === value && (true as const)
      }),
    { msMax: 15_000 },
  )

test('a client that does not read while it holds a needed lock is in nobody’s way (RULES 13)', { skip }, async () => {
  await bench.setUp(
    'create table needed (id int primary key, v int)',
    'insert into needed values (1, 0), (2, 0), (3, 0)',
  )
  const deaf = await rawClient(1)
  try {
    deaf.socket.pause()
    deaf.query('begin')
    deaf.query('update needed set v = -1 where id = 1')
    deaf.query(`select repeat('x', 100000) from generate_series(1, 5000)`)
    await until(
      'the backend is stuck in sending',
      () =>
        bench.withClient(1, async (client) => {
          const { rowCount } = await client.query(`select from pg_stat_activity where wait_event = 'ClientWrite'`)
          return (rowCount ?? 0) > 0
        }),
      { msMax: 20_000 },
    )
    await bench.withClient(2, (winner) => winner.query('update needed set v = 1 where id = 1'))
    await visibleAt(1, 'select v from needed where id = 1', '1')
  } finally {
    await deaf.end()
  }
  await assertAllEqual(bench.cluster())
})

test('a function that swallows query_canceled loses its lock all the same (RULES 13)', { skip }, async () => {
  await bench.withClient(1, async (stubborn) => {
    await stubborn.query('begin')
    await stubborn.query('update needed set v = -1 where id = 2')
    const told = outcomeOf(
      stubborn.query(
        `do $$ declare i int; begin for i in 1..200 loop begin perform pg_sleep(60); exception when query_canceled then null; end; end loop; end $$`,
      ),
    )
    await bench.withClient(2, (winner) => winner.query('update needed set v = 2 where id = 2'))
    await visibleAt(1, 'select v from needed where id = 2', '2')
    assert.notEqual(await told, 'ok')
  })
  await assertAllEqual(bench.cluster())
})

test('statements pipelined behind a brute-forced transaction never run outside it (RULES 13)', { skip }, async () => {
  await bench.setUp('create table outside (id serial primary key)')
  const client = await rawClient(1)
  try {
    client.query('begin')
    client.query('update needed set v = -1 where id = 3')
    client.query('select pg_sleep(30)')
    for (let turn = 0; turn < 5; turn++) client.query('insert into outside default values')
    client.query('commit')
    client.query(`select 'the end'`)
    await until('it sleeps', () =>
      bench.withClient(1, async (other) => {
        const { rowCount } = await other.query(`select from pg_stat_activity where wait_event = 'PgSleep'`)
        return (rowCount ?? 0) > 0
      }),
    )
    await bench.withClient(2, (winner) => winner.query('update needed set v = 3 where id = 3'))
    await until(
      'all was answered or the connection ended',
      () => client.text().includes('the end') || client.socket.closed,
    )
    assert.match(client.text(), /40001/)
    if (!client.socket.closed) {
      assert.equal(client.text().split('25P02').length - 1, 5, 'the statements behind it fail')
      assert.match(client.text(), /ROLLBACK/)
    }
  } finally {
    await client.end()
  }
  await assertAllEqual(bench.cluster())
  assert.equal(await bench.everywhere('select count(*) from outside'), '0')
})

test('target_session_attrs finds a node to be what it is (RULES 16)', { skip: noPsql }, async () => {
  for (const [wanted, fits] of [
    ['read-write', true],
    ['primary', true],
    ['any', true],
    ['read-only', false],
    ['standby', false],
  ] as const) {
    const env = { ...libpqEnv(bench.cluster().urlOf(3)), PGTARGETSESSIONATTRS: wanted }
    const { code, stderr } = await run('psql', ['-X', '-Atc', 'show transaction_read_only'], { env, msMax: 20_000 })
    assert.equal(code === 0, fits, `${wanted}: ${stderr}`)
  }
  await bench.withClient(3, async (client) => {
    // What drivers ask to find a writer. (current_setting('default_transaction_read_only') shows the guard.)
    for (const setting of ['default_transaction_read_only', 'transaction_read_only', 'in_hot_standby']) {
      const shown = await client.query<Record<string, string>>(`show ${setting}`)
      assert.equal(shown.rows[0]?.[setting], 'off', `show ${setting}`)
    }
    const asked = await client.query<{ value: string }>(`select current_setting('transaction_read_only') as value`)
    assert.equal(asked.rows[0]?.value, 'off')
  })
})

test('a bad frame ends one session, never the node (RULES 16)', { skip }, async () => {
  const { hostname, port } = new URL(bench.cluster().urlOf(4))
  for (const bytes of [Buffer.from([0, 0, 0, 3]), Buffer.alloc(8, 0xff), Buffer.from([0, 0, 0, 9, 0, 3, 0, 0, 65])]) {
    await new Promise<void>((resolve) => {
      const socket = createConnection(Number(port), hostname, () => socket.end(bytes))
      socket.on('error', () => undefined).once('close', () => resolve())
      socket.resume()
    })
  }
  const raw = await rawClient(4)
  raw.socket.write(Buffer.from([0x51, 0x7f, 0xff, 0xff, 0xff, 0x00]))
  raw.socket.write(Buffer.from([0xff, 0, 0, 0, 0]))
  await raw.end()
  await bench.serving()
})

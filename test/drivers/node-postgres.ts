/** node-postgres (pg 8) with pg-pool, pg-cursor, pg-query-stream and pg-copy-streams. */
import { once } from 'node:events'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import pg from 'pg'
import { from as copyFrom, to as copyTo } from 'pg-copy-streams'
import Cursor from 'pg-cursor'
import QueryStream from 'pg-query-stream'
import { fieldsOf } from '#testing/errors.ts'
import { until } from '#testing/wait.ts'
import type { Place, Scenario } from './scenario.ts'
import type { Transcript } from './transcript.ts'

const shape = ({ command, rowCount, rows, fields }: pg.QueryResult): unknown => ({
  command,
  rowCount,
  rows,
  fields: fields.map(({ name, dataTypeID, dataTypeModifier, format }) => [
    name,
    dataTypeID < 16384 ? dataTypeID : 'a type of the user',
    dataTypeModifier,
    format,
  ]),
})

export const nodePostgres: Scenario = async (place, t) => {
  const pool = new pg.Pool({ connectionString: place.url, max: 4 })
  try {
    await schema(pool, t)
    await types(pool, t)
    await queries(pool, t)
    await transactions(pool, t)
    await errors(pool, t)
    await cursors(place, t)
    await copies(pool, t)
    await settings(place, t)
    await cancels(place, t)
    await notifications(place, t)
    await counters(place, t)
  } finally {
    await pool.end()
  }
}

const schema = async (pool: pg.Pool, t: Transcript): Promise<void> => {
  for (const text of [
    `create type mood as enum ('sad', 'ok', 'happy')`,
    `create domain positive as int check (value > 0)`,
    `create type point2 as (x int, y int)`,
    `create table person (
       id bigint generated always as identity primary key, email text not null unique, mood mood not null default 'ok', age positive,
       constraint person_adult check (age > 17), born date, full_name text generated always as ('<' || email || '>') stored)`,
    `create table pet (id serial primary key, owner bigint not null references person on delete cascade deferrable initially deferred, name varchar(8))`,
    `create table counter (id int primary key, value bigint not null)`,
    `comment on table person is 'who'; comment on column person.age is 'years'`,
    `create index on pet (owner) where name is not null`,
    `create function touch() returns trigger language plpgsql as $$ begin new.name := upper(new.name); raise notice 'touched %', new.name; return new; end $$`,
    `create trigger pet_touch before insert or update on pet for each row execute function touch()`,
    `create view adults as select email, age from person where age >= 18 with check option`,
    `drop table if exists nothing_of_that_name`,
  ]) {
    const results = (await pool.query(text)) as unknown as pg.QueryResult | pg.QueryResult[]
    t.say(text.slice(0, 40), [results].flat().map(shape))
  }
}

const types = async (pool: pg.Pool, t: Transcript): Promise<void> => {
  const values = `select 1::int2 a, 2::int4 b, 9007199254740993::int8 c, 1.5::float4 d, 1e300::float8 e, 123456789012345678901234567890.12345::numeric f,
    true g, 'text'::text h, 'c'::"char" i, 'ab'::char(4) j, '\\xdeadbeef'::bytea k, '2026-01-02'::date l, '2026-01-02 03:04:05.678901'::timestamp m,
    '2026-01-02 03:04:05+00'::timestamptz n, '3 days 04:05:06'::interval o, '{"a":[1,null]}'::json p, '{"b":{}}'::jsonb q, array[1,null,3] r,
    array[['a','b"'],['{','']] s, 'happy'::mood u, (1,2)::point2 v, int4range(1, 5) w, '10.0.0.0/8'::cidr x, 'b0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'::uuid y,
    null::text z, 'NaN'::numeric aa, 'infinity'::timestamptz bb, array['2026-01-01'::date] cc, '(1,2)'::point dd, B'101' ee, '<a/>'::text ff, 5::positive gg`
  t.say('types, simple', shape(await pool.query(values)))
  t.say('types, extended', shape(await pool.query(`${values} where $1 = 1`, [1])))
  t.say(
    'types, binary',
    shape(
      await pool.query({
        text: 'select $1::int4 a, $2::text b, $3::bytea c',
        values: [7, 'é', Buffer.from('x')],
        binary: true,
      } as pg.QueryConfig),
    ),
  )
  t.say(
    'parameters',
    (
      await pool.query(
        'select $1::int8 a, $2::text[] b, $3::jsonb c, $4::timestamptz d, $5::bytea e, $6::bool f, $7::mood[] g, $8::float8 h, $9::date i, $10::text j',
        [
          '9223372036854775807',
          ['a', 'b"', null],
          { x: [1] },
          new Date(Date.UTC(2026, 1, 3)),
          Buffer.from([0, 255]),
          false,
          ['sad', 'ok'],
          0.1,
          '2026-02-28',
          null,
        ],
      )
    ).rows,
  )
  t.say(
    'array mode',
    (await pool.query({ text: 'values (1, $1::text), (2, null)', values: ['x'], rowMode: 'array' })).rows,
  )
}

const queries = async (pool: pg.Pool, t: Transcript): Promise<void> => {
  t.say('empty', shape(await pool.query('')))
  t.say('no columns', shape(await pool.query('select')))
  const several = (await pool.query('select 1 as a; select 2 as b, 3 as c; values (4)')) as unknown as pg.QueryResult[]
  t.say('several', several.map(shape))
  t.say(
    'several that write',
    (
      (await pool.query(
        `insert into person (email, age) values ('multi@x', 20); update person set age = 21 where email = 'multi@x'; select age from person`,
      )) as unknown as pg.QueryResult[]
    ).map(shape),
  )
  await t.fails(
    'several, the last fails',
    pool.query(`insert into person (email, age) values ('gone@x', 20); select 1/0`),
  )
  t.say('what is left of it', (await pool.query(`select count(*) from person where email = 'gone@x'`)).rows)
  for (const age of [30, 31, 32]) {
    const result = await pool.query({
      name: 'insert person',
      text: 'insert into person (email, age, born) values ($1, $2, $3) returning id, email, mood, full_name, born',
      values: [`p${age}@x`, age, '1990-01-01'],
    })
    t.say('named', {
      ...result.rows[0],
      id: t.named('person', result.rows[0].id),
      tag: [result.command, result.rowCount],
    })
  }
  t.say(
    'upsert',
    shape(
      await pool.query(
        `insert into person (email, age) values ('p30@x', 99) on conflict (email) do update set age = excluded.age + person.age returning age, email`,
      ),
    ),
  )
  t.say(
    'upsert, nothing',
    shape(await pool.query(`insert into person (email, age) values ('p30@x', 20) on conflict do nothing returning id`)),
  )
  t.say(
    'update returning',
    shape(
      await pool.query(
        `update person set age = age + 1 where email like 'p3%' returning old.age as before, new.age as after`,
      ),
    ),
  )
  t.say(
    'merge',
    shape(
      await pool.query(`merge into person p using (values ('p31@x', 50), ('new@x', 51)) v (email, age) on p.email = v.email
        when matched then update set age = v.age when not matched then insert (email, age) values (v.email, v.age) returning merge_action(), p.email, p.age`),
    ),
  )
  t.say(
    'with',
    shape(
      await pool.query(
        `with gone as (delete from person where email = 'new@x' returning email), kept as (insert into counter values (1, 0), (2, 0) returning id) select (select email from gone), (select sum(id) from kept)`,
      ),
    ),
  )
  t.say('delete', shape(await pool.query('delete from person where age > $1', [1000])))
  t.say('explain', (await pool.query('explain (costs off) select * from person where id = 1')).rows)
  t.say('show', (await pool.query('show transaction_isolation')).rows)
}

const transactions = async (pool: pg.Pool, t: Transcript): Promise<void> => {
  const client = await pool.connect()
  try {
    for (const text of [
      'begin',
      `insert into person (email, age) values ('tx@x', 40)`,
      'savepoint a',
      `insert into person (email, age) values ('inner@x', 41)`,
      'rollback to savepoint a',
      'savepoint b',
      `update person set age = 42 where email = 'tx@x'`,
      'release savepoint b',
      "select age from person where email = 'tx@x'",
      'commit',
      'commit',
      'rollback',
      'begin isolation level repeatable read read only',
      'select count(*) from person',
      'commit and chain',
      'show transaction_isolation',
      'rollback',
      'begin',
      'end',
      'start transaction isolation level serializable',
      `update counter set value = value + 1 where id = 2`,
      'commit',
    ]) {
      t.say(text, shape(await client.query(text)))
    }
    await client.query('begin')
    await t.fails('fails inside', client.query('select nothing from nowhere'))
    await t.fails('after it', client.query('select 1'))
    t.say('commit of a failed one', shape(await client.query('commit')))
    await client.query('begin')
    await t.fails(
      'read only',
      client.query('begin read only; create table no ()').then(() => client.query('commit')),
    )
    await client.query('rollback')
    await client.query('begin read only')
    await t.fails('write in read only', client.query('insert into counter values (9, 9)'))
    await client.query('rollback')
    await client.query('begin')
    await client.query(`insert into pet (owner, name) values (-1, 'stray')`)
    await t.fails('deferred, at commit', client.query('commit'))
    await t.fails('nested savepoint unknown', client.query('rollback to nowhere'))
    await client.query('begin')
    await t.fails('savepoint unknown', client.query('rollback to nowhere'))
    await client.query('rollback')
    await client.query('begin; create temp table scratch (a int) on commit drop; insert into scratch values (1)')
    t.say('temporary table', (await client.query('select * from scratch')).rows)
    await client.query('commit')
    await t.fails('temporary table is gone', client.query('select * from scratch'))
    // Pipelined by the driver: sent one after another without a look at the answers.
    const all = await Promise.all(
      [
        'select 1 as a',
        'begin',
        `insert into counter values (3, 3)`,
        'commit',
        'select value from counter where id = 3',
      ].map((text) => client.query(text)),
    )
    t.say('queued', all.map(shape))
  } finally {
    client.release()
  }
}

const errors = async (pool: pg.Pool, t: Transcript): Promise<void> => {
  const failing: readonly (readonly [string, unknown[]?])[] = [
    [`insert into person (email, age) values ('tx@x', 40)`],
    [`insert into person (email, age) values ($1, $2)`, ['young@x', 3]],
    [`insert into person (email, age) values ($1, $2)`, ['young@x', -3]],
    [`insert into person (email) values (null)`],
    [`insert into person (id, email) values (1, 'always@x')`],
    [`insert into person (email, mood) values ('mood@x', 'angry')`],
    [`insert into pet (owner, name) values (1, 'a name that is too long')`],
    [`insert into pet (owner, name) values ($1, $2)`, ['not a number', 'x']],
    [`update person set full_name = 'x'`],
    [`insert into adults values ('child@x', null)`],
    ['select 1/0'],
    ['select * from nowhere'],
    ['selct 1'],
    ['select nofunction(1)'],
    ['select $1::int', ['99999999999']],
    ['select $1', []],
    [`select 'x'::int`],
    [`select '{bad'::jsonb`],
    [
      `do $$ begin raise exception 'mine %', 1 using errcode = 'P0042', detail = 'd', hint = 'h', constraint = 'c', table = 't', schema = 's', column = 'o', datatype = 'y'; end $$`,
    ],
    ['create table person ()'],
    ['drop table person'],
    ['alter table person add column age int'],
    ['set nonsense = 1'],
    ["set statement_timeout = 'x'"],
    ['lock table nowhere'],
    ['truncate person'],
    ['copy person from stdin with (format nonsense)'],
    ['fetch 1 from nowhere'],
    ['execute nowhere'],
    ['deallocate nowhere'],
  ]
  for (const [text, values] of failing) await t.fails(text.slice(0, 60), pool.query(text, values))
  const client = await pool.connect()
  try {
    const notices: unknown[] = []
    client.on('notice', ({ severity, code, message, detail, hint, where }) =>
      notices.push({ severity, code, message, detail, hint, where }),
    )
    await client.query(
      `do $$ begin raise notice 'one'; raise warning 'two' using detail = 'd', hint = 'h'; raise info 'three'; end $$`,
    )
    await client.query('create table if not exists person ()')
    await client.query('drop table if exists nowhere')
    await client.query('commit')
    const owner = (await client.query(`select id from person where email = 'tx@x'`)).rows[0].id
    const pet = await client.query(`insert into pet (owner, name) values ($1, 'rex') returning name`, [owner])
    t.say('pet', pet.rows)
    t.say('notices', notices)
    // After an error the same connection goes on, with its prepared statements.
    await t.fails('named, fails', client.query({ name: 'divide', text: 'select 10 / $1::int as q', values: [0] }))
    t.say(
      'named, goes on',
      (await client.query({ name: 'divide', text: 'select 10 / $1::int as q', values: [5] })).rows,
    )
    await t.fails('a name for another text', client.query({ name: 'divide', text: 'select 11', values: [] }))
  } finally {
    client.release()
  }
}

const cursors = async ({ url }: Place, t: Transcript): Promise<void> => {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  try {
    const cursor = client.query(new Cursor("select n, repeat('x', n) as s from generate_series(1, $1::int) n", [5]))
    t.say('cursor', [await cursor.read(2), await cursor.read(2), await cursor.read(2), await cursor.read(2)])
    await cursor.close()
    const unread = client.query(new Cursor('select * from generate_series(1, 100000)'))
    await unread.read(1)
    await unread.close()
    t.say('after a cursor that was closed early', (await client.query('select 1 as a')).rows)
    const failing = client.query(new Cursor('select 1 / (3 - n) as q from generate_series(1, 5) n'))
    t.say('cursor, before its error', await failing.read(1))
    await t.fails('cursor', failing.read(5))
    const writing = client.query(
      new Cursor('insert into counter select n, n from generate_series(100, 104) n returning id'),
    )
    t.say('cursor that writes', [await writing.read(2), await writing.read(100)])
    await writing.close()
    let sum = 0
    for await (const row of client.query(
      new QueryStream('select n from generate_series(1, 5000) n', [], { batchSize: 300 }),
    ) as AsyncIterable<{ n: number }>)
      sum += row.n
    t.say('stream', sum)
    await client.query('begin')
    await client.query('declare c scroll cursor with hold for select id from counter where id >= 100 order by id')
    t.say('fetch', shape(await client.query('fetch 2 from c')))
    t.say('fetch back', shape(await client.query('fetch backward 1 from c')))
    t.say('move', shape(await client.query('move 2 in c')))
    await client.query('commit')
    t.say('held', shape(await client.query('fetch all from c')))
    t.say('close', shape(await client.query('close c')))
    await client.query('begin; create temp table if not exists passing (a int)')
    await t.fails(
      'held, beside temporary tables',
      client.query('declare h cursor with hold for select id from counter').then(shape),
    )
    await client.query('rollback')
    await client.query('begin')
    await client.query('declare u cursor for select value from counter where id >= 100 order by id for update')
    await client.query('fetch 2 from u')
    t.say(
      'where current of',
      shape(await client.query('update counter set value = -1 where current of u returning id')),
    )
    await client.query('commit')
  } finally {
    await client.end()
  }
}

const copies = async (pool: pg.Pool, t: Transcript): Promise<void> => {
  const client = await pool.connect()
  try {
    await client.query('create table copied (id int primary key, note text, at timestamptz)')
    const load = async (lines: readonly string[], options = ''): Promise<number> => {
      const stream = client.query(copyFrom(`copy copied from stdin ${options}`))
      await pipeline(Readable.from(lines), stream)
      return stream.rowCount
    }
    t.say('copy in', await load(['1\tone\t2026-01-01 00:00:00+00\n', '2\t\\N\t\\N\n', '3\ttab\\there\t\\N\n']))
    t.say(
      'copy in, csv',
      await load(['id,note,at\n4,"a ""b"",\nc",\n', '5,,2026-01-01T00:00:00Z\n'], 'with (format csv, header)'),
    )
    t.say('copy in, many', await load(Array.from({ length: 3000 }, (_, n) => `${n + 1000}\t${'y'.repeat(40)}\t\\N\n`)))
    await t.fails('copy in, duplicate', load(['6\tsix\t\\N\n', '1\tagain\t\\N\n']))
    await t.fails('copy in, malformed', load(['7\n']))
    await t.fails(
      'copy in, given up',
      (async () => {
        const stream = client.query(copyFrom('copy copied from stdin'))
        const broken = new Readable({
          read() {
            this.push('8\teight\t\\N\n')
            this.destroy(new Error('the source broke'))
          },
        })
        await pipeline(broken, stream)
      })(),
    )
    t.say('connection goes on', (await client.query('select count(*) from copied')).rows)
    const read = async (text: string): Promise<string> => {
      let out = ''
      for await (const chunk of client.query(copyTo(text)) as AsyncIterable<Buffer>) out += chunk.toString('utf8')
      return out
    }
    t.say(
      'copy out',
      await read(`copy (select id, note, at at time zone 'utc' from copied where id < 10 order by id) to stdout`),
    )
    t.say(
      'copy out, csv',
      await read(
        `copy (select id, note from copied where id < 10 order by id) to stdout with (format csv, header, force_quote *)`,
      ),
    )
    await t.fails('copy out', read('copy nowhere to stdout'))
  } finally {
    client.release()
  }
}

const settings = async ({ url }: Place, t: Transcript): Promise<void> => {
  const client = new pg.Client({
    connectionString: url,
    application_name: 'an app',
    statement_timeout: 60_000,
    options: '-c search_path=public,pg_catalog -c work_mem=5MB',
  })
  await client.connect()
  try {
    for (const name of [
      'application_name',
      'statement_timeout',
      'search_path',
      'work_mem',
      'server_version',
      'server_encoding',
      'client_encoding',
      'TimeZone',
      'DateStyle',
      'default_transaction_read_only',
      'transaction_read_only',
      'standard_conforming_strings',
      'is_superuser',
      'session_authorization',
      'lock_timeout',
      'max_identifier_length',
      'integer_datetimes',
      'default_transaction_isolation',
    ])
      t.say(name, (await client.query(`show ${name}`)).rows)
    await client.query('set statement_timeout = 1500')
    await t.fails('statement_timeout', client.query('select pg_sleep(60)'))
    await client.query('reset statement_timeout')
    await client.query("set time zone 'Asia/Tokyo'; set datestyle = 'German'")
    t.say('as text', (await client.query(`select '2026-01-02 03:04:05+00'::timestamptz::text as at`)).rows)
    await client.query("begin; set local work_mem = '6MB'")
    t.say('local', (await client.query('show work_mem')).rows)
    await client.query('rollback')
    t.say('after it', (await client.query('show work_mem')).rows)
    await client.query('discard all')
    t.say(
      'after discard',
      (await client.query(`select current_setting('TimeZone'), current_setting('application_name')`)).rows,
    )
    t.say(
      'who',
      (
        await client.query(
          `select current_user, session_user, current_database(), current_schema, version(), pg_is_in_recovery()`,
        )
      ).rows,
    )
    t.say('advisory lock', (await client.query('select pg_try_advisory_lock(1), pg_advisory_unlock(1)')).rows)
  } finally {
    await client.end()
  }
  t.say('address', (await addressed(url)).rows)
  const wrong = new pg.Client({ connectionString: url.replace(/\/[^/]*$/, '/no_such_database') })
  await t.fails('no such database', wrong.connect())
}

const addressed = async (url: string): Promise<pg.QueryResult> => {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  try {
    return await client.query('select inet_client_addr(), inet_client_port() is null as local')
  } finally {
    await client.end()
  }
}

const cancels = async ({ url }: Place, t: Transcript): Promise<void> => {
  const client = new pg.Client({ connectionString: url })
  const other = new pg.Client({ connectionString: url })
  await client.connect()
  await other.connect()
  try {
    await client.query("set application_name = 'to be cancelled'")
    const pid = (await client.query('select pg_backend_pid() as pid')).rows[0].pid
    t.say('the pid is the one that the driver was told', pid === (client as unknown as { processID: number }).processID)
    const sleeping = client.query('select pg_sleep(60)')
    const failed = t.fails('cancelled', sleeping)
    // As pg does it itself: another connection with the key.
    const canceller = new pg.Client({ connectionString: url }) as unknown as {
      cancel(target: unknown, query: unknown): void
      connection: { on(name: string, run: () => void): void }
    }
    const { activeQuery, _activeQuery } = client as unknown as { activeQuery: unknown; _activeQuery?: unknown }
    canceller.cancel(client, _activeQuery ?? activeQuery)
    await failed
    t.say('goes on', (await client.query('select 1 as a')).rows)
  } finally {
    await client.end()
    await other.end()
  }
}

const notifications = async ({ url, instances }: Place, t: Transcript): Promise<void> => {
  const listener = new pg.Client({ connectionString: url })
  const notifier = new pg.Client({ connectionString: instances[1] })
  await listener.connect()
  await notifier.connect()
  try {
    const heard: unknown[] = []
    listener.on('notification', ({ channel, payload }) => heard.push([channel, payload]))
    t.say(
      'listen',
      ((await listener.query('listen news; listen "Other News"')) as unknown as pg.QueryResult[]).map(shape),
    )
    await notifier.query(`notify news`)
    await notifier.query(`select pg_notify('Other News', 'é' || $1)`, ['x'])
    await notifier.query('begin')
    await notifier.query(`notify news, 'not told'`)
    await notifier.query('rollback')
    await notifier.query('begin')
    await notifier.query(`notify news, 'twice'`)
    await notifier.query(`notify news, 'twice'`)
    await notifier.query(`notify news, 'last'`)
    await notifier.query('commit')
    await until('all is heard', () => heard.length >= 4)
    t.say('heard', heard)
    await listener.query('unlisten *')
    await listener.query(`notify news, 'nobody'`)
    t.say('heard no more', heard.length)
  } finally {
    await listener.end()
    await notifier.end()
  }
}

/** Several instances of an application count with the retry loop that the manual asks for (13.5). */
const counters = async ({ instances }: Place, t: Transcript): Promise<void> => {
  const codes = new Set<string>()
  const add = async (url: string): Promise<void> => {
    const client = new pg.Client({ connectionString: url })
    await client.connect()
    try {
      for (let done = 0; done < 10;) {
        try {
          await client.query('begin isolation level repeatable read')
          const { rows } = await client.query('select value from counter where id = 1')
          await client.query('update counter set value = $1 where id = 1', [BigInt(rows[0].value) + 1n])
          await client.query('commit')
          done += 1
        } catch (error) {
          codes.add(fieldsOf(error).code)
          await client.query('rollback')
        }
      }
    } finally {
      const ended = once(client, 'end')
      await client.end()
      await ended
    }
  }
  await Promise.all(instances.map(add))
  const client = new pg.Client({ connectionString: instances[0] })
  await client.connect()
  t.say('counted', (await client.query('select value from counter where id = 1')).rows)
  t.say(
    'errors but 40001',
    [...codes].filter((code) => code !== '40001'),
  )
  await client.end()
}

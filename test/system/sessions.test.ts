/** A node behaves like one PostgreSQL: same answers, same errors; and it says clearly what it does not do. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { connect } from 'node:net'
import type { Socket } from 'node:net'
import pg, { Pool } from 'pg'
import type { Client, Connection } from 'pg'
import { needsCluster, startCluster } from '#testing/cluster.ts'
import type { Cluster } from '#testing/cluster.ts'
import { errorOf, outcomeOf } from '#testing/errors.ts'
import { assertAllEqual } from '#testing/equality.ts'
import { startPlainServer } from '#testing/plain-server.ts'
import type { PlainServer } from '#testing/plain-server.ts'
import { libpqEnv, missing, run } from '#testing/tools.ts'
import { numberFromEnv, until } from '#testing/wait.ts'

const noPsql = missing('psql')

let cluster: Cluster
let plain: PlainServer
before(async () => {
  ;[cluster, plain] = await Promise.all([startCluster({ nodes: 4 }), startPlainServer()])
})
after(async () => {
  await plain?.[Symbol.asyncDispose]()
  await cluster?.[Symbol.asyncDispose]()
})

/** Runs `use` with a client of node `number`, and ends it. */
const withClient = async <T>(number: number, use: (client: Client) => Promise<T>): Promise<T> => {
  const client = await cluster.connect(number)
  try {
    return await use(client)
  } finally {
    await client.end()
  }
}

/** Everything here must print the same on a plain server, byte for byte. */
const script = `
\\set VERBOSITY verbose
\\set SHOW_CONTEXT always
create table s (id int primary key, t text unique, n numeric default 1.50);
insert into s values (1, 'one'), (2, 'two') returning *;
insert into s values (1, 'again');
insert into s (id) values ('x');
update s set n = n + 1 where id = 1 returning id, n;
select * from s order by id;
select 1/0;
syntax error here;
begin; insert into s values (3, 'three'); savepoint a; insert into s values (3, 'three'); rollback to a; commit;
begin; select 1/0; select 2; commit;
commit;
rollback;
begin; begin; rollback;
select count(*) from s \\; insert into s values (4, 'four') \\; select count(*) from s;
insert into s values (5, 'five') \\; select 1/0 \\; insert into s values (6, 'six');
insert into s values (7, 'seven') \\; commit \\; insert into s values (1, 'dup');
select id from s order by id;
begin; declare c cursor for select id from s order by id; fetch 2 from c; move 1 in c; fetch all from c; close c; commit;
fetch 1 from nowhere;
prepare p(int) as update s set n = n * 2 where id = $1 returning n; execute p(1); execute p(2); deallocate p; execute p(1);
do $$ begin raise notice 'hello %', 1; insert into s values (10, 'ten'); end $$;
do $$ begin raise exception 'no' using detail = 'd', hint = 'h', errcode = 'P0042'; end $$;
create temp table scratch (a int); insert into scratch values (1); select * from scratch; drop table scratch;
copy s (id, t) from stdin;
20\ttwenty
21\ttwenty one
\\.
copy s (id, t) from stdin;
20\tdup
\\.
copy s to stdout;
copy (select id from s where id > 5 order by id) to stdout with (format csv, header);
set datestyle = 'German'; select date '2026-01-02'; show datestyle; reset datestyle;
set local statement_timeout = 100;
set default_transaction_read_only = on; insert into s values (30, 'ro'); reset default_transaction_read_only; show default_transaction_read_only;
show transaction_read_only;
begin read only; insert into s values (31, 'ro'); rollback;
begin isolation level repeatable read; show transaction_isolation; commit and chain; show transaction_isolation; rollback;
set statement_timeout = 50; select pg_sleep(5); reset statement_timeout;
with moved as (delete from s where id = 21 returning *) select id, t from moved;
merge into s using (values (2, 'zwei'), (40, 'vierzig')) v (id, t) on s.id = v.id when matched then update set t = v.t when not matched then insert (id, t) values (v.id, v.t);
explain (costs off) update s set t = t where id = 1;
select id, t from s order by id for update;
truncate s; select count(*) from s;
drop table s; drop table s;
`

test('a psql script prints the same as on a plain server', { skip: noPsql }, async () => {
  const psql = async (url: string): Promise<string[]> => {
    const result = await run('psql', ['-X', '-a', '-f', '-'], { env: libpqEnv(url), input: script })
    // Both streams, apart: psql gives no promise on how they interleave.
    return `${result.stdout}\n--- stderr\n${result.stderr}`.split('\n').filter((line) => !line.includes('LOCATION:'))
  }
  assert.deepEqual(await psql(cluster.urlOf(2)), await psql(plain.url))
  await assertAllEqual(cluster)
})

test('node-postgres: parameters, types, prepared statements, errors, a pool', async () => {
  const pool = new Pool({ connectionString: cluster.urlOf(1), max: 5 })
  try {
    await pool.query('create table np (id int primary key, j jsonb, a text[], b bytea, at timestamptz)')
    const value = { id: 1, j: { deep: [1, null] }, a: ['x', `it's`], b: Buffer.from([0, 255, 10]), at: new Date(0) }
    await pool.query('insert into np values ($1, $2, $3, $4, $5)', Object.values(value))
    const { rows } = await pool.query<typeof value>('select * from np')
    assert.deepEqual({ ...rows[0] }, value)
    await Promise.all(
      Array.from({ length: 50 }, (_, n) =>
        pool.query({ name: 'ins', text: 'insert into np (id) values ($1)', values: [100 + n] }),
      ),
    )
    assert.equal((await errorOf(pool.query('insert into np (id) values (1)'))).code, '23505')
    assert.equal((await errorOf(pool.query('select * from missing'))).code, '42P01')
    const { rowCount } = await pool.query('delete from np where id >= $1', [100])
    assert.equal(rowCount, 50)
  } finally {
    await pool.end()
  }
  await assertAllEqual(cluster)
})

test(
  'a conflict between two transactions: 40001 names table, key, winner and position',
  { skip: needsCluster },
  async (context) => {
    await withClient(1, (client) => client.query('create table accounts (id int primary key, balance int)'))
    await withClient(1, (client) => client.query('insert into accounts values (42, 100)'))
    await assertAllEqual(cluster)
    const [winner, loser] = [await cluster.connect(2), await cluster.connect(1)]
    try {
      await winner.query('begin')
      await loser.query('begin')
      await winner.query('update accounts set balance = 1 where id = 42')
      await loser.query('update accounts set balance = 2 where id = 42')
      await winner.query('commit')
      const error = await errorOf(loser.query('commit'))
      context.diagnostic(`${error.code} ${error.message} | ${error.detail} | ${error.hint}`)
      assert.equal(error.code, '40001')
      assert.match(error.message, /could not serialize access/)
      assert.match(error.detail, /Key \(id\)=\(42\).*public\.accounts.*n2.*\d+/)
      assert.match(error.hint, /[Rr]etry/)
    } finally {
      await Promise.all([winner.end(), loser.end()])
    }
    await assertAllEqual(cluster)
  },
)

/** Parse and Sync alone, as PQprepare does it and drivers that prepare when they first need a statement. */
const prepare = (client: Client, name: string, text: string): Promise<void> =>
  new Promise((resolve, reject) => {
    const submittable = {
      name,
      text,
      submit: (connection: Connection): void => {
        connection.parse({ name, text, types: [] }, true)
        connection.sync()
      },
      handleError: reject,
      handleReadyForQuery: () => resolve(),
    }
    client.query(submittable)
  })

test(
  'a transaction that is lost while idle hears 40001 of its next statement, not of one that it only prepares',
  { skip: needsCluster },
  async () => {
    await withClient(1, (client) => client.query('create table late (id int primary key, v int)'))
    await withClient(1, (client) => client.query('insert into late values (1, 0)'))
    await assertAllEqual(cluster)
    const text = 'update late set v = v + $1 where id = 1'
    await withClient(1, async (loser) => {
      await loser.query('begin')
      await loser.query('update late set v = -1 where id = 1')
      await withClient(2, (winner) => winner.query('update late set v = 10 where id = 1'))
      await withClient(1, (reader) =>
        until(
          'n1 has the winner',
          async () => (await reader.query('select 1 from late where v = 10')).rowCount === 1 && (true as const),
        ),
      )
      await prepare(loser, 'late_update', text)
      const run = () => loser.query({ name: 'late_update', text, values: [5] })
      assert.equal((await errorOf(run())).code, '40001')
      await loser.query('rollback')
      await loser.query('begin')
      assert.equal((await run()).rowCount, 1)
      await loser.query('commit')
      assert.deepEqual((await loser.query('select v from late')).rows, [{ v: 15 }])
    })
    await assertAllEqual(cluster)
  },
)

test('what can not be replicated yet is refused by name (RULES 5)', { skip: needsCluster }, async () => {
  const refused = [
    'select lo_create(0)',
    'create materialized view mv as select random() as r',
    'create database other tablespace elsewhere',
    'alter system set work_mem = 1000',
    `create subscription s connection '' publication p`,
    `prepare transaction 'x'`,
    'do $$ begin notify channel; end $$',
    `do $$ begin perform lo_create(0); end $$`,
  ]
  for (const statement of refused) {
    const error = await withClient(2, (client) => errorOf(client.query(statement)))
    assert.equal(error.code, '0A000', `${statement}: ${error.code} ${error.message}`)
  }
  await assertAllEqual(cluster)
})

test(
  'allwrite.sessions shows where a session’s client is, to those who may see it',
  { skip: needsCluster },
  async () => {
    await withClient(1, (client) => client.query(`create role onlooker login password 'word'`))
    await assertAllEqual(cluster)
    await withClient(2, async (client) => {
      const pid = (await client.query<{ pid: number }>('select pg_backend_pid() as pid')).rows[0]?.pid
      const { localPort } = (client as unknown as { connection: { stream: Socket } }).connection.stream
      const seen = `select node, client_addr, client_port, application_name, state from allwrite.sessions where pid = ${pid}`
      await client.query(`set application_name = 'shown'`)
      const [row] = await until('the session is listed', async () => {
        const { rows } = await client.query<Record<string, unknown>>(seen)
        return rows.length > 0 && rows
      })
      assert.deepEqual(row, {
        node: 'n2',
        client_addr: '127.0.0.1',
        client_port: localPort,
        application_name: 'shown',
        state: 'active',
      })
      const url = new URL(cluster.urlOf(2))
      url.username = 'onlooker'
      url.password = 'word'
      const onlooker = new pg.Client({ connectionString: url.href })
      await onlooker.connect()
      try {
        const { rows } = await onlooker.query<Record<string, unknown>>(seen)
        assert.deepEqual([rows[0]?.['client_addr'], rows[0]?.['client_port'], rows[0]?.['state']], [null, null, null])
        assert.equal((await errorOf(onlooker.query('select * from allwrite.session_client'))).code, '42501')
      } finally {
        await onlooker.end()
      }
    })
    await withClient(2, (client) =>
      until(
        'nobody else is listed',
        async () => (await client.query('select from allwrite.sessions')).rows.length === 1,
      ),
    )
    await withClient(1, (client) => client.query('drop role onlooker'))
  },
)

test('a write hidden from a read-only guard is never lost (RULES 4)', async () => {
  await withClient(1, (client) => client.query('create table guard (id serial primary key, how text)'))
  await withClient(1, (client) =>
    client.query(
      `create function sneak(how text) returns int language plpgsql as $$ begin insert into guard (how) values (sneak.how); return 1; exception when others then return 0; end $$`,
    ),
  )
  await assertAllEqual(cluster)
  await withClient(2, async (client) => {
    const { rows } = await client.query<{ sneak: number }>(`select sneak('plain select')`)
    assert.equal(rows[0]?.sneak, 1)
    await client.query(
      `select set_config('default_transaction_read_only', 'off', false); select sneak('after set_config')`,
    )
    await client.query(`select sneak('second')`)
    await client.query('begin read write; commit')
  })
  const sums = await assertAllEqual(cluster)
  assert.match(sums['public.guard'] ?? '', /^3 rows/)
})

test('cancel stops a running statement with 57014, and the session goes on', async () => {
  await withClient(3, async (client) => {
    const sleeping = errorOf(client.query('select pg_sleep(60)'))
    // BackendKeyData: node-postgres keeps it, but does not declare it.
    const key = (name: string): number => Number(Reflect.get(client, name))
    const url = new URL(cluster.urlOf(3))
    await until('the statement is cancelled', async () => {
      const packet = Buffer.alloc(16)
      ;[16, 80_877_102, key('processID'), key('secretKey')].forEach((word, index) =>
        packet.writeInt32BE(word, index * 4),
      )
      connect(Number(url.port), url.hostname)
        .on('error', () => undefined)
        .end(packet)
      return Promise.race([sleeping.then(() => true), new Promise<false>((resolve) => setTimeout(resolve, 200, false))])
    })
    assert.equal((await sleeping).code, '57014')
    assert.equal((await client.query('select 1 as one')).rowCount, 1)
  })
})

test('notices and parameter changes arrive with their statement', async () => {
  await withClient(4, async (client) => {
    const notices: string[] = []
    client.on('notice', (notice) => notices.push(notice.message ?? ''))
    await client.query(`do $$ begin raise notice 'first'; raise warning 'second'; end $$`)
    assert.deepEqual(notices, ['first', 'second'])
    await client.query('drop table if exists not_there')
    assert.match(notices[2] ?? '', /does not exist/)
  })
})

test(
  'a big COPY and a big transaction go through while other nodes keep committing',
  { skip: noPsql },
  async (context) => {
    const rows = numberFromEnv('ALLWRITE_TEST_COPY_ROWS', 200_000)
    await withClient(1, (client) => client.query('create table big (id int primary key, text text)'))
    await withClient(1, (client) => client.query('create table small (id int primary key)'))
    await assertAllEqual(cluster)
    const done = new AbortController()
    let longest = 0
    let commits = 0
    const small = withClient(2, async (client) => {
      for (; !done.signal.aborted; commits++) {
        const start = performance.now()
        await client.query('insert into small values ($1)', [commits])
        longest = Math.max(longest, performance.now() - start)
      }
    })
    try {
      const input = Array.from({ length: rows }, (_, n) => `${n}\tthis is row number ${n}\n`).join('')
      const start = performance.now()
      const copy = await run('psql', ['-X', '-c', 'copy big from stdin'], { env: libpqEnv(cluster.urlOf(1)), input })
      assert.equal(copy.code, 0, copy.stderr)
      const copied = performance.now()
      // Another session, at another node, need not see it at once.
      await withClient(3, (client) =>
        until(
          'n3 has the rows',
          async () => (await client.query('select 1 from big limit 1')).rowCount === 1 && (true as const),
          { msMax: 120_000, everyMs: 50 },
        ),
      )
      await withClient(3, async (client) => {
        await client.query('begin')
        await client.query(`update big set text = text || '!' where id % 4 = 0`)
        await client.query(`delete from big where id % 4 = 1`)
        await client.query('commit')
      })
      const changed = performance.now()
      context.diagnostic(
        `${rows} rows: COPY ${Math.round(copied - start)} ms, UPDATE + DELETE of half ${Math.round(changed - copied)} ms; ` +
          `another node: ${commits} commits, slowest ${Math.round(longest)} ms`,
      )
    } finally {
      done.abort()
      await small
    }
    const sums = await assertAllEqual(cluster, 300_000)
    assert.match(sums['public.big'] ?? '', new RegExp(`^${rows - Math.ceil((rows - 1) / 4)} rows`))
  },
)

test('own writes are read back at once, and a read at another node waits only for the journal', async (context) => {
  await withClient(1, (client) => client.query('create table fresh (id int primary key)'))
  await assertAllEqual(cluster)
  const delays: number[] = []
  await withClient(1, (writer) =>
    withClient(4, async (reader) => {
      for (let id = 0; id < 50; id++) {
        await writer.query('insert into fresh values ($1)', [id])
        const own = await writer.query('select 1 from fresh where id = $1', [id])
        assert.equal(own.rowCount, 1, 'a session reads its own write')
        const start = performance.now()
        await until(
          'visible at n4',
          async () => (await reader.query('select 1 from fresh where id = $1', [id])).rowCount === 1,
          {
            everyMs: 0,
          },
        )
        delays.push(performance.now() - start)
      }
    }),
  )
  delays.sort((a, b) => a - b)
  context.diagnostic(
    `visible at another node after: median ${delays[25]?.toFixed(1)} ms, worst ${delays[49]?.toFixed(1)} ms`,
  )
})

test('deferred constraints of temporary tables fail at COMMIT, and take with them what else was written', async () => {
  await withClient(1, async (client) => {
    await client.query('create table lasting (id int primary key)')
    await client.query(
      'create temporary table passing (id int primary key, u int unique deferrable initially deferred)',
    )
    // A statement by itself, a block that writes nothing else, one that does: PostgreSQL's own error each time.
    for (const statements of [
      ['insert into passing values (1, 1), (2, 1)'],
      ['begin', 'insert into passing values (3, 3)', 'insert into passing values (4, 3)', 'commit'],
      ['begin', 'insert into lasting values (1)', 'insert into passing values (5, 5), (6, 5)', 'commit'],
    ]) {
      for (const statement of statements.slice(0, -1)) await client.query(statement)
      const { code, message } = await errorOf(client.query(statements.at(-1) ?? ''))
      assert.deepEqual([code, message], ['23505', 'duplicate key value violates unique constraint "passing_u_key"'])
    }
    await client.query('begin; insert into lasting values (2); insert into passing values (7, 7), (8, 7)')
    await client.query('update passing set u = 8 where id = 8; commit')
    const { rows } = await client.query(
      'select (select array_agg(id) from lasting) as lasting, array_agg(id) as passing from passing',
    )
    assert.deepEqual(rows, [{ lasting: [2], passing: [7, 8] }])
  })
  // In a session whose table is made by the transaction itself.
  await withClient(2, async (client) => {
    await client.query('begin; insert into lasting values (3)')
    await client.query('create temporary table passing (u int unique deferrable initially deferred) on commit drop')
    await client.query('insert into passing values (1), (1)')
    assert.equal((await errorOf(client.query('commit'))).code, '23505')
    await client.query('insert into lasting values (4)')
  })
  await assertAllEqual(cluster)
})

test('a schema change that is open holds up no other one at its node', async () => {
  await withClient(1, async (client) => {
    await client.query('create table opened (id int primary key, v int default 7 check (v > 0))')
    await withClient(1, async (other) => {
      await client.query('begin; alter table opened add column w int default 1')
      await other.query('create table beside (id int primary key)')
      await other.query('insert into beside values (1)')
      // Two schema changes at once: the later one may lose (ADR 8), but it hears so.
      assert.match(await outcomeOf(client.query('commit')), /^(ok|40001)$/)
      await client.query('insert into opened values (1)')
    })
  })
  await assertAllEqual(cluster)
})

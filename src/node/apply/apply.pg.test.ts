import { deepEqual, equal, ok, rejects } from 'node:assert/strict'
import { after, before, test } from 'node:test'
import type pg from 'pg'
import { nodeId, position, xid } from '../../core/ids.ts'
import type { ChunkedChanges, Statement, WritesetRecord } from '../../core/writeset.ts'
import { ensureOwned, serverIdentity } from '../../postgres/index.ts'
import {
  deleteMessage,
  insertMessage,
  payloadOf,
  relationBody,
  relationMessage,
  truncateMessage,
  updateMessage,
} from '../../wire/pgoutput/pgoutput-fixtures.ts'
import { statementsFor } from '../catalog/ddl.ts'
import { makeRecord } from '../order/order-fixtures.ts'
import { originPosition, sqlOriginName, transactionCommitted } from '../recovery/progress.ts'
import { queryOf } from '../server.ts'
import { startTestServer, type TestServer } from '../test-server.ts'
import { createBatch } from './batch.ts'
import { heartbeatBatch } from './heartbeat.ts'
import { createPublisher, type ApplyBatch, type Publisher } from './publisher.ts'
import { createSqlApplier, type SqlApplier } from './sql-applier.ts'
import { waitedFor } from './waiting-for.ts'

let server: TestServer
let client: pg.Client
let publisher: Publisher
let next = 0
const poison: ApplyBatch[] = []

const t = relationBody('public', 't', 'd', [
  ['id', 23, true],
  ['v', 25, false],
])
const bag = relationBody('public', 'bag', 'f', [
  ['flag', 16, true],
  ['name', 1042, true],
  ['j', 114, true],
  ['a', 869, true],
])

const never = (): never => {
  throw new Error('nothing is large')
}
const recordOf = (...messages: Buffer[]): WritesetRecord =>
  makeRecord({ changes: { kind: 'inline', bytes: payloadOf(messages) } })
const batchOf = (...messages: Buffer[]): ApplyBatch =>
  createBatch(position((next += 1)), [recordOf(...messages)], never)

const startPublisher = async (start: number): Promise<void> => {
  publisher = await createPublisher({
    socketPath: server.publisherSocket,
    user: 'n1',
    start: position(start),
    wallClock: Date.now,
    generatedOf: () => new Set(['generated']),
    onApplied: () => undefined,
    onConnected: () => undefined,
    onPoison: (batch) => poison.push(batch),
    onError: () => undefined,
  })
  ensureOwned(server.publisherSocket, serverIdentity())
}

const rows = async (sql: string): Promise<unknown[]> =>
  (await client.query<unknown[]>({ text: sql, rowMode: 'array' })).rows

const until = async (what: string, look: () => boolean | Promise<boolean>): Promise<void> => {
  const deadline = performance.now() + 20_000
  while (!(await look())) {
    ok(performance.now() < deadline, `not within 20 s: ${what}`)
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
}

/** Resolves when the worker has applied all that was sent. */
const applied = (): Promise<void> => until('the worker is done', () => publisher.outstanding === 0)

const connectAll = async (): Promise<void> => {
  client = await server.connect()
}

const progress = async (): Promise<number> => {
  const query = queryOf(client)
  return originPosition(query)
}

const newApplier = async (applierClient: pg.Client, primary: ReadonlySet<string> | undefined): Promise<SqlApplier> => {
  const { rows: pids } = await applierClient.query<{ pid: number }>('SELECT pg_backend_pid() AS pid')
  return createSqlApplier({
    client: applierClient,
    origin: sqlOriginName,
    backendPid: pids[0]?.pid ?? 0,
    readChunks: never,
    statementsFor,
    settleSql: 'SELECT allwrite.settle()',
    keyNamesOf: (relation) => (relation.identity === 'f' ? undefined : primary),
    onRetry: () => undefined,
  })
}

const statement = (text: string): Buffer => {
  const value: Statement = { text, role: 'allwrite', settings: { search_path: 'public' } }
  return Buffer.from(`Q${JSON.stringify(value)}`)
}

before(async () => {
  server = await startTestServer()
  await connectAll()
  await client.query(`
    CREATE TABLE t (id int PRIMARY KEY, v text);
    CREATE TABLE bag (flag bool, name char(5), j json, a inet); ALTER TABLE bag REPLICA IDENTITY FULL;
    SELECT allwrite.settle()`)
  await startPublisher(0)
  const agent = await server.connect()
  await agent.query('SET session_replication_role = replica')
  await agent.query('ALTER SUBSCRIPTION allwrite ENABLE')
  await until('the worker is there', () => publisher.connected)
})

after(async () => {
  await publisher[Symbol.asyncDispose]()
  await server[Symbol.asyncDispose]()
})

test("the server's own worker applies inserts, updates, deletes and truncates, and says when it has committed", async () => {
  publisher.send(batchOf(relationMessage(0, t), insertMessage(0, ['1', 'a']), insertMessage(0, ['2', 'b'])))
  publisher.send(batchOf(relationMessage(0, t), updateMessage(0, undefined, ['1', 'c'])))
  publisher.send(batchOf(relationMessage(0, t), updateMessage(0, { mark: 'K', row: ['2', null] }, ['3', 'b'])))
  await applied()
  deepEqual(await rows('SELECT * FROM t ORDER BY id'), [
    [1, 'c'],
    [3, 'b'],
  ])
  equal(await progress(), next)
  publisher.send(batchOf(relationMessage(0, t), deleteMessage(0, 'K', ['1', null])))
  await applied()
  deepEqual(await rows('SELECT id FROM t'), [[3]])
  publisher.send(batchOf(relationMessage(0, t), truncateMessage([0], 0), insertMessage(0, ['4', null])))
  await applied()
  deepEqual(await rows('SELECT * FROM t'), [[4, null]])
})

test('a heartbeat moves the origin over what needed no work', async () => {
  next += 40
  publisher.send(heartbeatBatch(nodeId(1), position(next)))
  await applied()
  equal(await progress(), next)
  deepEqual(await rows('SELECT position::int FROM allwrite.heartbeat WHERE node = 1'), [[next]])
})

test('a worker that is ended in the middle of a large transaction begins it anew: each row is there once', async () => {
  const changes: ChunkedChanges = {
    kind: 'chunked',
    transaction: 1,
    chunks: 3,
    first: position(1),
    last: position(3),
    byteLength: 1,
  }
  const chunk = (from: number): Buffer[] =>
    Array.from({ length: 5_000 }, (_, i) => insertMessage(0, [String(from + i), 'x'.repeat(50)]))
  let killed = false
  const batch = createBatch(position((next += 1)), [makeRecord({ changes })], async function* () {
    yield payloadOf([relationMessage(0, t), ...chunk(1_000_000)])
    if (!killed) {
      killed = true
      const found = await client.query(
        `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE backend_type = 'logical replication apply worker'`,
      )
      equal(found.rowCount, 1)
      await until('the worker is gone', () => !publisher.connected)
    }
    yield payloadOf(chunk(1_005_000))
    yield payloadOf(chunk(1_010_000))
  })
  publisher.send(batch)
  await applied()
  deepEqual(await rows('SELECT count(*)::int, count(DISTINCT id)::int FROM t WHERE id >= 1000000'), [[15_000, 15_000]])
})

test('what a worker fails at again and again is poison, applied by SQL, and the worker goes on behind it', async () => {
  await client.query(
    `INSERT INTO bag VALUES (true, 'ab', '{"b": 1}', '10.0.0.1'), (true, 'ab', '{"b": 1}', '10.0.0.1'), (NULL, NULL, NULL, NULL)`,
  )
  const old = ['t', 'ab   ', '{"b": 1}', '10.0.0.1']
  // Of two rows that are the same one is to be changed: json has no equality, so the worker can't.
  const update = updateMessage(0, { mark: 'O', row: old }, ['f', 'ab   ', '{"b": 2}', '10.0.0.1'])
  const bad = batchOf(relationMessage(0, bag), update, deleteMessage(0, 'O', [null, null, null, null]))
  publisher.send(bad)
  publisher.send(batchOf(relationMessage(0, t), insertMessage(0, ['500', 'behind'])))
  await until('it is told', () => poison.length > 0)
  deepEqual(await rows('SELECT id FROM t WHERE id = 500'), [], 'nothing overtakes')
  const applierClient = await server.connect()
  const applier = await newApplier(applierClient, undefined)
  await applier.apply(bad.position, bad.records)
  publisher.skip(bad.position)
  await applied()
  equal(poison.length, 1)
  deepEqual(await rows('SELECT flag, j::text FROM bag ORDER BY flag'), [
    [false, '{"b": 2}'],
    [true, '{"b": 1}'],
  ])
  deepEqual(await rows('SELECT id FROM t WHERE id = 500'), [[500]])
  await applierClient.end()
})

test('statements and rows run in order, in one transaction, with progress of their own', async () => {
  const applierClient = await server.connect()
  const applier = await newApplier(applierClient, new Set(['id']))
  const wide = relationBody('public', 't', 'd', [
    ['id', 23, true],
    ['v', 25, false],
    ['n', 23, false],
  ])
  const made = relationBody('public', 'made', 'd', [
    ['id', 23, true],
    ['what', 25, false],
  ])
  next += 1
  await applier.apply(position(next), [
    recordOf(
      relationMessage(0, t),
      insertMessage(0, ['600', 'old shape']),
      statement('ALTER TABLE t ADD COLUMN n int'),
      relationMessage(1, wide),
      updateMessage(1, undefined, ['600', 'old shape', '7']),
      statement('CREATE TABLE made (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, what text)'),
      relationMessage(2, made),
      insertMessage(2, ['5', 'x']),
      updateMessage(2, undefined, ['5', 'y']),
    ),
  ])
  deepEqual(await rows('SELECT * FROM t WHERE id = 600'), [[600, 'old shape', 7]])
  deepEqual(await rows('SELECT * FROM made'), [[5, 'y']])
  equal(await progress(), next)
  deepEqual(
    await rows(`SELECT srsubstate FROM pg_subscription_rel WHERE srrelid = 'made'::regclass`),
    [['r']],
    'the worker will not skip the new table',
  )
  // What fails leaves nothing, and the position stays.
  const before = await progress()
  next += 1
  await rejects(
    applier.apply(position(next), [recordOf(statement('CREATE TABLE half (x int)'), statement('SELECT 1/0'))]),
    /division by zero/,
  )
  deepEqual(await rows(`SELECT to_regclass('half')`), [[null]])
  equal(await progress(), before)
  // A row that should be there and is not: the node differs, and must say so.
  await rejects(
    applier.apply(position(next), [
      recordOf(relationMessage(0, wide), updateMessage(0, undefined, ['999', 'x', null])),
    ]),
    /met 0 rows/,
  )
  await applierClient.end()
})

test('rows that passed a CHECK at home are applied where it fails; it is in force again behind them (RULES 8)', async () => {
  await client.query(`
    CREATE FUNCTION switched_on(int) RETURNS bool LANGUAGE sql AS $$ SELECT current_setting('my.switch', true) = 'on' $$;
    CREATE DOMAIN switched AS int CHECK (switched_on(VALUE) IS TRUE);
    CREATE TABLE judged (id int PRIMARY KEY CHECK (switched_on(id) IS TRUE), d switched);
    SELECT allwrite.settle()`)
  const judged = relationBody('public', 'judged', 'd', [
    ['id', 23, true],
    ['d', 23, false],
  ])
  const constraints = (): Promise<unknown[]> =>
    rows(`SELECT conname, contype, conenforced FROM pg_constraint WHERE contype NOT IN ('p', 'f', 'n', 't') ORDER BY 1`)
  const before = await constraints()
  const applierClient = await server.connect()
  const applier = await newApplier(applierClient, new Set(['id']))
  const insert = [relationMessage(0, judged), insertMessage(0, ['1', '1'])]
  next += 1
  await applier.apply(position(next), [
    recordOf(...insert, statement('ALTER TABLE judged ADD COLUMN w int'), updateMessage(0, undefined, ['1', '2'])),
  ])
  deepEqual(await rows('SELECT * FROM judged'), [[1, 2, null]])
  deepEqual(await constraints(), before)
  const refused = { code: '23514' }
  await rejects(client.query('INSERT INTO judged VALUES (2, NULL)'), refused)
  await rejects(client.query('SELECT 1::switched'), refused)
  await rejects(applierClient.query('INSERT INTO judged VALUES (2, NULL)'), refused)
  // A failure in between leaves nothing behind either.
  next += 1
  await rejects(applier.apply(position(next), [recordOf(...insert)]), { code: '23505' })
  deepEqual(await constraints(), before)
  await applierClient.end()
})

test('a value that is computed again is computed under the search_path that its session had (RULES 8)', async () => {
  await client.query(`
    CREATE SCHEMA "Tenant A"; CREATE SCHEMA b;
    CREATE FUNCTION "Tenant A".word() RETURNS text LANGUAGE sql AS $$ SELECT 'a' $$;
    CREATE FUNCTION b.word() RETURNS text LANGUAGE sql AS $$ SELECT 'b' $$;
    CREATE FUNCTION public.word() RETURNS text LANGUAGE sql AS $$ SELECT 'public' $$;
    CREATE FUNCTION words(int) RETURNS text IMMUTABLE LANGUAGE plpgsql AS $$ BEGIN RETURN word(); END $$;
    CREATE TABLE computed (id int PRIMARY KEY, w text GENERATED ALWAYS AS (words(id)) STORED);
    SELECT allwrite.settle()`)
  const computed = relationBody('public', 'computed', 'd', [['id', 23, true]])
  const under = (path: readonly string[] | undefined, id: string): WritesetRecord =>
    recordOf(
      ...(path === undefined ? [] : [Buffer.from(`H${JSON.stringify(path)}`)]),
      relationMessage(0, computed),
      insertMessage(0, [id]),
    )
  const applierClient = await server.connect()
  const applier = await newApplier(applierClient, new Set(['id']))
  next += 1
  await applier.apply(position(next), [under(['Tenant A', 'public'], '1'), under(undefined, '2'), under(['b'], '3')])
  deepEqual(await rows('SELECT * FROM computed ORDER BY id'), [
    [1, 'a'],
    [2, 'public'],
    [3, 'b'],
  ])
  await applierClient.end()
})

test('journaled statements are swept away when their transactions are over', async () => {
  const journal = `INSERT INTO allwrite.ddl (statement, role, settings, tables, kind) VALUES ('x', 'y', '{}', '{}', 'z')`
  await client.query(`${journal}; ${journal}`)
  const open = await server.connect()
  await open.query(`BEGIN; ${journal}`)
  const applierClient = await server.connect()
  const applier = await newApplier(applierClient, undefined)
  await applier.sweep()
  deepEqual(await rows('SELECT count(*)::int FROM allwrite.ddl'), [[0]])
  await open.query('COMMIT')
  deepEqual(await rows('SELECT count(*)::int FROM allwrite.ddl'), [[1]])
  await applier.sweep()
  deepEqual(await rows('SELECT count(*)::int FROM allwrite.ddl'), [[0]])
  await applierClient.end()
})

test('the row that the worker waits for is named, also while someone queues for its whole table', async () => {
  await client.query(`INSERT INTO t VALUES (700, 'locked')`)
  const holder = await server.connect()
  const queued = await server.connect()
  await holder.query('BEGIN')
  await holder.query('SELECT FROM t WHERE id = 700 FOR UPDATE')
  publisher.send(batchOf(relationMessage(0, t), updateMessage(0, undefined, ['700', 'remote'])))
  const looker = await server.connect()
  const query = queryOf(looker)
  const workerPid = async (): Promise<number> =>
    Number(
      (
        await query(
          `SELECT pid::text AS pid FROM pg_stat_activity WHERE backend_type = 'logical replication apply worker'`,
        )
      )[0]?.['pid'] ?? 0,
    )
  const blocked = (pid: number) => async (): Promise<boolean> =>
    (await query('SELECT 1 AS one WHERE cardinality(pg_blocking_pids($1)) > 0', [pid])).length > 0
  const pid = await workerPid()
  await until('the worker waits', blocked(pid))
  deepEqual(await waitedFor(query, pid), { table: 'public.t', key: 'Key (id)=(700)' })
  // For a writer the worker waits in another way, which names no row.
  await holder.query('COMMIT; BEGIN')
  await applied()
  await holder.query('UPDATE t SET v = v WHERE id = 700')
  publisher.send(batchOf(relationMessage(0, t), updateMessage(0, undefined, ['700', 'again'])))
  await until('the worker waits', blocked(pid))
  deepEqual(await waitedFor(query, pid), { table: 'public.t', key: undefined })
  await holder.query('ROLLBACK; BEGIN')
  await applied()
  await holder.query('SELECT FROM t WHERE id = 700 FOR UPDATE')
  publisher.send(batchOf(relationMessage(0, t), updateMessage(0, undefined, ['700', 'remote'])))
  await until('the worker waits', blocked(pid))
  const alter = queued.query('ALTER TABLE t ADD COLUMN later int')
  const queuedPid = (queued as unknown as { processID: number }).processID
  await until('the other waits', blocked(queuedPid))
  // Reading the row would wait for the one who waits for those whom the answer is to end.
  deepEqual(await waitedFor(query, pid), { table: 'public.t', key: undefined })
  await holder.query('ROLLBACK')
  await alter
  await applied()
  deepEqual(await rows('SELECT v FROM t WHERE id = 700'), [['remote']])
})

test('a notification is told to listeners by the worker’s commit, and by SQL, and stored by neither', async () => {
  const notification = relationBody('allwrite', 'notification', 'f', [
    ['channel', 25, true],
    ['payload', 25, true],
  ])
  const told: string[] = []
  client.on('notification', ({ channel, payload }) => told.push(`${channel} ${payload}`))
  await client.query('LISTEN a; LISTEN b')
  const messages = [relationMessage(0, notification), insertMessage(0, ['a', 'x']), insertMessage(0, ['b', ''])]
  publisher.send(batchOf(...messages))
  await applied()
  await until('the worker has told both', () => told.length === 2)
  const applierClient = await server.connect()
  await applierClient.query('SET session_replication_role = replica')
  const applier = await newApplier(applierClient, undefined)
  await applier.apply(position((next += 1)), [recordOf(...messages)])
  publisher.send(batchOf(...messages))
  await applied()
  await until('all are told', () => told.length === 6)
  deepEqual(told, ['a x', 'b ', 'a x', 'b ', 'a x', 'b '])
  deepEqual(await rows('SELECT * FROM allwrite.notification'), [])
  await client.query('UNLISTEN *')
  await applierClient.end()
})

test('after a crash of the server origin and rows agree, and it knows which of its own transactions committed', async () => {
  const committed = (await rows(`INSERT INTO t VALUES (800, 'own') RETURNING pg_current_xact_id()::text`)) as string[][]
  await client.query('BEGIN')
  const lost = (
    await client.query<{ xid: string }>('INSERT INTO t VALUES (801) RETURNING pg_current_xact_id()::text AS xid')
  ).rows[0]?.xid
  await client.query(`SELECT allwrite.capture('0123')`)
  for (let i = 0; i < 200; i++)
    publisher.send(batchOf(relationMessage(0, t), insertMessage(0, [String(2_000_000 + i), 'x'])))
  await until('some are applied', () => publisher.outstanding < 100)
  // Puts what is there so far on disk; what comes behind may get lost.
  const flusher = await server.connect()
  await flusher.query('SET synchronous_commit = on; INSERT INTO t VALUES (802)')
  await publisher[Symbol.asyncDispose]()
  await server.crash()
  await connectAll()
  const at = await progress()
  const [[count]] = (await rows('SELECT count(*)::int FROM t WHERE id >= 2000000')) as [[number]]
  equal(count, at - (next - 200), 'one row for each position behind the 200')
  ok(count > 0)
  const query = queryOf(client)
  equal(await transactionCommitted(query, xid(BigInt(lost ?? 0))), false)
  await rejects(transactionCommitted(query, xid((1n << 40n) + 5_000n)), /future/)
  ok((await rows('SELECT 1 FROM t WHERE id = 800')).length <= 1)
  equal(
    await transactionCommitted(query, xid(BigInt(committed[0]?.[0] ?? 0))),
    (await rows('SELECT 1 FROM t WHERE id = 800')).length === 1,
  )
  // It goes on from its origin.
  await startPublisher(at)
  for (let i = count; i < 200; i++) {
    const insert = [relationMessage(0, t), insertMessage(0, [String(2_000_000 + i), 'x'])]
    publisher.send(createBatch(position(next - 200 + i + 1), [recordOf(...insert)], never))
  }
  await applied()
  deepEqual(await rows('SELECT count(*)::int FROM t WHERE id >= 2000000'), [[200]])
})

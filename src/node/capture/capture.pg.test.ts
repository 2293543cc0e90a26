import { deepEqual, equal, ok, rejects } from 'node:assert/strict'
import { readdirSync } from 'node:fs'
import { after, before, beforeEach, test } from 'node:test'
import type pg from 'pg'
import { MessageType, parseRelation, parseRowChange, parseTruncate, type Value } from '../../wire/pgoutput/messages.ts'
import { startTestServer, type TestServer } from '../test-server.ts'
import type { Capture, CapturedTransaction } from './capture.ts'

let server: TestServer
let capture: Capture
let client: pg.Client
let tripwires: string[] = []
let uncaptured: number[] = []

before(async () => {
  server = await startTestServer()
  client = await server.connect()
  await client.query(`
    CREATE TABLE t (id int PRIMARY KEY, v text);
    CREATE TABLE bag (x int, j json); ALTER TABLE bag REPLICA IDENTITY FULL;
    CREATE TABLE wide (id int PRIMARY KEY, n int, body text); ALTER TABLE wide ALTER body SET STORAGE EXTERNAL;
    CREATE TABLE child (id int PRIMARY KEY REFERENCES t)`)
  capture = await server.capture({
    onTripwire: (what, xid) => tripwires.push(`${xid} ${what}`),
    onCommit: (transaction) => {
      if (!transaction.sealed && transaction.rows > 0) uncaptured.push(transaction.xid)
    },
  })
})

after(async () => {
  await server[Symbol.asyncDispose]()
})

beforeEach(() => {
  tripwires = []
  uncaptured = []
})

const until = async (what: string, look: () => boolean): Promise<void> => {
  const deadline = performance.now() + 20_000
  while (!look()) {
    ok(performance.now() < deadline, `not within 20 s: ${what}`)
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
}

/** Runs statements in one transaction and captures it; leaves it open. */
const captured = async (...statements: string[]): Promise<CapturedTransaction> => {
  await client.query('BEGIN')
  for (const statement of statements) await client.query(statement)
  const nonce = capture.nonce()
  const { rows } = await client.query<{ xid: string }>('SELECT allwrite.capture($1) AS xid', [nonce])
  const transaction = await capture.captured(nonce)
  equal(transaction.xid, BigInt(rows[0]?.xid ?? -1))
  return transaction
}

const commit = async (...transactions: CapturedTransaction[]): Promise<void> => {
  await client.query('COMMIT')
  for (const { changes } of transactions) changes?.log.dispose()
}

const text = (values: readonly Value[] | undefined): unknown =>
  values?.map((value) => (value == null ? value : Buffer.from(value).toString()))

/** The changes in words: `insert t: 1,a`. */
const told = ({ changes }: CapturedTransaction): unknown[] => {
  const names: string[] = []
  const got: unknown[] = []
  changes?.log.forEach((message) => {
    const id = message.readUInt32BE(1)
    if (message[0] === MessageType.relation) names[id] = parseRelation(message.subarray(5)).name
    else if (message[0] === MessageType.truncate) {
      got.push(['truncate', ...parseTruncate(message).relations.map((relation) => names[relation])])
    } else {
      const change = parseRowChange(message)
      got.push([change.kind, names[id], text(change.old), text(change.new)])
    }
  })
  return got
}

test('all changes of a running transaction are there before it commits, in order', async () => {
  const transaction = await captured(
    `INSERT INTO t VALUES (1, 'a'), (2, 'b')`,
    `UPDATE t SET v = 'c' WHERE id = 1`,
    'UPDATE t SET id = 3 WHERE id = 2',
    `INSERT INTO bag VALUES (1, '{"a": 1}'), (1, NULL)`,
    'UPDATE bag SET x = 2 WHERE j IS NULL',
    'DELETE FROM t WHERE id = 1',
  )
  deepEqual(told(transaction), [
    ['insert', 't', undefined, ['1', 'a']],
    ['insert', 't', undefined, ['2', 'b']],
    ['update', 't', undefined, ['1', 'c']],
    ['update', 't', ['2', null], ['3', 'b']],
    ['insert', 'bag', undefined, ['1', '{"a": 1}']],
    ['insert', 'bag', undefined, ['1', null]],
    ['update', 'bag', ['1', null], ['2', null]],
    ['delete', 't', ['1', null], undefined],
  ])
  await commit(transaction)
})

test('what a rolled back savepoint or exception block wrote is not there, what was released is', async () => {
  const transaction = await captured(
    `INSERT INTO t VALUES (10, 'kept')`,
    'SAVEPOINT a',
    `INSERT INTO t VALUES (11, 'gone')`,
    'SAVEPOINT b',
    `INSERT INTO t VALUES (12, 'gone with it')`,
    'RELEASE b',
    'ROLLBACK TO a',
    `INSERT INTO t VALUES (13, 'again')`,
    'RELEASE a',
    `DO $$ BEGIN
       FOR i IN 1..3 LOOP
         BEGIN
           INSERT INTO t VALUES (20 + i, 'caught');
           IF i = 2 THEN RAISE EXCEPTION 'no'; END IF;
         EXCEPTION WHEN OTHERS THEN NULL; END;
       END LOOP; END $$`,
  )
  deepEqual(
    told(transaction).map((change) => (change as [string, string, unknown, string[]])[3][0]),
    ['10', '13', '21', '23'],
  )
  await commit(transaction)
})

test('a transaction of which all is rolled back leaves definitions at most; one without rows is undefined', async () => {
  const nothing = await captured('SAVEPOINT a', 'INSERT INTO t VALUES (30)', 'ROLLBACK TO a')
  deepEqual(told(nothing), [])
  await commit(nothing)
  const noRows = await captured('CREATE TEMP TABLE temporary (x int)', 'INSERT INTO temporary VALUES (1)')
  deepEqual(told(noRows), [])
  await commit(noRows)
})

test('TRUNCATE names all tables that it emptied', async () => {
  const transaction = await captured('INSERT INTO t VALUES (40)', 'TRUNCATE t CASCADE')
  deepEqual(told(transaction), [
    ['insert', 't', undefined, ['40', null]],
    ['truncate', 't', 'child'],
  ])
  await commit(transaction)
})

test('an unchanged TOAST value is told as such; a new one travels whole', async () => {
  const body = 'abcdefgh'.repeat(5_000)
  const inserted = await captured(`INSERT INTO wide VALUES (1, 1, repeat('abcdefgh', 5000))`)
  deepEqual(told(inserted), [['insert', 'wide', undefined, ['1', '1', body]]])
  await commit(inserted)
  const updated = await captured('UPDATE wide SET n = 2')
  deepEqual(told(updated), [['update', 'wide', undefined, ['1', '2', undefined]]])
  await commit(updated)
})

test('transactions that run side by side are told apart', async () => {
  const other = await server.connect()
  await other.query('BEGIN')
  await other.query('INSERT INTO t VALUES (60)')
  await client.query('BEGIN')
  await client.query('INSERT INTO t VALUES (61)')
  await other.query('INSERT INTO t VALUES (62)')
  const nonce = capture.nonce()
  await other.query('SELECT allwrite.capture($1)', [nonce])
  const first = await capture.captured(nonce)
  await other.query('COMMIT')
  await client.query('ROLLBACK')
  deepEqual(
    told(first).map((change) => (change as [string, string, unknown, string[]])[3][0]),
    ['60', '62'],
  )
  deepEqual([tripwires, uncaptured], [[], []])
})

test('100,000 rows go to the spool file and come back whole; the file goes with them', async () => {
  const transaction = await captured(
    `INSERT INTO bag SELECT i, json_build_object('n', i) FROM generate_series(1, 100000) i`,
  )
  const { changes } = transaction
  ok(changes?.log.spooled)
  equal(readdirSync(server.spoolDir).length, 1)
  let sum = 0
  let rows = 0
  await changes.log.forEachSlice(
    (message) => {
      if (message[0] !== MessageType.insert) return
      rows += 1
      sum += Number(Buffer.from(parseRowChange(message).new?.[0] ?? []).toString())
    },
    () => Promise.resolve(),
  )
  deepEqual([rows, sum], [100_000, (100_000 * 100_001) / 2])
  await commit(transaction)
  deepEqual(readdirSync(server.spoolDir), [])
})

test('a captured transaction that nobody asks for leaves no file behind', async () => {
  await client.query('BEGIN')
  await client.query(`INSERT INTO bag SELECT i, NULL FROM generate_series(1, 60000) i`)
  const nonce = capture.nonce()
  await client.query('SELECT allwrite.capture($1)', [nonce])
  // Another's capture behind it: the first has passed.
  const other = await server.connect()
  await other.query('BEGIN; INSERT INTO t VALUES (80)')
  const second = capture.nonce()
  await other.query('SELECT allwrite.capture($1)', [second])
  await capture.captured(second)
  await other.query('COMMIT')
  equal(readdirSync(server.spoolDir).length, 1)
  capture.discard(nonce)
  await client.query('ROLLBACK')
  await until('the spool file is gone', () => readdirSync(server.spoolDir).length === 0)
})

test('the end of a captured transaction by force is told before anything that its rows’ next holder wrote', async () => {
  await client.query(`INSERT INTO t VALUES (90, 'x')`)
  uncaptured = []
  const first = await captured(`UPDATE t SET v = 'first' WHERE id = 90`)
  const order: string[] = []
  ok(first.changes)
  first.changes.onAborted = () => order.push('first ended')
  const pid = (await client.query<{ pid: number }>('SELECT pg_backend_pid() AS pid')).rows[0]?.pid
  const other = await server.connect()
  await other.query('BEGIN')
  const update = other.query(`UPDATE t SET v = 'second' WHERE id = 90`)
  const admin = await server.connect()
  client.on('error', () => undefined)
  await admin.query('SELECT pg_terminate_backend($1)', [pid])
  await update
  const nonce = capture.nonce()
  await other.query('SELECT allwrite.capture($1)', [nonce])
  const second = await capture.captured(nonce)
  order.push('second captured')
  deepEqual(order, ['first ended', 'second captured'])
  deepEqual([first.changes.aborted, second.changes?.aborted], [true, false])
  await other.query('COMMIT')
  client = await server.connect()
})

test('the search_path travels unless it is public alone', async () => {
  await client.query('CREATE SCHEMA "Odd ""one"')
  const paths: unknown[] = []
  for (const path of ['public', '"$user", public', '"Odd ""one", nowhere, public', '']) {
    const transaction = await captured(
      `SET LOCAL search_path = ${path === '' ? "''" : path}`,
      'UPDATE public.wide SET n = n + 1',
    )
    paths.push(transaction.changes?.searchPath)
    await commit(transaction)
  }
  // "$user" is schema allwrite here.
  deepEqual(paths, [undefined, ['allwrite', 'public'], ['Odd "one', 'public'], []])
})

// Each of these ended the walsender when what follows the rollback was decoded late: sql/ddl.ts, await_decoding.
test('a schema change that was rolled back to a savepoint does not mislead the decoding of what follows (RULES 7)', async () => {
  const make = 'CREATE TABLE again (id int PRIMARY KEY, v int)'
  const insert = 'INSERT INTO again (id, v) VALUES (1, 1)'
  const rolledBack = (change: string): string[] => ['SAVEPOINT s', change, 'ROLLBACK TO s']
  const add = 'ALTER TABLE again ADD COLUMN w int NOT NULL DEFAULT 9'
  const transactions: readonly (readonly string[])[] = [
    [make, ...rolledBack('DROP TABLE again'), insert, 'DROP TABLE again'],
    [make, ...rolledBack('DROP TABLE again'), insert, add],
    [make, ...rolledBack('CREATE INDEX ON again (v)'), insert, add, 'ALTER TABLE again ALTER v TYPE bigint'],
    [make, ...rolledBack('ALTER TABLE again ADD COLUMN x text'), insert, add],
    ['SAVEPOINT s', make, 'DROP TABLE again', 'ROLLBACK TO s', make, insert, 'DROP TABLE again'],
  ]
  for (const statements of transactions) {
    const transaction = await captured(...statements)
    deepEqual(
      told(transaction).filter((change) => (change as string[])[1] === 'again'),
      [['insert', 'again', undefined, ['1', '1']]],
      statements.join('; '),
    )
    transaction.changes?.log.dispose()
    await client.query('ROLLBACK')
  }
})

test('TRUNCATE after one that was rolled back to a savepoint does not mislead the decoding of the rows between (RULES 7)', async () => {
  await client.query('CREATE TABLE emptied (id int PRIMARY KEY)')
  const truncate = 'TRUNCATE emptied'
  const insert = (id: number): string => `INSERT INTO emptied VALUES (${id})`
  const rolledBack = (...statements: string[]): string[] => ['SAVEPOINT s', ...statements, 'ROLLBACK TO s']
  const exception = `DO $$ BEGIN
    BEGIN TRUNCATE emptied; RAISE 'no'; EXCEPTION WHEN OTHERS THEN NULL; END;
    INSERT INTO emptied VALUES (1); TRUNCATE emptied; INSERT INTO emptied VALUES (2); END $$`
  const cases: readonly (readonly [statements: readonly string[], seen: readonly string[]])[] = [
    [
      [...rolledBack(truncate), insert(1), truncate],
      ['1', 'truncate'],
    ],
    [
      [...rolledBack(truncate, insert(1)), insert(2), truncate, insert(3)],
      ['2', 'truncate', '3'],
    ],
    [
      [...rolledBack(truncate), insert(1), ...rolledBack(truncate), insert(2), truncate],
      ['1', '2', 'truncate'],
    ],
    [
      ['SAVEPOINT a', truncate, insert(1), ...rolledBack(truncate), 'ROLLBACK TO a', insert(2), truncate],
      ['2', 'truncate'],
    ],
    [[exception], ['1', 'truncate', '2']],
    [
      ['SET LOCAL track_counts = off', ...rolledBack(truncate), insert(1), truncate],
      ['1', 'truncate'],
    ],
  ]
  // In all sessions, also after somebody has switched the triggers off.
  for (const preparation of [
    'SELECT',
    'ALTER TABLE emptied DISABLE TRIGGER ALL',
    'DROP TRIGGER allwrite_truncate ON emptied',
  ]) {
    await client.query(preparation)
    for (const [statements, seen] of cases) {
      const transaction = await captured(...statements)
      deepEqual(
        told(transaction).map((change) => {
          const [kind, , , values] = change as [string, string, unknown, string[]]
          return kind === 'truncate' ? kind : values[0]
        }),
        seen,
        [preparation, ...statements].join('; '),
      )
      transaction.changes?.log.dispose()
      await client.query('ROLLBACK')
    }
  }
})

test('a schema change waits for no decoding that waits for its own transaction’s lock of a catalog', async () => {
  await client.query(`SET statement_timeout = '5s'; BEGIN`)
  await client.query('REINDEX INDEX pg_class_oid_index')
  // Whoever decodes reads pg_class, now or soon.
  await client.query('INSERT INTO bag VALUES (7, NULL)')
  await client.query('REINDEX INDEX pg_class_relname_nsp_index')
  await client.query('REINDEX INDEX pg_index_indexrelid_index')
  await client.query('ROLLBACK; RESET statement_timeout')
})

test('tripwire: rows that commit uncaptured are noticed', async () => {
  await client.query('INSERT INTO t VALUES (100)')
  await until('it is noticed', () => uncaptured.length + tripwires.length > 0)
})

test('tripwire: a row written behind the capture message is noticed', async () => {
  const transaction = await captured('INSERT INTO t VALUES (110)')
  await client.query('INSERT INTO t VALUES (111)')
  await commit(transaction)
  await until('it is noticed', () => tripwires.some((what) => what.includes('behind the capture message')))
})

test('a capture connection that ends rejects who waits, and says so', async () => {
  const lost: Error[] = []
  // The slot is temporary, and its name taken by the other one.
  capture.close()
  const admin = await server.connect()
  let second: Capture | undefined
  const deadline = performance.now() + 10_000
  while (second === undefined) {
    second = await server.capture({ onLost: (error) => lost.push(error) }).catch((error: unknown) => {
      if (performance.now() > deadline) throw error
      return undefined
    })
  }
  const waiting = rejects(second.captured(second.nonce()), { code: 'postgres' })
  await admin.query(`SELECT pg_terminate_backend(pid) FROM pg_stat_replication`)
  await waiting
  equal(lost.length, 1)
})

/** What a transaction has locked without writing it is found, by row where that is certain, else by table (ADR 13). */
import { deepEqual, equal, ok } from 'node:assert/strict'
import { after, before, test } from 'node:test'
import type pg from 'pg'
import { LockMode } from '../../core/writeset.ts'
import { startTestServer, type TestServer } from '../test-server.ts'
import type { Capture } from './capture.ts'
import { parseLocks } from './dependencies.ts'

let server: TestServer
let capture: Capture
let client: pg.Client
let other: pg.Client
before(async () => {
  server = await startTestServer()
  client = await server.connect()
  other = await server.connect()
  capture = await server.capture()
  await client.query(`
    CREATE TABLE t (id int PRIMARY KEY, v int, body text, twice int GENERATED ALWAYS AS (v * 2) STORED);
    INSERT INTO t SELECT i, 0, 'body' FROM generate_series(1, 100) i;
    CREATE TABLE child (id int PRIMARY KEY, t int REFERENCES t);
    CREATE TABLE bag (x int, "at" timestamptz); ALTER TABLE bag REPLICA IDENTITY FULL;
    INSERT INTO bag VALUES (1, '2026-01-02 03:04:05+00'), (2, NULL);
    CREATE TABLE root (id int PRIMARY KEY) PARTITION BY RANGE (id);
    CREATE TABLE "Leaf" PARTITION OF root FOR VALUES FROM (0) TO (100);
    INSERT INTO root VALUES (7)`)
})
after(() => server[Symbol.asyncDispose]())

const modeNames = Object.fromEntries(Object.entries(LockMode).map(([name, mode]) => [mode, name]))

/** Locks as words: `update t 1,-,-` is row 1 of t; `all of t` the table. undefined: nothing is to be captured. */
const told = (answer: string | null): string[] | undefined => {
  if (answer === null) return undefined
  const { lockedRows, lockedTables } = parseLocks(answer.split(' ')[1] ?? '')
  const rows = lockedRows.map(({ relation, values, mode }) => {
    const shown = values.map((value) =>
      value === undefined ? '-' : value === null ? 'NULL' : Buffer.from(value).toString(),
    )
    return `${modeNames[mode]} ${relation.name} ${shown.join(',')}`
  })
  return [...rows, ...lockedTables.map(({ name }) => `all of ${name}`)].sort()
}

const capturedLocks = async (since: string): Promise<string[] | undefined> => {
  const nonce = capture.nonce()
  const { rows } = await client.query<{ locks: string | null }>(
    'SELECT allwrite.capture_locking($1, $2, $3) AS locks',
    ['sesame', nonce, since],
  )
  capture.discard(nonce)
  return told(rows[0]?.locks ?? null)
}

const here = async (): Promise<string> => {
  const { rows } = await client.query<{ lsn: string }>('SELECT pg_current_wal_insert_lsn() AS lsn')
  return rows[0]?.lsn ?? ''
}

/** What statements in one transaction have locked; it is rolled back. */
const locksOf = async (...statements: (string | (() => Promise<unknown>))[]): Promise<string[] | undefined> => {
  const since = await here()
  await client.query('BEGIN')
  try {
    for (const statement of statements) {
      await (typeof statement === 'string' ? client.query(statement) : statement())
    }
    return await capturedLocks(since)
  } finally {
    await client.query('ROLLBACK')
  }
}

const lock = (id: number, strength = 'UPDATE'): string => `SELECT FROM t WHERE id = ${id} FOR ${strength}`

test('each of the four modes, by the values that name the row', async () => {
  deepEqual(
    await locksOf(
      lock(1),
      lock(2, 'NO KEY UPDATE'),
      lock(3, 'SHARE'),
      lock(4, 'KEY SHARE'),
      lock(5, 'KEY SHARE'),
      lock(5),
    ),
    ['keyShare t 4,-,-', 'noKeyUpdate t 2,-,-', 'share t 3,-,-', 'update t 1,-,-', 'update t 5,-,-'],
  )
})

test('nothing locked: nothing said; and nothing captured where nothing was written either', async () => {
  deepEqual(await locksOf('UPDATE t SET v = 1 WHERE id = 1'), [])
  equal(await locksOf('SELECT * FROM t'), undefined)
  deepEqual(await locksOf('CREATE TEMP TABLE mine AS SELECT 1 AS i', 'SELECT * FROM mine FOR UPDATE'), [])
})

test('savepoints: what was released counts, what was rolled back does not', async () => {
  deepEqual(
    await locksOf(
      'SAVEPOINT a',
      lock(1),
      'SAVEPOINT b',
      lock(2),
      'RELEASE b',
      'RELEASE a',
      'SAVEPOINT c',
      lock(3),
      'ROLLBACK TO c',
    ),
    ['update t 1,-,-', 'update t 2,-,-'],
  )
})

test('PL/pgSQL with EXCEPTION locks under ids of its own', async () => {
  const block = `DO $$ BEGIN
    FOR i IN 1..3 LOOP
      BEGIN
        PERFORM FROM t WHERE id = 10 + i FOR UPDATE;
        IF i = 2 THEN RAISE EXCEPTION 'no'; END IF;
      EXCEPTION WHEN OTHERS THEN NULL; END;
    END LOOP; END $$`
  deepEqual(await locksOf(block), ['update t 11,-,-', 'update t 13,-,-'])
})

test('a row that others lock too, before and after (a multixact)', async () => {
  const third = await server.connect()
  await third.query(`BEGIN; ${lock(20, 'KEY SHARE')}`)
  const others = async (): Promise<void> => {
    await other.query(`BEGIN; ${lock(20, 'SHARE')}`)
  }
  deepEqual(await locksOf(lock(20, 'SHARE'), others), ['share t 20,-,-'])
  await other.query('ROLLBACK')
  deepEqual(await locksOf(lock(20, 'KEY SHARE')), ['keyShare t 20,-,-'])
  await third.query('ROLLBACK')
  await third.end()
})

test('locks of others are not taken for own, those under released savepoints of theirs at most', async () => {
  const others = async (): Promise<void> => {
    await other.query(`BEGIN; ${lock(31)}; SAVEPOINT a; ${lock(32)}`)
  }
  deepEqual(await locksOf(lock(30), others), ['update t 30,-,-'])
  await other.query('ROLLBACK')
  const ended = async (): Promise<void> => {
    await other.query(`BEGIN; SAVEPOINT a; ${lock(31)}; RELEASE a; COMMIT`)
  }
  deepEqual(await locksOf(lock(30), ended), ['update t 30,-,-'])
})

test('a row that was locked, then updated: in place, elsewhere, with another key; one that was deleted needs no lock', async () => {
  deepEqual(await locksOf(lock(40), 'UPDATE t SET v = v + 1 WHERE id = 40', 'UPDATE t SET v = v + 1 WHERE id = 40'), [
    'update t 40,-,-',
  ])
  deepEqual(await locksOf(lock(41), `UPDATE t SET body = repeat('x', 7000) WHERE id = 41`), ['update t 41,-,-'])
  deepEqual(await locksOf(lock(42, 'SHARE'), 'UPDATE t SET id = 1042 WHERE id = 42'), ['share t 1042,-,-'])
  deepEqual(await locksOf(lock(43), 'DELETE FROM t WHERE id = 43'), [])
  deepEqual(await locksOf(lock(44), 'UPDATE t SET v = 1 WHERE id = 44', 'DELETE FROM t WHERE id = 44'), ['all of t'])
})

test('a row of its own making: inserted and referenced, updated and locked', async () => {
  deepEqual(await locksOf('INSERT INTO t VALUES (200, 0)', 'INSERT INTO child VALUES (1, 200)'), ['keyShare t 200,-,-'])
  deepEqual(await locksOf('UPDATE t SET v = 1 WHERE id = 45', lock(45)), ['update t 45,-,-'])
})

test('FOR KEY SHARE of a row that another updates meanwhile', async () => {
  const others = async (): Promise<void> => {
    await other.query('UPDATE t SET v = v + 1 WHERE id = 50')
    await other.query('UPDATE t SET v = v + 1 WHERE id = 50')
  }
  deepEqual(await locksOf(lock(50, 'KEY SHARE'), others), ['keyShare t 50,-,-'])
  deepEqual(await locksOf('SET TRANSACTION ISOLATION LEVEL REPEATABLE READ', lock(50, 'KEY SHARE'), others), [
    'keyShare t 50,-,-',
  ])
})

test('each session has its own mode of a row that several lock or update', async () => {
  const third = await server.connect()
  await other.query(`BEGIN; UPDATE t SET v = v + 1 WHERE id = 51; SELECT FROM t WHERE id = 52 FOR SHARE`)
  await third.query(`BEGIN; ${lock(53, 'KEY SHARE')}`)
  const others = async (): Promise<void> => {
    await other.query('UPDATE t SET v = v + 1 WHERE id = 51; COMMIT')
  }
  deepEqual(
    await locksOf(lock(51, 'KEY SHARE'), lock(52, 'KEY SHARE'), lock(53, 'SHARE'), lock(53, 'KEY SHARE'), others),
    ['keyShare t 51,-,-', 'keyShare t 52,-,-', 'share t 53,-,-'],
  )
  await third.query('ROLLBACK')
  await third.end()
})

test('a partition is named as the stream names it; a table without a key by all its values, written as there', async () => {
  deepEqual(await locksOf('SELECT FROM root WHERE id = 7 FOR UPDATE'), ['update Leaf 7'])
  deepEqual(
    await locksOf(`SET LOCAL datestyle = 'German'`, `SET LOCAL timezone = 'Asia/Tokyo'`, 'SELECT FROM bag FOR SHARE'),
    ['share bag 1,2026-01-02 03:04:05+00', 'share bag 2,NULL'],
  )
})

test('LOCK TABLE from SHARE on, also where it is all that was done', async () => {
  equal(await locksOf('LOCK TABLE t IN ROW EXCLUSIVE MODE'), undefined)
  equal(await locksOf('LOCK TABLE t IN SHARE UPDATE EXCLUSIVE MODE'), undefined)
  for (const mode of ['SHARE', 'SHARE ROW EXCLUSIVE', 'EXCLUSIVE', 'ACCESS EXCLUSIVE']) {
    deepEqual(await locksOf(`LOCK TABLE t IN ${mode} MODE`), ['all of t'], mode)
  }
  equal(await locksOf('SAVEPOINT a', 'LOCK TABLE t IN SHARE MODE', 'ROLLBACK TO a'), undefined)
})

test('more WAL than is worth reading, or a place that is not known: the tables', async () => {
  const bulk = `INSERT INTO bag SELECT i, now() FROM generate_series(1, 80000) i`
  deepEqual(await locksOf(lock(60), bulk), ['all of t'])
  await client.query(`BEGIN; ${lock(60)}`)
  deepEqual(await capturedLocks('0/0'), ['all of t'])
  await client.query('ROLLBACK')
})

test('more rows than a record names: the table', async () => {
  await client.query('CREATE TABLE many (id int PRIMARY KEY); INSERT INTO many SELECT generate_series(1, 4097)')
  deepEqual(await locksOf('SELECT FROM many FOR UPDATE'), ['all of many'])
  equal((await locksOf('SELECT FROM many WHERE id <= 2000 FOR UPDATE'))?.length, 2000)
})

test('a table that was emptied or rewritten behind the lock: whatever it was locked for', async () => {
  deepEqual(await locksOf('SELECT FROM many WHERE id = 1 FOR UPDATE', 'TRUNCATE many'), ['all of many'])
})

test('tables of the system and of ours are nobody else’s', async () => {
  deepEqual(await locksOf('SELECT FROM allwrite.heartbeat FOR UPDATE', 'SELECT FROM pg_class LIMIT 1 FOR UPDATE'), [])
})

test('what others have locked is for the agent only', async () => {
  await client.query(`BEGIN; ${lock(1)}`)
  const refused = client.query(`SELECT allwrite.locks_held('open', '0/0')`)
  ok(
    await refused.then(
      () => false,
      (error: { code?: string }) => error.code === '42501',
    ),
  )
  await client.query('ROLLBACK')
})

test('the stream’s place is a lower bound for all that begins later', async () => {
  const passed = capture.passed
  const { rows } = await client.query<{ behind: boolean }>(
    `SELECT $1::pg_lsn <= pg_current_wal_insert_lsn() AND $1::pg_lsn > '0/0' AS behind`,
    [`${(passed >> 32n).toString(16)}/${(passed & 0xffff_ffffn).toString(16)}`],
  )
  deepEqual(rows, [{ behind: true }])
})

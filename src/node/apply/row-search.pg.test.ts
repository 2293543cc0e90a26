import { deepEqual, equal, ok, rejects } from 'node:assert/strict'
import { after, before, test } from 'node:test'
import type pg from 'pg'
import { position } from '../../core/ids.ts'
import {
  deleteMessage,
  insertMessage,
  payloadOf,
  relationBody,
  relationMessage,
  updateMessage,
} from '../../wire/pgoutput/pgoutput-fixtures.ts'
import { statementsFor } from '../catalog/ddl.ts'
import { makeRecord } from '../order/order-fixtures.ts'
import { sqlOriginName } from '../recovery/progress.ts'
import { startTestServer, type TestServer } from '../test-server.ts'
import { createSqlApplier, type SqlApplier } from './sql-applier.ts'

let server: TestServer
let client: pg.Client
let applierClient: pg.Client
let applier: SqlApplier
let next = 0

type Row = readonly (string | null)[]

/** Neither json nor point has an equality; the enum's is the user's as far as anyone knows. */
const bag = relationBody('public', 'bag', 'f', [
  ['j', 114, true],
  ['p', 600, true],
])
const moods = relationBody('public', 'moods', 'd', [
  ['mood', 50_000, true],
  ['n', 23, false],
])

const apply = (...messages: Buffer[]): Promise<void> =>
  applier.apply(position((next += 1)), [makeRecord({ changes: { kind: 'inline', bytes: payloadOf(messages) } })])

const rowsOf = async (sql: string): Promise<string[]> =>
  (await client.query<unknown[]>({ text: sql, rowMode: 'array' })).rows.map((row) => JSON.stringify(row)).toSorted()

/** How often the table was read from end to end, by whomever. */
const scans = async (table: string): Promise<number> => {
  // A backend tells of its scans once a second, or ten seconds later.
  for (const each of [applierClient, client]) await each.query('SELECT pg_stat_force_next_flush()')
  const { rows } = await client.query<{ n: number }>(
    `SELECT seq_scan::int AS n FROM pg_stat_user_tables WHERE relname = $1`,
    [table],
  )
  return rows[0]?.n ?? 0
}

before(async () => {
  server = await startTestServer()
  client = await server.connect()
  await client.query(`
    CREATE TABLE bag (j json, p point);
    CREATE TYPE mood AS ENUM (${Array.from({ length: 300 }, (_, i) => `'m${i}'`).join(', ')});
    CREATE TABLE moods (mood mood PRIMARY KEY, n int);
    SELECT allwrite.settle()`)
  applierClient = await server.connect()
  const { rows } = await applierClient.query<{ pid: number }>('SELECT pg_backend_pid() AS pid')
  applier = await createSqlApplier({
    client: applierClient,
    origin: sqlOriginName,
    backendPid: rows[0]?.pid ?? 0,
    readChunks: () => {
      throw new Error('nothing is large')
    },
    statementsFor,
    settleSql: 'SELECT allwrite.settle()',
    keyNamesOf: (relation) => (relation.identity === 'f' ? undefined : new Set(['mood'])),
    onRetry: () => undefined,
  })
})

after(() => server[Symbol.asyncDispose]())

/** Numbers that look random and are the same each time. */
const dice = (seed: number): ((sides: number) => number) => {
  let state = seed
  return (sides) => {
    state = (state * 1_103_515_245 + 12_345) % 2_147_483_648
    return Math.floor((state / 2_147_483_648) * sides)
  }
}

test('rows without a key are changed as at home: equal ones, nulls, quotes, rows that are changed again and again', async () => {
  const roll = dice(7)
  const values: readonly Row[] = [
    ['{"a": "x\\"y"}', '(1,2)'],
    ['["{NULL}", "\\\\"]', null],
    [null, '(1,2)'],
    [null, null],
    ['"NULL"', '(0,-0)'],
    ['{"ä": "\'"}', '(1e+300,NaN)'],
  ]
  const some = (): Row => values[roll(values.length)] ?? values[0]!
  await client.query('TRUNCATE bag')
  const model: Row[] = []
  for (let round = 0; round < 4; round++) {
    const messages = [relationMessage(0, bag)]
    for (let i = 0; i < 400; i++) {
      const at = roll(model.length)
      const old = model[at]
      if (old === undefined || roll(3) === 0) {
        const row = some()
        model.push(row)
        messages.push(insertMessage(0, [...row]))
      } else if (roll(2) === 0) {
        model.splice(at, 1)
        messages.push(deleteMessage(0, 'O', [...old]))
      } else {
        const row = some()
        model[at] = row
        messages.push(updateMessage(0, { mark: 'O', row: [...old] }, [...row]))
      }
    }
    await apply(...messages)
    deepEqual(await rowsOf('SELECT j::text, p::text FROM bag'), model.map((row) => JSON.stringify(row)).toSorted())
  }
})

test('thousands of rows without a key are looked for in a few readings of their table', async () => {
  await client.query(`TRUNCATE bag; INSERT INTO bag SELECT to_json(i), point(i, i) FROM generate_series(1, 2000) i`)
  const before = await scans('bag')
  const row = (i: number, to = i): Row => [String(i), `(${to},${to})`]
  const all = Array.from({ length: 2_000 }, (_, i) => i + 1)
  await apply(
    relationMessage(0, bag),
    ...all.map((i) => updateMessage(0, { mark: 'O', row: [...row(i)] }, [...row(i, -i)])),
    ...all.map((i) => deleteMessage(0, 'O', [...row(i, -i)])),
  )
  equal((await client.query('SELECT FROM bag')).rowCount, 0)
  const read = (await scans('bag')) - before
  ok(read < 60, `${read} readings`)
})

test('so are rows by a key of a user’s type, and one that is not there is an error', async () => {
  await client.query(`INSERT INTO moods SELECT x, 0 FROM unnest(enum_range(NULL::mood)) x`)
  const before = await scans('moods')
  const names = Array.from({ length: 300 }, (_, i) => `m${i}`)
  await apply(relationMessage(0, moods), ...names.map((name) => updateMessage(0, undefined, [name, '1'])))
  deepEqual(await rowsOf('SELECT count(*)::int, sum(n)::int FROM moods'), ['[300,300]'])
  const read = (await scans('moods')) - before
  ok(read < 30, `${read} readings`)
  await client.query(`DELETE FROM moods WHERE mood = 'm77'`)
  const gone = apply(relationMessage(0, moods), ...names.map((name) => deleteMessage(0, 'K', [name, null])))
  await rejects(gone, /met 0 rows instead of one/)
})

/** The protocol's far ends: binary formats, large and many statements, COPY in every place, and clients that vanish in the middle. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import {
  bindPlain,
  close,
  copyData,
  copyDone,
  copyFail,
  describe as describeMessage,
  execute,
  flush,
  parse,
  query,
  sync,
} from '../../wire/pgwire/messages.ts'
import { bareClient, eventually, show, TestGate, type RawClient } from './session-fixtures.ts'
import { run } from './session-scripts.ts'
import { sessionServer, valueOf, type SessionServer } from './session-server.ts'

let cluster: SessionServer
before(async () => {
  cluster = await sessionServer()
})
after(() => cluster[Symbol.asyncDispose]())

let databases = 0
/** The same exchange with a bare server and through a session; both must be answered alike. */
const alike = async (exchange: (client: RawClient) => Promise<readonly string[]>): Promise<void> => {
  const [bareName, oursName] = await cluster.twins(`protocol${databases++}`)
  const bare = await bareClient(cluster.server, bareName)
  const gate = new TestGate()
  await using through = await cluster.ours(oursName, gate)
  const expected = await exchange(bare)
  assert.deepEqual(await exchange(through.client), expected)
  assert.equal(gate.nonces.size, 0)
  await bare.end()
}

const int16 = (...values: number[]): Buffer => {
  const bytes = Buffer.alloc(2 * values.length)
  for (const [index, value] of values.entries()) bytes.writeInt16BE(value, 2 * index)
  return bytes
}
const int32 = (value: number): Buffer => {
  const bytes = Buffer.alloc(4)
  bytes.writeInt32BE(value)
  return bytes
}
/** A Bind of the unnamed statement with formats and parameters. */
const bind = (formats: Buffer, values: readonly (Buffer | null)[], results: Buffer, statement = ''): Buffer => {
  const parameters = values.flatMap((value) => (value === null ? [int32(-1)] : [int32(value.length), value]))
  const body = Buffer.concat([
    Buffer.from(`\0${statement}\0`),
    int16(formats.length / 2),
    formats,
    int16(values.length),
    ...parameters,
    int16(results.length / 2),
    results,
  ])
  return Buffer.concat([Buffer.from('B'), int32(4 + body.length), body])
}
const answered = async (client: RawClient, ...bytes: Buffer[]): Promise<string[]> => {
  client.send(...bytes)
  return (await client.until('Z')).map(show)
}

test('binary parameters and results of every kind of value, NULLs, mixed formats, and formats that don’t fit', () =>
  alike(async (client) => {
    const seen: string[] = []
    const select = parse(
      '',
      'select $1::int4, $2::text, $3::bytea, $4::float8, $5::timestamptz, $6::int4[], $7::numeric',
    )
    const float = Buffer.alloc(8)
    float.writeDoubleBE(-0)
    const values = [
      int32(-7),
      Buffer.from('ä;"'),
      Buffer.from([0, 255, 0x5c]),
      float,
      Buffer.alloc(8),
      Buffer.concat([int32(1), int32(0), int32(23), int32(1), int32(1), int32(4), int32(5)]),
      int16(1, 0, 0, 2, 12, 3400),
    ]
    const describeAndRun = [describeMessage('P', ''), execute(''), sync]
    seen.push(...(await answered(client, select, bind(int16(1), values, int16(1)), ...describeAndRun)))
    seen.push(
      ...(await answered(
        client,
        select,
        bind(
          int16(1),
          values.map(() => null),
          int16(0),
        ),
        ...describeAndRun,
      )),
    )
    const mixed = int16(1, 0, 1, 1, 1, 1, 1)
    seen.push(...(await answered(client, select, bind(mixed, values, int16(0, 1, 0, 1, 0, 1, 0)), ...describeAndRun)))
    // Each is wrong in a way of its own: bytes that no int4 has, too few formats, a format that does not exist.
    seen.push(
      ...(await answered(client, select, bind(int16(1), [int16(1), ...values.slice(1)], int16(1)), ...describeAndRun)),
    )
    seen.push(...(await answered(client, select, bind(int16(1, 1), values, int16(1)), ...describeAndRun)))
    seen.push(...(await answered(client, select, bind(int16(2), values, int16(1)), ...describeAndRun)))
    seen.push(...(await answered(client, select, bind(int16(1), values.slice(1), int16(1)), ...describeAndRun)))
    const insert = parse('i', 'insert into t values ($1, $2) returning id, v')
    seen.push(
      ...(await answered(
        client,
        insert,
        bind(int16(1), [int32(300), values[1] ?? null], int16(1), 'i'),
        execute(''),
        sync,
      )),
    )
    seen.push(...(await answered(client, bind(int16(1), [int32(300), null], int16(1), 'i'), execute(''), sync)))
    seen.push(...(await client.query('select * from t where id >= 300')))
    return seen
  }))

test('COPY in every place of both protocols, also where it fails or is given up in the middle', () =>
  alike(async (client) => {
    const seen: string[] = []
    const rows = copyData(Buffer.from('400\ta\n401\tb\n'))
    const into = run('copy t from stdin')
    const step = async (until: string, ...bytes: Buffer[]): Promise<void> => {
      client.send(...bytes)
      seen.push(...(await client.until(until)).map(show))
    }
    // Out, by the extended protocol, between others, to files' formats.
    await step(
      'Z',
      ...run('select 1'),
      ...run('copy (select id from t order by 1) to stdout'),
      ...run('select 2'),
      sync,
    )
    await step('Z', ...run('copy t to stdout with (format binary)'), sync)
    await step('Z', ...run('copy (select 1/(id - 3) from t order by id) to stdout'), ...run('select 2'), sync)
    await step('Z', query('copy (select 1) to stdout; copy (select 2) to stdout; select 3'))
    // In, behind a write of the same batch.
    await step('G', ...run('insert into t values (399)'), ...into, flush)
    await step('Z', rows, copyDone, sync)
    await step('G', ...into, flush)
    await step('Z', rows, copyDone, ...run('select 1'), sync)
    await step('G', ...into, flush)
    await step('Z', copyData(Buffer.from('402\tc')), copyFail('no more'), sync)
    // Flush and Sync are dropped while data are due, as PostgreSQL drops them.
    await step('G', query('copy t from stdin'))
    await step('Z', copyData(Buffer.from('403\t')), flush, sync, copyData(Buffer.from('d\n')), copyDone)
    // A row in many pieces, one byte each.
    await step('G', query('copy t from stdin with (format csv)'))
    await step(
      'Z',
      ...Array.from('404,"e\ne"\n', (char) => copyData(Buffer.from(char))),
      copyData(Buffer.alloc(0)),
      copyDone,
    )
    await step('G', query('copy t from stdin'))
    // What is no message of a COPY ends it.
    await step('Z', query('select 1'))
    await step('Z', query('select id, v from t where id >= 399 order by id'))
    return seen
  }))

/** For 100 MB on a machine that has other things to do. */
const largeMsMax = 60_000

test('a statement of 100 MB, as text and as a parameter', { timeout: 4 * largeMsMax }, () =>
  alike(async (client) => {
    const large = 'x'.repeat(100 * 1024 * 1024)
    const lines: string[] = []
    const ask = async (...bytes: Buffer[]): Promise<void> => {
      client.send(...bytes)
      lines.push(...(await client.until('Z', 1, largeMsMax)).map(show))
    }
    await ask(query(`select length('${large}')`))
    await ask(...run(`insert into t values (501, left('${large}', 4))`), sync)
    await ask(parse('', 'select length($1)', int16(0)), bind(int16(), [Buffer.from(large)], int16()), execute(''), sync)
    await ask(query('select id, v from t where id >= 500 order by id'))
    return lines
  }),
)

test('10,000 prepared statements, each with its own text, and all of them forgotten at once', () =>
  alike(async (client) => {
    const count = 10_000
    const seen: string[] = []
    for (let from = 0; from < count; from += 1_000) {
      const batch = Array.from({ length: 1_000 }, (_, index) => from + index)
      client.send(
        ...batch.map((n) => parse(`s${n}`, n % 2 === 0 ? `select ${n}` : `insert into t values (${n + 1_000})`)),
        sync,
      )
      seen.push(...(await client.until('Z')).map(show))
    }
    for (const n of [0, 1, 4_999, 5_000, 9_999])
      seen.push(...(await answered(client, bindPlain('', `s${n}`), execute(''), sync)))
    seen.push(...(await answered(client, close('S', 's0'), bindPlain('', 's0'), execute(''), sync)))
    seen.push(...(await client.query('select count(*) from pg_prepared_statements')))
    seen.push(...(await client.query('deallocate all')))
    seen.push(...(await answered(client, bindPlain('', 's4999'), execute(''), sync)))
    seen.push(...(await client.query('select count(*), max(id) from t')))
    return seen
  }))

/** Conversations that are cut after every one of their messages. */
const conversations: Readonly<Record<string, readonly Buffer[]>> = {
  simple: [
    query('begin'),
    query('insert into t values (600)'),
    query('savepoint a'),
    query('select 1/0'),
    query('commit'),
  ],
  single: [query('insert into t values (601)'), query('select pg_sleep(0.01); insert into t values (602)')],
  extended: [
    ...run('insert into t values (603)'),
    flush,
    ...run('select * from generate_series(1, 1000)'),
    sync,
    ...run('begin'),
    ...run('insert into t values (604)'),
    sync,
    ...run('commit'),
    sync,
  ],
  copy: [
    query('copy t from stdin'),
    copyData(Buffer.from('605\ta\n606')),
    copyData(Buffer.from('\tb\n')),
    copyDone,
    query('select 1'),
  ],
  'copy in a batch': [...run('copy t from stdin'), flush, copyData(Buffer.from('607\ta\n')), copyDone, sync],
}

test('a client that vanishes behind any of its messages, or inside of one, leaves nothing behind', async () => {
  const [, database] = await cluster.twins(`protocol${databases++}`)
  const admin = await bareClient(cluster.server, database)
  const own = (await valueOf(admin, 'select pg_backend_pid()')) ?? ''
  let cuts = 0
  for (const [name, messages] of Object.entries(conversations))
    for (let count = 0; count <= messages.length; count++)
      for (const inside of count < messages.length ? [0, 3] : [0]) {
        const gate = new TestGate()
        const through = await cluster.ours(database, gate)
        const bytes = Buffer.concat([
          ...messages.slice(0, count),
          messages[count]?.subarray(0, inside) ?? Buffer.alloc(0),
        ])
        through.client.socket.end(bytes)
        through.client.socket.resume()
        await through.session.closed
        assert.equal(gate.nonces.size, 0, `${name} cut behind ${count}`)
        assert.equal(gate.participants.size, 0)
        await through.client.end()
        await admin.query('delete from t where id >= 600')
        cuts++
      }
  assert.ok(cuts > 50)
  await eventually('their backends are gone', async () => {
    const others = `select count(*) from pg_stat_activity where datname = '${database}' and pid <> ${own} and backend_type = 'client backend'`
    return (await valueOf(admin, others)) === '0'
  })
  await admin.end()
})

import { deepEqual, equal, ok, rejects } from 'node:assert/strict'
import { once } from 'node:events'
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import { dirname, join } from 'node:path'
import { after, before, test } from 'node:test'
import { Client } from 'pg'
import { startupMessage } from '../wire/pgwire/login-messages.ts'
import {
  ensureOwned,
  initDatabase,
  locateBinaries,
  runtimeDir,
  serverIdentity,
  startPostgres,
  takeBaseBackup,
  type PostgresBinaries,
  type PostgresServer,
} from './index.ts'
import { testFolder } from './test-folder.ts'

const folder = testFolder()
const runtime = runtimeDir(folder.path)
let binaries: PostgresBinaries
let donor: PostgresServer

// Logins are node/session's matter.
const hba = ['local all all trust', 'local replication all trust']
const settings = { fsync: 'off', wal_level: 'logical', max_connections: '20', max_logical_replication_workers: '0' }

const start = (dataDir: string): Promise<PostgresServer> =>
  startPostgres({
    binaries,
    dataDir,
    socketDir: mkdtempSync(join(runtime, 's')),
    port: 5432,
    settings,
    hba,
    logFile: join(dirname(dataDir), 'log'),
  })

const home = (): string => {
  const path = mkdtempSync(join(folder.path, 'n'))
  chmodSync(path, 0o711)
  return path
}

before(async () => {
  binaries = await locateBinaries()
  const dataDir = join(home(), 'pgdata')
  await initDatabase({ binaries, dataDir, password: 'unused', fsync: false })
  donor = await start(dataDir)
  const client = await sql(donor)
  await client.query('create table pairs (writer int, number int, half int, primary key (writer, number, half))')
  await client.end()
})

after(async () => {
  await donor?.stop('immediate')
  folder[Symbol.dispose]()
  rmSync(runtime, { recursive: true, force: true })
})

const sql = async (server: PostgresServer): Promise<Client> => {
  const client = new Client({ host: server.socketDir, port: 5432, user: 'allwrite', database: 'postgres' })
  client.on('error', () => undefined)
  await client.connect()
  return client
}

/** A replication connection, logged in. */
const replication = async (server: PostgresServer): Promise<Socket> => {
  const socket = connect(join(server.socketDir, '.s.PGSQL.5432'))
  socket.write(
    startupMessage([
      ['user', 'allwrite'],
      ['replication', 'true'],
    ]),
  )
  const ready = Buffer.from('5a0000000549', 'hex')
  let received = Buffer.alloc(0)
  while (!received.subarray(-6).equals(ready)) {
    const [chunk] = (await once(socket, 'data')) as [Buffer]
    received = Buffer.concat([received, chunk])
  }
  socket.pause()
  return socket
}

/** Writers of pairs, each pair in one transaction; numbers without gaps. Returns how far each writer has come. */
const startWriters = (count: number): { done: number[]; stop: () => Promise<void> } => {
  const stopping = new AbortController()
  const done = Array.from({ length: count }, () => 0)
  const writers = done.map(async (_, writer) => {
    const client = await sql(donor)
    while (!stopping.signal.aborted) {
      const number = (done[writer] ?? 0) + 1
      await client.query('insert into pairs values ($1, $2, 0), ($1, $2, 1)', [writer, number])
      done[writer] = number
    }
    await client.end()
  })
  return {
    done,
    stop: async () => {
      stopping.abort()
      await Promise.all(writers)
    },
  }
}

for (const fsync of [false, true]) {
  test(`a copy under write load starts by itself and holds one moment of its donor, fsync ${fsync}`, async (context) => {
    const target = join(home(), 'pgdata')
    const client = await sql(donor)
    await client.query('truncate pairs')
    const writers = startWriters(3)
    const before = [...writers.done]
    const begun = performance.now()
    const seen: number[] = []
    let total = 0
    const backup = await takeBaseBackup({
      socket: await replication(donor),
      target,
      fsync,
      label: `it's a test`,
      onProgress: (bytes, all) => {
        seen.push(bytes)
        total = all
      },
    })
    const ms = performance.now() - begun
    const after = [...writers.done]
    await writers.stop()
    context.diagnostic(`${(backup.bytes / 2 ** 20).toFixed(1)} MiB in ${ms.toFixed(0)} ms, end ${backup.endLsn}`)
    equal(seen.at(-1), backup.bytes)
    ok(total > 10 * 2 ** 20 && total < backup.bytes, 'the estimate is of the data, without the log')
    deepEqual(await slots(client), [], 'the slot went with the connection')
    await client.end()

    const { uid, mode } = statSync(target)
    equal(mode & 0o777, 0o700)
    equal(uid, serverIdentity()?.uid ?? process.getuid?.())
    equal(statSync(join(target, 'base', '1')).mode & 0o777, 0o700)
    equal(statSync(join(target, 'global', 'pg_control')).mode & 0o777, 0o600)

    await using copy = await start(target)
    const reader = await sql(copy)
    const { rows } = await reader.query<{ writer: number; rows: number; last: number; halves: number }>(
      `select writer, count(*)::int as rows, max(number) as last, count(distinct half)::int as halves
         from pairs group by writer order by writer`,
    )
    await reader.end()
    for (const { writer, rows: count, last, halves } of rows) {
      equal(count, 2 * last, 'no gap, no half')
      equal(halves, 2)
      // One pair may be committed whose answer its writer did not have yet.
      ok(last >= (before[writer] ?? 0) && last <= (after[writer] ?? 0) + 1, `writer ${writer} at ${last}`)
    }
    equal(rows.length, 3)
  })
}

const slots = async (client: Client): Promise<unknown[]> => {
  const { rows } = await client.query(`select slot_name from pg_replication_slots where active`)
  return rows
}

test('a copy that is called off leaves nothing', async () => {
  const parent = home()
  const calledOff = new AbortController()
  await rejects(
    takeBaseBackup({
      socket: await replication(donor),
      target: join(parent, 'pgdata'),
      fsync: false,
      label: 'called off',
      onProgress: (bytes) => {
        if (bytes > 2 ** 20) calledOff.abort()
      },
      signal: calledOff.signal,
    }),
    { code: 'cancelled' },
  )
  deepEqual(readdirSync(parent), [])
})

test('a copy whose donor dies leaves nothing', async () => {
  const parent = home()
  const socket = await replication(donor)
  const client = await sql(donor)
  const { rows } = await client.query<{ pid: number }>(
    `select pid from pg_stat_activity where backend_type = 'walsender'`,
  )
  let killed: Promise<unknown> | undefined
  await rejects(
    takeBaseBackup({
      socket,
      target: join(parent, 'pgdata'),
      fsync: false,
      label: 'donor dies',
      onProgress: (bytes) => {
        if (bytes > 2 ** 20) killed ??= client.query('select pg_terminate_backend($1)', [rows[0]?.pid])
      },
    }),
  )
  ok(killed)
  await killed
  await client.end()
  deepEqual(readdirSync(parent), [])
})

test('what a crash left under the unfinished name is no obstacle; a last objection keeps the copy from its name', async () => {
  const parent = home()
  const target = join(parent, 'pgdata')
  const partial = `${target}.partial`
  mkdirSync(partial)
  writeFileSync(join(partial, 'PG_VERSION'), 'half a copy')
  const options = { target, fsync: false, label: 'again' }
  const objection = new Error('not this one')
  const objecting = takeBaseBackup({
    ...options,
    socket: await replication(donor),
    beforeRename: (path) => {
      equal(path, partial)
      ok(existsSync(join(path, 'backup_label')))
      return Promise.reject(objection)
    },
  })
  await rejects(objecting, objection)
  deepEqual(readdirSync(parent), [])
  await takeBaseBackup({ ...options, socket: await replication(donor) })
  deepEqual(readdirSync(parent), ['pgdata'])
})

test('a target that is in use is not touched', async () => {
  const target = join(home(), 'pgdata')
  mkdirSync(target)
  writeFileSync(join(target, 'mine'), '')
  await rejects(takeBaseBackup({ socket: await replication(donor), target, fsync: false, label: 'in use' }))
  deepEqual(readdirSync(target), ['mine'])
})

test('a donor with tablespaces is refused', async () => {
  const place = join(home(), 'space')
  mkdirSync(place, { mode: 0o700 })
  ensureOwned(place, serverIdentity())
  const client = await sql(donor)
  await client.query(`create tablespace elsewhere location '${place}'`)
  const target = join(home(), 'pgdata')
  await rejects(takeBaseBackup({ socket: await replication(donor), target, fsync: false, label: 'spaces' }), {
    code: 'unsupported',
    message: /tablespaces/,
  })
  equal(existsSync(target), false)
  await client.query('drop tablespace elsewhere')
  await client.end()
})

test('a copy takes no more from its donor than its rate', async () => {
  const rate = 16 * 2 ** 20
  const begun = performance.now()
  const { bytes } = await takeBaseBackup({
    socket: await replication(donor),
    target: join(home(), 'pgdata'),
    fsync: false,
    rateBytesMax: rate,
    label: 'slow',
  })
  const seconds = (performance.now() - begun) / 1000
  // PostgreSQL holds the rate over an eighth of a second's worth (throttling_sample); the log comes at its own pace.
  ok(seconds > (0.6 * bytes) / rate, `${bytes} bytes in ${seconds} s`)
})

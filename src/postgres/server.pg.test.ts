import { deepEqual, equal, match, notEqual, ok, rejects } from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { Client } from 'pg'
import { AllwriteError } from '../core/errors.ts'
import {
  checkDataDir,
  copyDataDir,
  endLeftover,
  initDatabase,
  locateBinaries,
  processesOf,
  runtimeDir,
  startPostgres,
  type PostgresBinaries,
} from './index.ts'
import { testFolder } from './test-folder.ts'

const folder = testFolder()
const runtime = runtimeDir(folder.path)
const template = join(folder.path, 'template')
const password = 'not a secret'
let binaries: PostgresBinaries

before(async () => {
  binaries = await locateBinaries()
  await initDatabase({ binaries, dataDir: template, password, fsync: false })
})

after(() => {
  folder[Symbol.dispose]()
  rmSync(runtime, { recursive: true, force: true })
})

async function newNode() {
  const home = mkdtempSync(join(folder.path, 'n'))
  const dataDir = join(home, 'pgdata')
  chmodSync(home, 0o711)
  await copyDataDir(template, dataDir, { fsync: false })
  const settings = { fsync: 'off', max_connections: '10' }
  const logFile = join(home, 'log')
  const socketDir = mkdtempSync(join(runtime, 's'))
  return { binaries, dataDir, socketDir, port: 5432, settings, logFile }
}

async function query(socketDir: string, text: string): Promise<unknown[]> {
  const client = new Client({ host: socketDir, port: 5432, user: 'allwrite', password, database: 'postgres' })
  client.on('error', () => undefined)
  await client.connect()
  try {
    const result = await client.query<unknown[]>({ text, rowMode: 'array' })
    return result.rows[0] ?? []
  } finally {
    await client.end()
  }
}

test('a started server answers at once, as UTF-8, C.UTF-8, with checksums and our settings, not as root', async () => {
  const options = await newNode()
  await using server = await startPostgres(options)
  deepEqual(
    await query(
      server.socketDir,
      `select current_setting('fsync'), current_setting('data_checksums'), current_setting('server_encoding'),
              current_setting('listen_addresses'), datlocprovider::text, datlocale
         from pg_database where datname = 'postgres'`,
    ),
    ['off', 'on', 'UTF8', '', 'b', 'C.UTF-8'],
  )
  const status = readFileSync(`/proc/${server.pid}/status`, 'utf8')
  notEqual(/^Uid:\s+(\d+)/m.exec(status)?.[1], '0')
  equal(/^Groups:\s*(.*)$/m.exec(status)?.[1]?.split(' ').includes('0'), false)
  equal(statSync(options.dataDir).mode & 0o777, 0o700)
  deepEqual(await server.stop('fast'), { code: 0, signal: null })
  deepEqual(processesOf(options.dataDir), [])
})

test('a wrong password is refused on the socket', async () => {
  const options = await newNode()
  await using server = await startPostgres(options)
  const client = new Client({
    host: server.socketDir,
    port: 5432,
    user: 'allwrite',
    password: 'x',
    database: 'postgres',
  })
  await rejects(client.connect(), /password authentication failed/)
})

test('the end of a server is told, also when it was killed', async () => {
  const told: unknown[] = []
  const options = await newNode()
  await using server = await startPostgres({ ...options, onExit: (exit) => told.push(exit) })
  process.kill(server.pid, 'SIGKILL')
  deepEqual(await server.exited, { code: null, signal: 'SIGKILL' })
  await server.stop('immediate')
  deepEqual(told, [{ code: null, signal: 'SIGKILL' }])
  deepEqual(processesOf(options.dataDir), [], 'orphaned backends are gone too')
})

test('a leftover server is ended, and the next one starts on its folder', async () => {
  const options = await newNode()
  const first = await startPostgres(options)
  equal(await endLeftover(options.dataDir), true)
  deepEqual(processesOf(options.dataDir), [])
  equal(await endLeftover(options.dataDir), false, 'nothing is left to end')
  await first.exited
  await using second = await startPostgres(options)
  deepEqual(await query(second.socketDir, 'select 1'), [1])
})

test('backends that outlive a killed postmaster are found and ended', async () => {
  const options = await newNode()
  const first = await startPostgres(options)
  const client = new Client({ host: first.socketDir, port: 5432, user: 'allwrite', password, database: 'postgres' })
  client.on('error', () => undefined)
  await client.connect()
  // A stopped backend does not notice that its postmaster died.
  const rows = (await client.query<{ pid: number }>('select pg_backend_pid() as pid')).rows
  const backend = rows[0]?.pid ?? 0
  process.kill(backend, 'SIGSTOP')
  process.kill(first.pid, 'SIGKILL')
  await first.exited
  ok(processesOf(options.dataDir).includes(backend))
  equal(await endLeftover(options.dataDir, { kill: true }), true)
  deepEqual(processesOf(options.dataDir), [])
  await using second = await startPostgres(options)
  deepEqual(await query(second.socketDir, 'select 1'), [1])
})

test('a start right after kill -9 waits for the predecessor’s lock instead of failing', async () => {
  const options = await newNode()
  const first = await startPostgres(options)
  process.kill(first.pid, 'SIGKILL')
  await using second = await startPostgres(options)
  deepEqual(await query(second.socketDir, 'select 1'), [1])
})

test('lock files of a killed postmaster that nobody reaped, or whose id a stranger has now, are in nobody’s way', async (t) => {
  const options = await newNode()
  const first = await startPostgres(options)
  await first.stop('fast')
  // The shell becomes `sleep`, which never waits for its child.
  const parent = spawn('sh', ['-c', 'sleep 600 & echo $!; exec sleep 600'], { stdio: ['ignore', 'pipe', 'ignore'] })
  t.after(() => parent.kill('SIGKILL'))
  const [line] = (await once(parent.stdout, 'data')) as [Buffer]
  const child = Number(line.toString())
  const takeLocks = (pid: number): void => {
    for (const path of [join(options.dataDir, 'postmaster.pid'), join(options.socketDir, '.s.PGSQL.5432.lock')]) {
      writeFileSync(path, `${pid}\n`, { mode: 0o600 })
    }
  }
  for (const sign of [0, 'SIGKILL'] as const) {
    process.kill(child, sign)
    takeLocks(child)
    await using next = await startPostgres(options)
    deepEqual(await query(next.socketDir, 'select 1'), [1])
  }
})

test('a temporary slot whose removal was cut short at recovery does not stop the next start for ever', async () => {
  const options = await newNode()
  // What a kill of the server leaves while it removes a temporary slot: the folder, its `state` gone, perhaps more of it there.
  mkdirSync(join(options.dataDir, 'pg_replslot', 'half', 'more'), { recursive: true, mode: 0o700 })
  await using server = await startPostgres(options)
  deepEqual(await query(server.socketDir, 'select 1'), [1])
})

test('a server that can’t start gives its last words, and leaves no process', async () => {
  const options = await newNode()
  await rejects(startPostgres({ ...options, settings: { no_such_setting: '1' } }), (error: unknown) => {
    ok(error instanceof AllwriteError)
    equal(error.code, 'postgres')
    match(error.detail ?? '', /no_such_setting/)
    return true
  })
  deepEqual(processesOf(options.dataDir), [])
})

test('folders of another version, of something else, or unreachable ones are refused by name', async () => {
  const options = await newNode()
  const file = join(options.dataDir, 'PG_VERSION')
  writeFileSync(file, '15\n')
  await rejects(startPostgres(options), /made by PostgreSQL 15, the server is 18/)
  rmSync(file)
  await rejects(startPostgres(options), /not a PostgreSQL data folder/)
  equal(checkDataDir(join(folder.path, 'absent'), 18), 'absent')
  await rejects(initDatabase({ binaries, dataDir: template, password, fsync: false }), /holds a database already/)
  await rejects(copyDataDir(template, template, { fsync: false }), /holds a database already/)
})

test('a folder that the server’s user can’t enter is named', { skip: process.getuid?.() !== 0 }, async () => {
  const closed = join(folder.path, 'closed')
  mkdirSync(closed, { mode: 0o700 })
  await rejects(
    initDatabase({ binaries, dataDir: join(closed, 'pgdata'), password, fsync: false }),
    (error: unknown) => error instanceof AllwriteError && (error.detail ?? '').includes(`"${closed}"`),
  )
})

test('a cancelled start leaves no process', async () => {
  const options = await newNode()
  const cancel = new AbortController()
  cancel.abort()
  await rejects(startPostgres({ ...options, signal: cancel.signal }), /cancelled/)
  deepEqual(processesOf(options.dataDir), [])
})

import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { chmodSync, copyFileSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { connect as connectTls } from 'node:tls'
import { promisify } from 'node:util'
import { Client } from 'pg'
import type { ClientConfig } from 'pg'
import { nodeId } from '../../core/ids.ts'
import { initDatabase, locateBinaries, runtimeDir, startPostgres } from '../../postgres/index.ts'
import type { PostgresServer } from '../../postgres/index.ts'
import { cancelRequest, sslRequest } from '../../wire/pgwire/login-messages.ts'
import { createByteReader } from '../../login/byte-reader.ts'
import { createCancelRegistry } from './cancel.ts'
import { listen } from './listener.ts'
import type { ListenerOptions } from './listener.ts'
import { defaultRules } from '../../wire/hba/rules.ts'
import { createThrottle } from '../../login/throttle.ts'
import { noEndpoints, noTickets, openRaw, rawLogin, readRaw, until } from './login-testing.ts'
import type { LookupRole, SessionStart } from './login.ts'
import { openTlsSource } from '../../login/tls.ts'

const folder = mkdtempSync(join(tmpdir(), 'allwrite-login-'))
chmodSync(folder, 0o711)
const runtime = runtimeDir(folder)
const password = 'not a secret'
let server: PostgresServer
let socketPath: string
let admin: Client

before(async () => {
  const binaries = await locateBinaries()
  const dataDir = join(folder, 'pgdata')
  await initDatabase({ binaries, dataDir, password, fsync: false })
  const settings = { fsync: 'off', max_connections: '20' }
  const socketDir = join(runtime, 's')
  server = await startPostgres({ binaries, dataDir, socketDir, port: 5432, settings, logFile: join(folder, 'log') })
  socketPath = join(socketDir, '.s.PGSQL.5432')
  admin = new Client({ host: socketDir, port: 5432, user: 'allwrite', password, database: 'postgres' })
  await admin.connect()
  await admin.query(`set password_encryption='scram-sha-256'; create role ann login password 'naïve ²';
    create role ro login password 'x'; alter role ro set default_transaction_read_only = off;
    create role few login password 'x' connection limit 0`)
  await Promise.all([makeCertificate('one'), makeCertificate('two')])
})

after(async () => {
  await admin?.end()
  await server?.stop('fast')
  rmSync(folder, { recursive: true, force: true })
  rmSync(runtime, { recursive: true, force: true })
})

const makeCertificate = (name: string) =>
  promisify(execFile)('openssl', [
    'req',
    '-x509',
    '-newkey',
    'ec',
    '-pkeyopt',
    'ec_paramgen_curve:prime256v1',
    '-sha384',
    '-nodes',
    '-days',
    '2',
    '-subj',
    `/CN=${name}`,
    '-keyout',
    join(folder, `${name}.key`),
    '-out',
    join(folder, `${name}.crt`),
  ])

const lookupRole: LookupRole = async (name) => {
  const { rows } = await admin.query<{
    rolpassword: string | null
    rolcanlogin: boolean
    expired: boolean
    rolconnlimit: number
    rolsuper: boolean
  }>(
    'select rolpassword, rolcanlogin, coalesce(rolvaliduntil < now(), false) as expired, rolconnlimit, rolsuper from pg_authid where rolname = $1',
    [name],
  )
  const row = rows[0]
  return (
    row && {
      verifier: row.rolpassword,
      canLogin: row.rolcanlogin,
      expired: row.expired,
      connectionLimit: row.rolconnlimit,
      superuser: row.rolsuper,
      memberOf: [],
    }
  )
}

/** A session that only carries bytes both ways. */
const pipe = (session: SessionStart): void => {
  const { client, backend } = session
  for (const [from, to, leftover] of [
    [client, backend, session.clientLeftover],
    [backend, client, session.backendLeftover],
  ] as const) {
    to.write(leftover)
    from.on('error', () => {}).on('close', () => to.destroy())
    from.pipe(to)
  }
}
const start = (options: Partial<ListenerOptions> = {}) =>
  listen({
    host: '127.0.0.1',
    port: 0,
    sessionsMax: 5,
    replicationsMax: 1,
    gate: { serving: true },
    lookupRole,
    socketPath,
    enterDatabase: (name) => Promise.resolve(name === 'postgres'),
    reservedRoles: new Set(['allwrite']),
    mockSecret: Buffer.alloc(32, 9),
    vouchKey: Buffer.alloc(32, 8),
    cancels: createCancelRegistry(nodeId(3)),
    ...noEndpoints,
    issueTicket: noTickets,
    rules: defaultRules,
    throttle: createThrottle(),
    now: () => performance.now(),
    onSession: pipe,
    ...options,
  })
const psql = async (port: number, sql: string, conninfo = '', secret = 'naïve ²'): Promise<string> => {
  const env = { PATH: process.env['PATH'] ?? '', PGPASSWORD: secret, PGCLIENTENCODING: 'UTF8' }
  const args = ['-XAtq', `host=127.0.0.1 port=${port} user=ann dbname=postgres ${conninfo}`, '-c', sql]
  return (await promisify(execFile)('psql', args, { env })).stdout.trim()
}
const client = (port: number, more: ClientConfig = {}) =>
  new Client({ host: '127.0.0.1', port, user: 'ann', password: 'naïve ²', database: 'postgres', ...more })
const as = (user: string, ...more: [string, string][]): [string, string][] => [
  ['user', user],
  ['database', 'postgres'],
  ...more,
]

test('psql logs in as its own role, and is told that it may write though its backend is read-only', async () => {
  await using listener = await start()
  const shown = await psql(
    listener.port,
    `select current_user, current_setting('application_name'), current_setting('transaction_read_only')`,
    'application_name=app target_session_attrs=read-write',
  )
  assert.equal(shown, 'ann|app|on')
  assert.equal(
    await psql(listener.port, 'show work_mem', `options='-c work_mem=3MB -c default_transaction_read_only=off'`),
    '3MB',
  )
  await until('the slots are free', () => listener.sessions === 0)
})

test('the guard cannot be undone by ALTER ROLE, RESET or DISCARD ALL', async () => {
  await using listener = await start()
  const ro = client(listener.port, { user: 'ro', password: 'x' })
  await ro.connect()
  for (const sql of ['select 1', 'reset all', 'discard all', 'reset default_transaction_read_only']) {
    await ro.query(sql)
    const { rows } = await ro.query<{ v: string }>(`select current_setting('default_transaction_read_only') as v`)
    assert.equal(rows[0]?.v, 'on', sql)
  }
  await ro.end()
})

test('wrong passwords, foreign databases and the errors of the server itself reach psql in its words', async () => {
  await using listener = await start()
  const fails = (words: RegExp, conninfo = '', secret?: string) =>
    assert.rejects(psql(listener.port, 'select 1', conninfo, secret), { stderr: words })
  await fails(/FATAL: {2}password authentication failed for user "ann"/, '', 'wrong')
  await fails(/FATAL: {2}password authentication failed for user "ghost"/, 'user=ghost')
  await fails(/FATAL: {2}database "nope" does not exist/, 'dbname=nope')
  await fails(/FATAL: {2}unrecognized configuration parameter "nothing"/, `options='-c nothing=1'`)
  await fails(/FATAL: {2}too many connections for role "few"/, 'user=few', 'x')
  await fails(/FATAL: {2}role "allwrite" is not permitted to log in/, 'user=allwrite', password)
  await until('the slots are free', () => listener.sessions === 0)
})

test('the client sees its own key and wishes; bytes pipelined behind the login are kept', async () => {
  let session: SessionStart | undefined
  await using listener = await start({ onSession: (started) => pipe((session = started)) })
  const socket = await openRaw(listener.port)
  const query = Buffer.from('Q\0\0\0\x0eselect 42\0', 'latin1')
  const { messages, reader } = await rawLogin(socket, {
    password: 'naïve ²',
    parameters: as('ann', ['default_transaction_read_only', 'on']),
    pipelined: query,
  })
  const status = messages.filter((message) => message.type === 'S').map((message) => message.body.toString())
  assert.ok(status.includes('default_transaction_read_only\0on\0'))
  assert.ok(status.includes('in_hot_standby\0off\0'))
  const key = messages.find((message) => message.type === 'K')
  assert.equal(key?.body.readInt32BE(0), (3 << 20) | 1)
  assert.equal(key?.body.length, 8)
  assert.equal(session?.readOnlyWish, true)
  assert.deepEqual(session?.client.listenerCount('readable'), 0)
  const types: string[] = []
  while (types.at(-1) !== 'Z') types.push((await readRaw(reader)).type)
  assert.deepEqual(types, ['T', 'D', 'C', 'Z'])
  socket.destroy()
  await until('it is gone', () => listener.sessions + listener.waiting === 0)
})

test('a cancel request with the right key cancels, one with a wrong key does nothing; neither is answered', async () => {
  const cancels = createCancelRegistry(nodeId(3))
  let session: SessionStart | undefined
  await using listener = await start({ cancels, onSession: (started) => pipe((session = started)) })
  const socket = await openRaw(listener.port)
  const { messages, reader } = await rawLogin(socket, { password: 'naïve ²', parameters: as('ann') })
  const key = messages.find((message) => message.type === 'K')?.body ?? Buffer.alloc(0)
  const sleeping = Buffer.from('select pg_sleep(60)\0')
  socket.write(Buffer.concat([Buffer.from([0x51, 0, 0, 0, 4 + sleeping.length]), sleeping]))
  const running = async (): Promise<boolean> =>
    (await admin.query(`select from pg_stat_activity where pid = $1 and wait_event = 'PgSleep'`, [session?.backendPid]))
      .rowCount === 1
  const deadline = Date.now() + 5_000
  while (!(await running())) assert.ok(Date.now() < deadline, 'the query runs')
  const ask = async (secret: Buffer): Promise<void> => {
    const other = await openRaw(listener.port)
    other.on('data', () => assert.fail('answered'))
    const closed = new Promise((resolve) => other.once('close', resolve))
    other.write(cancelRequest(key.readInt32BE(0), secret))
    await closed
  }
  await ask(Buffer.from(key.subarray(4).map((byte) => byte ^ 1)))
  assert.ok(await running())
  await ask(key.subarray(4))
  const toTheEnd = async (): Promise<void> => {
    while ((await readRaw(reader)).type !== 'Z');
  }
  await assert.rejects(toTheEnd(), { sqlState: '57014' })
  socket.destroy()
  await until('the key is forgotten', () => cancels.size === 0)
})

test('a cancel request’s connection ends when the cancel has been taken, not before', async () => {
  const cancels = createCancelRegistry(nodeId(3))
  let session: SessionStart | undefined
  await using listener = await start({ cancels, onSession: (started) => pipe((session = started)) })
  const socket = await openRaw(listener.port)
  const { messages } = await rawLogin(socket, { password: 'naïve ²', parameters: as('ann') })
  const key = messages.find((message) => message.type === 'K')?.body ?? Buffer.alloc(0)
  let asked = false
  let taken: () => void = () => undefined
  session?.setCancel(() => {
    asked = true
    return new Promise((resolve) => (taken = resolve))
  })
  const other = await openRaw(listener.port)
  let closed = false
  other.once('close', () => (closed = true))
  other.resume()
  other.write(cancelRequest(key.readInt32BE(0), key.subarray(4)))
  await until('it is asked for', () => asked)
  // What closes at once is closed before a login is through.
  await rawLogin(await openRaw(listener.port), { password: 'naïve ²', parameters: as('ann') })
  assert.equal(closed, false)
  taken()
  await until('it is closed', () => closed)
  socket.destroy()
})

test('over TLS psql and pg log in with channel binding; direct TLS needs its ALPN; plain text can be refused', async () => {
  const tls = await openTlsSource({ certFile: join(folder, 'one.crt'), keyFile: join(folder, 'one.key') }, (error) =>
    assert.fail(error),
  )
  await using listener = await start({ tls, tlsRequired: true })
  assert.equal(await psql(listener.port, 'select 1', 'sslmode=require channel_binding=require'), '1')
  assert.equal(await psql(listener.port, 'select 1', 'sslmode=require channel_binding=disable'), '1')
  await assert.rejects(psql(listener.port, 'select 1', 'sslmode=disable'), { stderr: /accepts only TLS connections/ })
  const bound = client(listener.port, {
    ssl: { rejectUnauthorized: false },
    enableChannelBinding: true,
  })
  await bound.connect()
  assert.deepEqual((await bound.query(`select repeat('x', 1000000) as v`)).rows[0]?.v.length, 1_000_000)
  await bound.end()

  const direct = async (ALPNProtocols?: string[]) => {
    const socket = connectTls({
      host: '127.0.0.1',
      port: listener.port,
      rejectUnauthorized: false,
      ...(ALPNProtocols ? { ALPNProtocols } : {}),
    })
    try {
      await new Promise((resolve, reject) => socket.once('secureConnect', resolve).once('error', reject))
      return (await rawLogin(socket, { password: 'naïve ²', parameters: as('ann') })).messages.length
    } finally {
      socket.on('error', () => {}).destroy()
    }
  }
  await assert.rejects(direct(), 'client without ALPN')
  await assert.rejects(direct(['http/1.1']), 'client of another protocol')
  // Direct TLS has channel binding on offer: rawLogin says "n", which is allowed.
  assert.ok((await direct(['postgresql'])) > 5)
  await until('the slots are free', () => listener.sessions === 0)
})

test('plain bytes injected before the TLS handshake are never taken for the client’s', async () => {
  const tls = await openTlsSource({ certFile: join(folder, 'one.crt'), keyFile: join(folder, 'one.key') }, (error) =>
    assert.fail(error),
  )
  await using listener = await start({ tls })
  const socket = await openRaw(listener.port)
  socket.write(Buffer.concat([sslRequest(), Buffer.from('Q\0\0\0\x0eselect 42\0')]))
  await assert.rejects(readRaw(createByteReader(socket)), { sqlState: '08P01' })
  socket.destroy()
  const broken = await openRaw(listener.port)
  broken.write(sslRequest())
  assert.equal((await createByteReader(broken).read(1)).toString(), 'S')
  broken.write(Buffer.alloc(200, 0x41))
  await until('a broken handshake closes', () => broken.destroyed)
})

test('a changed certificate is used for the next connection, a broken one leaves the old in use', async () => {
  const files = { certFile: join(folder, 'live.crt'), keyFile: join(folder, 'live.key') }
  const install = (cert: string, key: string): void => {
    copyFileSync(join(folder, cert), files.certFile)
    copyFileSync(join(folder, key), files.keyFile)
  }
  install('one.crt', 'one.key')
  const errors: Error[] = []
  const tls = await openTlsSource(files, (error) => errors.push(error))
  await using listener = await start({ tls })
  const name = async (): Promise<string> => {
    const socket = connectTls({
      host: '127.0.0.1',
      port: listener.port,
      rejectUnauthorized: false,
      ALPNProtocols: ['postgresql'],
    })
    await new Promise((resolve, reject) => socket.once('secureConnect', resolve).once('error', reject))
    const { CN } = socket.getPeerCertificate().subject
    socket.destroy()
    return String(CN)
  }
  assert.equal(await name(), 'one')
  install('two.crt', 'one.key')
  assert.equal(await name(), 'one')
  assert.equal(errors.length, 1)
  install('two.crt', 'two.key')
  assert.equal(await name(), 'two')
})

test('protocol 3.2 gets a key of 32 bytes, an unknown minor version is negotiated', async () => {
  await using listener = await start()
  const socket = await openRaw(listener.port)
  const write = socket.write.bind(socket)
  // The start-up packet of rawLogin asks for 3.0: ask for 3.7 in its place.
  socket.write = (bytes: Buffer) => {
    if (bytes[0] === 0) bytes.writeUInt32BE((3 << 16) | 7, 4)
    return write(bytes)
  }
  const { messages } = await rawLogin(socket, { password: 'naïve ²', parameters: as('ann') })
  assert.equal(messages[0]?.type, 'v')
  assert.equal(messages.find((message) => message.type === 'K')?.body.length, 4 + 32)
  socket.destroy()
})

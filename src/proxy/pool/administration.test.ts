import { deepEqual, equal, match, rejects } from 'node:assert/strict'
import { once } from 'node:events'
import { connect } from 'node:net'
import { test } from 'node:test'
import { Client } from 'pg'
import { AllwriteError } from '../../core/errors.ts'
import { cancelRequest } from '../../wire/pgwire/login-messages.ts'
import { fakeCluster, fakePool, password } from './fake-node.ts'
import { openPool, type Pool, type PoolOptions } from './pool.ts'

type Cell = string | number | null
/** Of all tables, the columns that are looked at. */
type Shown =
  | ('state' | 'database' | 'user' | 'link' | 'ptr' | 'id' | 'node' | 'reasons' | 'cl_waiting' | 'list' | 'items')
  | ('total_xact_count' | 'total_query_count' | 'total_requests' | 'total_received' | 'version' | 'key' | 'value')
  | ('name' | 'paused')
type Row = Readonly<Partial<Record<Shown, Cell>>>

type Fakes = Awaited<ReturnType<typeof fakeCluster>>

const poolOf = (
  fakes: Fakes,
  settings: PoolOptions['settings'] = {},
  more: Partial<Pick<PoolOptions, 'reload'>> = {},
): Promise<Pool> =>
  openPool({
    routes: fakes.routes,
    ...fakePool(),
    ...more,
    settings: { MaxIdleConnectionsPercent: 100, ...settings },
    log: { warn: () => undefined },
  })

async function clientOf({ port }: Pool, database = 'postgres', user = 'app') {
  const client = new Client({ host: '127.0.0.1', port, user, password, database })
  client.on('error', () => undefined)
  const notices: string[] = []
  client.on('notice', ({ message }) => notices.push(message ?? ''))
  await client.connect()
  return {
    client,
    notices,
    query: (text: string) => client.query(text),
    rows: async (text: string) => (await client.query<Row>(text)).rows,
    [Symbol.asyncDispose]: () => client.end().catch(() => undefined),
  }
}
const consoleOf = (pool: Pool) => clientOf(pool, 'pgbouncer')

/** Looks again until it is so: the test's own time limit ends it. */
const until = async (condition: () => Promise<boolean>): Promise<void> => {
  while (!(await condition())) await new Promise((resolve) => setTimeout(resolve, 5))
}

test('the console shows clients, connections, pools and what went through them', async () => {
  await using fakes = await fakeCluster(1)
  await using pool = await poolOf(fakes)
  await using one = await clientOf(pool)
  await using two = await clientOf(pool)
  await using console = await consoleOf(pool)
  await one.query('BEGIN')
  await one.query('INSERT 1')
  await two.query('SELECT x')
  const [shown] = await console.rows('SHOW POOLS')
  deepEqual(
    { ...shown, maxwait_us: 0 },
    {
      database: 'postgres',
      user: 'app',
      cl_active: 2,
      cl_waiting: 0,
      cl_active_cancel_req: 0,
      cl_waiting_cancel_req: 0,
      sv_active: 1,
      sv_active_cancel: 0,
      sv_being_canceled: 0,
      sv_idle: 1,
      sv_used: 0,
      sv_tested: 0,
      sv_login: 0,
      maxwait: 0,
      maxwait_us: 0,
      pool_mode: 'transaction',
    },
  )
  const clients = await console.rows('SHOW CLIENTS')
  deepEqual(
    clients.map(({ state, database }) => [state, database]),
    [
      ['active', 'postgres'],
      ['idle', 'postgres'],
      ['active', 'pgbouncer'],
    ],
  )
  const servers = await console.rows('SHOW SERVERS;')
  const used = servers.find(({ state }) => state === 'active')
  equal(used?.link, clients[0]?.ptr)
  equal(used?.ptr, clients[0]?.link)
  await one.query('COMMIT')
  const [stats] = await console.rows('SHOW STATS')
  deepEqual(
    [stats?.database, stats?.total_xact_count, stats?.total_query_count, stats?.total_requests],
    ['postgres', '2', '4', '4'],
  )
  // "BEGIN", "INSERT 1", "COMMIT", "SELECT x": five bytes of head and a zero each.
  equal(stats?.total_received, String(5 + 8 + 6 + 8 + 4 * 6))
  const lists = new Map((await console.rows('SHOW LISTS')).map(({ list, items }) => [list, items]))
  deepEqual([lists.get('used_clients'), lists.get('used_servers'), lists.get('databases')], [3, 2, 2])
  match(String((await console.rows('SHOW VERSION'))[0]?.version), /^PgBouncer 1\.18\.0/)
})

test('pinned sessions are shown with their reasons', async () => {
  await using fakes = await fakeCluster(1)
  await using pool = await poolOf(fakes)
  await using one = await clientOf(pool)
  await using console = await consoleOf(pool)
  deepEqual(await console.rows('SHOW PINS'), [])
  await one.query('PIN temporary objects')
  const [pin] = await console.rows('SHOW PINS')
  deepEqual([pin?.user, pin?.node, pin?.reasons], ['app', 'n1', 'temporary objects'])
})

test('PAUSE waits for open transactions, holds new ones back, and RESUME lets them go', async () => {
  await using fakes = await fakeCluster(1)
  await using pool = await poolOf(fakes)
  await using one = await clientOf(pool)
  await using two = await clientOf(pool)
  await using console = await consoleOf(pool)
  await using other = await consoleOf(pool)
  await one.query('BEGIN')
  let isPaused = false
  const paused = console.query('PAUSE').then(() => (isPaused = true))
  await until(async () =>
    (await other.rows('SHOW STATE')).some(({ key, value }) => key === 'paused' && value === 'yes'),
  )
  const held = two.query('SELECT held')
  await until(async () => (await other.rows('SHOW POOLS'))[0]?.cl_waiting === 1)
  await rejects(other.query('PAUSE'), { message: 'already suspended/paused' })
  await one.query('INSERT 1')
  equal(isPaused, false)
  await one.query('COMMIT')
  await paused
  deepEqual(await other.rows('SHOW SERVERS'), [])
  equal(fakes.node(1).texts.includes('SELECT held'), false)
  await other.query('RESUME')
  await held
  deepEqual(fakes.cluster.ledger, ['1'])
  await rejects(other.query('RESUME'), { message: 'pooler is not paused/suspended' })
})

test('one database is paused, and others go on', async () => {
  await using fakes = await fakeCluster(1)
  await using pool = await poolOf(fakes)
  await using one = await clientOf(pool, 'one')
  await using two = await clientOf(pool, 'two')
  await using console = await consoleOf(pool)
  await console.query('PAUSE one')
  const held = one.query('SELECT held')
  await two.query('SELECT x')
  await until(async () =>
    (await console.rows('SHOW POOLS')).some((row) => row.database === 'one' && row.cl_waiting === 1),
  )
  const databases = await console.rows('SHOW DATABASES')
  deepEqual(
    databases.map(({ name, paused }) => [name, paused]),
    [
      ['one', 1],
      ['two', 0],
      ['pgbouncer', 0],
    ],
  )
  await console.query('RESUME one')
  await held
  await rejects(console.query('RESUME one'), { message: 'database one is not paused' })
  await rejects(console.query('PAUSE pgbouncer'), { message: 'cannot pause admin db: pgbouncer' })
})

test('a PAUSE that is cancelled holds nothing back', async () => {
  await using fakes = await fakeCluster(1)
  await using pool = await poolOf(fakes)
  await using one = await clientOf(pool)
  await using console = await consoleOf(pool)
  await one.query('BEGIN')
  const paused = console.query('PAUSE')
  const refused = rejects(paused, { code: '57014' })
  const { processID, secretKey } = console.client as unknown as { processID: number; secretKey: number }
  const secret = Buffer.alloc(4)
  secret.writeInt32BE(secretKey)
  const socket = connect({ host: '127.0.0.1', port: pool.port })
  socket.resume()
  socket.write(cancelRequest(processID, secret))
  await once(socket, 'close')
  await refused
  await one.query('COMMIT')
  await one.query('SELECT x')
})

test('KILL ends the clients of a database at once and pauses it; KILL_CLIENT ends one', async () => {
  await using fakes = await fakeCluster(1)
  await using pool = await poolOf(fakes)
  await using one = await clientOf(pool, 'one')
  await using two = await clientOf(pool, 'two')
  await using console = await consoleOf(pool)
  await one.query('BEGIN')
  await one.query('INSERT lost')
  const ended = new Promise((resolve) => one.client.once('end', () => resolve(undefined)))
  await console.query('KILL one')
  await ended
  await rejects(one.query('COMMIT'))
  await two.query('SELECT x')
  await console.query('RESUME one')
  const [victim] = await console.rows('SHOW CLIENTS')
  const gone = new Promise((resolve) => two.client.once('end', () => resolve(undefined)))
  await console.query(`KILL_CLIENT ${victim?.id}`)
  await gone
  await until(async () => (await console.rows('SHOW CLIENTS')).length === 1)
  deepEqual(fakes.cluster.ledger, [])
  await rejects(console.query('KILL_CLIENT 999'), { message: 'client not found' })
})

test('RECONNECT replaces connections when they are given back; WAIT_CLOSE waits for it', async () => {
  await using fakes = await fakeCluster(1)
  await using pool = await poolOf(fakes)
  await using one = await clientOf(pool)
  await using two = await clientOf(pool)
  await using console = await consoleOf(pool)
  await one.query('BEGIN')
  await two.query('SELECT x')
  const before = new Set((await console.rows('SHOW SERVERS')).map(({ id }) => id))
  equal(before.size, 2)
  await console.query('RECONNECT')
  let isClosed = false
  const closed = console.query('WAIT_CLOSE').then(() => (isClosed = true))
  await two.query('SELECT x')
  equal(isClosed, false)
  await one.query('COMMIT')
  await closed
  const after = (await console.rows('SHOW SERVERS')).map(({ id }) => id)
  equal(after.length, 1)
  equal(before.has(after[0] ?? null), false)
})

test('a disabled database takes no new clients', async () => {
  await using fakes = await fakeCluster(1)
  await using pool = await poolOf(fakes)
  await using one = await clientOf(pool, 'one')
  await using console = await consoleOf(pool)
  await console.query('DISABLE one')
  await rejects(clientOf(pool, 'one'), { message: 'database does not allow connections: one' })
  await one.query('SELECT x')
  await console.query('ENABLE one')
  await using two = await clientOf(pool, 'one')
  await two.query('SELECT x')
})

test('settings that can be changed are changed, others say why not', async () => {
  await using fakes = await fakeCluster(1)
  await using pool = await poolOf(fakes)
  await using one = await clientOf(pool)
  await using console = await consoleOf(pool)
  await console.query('SET MaxIdleConnectionsPercent = 0')
  await console.query("SET maxconnectionspercent = '1'")
  await one.query('BEGIN')
  await console.query('SET ConnectionBorrowTimeout = 0')
  await using two = await clientOf(pool)
  await rejects(two.query('SELECT x'), { code: '53300' })
  const config = new Map((await console.rows('SHOW CONFIG')).map(({ key, value }) => [key, value]))
  deepEqual([config.get('MaxConnectionsPercent'), config.get('ConnectionBorrowTimeout')], ['1', '0'])
  await rejects(console.query('SET ConnectionBorrowTimeout = 301'), { code: 'F0000' })
  await rejects(console.query("SET MaxConnectionsPercent = ''"), { code: 'F0000' })
  await rejects(console.query('SET replay = 0'), { message: /can not be changed/ })
  await rejects(console.query('SET max_client_conn = 5'), { message: 'there is no setting "max_client_conn"' })
  await console.query("SET DateStyle = 'ISO'")
  deepEqual(console.notices, ['SET ignored'])
})

test('RELOAD has the rules read again, and tells what is wrong with them', async () => {
  await using fakes = await fakeCluster(1)
  let reloads = 0
  const reload = async (): Promise<void> => {
    if (++reloads > 1) throw new AllwriteError('configuration', 'line 3 is wrong')
  }
  await using pool = await poolOf(fakes, {}, { reload })
  await using console = await consoleOf(pool)
  equal((await console.query('RELOAD')).command, 'RELOAD')
  await rejects(console.query('RELOAD'), { code: 'F0000', message: 'line 3 is wrong' })
  await rejects(console.query('RELOAD now'), { code: '08P01' })
})

test('what is no command is refused in PgBouncer’s words; what can not be done says what to do instead', async () => {
  await using fakes = await fakeCluster(1)
  await using pool = await poolOf(fakes)
  await using console = await consoleOf(pool)
  await rejects(console.query('SELECT 1'), { code: '08P01', message: "invalid command 'SELECT 1', use SHOW HELP;" })
  for (const text of ['SHUTDOWN', 'SUSPEND', 'SHOW FDS'])
    await rejects(console.query(text), { code: '0A000', hint: /./ })
  await console.query('SHOW HELP')
  deepEqual(console.notices, ['Console usage'])
  await rejects(console.client.query('SHOW $1', ['STATS']), {
    message: 'extended query protocol not supported by admin console',
  })
})

test('the console is for superusers', async () => {
  await using fakes = await fakeCluster(1)
  await using pool = await poolOf(fakes)
  fakes.cluster.superuser = false
  await rejects(consoleOf(pool), { code: '28000', message: 'not allowed' })
})

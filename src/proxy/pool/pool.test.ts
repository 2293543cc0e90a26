import { deepEqual, equal, match, rejects } from 'node:assert/strict'
import { test } from 'node:test'
import { Client } from 'pg'
import { commandComplete } from '../../wire/pgwire/messages.ts'
import { fakeCluster, fakePool, password } from './fake-node.ts'
import { openPool, type Pool, type PoolOptions } from './pool.ts'

type Fakes = Awaited<ReturnType<typeof fakeCluster>>

const poolOf = (fakes: Fakes, settings: PoolOptions['settings'] = {}): Promise<Pool> =>
  openPool({
    routes: fakes.routes,
    ...fakePool(),
    settings: { MaxIdleConnectionsPercent: 100, ...settings },
    log: {
      warn: (fields, message) => {
        throw new Error(`${message} ${JSON.stringify(fields)}`)
      },
    },
  })

async function clientOf(pool: Pool, more: { application_name?: string } = {}) {
  const client = new Client({
    host: '127.0.0.1',
    port: pool.port,
    user: 'app',
    password,
    database: 'postgres',
    ...more,
  })
  client.on('error', () => undefined)
  await client.connect()
  const value = async (text: string): Promise<unknown> => {
    const { rows } = await client.query<{ v: string }>(text)
    return rows[0]?.v
  }
  return {
    client,
    query: (text: string) => client.query(text),
    value,
    /** By the extended protocol, under a name. */
    named: async (name: string, text: string) => (await client.query<{ v: string }>({ name, text })).rows[0]?.v,
    [Symbol.asyncDispose]: () => client.end().catch(() => undefined),
  }
}

const visible = (texts: readonly string[]): string[] => texts.filter((text) => !/allwrite\.|^SELECT 's'/.test(text))

test('many clients share few connections, each for a transaction at a time', async () => {
  await using fakes = await fakeCluster(1)
  await using pool = await poolOf(fakes, { nodeConnectionsMax: 2 })
  const clients = await Promise.all(Array.from({ length: 10 }, () => clientOf(pool)))
  await Promise.all(
    clients.map(async ({ query }, index) => {
      await query('BEGIN')
      await query(`INSERT ${index}`)
      await query('COMMIT')
    }),
  )
  equal(fakes.cluster.ledger.length, 10)
  equal(new Set(fakes.cluster.ledger).size, 10)
  equal(fakes.cluster.connections.size, 2)
  for (const { client } of clients) await client.end()
})

test('settings follow their session, and nobody else gets them', async () => {
  await using fakes = await fakeCluster(1)
  await using pool = await poolOf(fakes, { nodeConnectionsMax: 1 })
  await using one = await clientOf(pool)
  await using two = await clientOf(pool)
  await one.query("SET work_mem TO '7MB'")
  equal(await two.value('SHOW work_mem'), '')
  equal(await one.value('SHOW work_mem'), '7MB')
  await two.query("SET work_mem TO '8MB'")
  equal(await one.value('SHOW work_mem'), '7MB')
  equal(await two.value('SHOW work_mem'), '8MB')
  await one.query('DISCARD ALL')
  equal(await two.value('SHOW work_mem'), '8MB')
  equal(await one.value('SHOW work_mem'), '')
})

test('what sequences gave to one session is discarded before another one uses the connection', async () => {
  await using fakes = await fakeCluster(1)
  await using pool = await poolOf(fakes, { nodeConnectionsMax: 1 })
  await using one = await clientOf(pool)
  await using two = await clientOf(pool)
  await one.query('INSERT 1')
  await one.query('SELECT a')
  await two.query('SELECT b')
  deepEqual(visible(fakes.node(1).texts), ['INSERT 1', 'SELECT a', 'DISCARD SEQUENCES', 'SELECT b'])
})

test('a session is pinned for a reason that is shown, and is free again after DISCARD ALL', async () => {
  await using fakes = await fakeCluster(1)
  await using pool = await poolOf(fakes, { nodeConnectionsMax: 2 })
  await using one = await clientOf(pool)
  await one.query('PIN temporary objects')
  deepEqual(
    pool.clients().map(({ pins, node }) => [pins, node]),
    [[['temporary objects'], 1]],
  )
  await using two = await clientOf(pool)
  await two.query('SELECT x')
  await one.query('DISCARD ALL')
  deepEqual(
    pool.clients().map(({ pins, node }) => [pins, node]),
    [
      [[], undefined],
      [[], undefined],
    ],
  )
})

test('a prepared statement is prepared again where its session comes to another connection', async () => {
  await using fakes = await fakeCluster(1)
  await using pool = await poolOf(fakes, { nodeConnectionsMax: 2 })
  await using one = await clientOf(pool)
  await using two = await clientOf(pool)
  equal(await one.named('s', 'SELECT mine'), 'mine')
  equal(await two.named('s', 'SELECT yours'), 'yours')
  // Both connections get both.
  await one.query('BEGIN')
  equal(await two.named('s', 'SELECT yours'), 'yours')
  equal(await one.named('s', 'SELECT mine'), 'mine')
  await two.query('BEGIN')
  await one.query('COMMIT')
  equal(await one.named('s', 'SELECT mine'), 'mine')
  await two.query('COMMIT')
  equal(await one.named('s', 'SELECT mine'), 'mine')
  equal(await two.named('s', 'SELECT yours'), 'yours')
})

test('a client that waits too long for a connection hears 53300, and goes on', async () => {
  await using fakes = await fakeCluster(1)
  await using pool = await poolOf(fakes, { nodeConnectionsMax: 1, ConnectionBorrowTimeout: 0.05 })
  await using one = await clientOf(pool)
  await using two = await clientOf(pool)
  await one.query('BEGIN')
  await rejects(two.query('SELECT x'), { code: '53300' })
  await one.query('COMMIT')
  equal(await two.value('SELECT x'), 'x')
})

test('a wrong password is refused with PostgreSQL’s words', async () => {
  await using fakes = await fakeCluster(1)
  await using pool = await poolOf(fakes)
  const client = new Client({
    host: '127.0.0.1',
    port: pool.port,
    user: 'app',
    password: 'wrong',
    database: 'postgres',
  })
  await rejects(client.connect(), { code: '28P01', message: 'password authentication failed for user "app"' })
})

test('an idle session goes on at another node when its own dies, with its settings and prepared statements', async () => {
  await using fakes = await fakeCluster(2)
  await using pool = await poolOf(fakes)
  await using one = await clientOf(pool)
  await one.query("SET work_mem TO '7MB'")
  equal(await one.named('s', 'SELECT mine'), 'mine')
  fakes.node(1).kill()
  equal(await one.value('SHOW work_mem'), '7MB')
  equal(await one.named('s', 'SELECT mine'), 'mine')
  const texts = visible(fakes.node(2).texts)
  deepEqual(texts.slice(0, 2), [`SET "work_mem" TO '7MB'`, 'SELECT 1'], 'its own writes are waited for')
})

test('a statement whose node dies under it runs again, and its client sees nothing', async () => {
  await using fakes = await fakeCluster(2)
  await using pool = await poolOf(fakes)
  await using one = await clientOf(pool)
  fakes.node(1).script = (text) => (text === 'SELECT x' ? 'die' : undefined)
  equal(await one.value('SELECT x'), 'x')
  deepEqual(visible(fakes.node(2).texts), ['SELECT 1', 'SELECT x'])
})

for (const when of ['die', 'die after'] as const) {
  test(`a write whose node dies (${when}) is committed exactly once`, async () => {
    await using fakes = await fakeCluster(2)
    await using pool = await poolOf(fakes)
    await using one = await clientOf(pool)
    fakes.node(1).script = (text) => (text === 'INSERT x' ? when : undefined)
    const told = await one.query('INSERT x').then(
      ({ command }) => command,
      (error: { code?: string; detail?: string }) => `${error.code} ${error.detail}`,
    )
    deepEqual(fakes.cluster.ledger, ['x'])
    equal(told, when === 'die' ? 'INSERT' : '08007 The transaction is committed.')
    equal(await one.value('SELECT y'), 'y', 'the session goes on')
  })

  test(`a COMMIT whose node dies (${when}) is committed exactly once, and answered`, async () => {
    await using fakes = await fakeCluster(2)
    await using pool = await poolOf(fakes)
    await using one = await clientOf(pool)
    fakes.node(1).script = (text) => (text === 'COMMIT' ? when : undefined)
    await one.query('BEGIN')
    await one.query('INSERT x')
    const { command } = await one.query('COMMIT')
    equal(command, 'COMMIT')
    deepEqual(fakes.cluster.ledger, ['x'])
    equal(await one.value('SELECT y'), 'y')
  })
}

test('a transaction goes on at another node when its results are the same there', async () => {
  await using fakes = await fakeCluster(2)
  await using pool = await poolOf(fakes)
  await using one = await clientOf(pool)
  await one.query('BEGIN')
  equal(await one.value('SELECT a'), 'a')
  equal(await one.named('p', 'SELECT b'), 'b')
  await one.query('INSERT x')
  fakes.node(1).kill()
  equal(await one.named('p', 'SELECT b'), 'b')
  await one.query('INSERT y')
  await one.query('COMMIT')
  deepEqual(fakes.cluster.ledger, ['x', 'y'])
})

test('a transaction whose results differ at another node is lost with 40001, and can be rolled back', async () => {
  await using fakes = await fakeCluster(2)
  await using pool = await poolOf(fakes)
  await using one = await clientOf(pool)
  fakes.node(2).script = (text) => (text === 'UPDATE n' ? commandComplete('UPDATE 2') : undefined)
  fakes.node(1).script = (text) => (text === 'UPDATE n' ? commandComplete('UPDATE 1') : undefined)
  await one.query('BEGIN')
  await one.query('UPDATE n')
  fakes.node(1).kill()
  await rejects(one.query('SELECT a'), (error: { code?: string; message: string }) => {
    match(error.message, /could not go on with the transaction/)
    return error.code === '40001'
  })
  await rejects(one.query('SELECT a'), { code: '25P02' })
  await one.query('ROLLBACK')
  equal(await one.value('SELECT a'), 'a')
  deepEqual(fakes.cluster.ledger, [])
})

test('a COMMIT that did not happen, of a transaction whose results differ, is 40001 and leaves no transaction', async () => {
  await using fakes = await fakeCluster(2)
  await using pool = await poolOf(fakes)
  await using one = await clientOf(pool)
  fakes.node(2).script = (text) => (text === 'UPDATE n' ? commandComplete('UPDATE 2') : undefined)
  fakes.node(1).script = (text) => (text === 'COMMIT' ? 'die' : undefined)
  await one.query('BEGIN')
  await one.query('UPDATE n')
  await rejects(one.query('COMMIT'), { code: '40001' })
  equal(await one.value('SELECT a'), 'a')
})

test('without replay a transaction under way ends with its node, and its outcome is not guessed', async () => {
  await using fakes = await fakeCluster(2)
  await using pool = await poolOf(fakes, { replay: false })
  await using one = await clientOf(pool)
  await using two = await clientOf(pool)
  equal(await two.value('SELECT a'), 'a')
  fakes.node(1).script = (text) => (text === 'COMMIT' ? 'die' : undefined)
  await one.query('BEGIN')
  await rejects(one.query('COMMIT'), { code: '08007' })
  equal(await two.value('SELECT a'), 'a', 'who is idle goes on')
})

test('a pinned session ends with its node, and is told why', async () => {
  await using fakes = await fakeCluster(2)
  await using pool = await poolOf(fakes)
  await using one = await clientOf(pool)
  const ended = new Promise<{ code?: string; detail?: string }>((resolve) => one.client.once('error', resolve))
  await one.query('PIN LISTEN')
  fakes.node(1).kill()
  const { code, detail } = await ended
  equal(code, '57P01')
  match(detail ?? '', /because of: LISTEN/)
})

test('clients that started differently do not share a connection', async () => {
  await using fakes = await fakeCluster(1)
  await using pool = await poolOf(fakes)
  await using one = await clientOf(pool, { application_name: 'one' })
  await using two = await clientOf(pool, { application_name: 'two' })
  await one.query('SELECT a')
  await two.query('SELECT b')
  const names = [...fakes.node(1).sessions].map(({ parameters }) => parameters.get('application_name'))
  deepEqual(names.sort(), ['allwrite pool', 'one', 'two'])
})

/** The pool in front of a whole cluster: sessions are what they are on a node, and nodes die without their clients noticing. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { connect as createConnection } from 'node:net'
import { after, before, test } from 'node:test'
import { Client } from 'pg'
import { startCluster, needsCluster } from '#testing/cluster.ts'
import type { Cluster } from '#testing/cluster.ts'
import { assertAllEqual } from '#testing/equality.ts'
import { fieldsOf } from '#testing/errors.ts'
import { freePorts } from '#testing/ports.ts'
import { startProxy, type ProxyProcess } from '#testing/proxy.ts'
import { libpqEnv, missing, run } from '#testing/tools.ts'
import { testSeconds, until } from '#testing/wait.ts'

const skip = needsCluster

let cluster: Cluster
let pool: ProxyProcess
before(async () => {
  if (skip !== false) return
  cluster = await startCluster({ nodes: 3 })
  // Few connections, so that sessions have to share them.
  pool = await startProxy(cluster, 'cluster', [
    '--pool',
    'nodeConnectionsMax=4',
    '--pool',
    'MaxIdleConnectionsPercent=100',
  ])
})
after(async () => {
  await pool?.[Symbol.asyncDispose]()
  await cluster?.[Symbol.asyncDispose]()
})

const connect = async (): Promise<Client> => {
  const client = new Client({ connectionString: pool.url })
  client.on('error', () => undefined)
  await client.connect()
  return client
}

const valueOf = async (client: Client, text: string, values?: unknown[]): Promise<unknown> => {
  const { rows } = await client.query<Record<string, unknown>>(text, values)
  return Object.values(rows[0] ?? {})[0]
}

test('sessions keep their settings, and see nothing of each other’s', { skip }, async () => {
  const clients = await Promise.all(Array.from({ length: 12 }, connect))
  for (const [index, client] of clients.entries()) {
    await client.query(`SET work_mem = '${index + 1}MB'`)
    await client.query(`SET search_path = "$user", "s${index}"`)
    await client.query('SELECT set_config($1, $2, false)'.replace('$1', "'app.user'").replace('$2', `'u${index}'`))
    await client.query('BEGIN')
    await client.query("SET application_name = 'undone'")
    await client.query('SAVEPOINT s')
    await client.query("SET TimeZone = 'Asia/Tokyo'")
    await client.query('ROLLBACK TO s')
    await client.query("SET LOCAL statement_timeout = '1h'")
    await client.query(index % 2 === 0 ? 'COMMIT' : 'ROLLBACK')
  }
  // At once, so that every connection goes from one to another.
  await Promise.all(
    clients.map(async (client, index) => {
      for (let round = 0; round < 5; round++) {
        const shown = [
          await valueOf(client, 'SHOW work_mem'),
          await valueOf(client, 'SHOW search_path'),
          await valueOf(client, "SELECT current_setting('app.user')"),
          await valueOf(client, 'SHOW application_name'),
          await valueOf(client, 'SHOW statement_timeout'),
        ]
        const named = index % 2 === 0 ? 'undone' : ''
        assert.deepEqual(shown, [`${index + 1}MB`, `"$user", s${index}`, `u${index}`, named, '0'])
        assert.notEqual(await valueOf(client, 'SHOW TimeZone'), 'Asia/Tokyo')
      }
    }),
  )
  await Promise.all(clients.map((client) => client.end()))
})

/** At how many nodes somebody holds the advisory lock. */
const lockedAt = async (key: number): Promise<number> => {
  const clients = await Promise.all(cluster.nodes.map((_, index) => cluster.connect(index + 1)))
  const free = await Promise.all(clients.map((client) => valueOf(client, `SELECT pg_try_advisory_xact_lock(${key})`)))
  await Promise.all(clients.map((client) => client.end()))
  return free.filter((isFree) => isFree !== true).length
}

test(
  'what can not go along keeps its connection: temporary tables, locks, cursors, channels, PREPARE',
  { skip },
  async () => {
    const one = await connect()
    const others = await Promise.all(Array.from({ length: 6 }, connect))
    const disturb = () => Promise.all(others.map((client) => client.query('SELECT pg_sleep(0.01)')))
    await one.query('CREATE TEMP TABLE mine (id int)')
    await disturb()
    await one.query('INSERT INTO mine VALUES (1)')
    await one.query('SELECT pg_advisory_lock(4711)')
    await disturb()
    assert.equal(await lockedAt(4711), 1, 'held, and at one node: advisory locks are a node’s own')
    await one.query('DECLARE held CURSOR WITH HOLD FOR SELECT 42')
    await one.query('PREPARE p AS SELECT 43')
    await disturb()
    assert.equal(await valueOf(one, 'SELECT id FROM mine'), 1)
    assert.equal(await valueOf(one, 'FETCH ALL FROM held'), 42)
    assert.equal(await valueOf(one, 'EXECUTE p'), 43)
    await one.query('DISCARD ALL')
    await assert.rejects(one.query('SELECT id FROM mine'), { code: '42P01' })
    await one.query('LISTEN heard')
    const heard = new Promise<string | undefined>((resolve) =>
      one.on('notification', ({ payload }) => resolve(payload)),
    )
    await others[1]?.query("NOTIFY heard, 'hello'")
    assert.equal(await heard, 'hello')
    await Promise.all([one, ...others].map((client) => client.end()))
  },
)

test('a cancel reaches the statement that its client runs, and no other', { skip }, async () => {
  const client = await connect()
  const other = await connect()
  const slow = client.query('SELECT pg_sleep(60)').then(() => ({ code: 'none' }), fieldsOf)
  const undisturbed = other.query('SELECT pg_sleep(1)')
  const { processID, secretKey } = client as unknown as { readonly processID: number; readonly secretKey: number }
  // It may come before the statement: then it does nothing, as in PostgreSQL.
  const result = await until('the statement is cancelled', async () => {
    await cancel(processID, secretKey)
    return Promise.race([slow, new Promise<undefined>((resolve) => setTimeout(() => resolve(undefined), 100))])
  })
  assert.equal(result.code, '57014')
  await undisturbed
  await client.end()
  await other.end()
})

const cancel = async (pid: number, secret: number): Promise<void> => {
  const { hostname, port } = new URL(pool.url)
  const request = Buffer.alloc(16)
  request.writeInt32BE(16, 0)
  request.writeInt32BE(80_877_102, 4)
  request.writeInt32BE(pid, 8)
  request.writeInt32BE(secret, 12)
  const socket = createConnection({ host: hostname, port: Number(port) })
  socket.write(request)
  socket.resume()
  await once(socket, 'close')
}

const exporter = 'prometheus-pgbouncer-exporter'

test(
  'Debian’s exporter for PgBouncer scrapes the admin database: the pool’s clients are in its metrics',
  { skip: skip || missing(exporter) },
  async () => {
    const port = await freePorts(1)
    const url = new URL(pool.url)
    const databaseName = url.pathname.slice(1)
    url.pathname = '/pgbouncer'
    const { PGHOST = '', PGPORT = '', PGUSER = '', ...env } = libpqEnv(url.href)
    const clients = await Promise.all(Array.from({ length: 5 }, connect))
    for (const client of clients) await client.query('SELECT 1')
    const args = ['--pgbouncer-host', PGHOST, '--pgbouncer-port', PGPORT, '--pgbouncer-user', PGUSER]
    const child = spawn(exporter, [...args, '--host', '127.0.0.1', '--port', String(port)], {
      env: { ...process.env, ...env },
      stdio: 'ignore',
    })
    const ended = once(child, 'exit')
    try {
      const metrics = await until('the exporter answers', async () => {
        assert.equal(child.exitCode, null, 'the exporter runs')
        const response = await fetch(`http://127.0.0.1:${port}/metrics`).catch(() => undefined)
        return response?.text()
      })
      const values = new Map(
        [...metrics.matchAll(/^(pgbouncer_\w+)(?:\{(.*)\})? (.+)$/gm)].map(([, name, labels = '', value]) => [
          `${name}{${labels}}`,
          Number(value),
        ]),
      )
      const ofPool = `{database="${databaseName}",user="${PGUSER}"}`
      assert.equal(values.get(`pgbouncer_active_clients${ofPool}`), 5)
      assert.equal(values.get(`pgbouncer_waiting_clients${ofPool}`), 0)
      // The exporter itself is one.
      assert.equal(values.get('pgbouncer_used_clients{}'), 6)
      const requests = values.get(`pgbouncer_requests_total{database="${databaseName}"}`) ?? 0
      assert(requests >= 5, `${requests} requests`)
      assert.equal(values.get(`pgbouncer_pool_size{database="${databaseName}"}`), 4)
    } finally {
      child.kill('SIGTERM')
      await ended
      await Promise.all(clients.map((client) => client.end()))
    }
  },
)

for (const mode of ['simple', 'extended', 'prepared']) {
  test(
    `pgbench -M ${mode} with more clients than connections: balances agree everywhere`,
    {
      skip: skip || missing('pgbench'),
    },
    async (context) => {
      const env = libpqEnv(pool.url)
      if (mode === 'simple') {
        const made = await run('pgbench', ['-i', '-q', '-s', '1'], { env })
        assert.equal(made.code, 0, made.stderr)
      }
      // A thread for each client: pgbench waits for PQprepare() without looking at its other clients.
      const { code, stdout, stderr } = await run(
        'pgbench',
        ['-n', '-M', mode, '-T', String(testSeconds(3)), '-c', '16', '-j', '16', '--max-tries=0'],
        { env },
      )
      assert.equal(code, 0, `${stderr}\n${stdout}`)
      assert.doesNotMatch(stderr, /aborted|error/i)
      context.diagnostic(/tps = [\d.]+/.exec(stdout)?.[0] ?? '')
      await assertAllEqual(cluster)
    },
  )
}

/** One client's work: transactions in blocks and statements by themselves. Tells what was acknowledged, and every error. */
const work = async (client: Client, worker: number, isOver: () => boolean) => {
  const acknowledged: string[] = []
  const errors: string[] = []
  for (let n = 0; !isOver(); n++) {
    const id = `${worker}-${n}`
    try {
      if (n % 3 === 0) await client.query('INSERT INTO ledger VALUES ($1)', [id])
      else {
        await client.query('BEGIN')
        await client.query(`UPDATE counter SET n = n + 1 WHERE worker = ${worker}`)
        await client.query('INSERT INTO ledger VALUES ($1)', [id])
        await client.query('COMMIT')
      }
      acknowledged.push(id)
    } catch (thrown) {
      const { code, message, detail } = fieldsOf(thrown)
      // Told as committed, though without its answer.
      if (code === '08007' && detail === 'The transaction is committed.') acknowledged.push(id)
      else errors.push(`${id}: ${code} ${message} ${detail}`)
      await client.query('ROLLBACK').catch(() => undefined)
    }
  }
  return { acknowledged, errors }
}

test(
  'kill -9 of agents under load: no client hears of it, and every acknowledged transaction is there once',
  { skip },
  async (context) => {
    const admin = await connect()
    await admin.query('CREATE TABLE ledger (id text)')
    await admin.query('CREATE TABLE counter (worker int PRIMARY KEY, n int NOT NULL)')
    await admin.query('INSERT INTO counter SELECT g, 0 FROM generate_series(0, 7) g')
    const clients = await Promise.all(Array.from({ length: 8 }, connect))
    let over = false
    const running = clients.map((client, worker) => work(client, worker, () => over))
    for (const number of [1, 2]) {
      await new Promise((resolve) => setTimeout(resolve, 200))
      const before = await valueOf(admin, 'SELECT count(*) FROM ledger')
      const agent = (await cluster.status()).find(({ id }) => id === `n${number}`)?.agentPid
      process.kill(agent ?? 0, 'SIGKILL')
      await until(
        'work goes on',
        async () => Number(await valueOf(admin, 'SELECT count(*) FROM ledger')) > Number(before) + 50,
      )
      await until(`n${number} serves again`, async () =>
        (await cluster.status()).some(({ id, state }) => id === `n${number}` && state === 'serving'),
      )
    }
    over = true
    const results = await Promise.all(running)
    const acknowledged = results.flatMap((result) => result.acknowledged)
    const errors = results.flatMap((result) => result.errors)
    const { rows } = await admin.query<{ id: string; times: string }>(
      'SELECT id, count(*) AS times FROM ledger GROUP BY id',
    )
    const found = new Map(rows.map(({ id, times }) => [id, Number(times)]))
    context.diagnostic(`${acknowledged.length} acknowledged; ${errors.length} errors`)
    assert.deepEqual(
      acknowledged.filter((id) => found.get(id) !== 1),
      [],
      'acknowledged, and not there exactly once',
    )
    assert.deepEqual(
      [...found].filter(([, times]) => times > 1),
      [],
      'there twice',
    )
    assert.deepEqual(errors, [])
    await Promise.all([admin, ...clients].map((client) => client.end()))
    await assertAllEqual(cluster)
  },
)

test('currval() and lastval() are the session’s own, or an error: never another’s', { skip }, async () => {
  const [one, two, three] = await Promise.all([connect(), connect(), connect()])
  await one.query('CREATE TABLE drawn (id serial PRIMARY KEY)')
  const mixed = await Promise.all(
    [one, two, three].map(async (client, index) => {
      const wrong: string[] = []
      for (let round = 0; round < 30; round++) {
        const drawn =
          index === 2
            ? await valueOf(client, "SELECT nextval('drawn_id_seq')")
            : await valueOf(client, 'INSERT INTO drawn DEFAULT VALUES RETURNING id')
        const last = await valueOf(client, 'SELECT lastval()').catch((thrown: unknown) => fieldsOf(thrown).code)
        // Before anybody has asked for it once, another session may have had the connection meanwhile.
        if (String(last) !== String(drawn) && (last !== '55000' || round > 0))
          wrong.push(`${round}: ${String(last)} for ${String(drawn)}`)
      }
      return wrong
    }),
  )
  assert.deepEqual(mixed.flat(), [])
  await Promise.all([one, two, three].map((client) => client.end()))
})

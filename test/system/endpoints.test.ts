/** What each endpoint promises: the cluster's, the reader's, the pinned writer's, the user's own; health; drain and pause. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { Client } from 'pg'
import { needsCluster, startCluster } from '#testing/cluster.ts'
import type { Cluster } from '#testing/cluster.ts'
import { assertAllEqual } from '#testing/equality.ts'
import { allServing } from '#testing/healed.ts'
import { freePorts } from '#testing/ports.ts'
import { signal } from '#testing/processes.ts'
import { startProxy } from '#testing/proxy.ts'
import { missing } from '#testing/tools.ts'
import { until } from '#testing/wait.ts'

const skip = needsCluster
/** A new writer serves pinned clients within this of the old one's death, ms; bench/pinned.mjs measures it. */
const pinnedMsMax = 5_000

interface FullStatus {
  readonly cluster: string
  readonly reader: string
  readonly proxy: string
  readonly http: string
  readonly endpoints: readonly { readonly name: string; readonly url: string }[]
  readonly pinned: { readonly epoch: number; readonly node: string } | null
  readonly nodes: readonly {
    readonly id: string
    readonly url: string
    readonly agentPid: number
    readonly draining: boolean
  }[]
}

let cluster: Cluster
let urls: FullStatus
before(async () => {
  if (skip !== false) return
  const ownPort = await freePorts(1)
  cluster = await startCluster({ nodes: 3, args: ['--endpoint', `own=any@${ownPort}:-n1`] })
  urls = await status()
  const client = await cluster.connect(1)
  await client.query('create table seen (id int primary key, note text)')
  await client.query('insert into seen values (0)')
  await client.end()
  await assertAllEqual(cluster)
})
after(() => cluster?.[Symbol.asyncDispose]())

const status = async (): Promise<FullStatus> => JSON.parse(await cluster.command(['status', '--json']))

const connect = async (connectionString: string): Promise<Client> => {
  const client = new Client({ connectionString, connectionTimeoutMillis: 20_000 })
  client.on('error', () => undefined)
  await client.connect()
  return client
}

/** By its port a client does not see the node: by its data folder. */
const nodeOf = async (client: Client): Promise<string> => {
  const { rows } = await client.query<{ data_directory: string }>('show data_directory')
  return /\/(n\d+)\/pgdata/.exec(rows[0]?.data_directory ?? '')?.[1] ?? ''
}

const code = async (url: string): Promise<number> => {
  const response = await fetch(url, { signal: AbortSignal.timeout(3_000) })
  await response.arrayBuffer()
  return response.status
}
/** The node's own word, at its PostgreSQL port. */
const healthUrl = (id: string, path: string): string => {
  const { port } = new URL(urls.nodes.find((node) => node.id === id)?.url ?? '')
  return `http://127.0.0.1:${port}${path}`
}

const post = async (path: string, headers: Record<string, string> = { 'content-type': 'application/json' }) =>
  fetch(`${urls.http}${path}`, { method: 'POST', body: '{}', headers })

const agentOf = async (id: string): Promise<number> => {
  const pid = (await status()).nodes.find((node) => node.id === id)?.agentPid
  assert(pid, `${id} has an agent`)
  return pid
}

test('a reader reads, is told so, and can not be talked into writing', { skip }, async () => {
  const client = await connect(urls.reader)
  try {
    const one = async (sql: string) =>
      Object.values((await client.query<Record<string, unknown>>(sql)).rows[0] ?? {})[0]
    assert.equal(await one('select count(*)::int from seen'), 1)
    assert.equal(await one('show transaction_read_only'), 'on')
    // Pools reset what they believe the session's setting to be: accepted, and without effect.
    await client.query('set session characteristics as transaction read write')
    await client.query('set default_transaction_read_only = off')
    assert.equal(await one('show default_transaction_read_only'), 'on')
    for (const sql of [
      'insert into seen values (1)',
      'update seen set note = 1',
      'delete from seen',
      'truncate seen',
      'create table more ()',
      'create index concurrently on seen (note)',
      'create role somebody',
      'begin read write',
      'start transaction isolation level repeatable read, read write',
      'select * from seen for update',
      'with gone as (delete from seen returning 1) select * from gone',
      "do $$ begin perform set_config('default_transaction_read_only', 'off', false); insert into seen values (1); end $$",
    ])
      await assert.rejects(client.query(sql), { code: '25006' }, sql)
    for (const sql of [
      "do $$ begin perform set_config('transaction_read_only', 'off', true); insert into seen values (1); end $$",
      "select set_config('transaction_read_only', 'off', true)",
    ])
      await assert.rejects(client.query(sql), sql)
    await client.query('begin')
    await assert.rejects(client.query('set transaction read write'), { code: '25006' })
    await client.query('rollback')
    await client.query('begin')
    await assert.rejects(client.query({ text: 'insert into seen values ($1)', values: [1] }), { code: '25006' })
    await client.query('rollback')
    await assert.rejects(client.query({ text: 'set transaction_read_only = off' }), { code: '25006' })
    await client.query("select set_config('default_transaction_read_only', 'off', false)")
    await assert.rejects(client.query('insert into seen values (1)'), { code: '25006' })
    assert.equal(await one('select count(*)::int from seen'), 1)
  } finally {
    await client.end()
  }
})

test('readers are spread over all nodes, a custom endpoint over its own', { skip }, async () => {
  const own = urls.endpoints.find(({ name }) => name === 'own')?.url ?? ''
  for (const [url, expected] of [
    [urls.reader, ['n1', 'n2', 'n3']],
    [urls.cluster, ['n1', 'n2', 'n3']],
    [own, ['n2', 'n3']],
  ] as const) {
    // More than there may be sessions of others that have just ended and still count.
    const clients = await Promise.all(Array.from({ length: 12 }, () => connect(url)))
    const seen = await Promise.all(clients.map(nodeOf))
    await Promise.all(clients.map((client) => client.end()))
    assert.deepEqual([...new Set(seen)].sort(), expected, url)
  }
})

test(
  'the API tells no secrets, its metrics are well formed, and a web page can not change anything',
  { skip },
  async () => {
    const password = new URL(urls.cluster).password
    for (const path of ['/status', '/metrics', '/watch', '/', '/nodes/n1/health']) {
      const response = await fetch(`${urls.http}${path}`)
      const reader = response.body?.getReader()
      const { value } = (await reader?.read()) ?? {}
      await reader?.cancel()
      const text = Buffer.from(value ?? []).toString()
      assert.equal(response.status, 200, path)
      assert(text.length > 0 && !text.includes(password), path)
    }
    const metrics = await (await fetch(`${urls.http}/metrics`)).text()
    const samples = new Map<string, number>()
    let type = ''
    for (const line of metrics.trimEnd().split('\n')) {
      const [, name, kind] = /^# TYPE (\w+) (counter|gauge)$/.exec(line) ?? []
      if (name !== undefined && kind !== undefined) type = name
      if (line.startsWith('#')) continue
      const [, sample, labels, value] = /^([a-z_]+)(\{(?:[a-z]+="(?:[^"\\]|\\.)*",?)+\})? (\d+)$/.exec(line) ?? []
      assert.equal(sample, type, line)
      samples.set(`${sample}${labels ?? ''}`, Number(value))
    }
    assert.equal(samples.get('allwrite_node_ready{node="n2"}'), 1)
    assert((samples.get('allwrite_journal_position') ?? 0) > 0)
    assert((samples.get('allwrite_transactions_committed_total{node="n1",database="postgres"}') ?? 0) > 0)
    assert.equal((await post('/pause', { 'content-type': 'text/plain' })).status, 400)
    assert.equal((await fetch(healthUrl('n1', '/pinned'), { method: 'POST', body: '{"epoch":0}' })).status, 400)
    assert.equal((await status()).pinned, null)
  },
)

test('conflicts are counted by table', { skip }, async () => {
  const [one, two] = [await cluster.connect(1), await cluster.connect(2)]
  try {
    let lost = 0
    for (let tries = 0; lost === 0 && tries < 50; tries++) {
      for (const client of [one, two]) {
        await client.query('begin')
        await client.query('update seen set note = $1 where id = 0', [String(tries)])
      }
      const ends = await Promise.allSettled([one.query('commit'), two.query('commit')])
      lost = ends.filter(({ status: end }) => end === 'rejected').length
    }
    assert(lost > 0)
    await until('the conflict is counted', async () =>
      /^allwrite_conflicts_total\{node="n[12]",database="postgres",table="public.seen",reason="\w+"\} [1-9]/m.test(
        await (await fetch(`${urls.http}/metrics`)).text(),
      ),
    )
  } finally {
    await one.end()
    await two.end()
  }
})

test('a drained node takes nobody, ends its sessions with their transactions, and comes back', { skip }, async () => {
  const client = await connect(urls.nodes[2]?.url ?? '')
  await client.query('begin')
  await client.query("insert into seen values (3, 'drained')")
  const draining = cluster.command(['drain', 'n3'])
  await until('the node says so', async () => (await code(healthUrl('n3', '/primary'))) === 503)
  assert.equal(await code(`${urls.http}/nodes/n3/replica`), 503)
  assert.equal(await code(healthUrl('n3', '/health')), 200)
  assert.equal(await code(healthUrl('n1', '/primary')), 200)
  const others = await Promise.all(Array.from({ length: 5 }, () => connect(urls.cluster)))
  assert(!(await Promise.all(others.map(nodeOf))).includes('n3'))
  await Promise.all(others.map((other) => other.end()))
  await client.query('commit')
  await assert.rejects(client.query('select 1'))
  await draining
  await until('nobody is let in', () =>
    connect(urls.nodes[2]?.url ?? '').then(
      (late) => late.end().then(() => false),
      (error: { code?: string }) => error.code === '57P03',
    ),
  )
  await assert.rejects(async () => {
    await cluster.command(['drain', 'n1'])
    await cluster.command(['drain', 'n2'])
  }, /no other node serves/)
  for (const id of ['n1', 'n3']) await cluster.command(['undrain', id])
  await until('both are ready', async () =>
    (await Promise.all(['n1', 'n3'].map((id) => code(healthUrl(id, '/primary'))))).every((is) => is === 200),
  )
  const back = await connect(urls.nodes[2]?.url ?? '')
  assert.equal((await back.query('select note from seen where id = 3')).rows[0]?.note, 'drained')
  await back.end()
})

test('in a pause clients wait, and none fails', { skip }, async () => {
  assert.equal((await post('/pause')).status, 200)
  let waiting: Promise<Client> | undefined
  try {
    // The proxy follows: who comes in the same moment may still be let in.
    await until('a client waits', async () => {
      waiting ??= connect(urls.cluster).then(async (connected) => {
        await connected.query('select 1')
        return connected
      })
      const done = await Promise.race([waiting, delay(500)])
      if (done) {
        waiting = undefined
        await done.end()
        return false
      }
      const metrics = await (await fetch(`${urls.http}/metrics`)).text()
      return /allwrite_proxy_clients_waiting\{endpoint="cluster"\} 1/.test(metrics)
    })
  } finally {
    await cluster.command(['resume'])
  }
  const client = await waiting
  assert(client)
  await client.query('select 1')
  await client.end()
})

/** Writes through a pinned endpoint until one is acknowledged; where it was. */
const writeThrough = (url: string, id: number): Promise<string> =>
  until('the pinned endpoint writes', async () => {
    const client = await connect(url)
    try {
      await client.query('insert into seen values ($1) on conflict do nothing', [id])
      return await nodeOf(client)
    } finally {
      await client.end().catch(() => undefined)
    }
  })

test('two proxies agree on the pinned writer, and on the next one when it is killed', { skip }, async (context) => {
  await using second = await startProxy(cluster, 'pinned')
  const places = await Promise.all(
    [...Array(3).keys()].flatMap((i) => [writeThrough(urls.proxy, 100 + i), writeThrough(second.url, 200 + i)]),
  )
  const [writer = ''] = places
  assert.equal(new Set(places).size, 1)
  const before = await until('the cluster tells the writer', async () => (await status()).pinned ?? undefined)
  assert.equal(before.node, writer)

  const clients = [await connect(urls.proxy), await connect(second.url)]
  const struck = performance.now()
  signal(await agentOf(writer), 'SIGKILL')
  const next = await Promise.all([writeThrough(urls.proxy, 110), writeThrough(second.url, 210)])
  const ms = performance.now() - struck
  context.diagnostic(`served again after ${Math.round(ms)} ms`)
  assert(ms < pinnedMsMax)
  assert.equal(new Set(next).size, 1)
  assert.notEqual(next[0], writer)
  // They have noticed nothing, and are where the others are.
  for (const client of clients) {
    assert.equal(await nodeOf(client), next[0])
    await client.end()
  }
  // It does not go back to the old one.
  await allServing(cluster)
  assert.deepEqual(
    new Set(await Promise.all([writeThrough(urls.proxy, 111), writeThrough(second.url, 211)])),
    new Set(next),
  )
  assert.equal((await status()).pinned?.epoch, before.epoch + 1)
})

test('a stopped writer that goes on commits nothing of its epoch', { skip }, async () => {
  await using second = await startProxy(cluster, 'pinned')
  const writer = await writeThrough(urls.proxy, 120)
  const epoch = (await until('the cluster tells the writer', async () => (await status()).pinned ?? undefined)).epoch
  // Without a pool nobody runs the transaction again.
  await using bare = await startProxy(cluster, 'pinned', ['--no-pool'])
  const bound = await connect(bare.url)
  await bound.query('begin')
  await bound.query("insert into seen values (121, 'of the old epoch')")
  const pid = await agentOf(writer)
  signal(pid, 'SIGSTOP')
  let commit: Promise<unknown>
  try {
    // In the kernel's buffers: the agent finds it when it goes on.
    commit = bound.query('commit')
    commit.catch(() => undefined)
    const next = await Promise.all([writeThrough(urls.proxy, 122), writeThrough(second.url, 222)])
    assert.equal(new Set(next).size, 1)
    assert.notEqual(next[0], writer)
    assert.equal((await status()).pinned?.epoch, epoch + 1)
  } finally {
    signal(pid, 'SIGCONT')
  }
  await assert.rejects(commit)
  await allServing(cluster)
  await assertAllEqual(cluster)
  const client = await cluster.connect(1)
  const { rows } = await client.query('select id from seen where id = 121')
  await client.end()
  assert.deepEqual(rows, [])
})

/** As Patroni's documentation has it, but for the times; each check goes to the server's own port. */
const haproxyConfig = (listenPort: number): string => `
global
    maxconn 100
defaults
    mode tcp
    retries 2
    timeout client 30m
    timeout connect 4s
    timeout server 30m
    timeout check 5s
listen primary
    bind 127.0.0.1:${listenPort}
    option httpchk OPTIONS /primary
    http-check expect status 200
    default-server inter 200ms fall 2 rise 1 on-marked-down shutdown-sessions
${urls.nodes.map(({ id, url }) => `    server ${id} 127.0.0.1:${new URL(url).port} maxconn 100 check\n`).join('')}`

test(
  'a stock HAProxy balances over the nodes that are fit',
  { skip: skip === false ? missing('haproxy') : skip },
  async () => {
    const port = await freePorts(1)
    const folder = mkdtempSync(join(tmpdir(), 'allwrite-test-'))
    writeFileSync(join(folder, 'haproxy.cfg'), haproxyConfig(port))
    const haproxy = spawn('haproxy', ['-db', '-f', join(folder, 'haproxy.cfg')], { stdio: 'ignore' })
    const url = new URL(urls.cluster)
    url.port = String(port)
    /** The nodes that six connections in turn come to. */
    const places = async (): Promise<string> => {
      const seen = new Set<string>()
      for (let i = 0; i < 6; i++) {
        const client = await connect(String(url))
        seen.add(await nodeOf(client))
        await client.end()
      }
      return [...seen].sort().join(' ')
    }
    try {
      await until('all three are used', async () => (await places()) === 'n1 n2 n3')
      await cluster.command(['drain', 'n2'])
      await until('a drained node is not', async () => (await places()) === 'n1 n3')
      await cluster.command(['undrain', 'n2'])
      await cluster.command(['kill', 'n3'])
      await until('a node that is down is not', async () => (await places()) === 'n1 n2')
      await cluster.command(['start', 'n3'])
      await until('all three are used again', async () => (await places()) === 'n1 n2 n3')
    } finally {
      haproxy.kill('SIGKILL')
      rmSync(folder, { recursive: true, force: true })
    }
  },
)

test('health follows what happens to a node', { skip }, async () => {
  const pid = await agentOf('n3')
  signal(pid, 'SIGSTOP')
  try {
    // Whoever asks the node itself gets no answer, as from one that is gone.
    await assert.rejects(code(healthUrl('n3', '/primary')))
    await until('the cluster says so', async () => (await code(`${urls.http}/nodes/n3/primary`)) === 503)
  } finally {
    signal(pid, 'SIGCONT')
  }
  await until('n3 is ready', async () => (await code(healthUrl('n3', '/readiness'))) === 200)
  await cluster.command(['kill', 'n3'])
  await assert.rejects(code(healthUrl('n3', '/liveness')))
  assert.equal(await code(`${urls.http}/nodes/n3/liveness`), 503)
  assert.equal(await code(`${urls.http}/primary`), 200)
  assert.equal(await code(`${urls.http}/nodes/n9/primary`), 404)
  await cluster.command(['start', 'n3'])
  assert.equal(await code(healthUrl('n3', '/primary')), 200)
})

/** Nodes come, go for good, and are restarted one by one, while the others serve and nobody's transaction breaks. */
import assert from 'node:assert/strict'
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  readlinkSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { after, before, test } from 'node:test'
import { Client } from 'pg'
import { needsCluster, startCluster } from '#testing/cluster.ts'
import type { Cluster } from '#testing/cluster.ts'
import { assertAllEqual } from '#testing/equality.ts'
import { fieldsOf } from '#testing/errors.ts'
import { allServing, assertNothingLost } from '#testing/healed.ts'
import { describeErrors, loadTable, longestGap, startLoad } from '#testing/load.ts'
import { startProxy } from '#testing/proxy.ts'
import { runFor, until } from '#testing/wait.ts'

const skip = needsCluster
/** Survivors may pause this long, ms: a donor on a machine with two cores shares them with the copy. */
const gapMsMax = 3000

let cluster: Cluster
/** A copy of PostgreSQL: some servers run from it until the cluster is started anew. */
const programs = mkdtempSync(join(tmpdir(), 'allwrite-pg-'))
before(async () => {
  if (skip !== false) return
  cluster = await startCluster({ nodes: 3, room: 1 })
  const client = await cluster.connect(1)
  await client.query(loadTable)
  await client.query('create table pairs (id bigserial primary key, half int not null, client int not null)')
  // More entries than are read sooner than copied.
  for (let i = 0; i < 300; i++) await client.query('insert into pairs (half, client) values (0, 0)')
  await client.end()
})
after(async () => {
  await cluster?.[Symbol.asyncDispose]()
  rmSync(programs, { recursive: true, force: true })
})

const ids = (): string[] => cluster.nodes.map(({ id }) => id)

const kept = (): { members: number[]; nextNode: number } =>
  JSON.parse(readFileSync(join(cluster.dir, 'cluster.json'), 'utf8'))

test('a node is added under load from a copy, and is a member from then on', { skip }, async (context) => {
  const load = startLoad(
    cluster.nodes.map(({ url }) => url),
    1,
  )
  let gap = Infinity
  try {
    const begun = performance.now()
    await cluster.command(['add'])
    const done = performance.now()
    gap = longestGap(load, [1, 2, 3], begun, done)
    context.diagnostic(`serves after ${Math.round(done - begun)} ms; longest gap of the others ${Math.round(gap)} ms`)
  } finally {
    await load.stop()
  }
  assert.equal(load.errors.size, 0, describeErrors(load))
  await cluster.reload()
  assert.deepEqual(ids(), ['n1', 'n2', 'n3', 'n4'])
  await assertNothingLost(cluster, load)
  assert(gap < gapMsMax, `the others paused for ${gap} ms`)

  const client = await cluster.connect(4)
  const lineage = await client.query<{ node: number }>('select node from allwrite.lineage order by xid_from')
  assert.notEqual(lineage.rows[0]?.node, 4, 'it began as a copy')
  const { rows } = await client.query<{ id: string }>('insert into pairs (half, client) values (0, 4) returning id')
  assert(rows[0], 'it writes, with a range of values of its own')
  await client.end()
  await until('the endpoint sends clients there', async () => {
    const clients = await Promise.all([1, 2, 3, 4].map(() => connect(cluster.url).client))
    await Promise.all(clients.map((each) => each.query('select 1')))
    const { nodes }: { nodes: { id: string; sessions: number }[] } = JSON.parse(
      await cluster.command(['status', '--json']),
    )
    await Promise.all(clients.map((each) => each.end()))
    return (nodes.find(({ id }) => id === 'n4')?.sessions ?? 0) > 0
  })
})

/** A connection to an endpoint, and the code with which the server ended it. */
const connect = (url: string): { client: Promise<Client>; endedWith: () => string | undefined } => {
  let code: string | undefined
  const client = new Client({ connectionString: url, connectionTimeoutMillis: 10_000 })
  client.on('error', (error) => (code ??= fieldsOf(error).code))
  return { client: client.connect().then(() => client), endedWith: () => code }
}

interface Transactions {
  readonly committed: ReadonlyMap<string, number>
  /** Ended between two transactions, by code. */
  readonly ended: ReadonlyMap<string, number>
  /** Failed in a transaction, or could not connect. */
  readonly broken: readonly string[]
  stop(): Promise<void>
}

/** Clients with transactions of several round trips, one at each of these endpoints. */
const startTransactions = (urls: readonly string[]): Transactions => {
  const stopping = new AbortController()
  const committed = new Map<string, number>()
  const ended = new Map<string, number>()
  const broken: string[] = []
  const add = (map: Map<string, number>, key: string): void => void map.set(key, (map.get(key) ?? 0) + 1)
  const work = async (url: string, number: number): Promise<void> => {
    while (!stopping.signal.aborted) {
      const connection = connect(url)
      let step = 'connect'
      let client: Client | undefined
      try {
        client = await connection.client
        while (!stopping.signal.aborted) {
          step = 'begin'
          await client.query('begin')
          step = 'transaction'
          await client.query('insert into pairs (half, client) values (1, $1)', [number])
          await runFor(20)
          await client.query('insert into pairs (half, client) values (2, $1)', [number])
          step = 'commit'
          await client.query('commit')
          add(committed, String(number))
        }
      } catch (thrown) {
        const code = connection.endedWith() ?? (fieldsOf(thrown).code || fieldsOf(thrown).message)
        if (step === 'begin') add(ended, `${url === cluster.url ? 'pool' : 'no pool'}: ${code}`)
        else broken.push(`${step}: ${code} ${fieldsOf(thrown).message}`)
      }
      await client?.end().catch(() => undefined)
    }
  }
  const workers = urls.map((url, index) => work(url, index + 1))
  return {
    committed,
    ended,
    broken,
    stop: async () => {
      stopping.abort()
      await Promise.all(workers)
    },
  }
}

test(
  'a rolling restart to other PostgreSQL programs: no transaction fails, and at a pool no connection ends',
  { skip },
  async (context) => {
    const programOf = (pid: number): string => readlinkSync(`/proc/${pid}/exe`)
    const native = dirname(dirname(programOf(cluster.nodes[0]?.postgresPid ?? 0)))
    const copy = join(programs, 'other')
    cpSync(native, copy, { recursive: true, dereference: true })
    chmodSync(programs, 0o755) // the servers run as another user when we are root

    const before = new Map(cluster.nodes.map(({ id, agentPid }) => [id, agentPid]))
    // Without a pool: transactions end first, then their connections.
    await using bare = await startProxy(cluster, 'cluster', ['--no-pool'])
    const load = startTransactions([...Array<string>(4).fill(cluster.url), ...Array<string>(4).fill(bare.url)])
    const begun = performance.now()
    try {
      await runFor(500)
      await cluster.command(['restart', '--all', '--pg-bin', join(copy, 'bin')])
      await runFor(500)
    } finally {
      await load.stop()
    }
    const total = [...load.committed.values()].reduce((sum, n) => sum + n, 0)
    context.diagnostic(
      `${before.size} nodes in ${Math.round(performance.now() - begun)} ms; ${total} transactions; ` +
        `connections ended between transactions: ${JSON.stringify([...load.ended])}`,
    )
    assert.deepEqual(load.broken, [], 'no transaction fails, nobody is refused')
    assert.deepEqual([...load.ended.keys()], ['no pool: 57P01'])
    assert.equal(load.committed.size, 8)

    await cluster.reload()
    for (const { id, agentPid, postgresPid } of cluster.nodes) {
      assert.notEqual(agentPid, before.get(id), `${id} has another agent`)
      assert.equal(programOf(postgresPid), join(copy, 'bin', 'postgres'))
    }
    await assertAllEqual(cluster)
    const client = await cluster.connect(2)
    const { rows } = await client.query<{ n: number }>(
      'select count(*)::int n from pairs where half > 0 group by client order by client',
    )
    assert.deepEqual(
      rows.map(({ n }) => n),
      [...load.committed].toSorted(([a], [b]) => Number(a) - Number(b)).map(([, n]) => 2 * n),
      'exactly what was acknowledged',
    )
    await client.end()
  },
)

test(
  'a node removed for good: its clients are told, its number and its data are never used again',
  { skip },
  async () => {
    const busy = await cluster.connect(2)
    const codes: unknown[] = []
    busy.on('error', (error) => codes.push(fieldsOf(error).code))
    await busy.query('begin')
    await busy.query('insert into pairs (half, client) values (7, 7)')
    const removed = cluster.command(['remove', 'n2', '--for-good'])
    await until('n2 takes its leave', async () => {
      const state = (await cluster.status()).find(({ id }) => id === 'n2')?.state
      return state === 'stopping'
    })
    // The open transaction goes on to its end, and is acknowledged.
    await busy.query('insert into pairs (half, client) values (7, 8)')
    await busy.query('commit')
    await removed
    await until('its client was told', () => codes.length > 0)
    assert.equal(codes[0], '57P01')
    await busy.end().catch(() => undefined)

    await cluster.reload()
    assert.deepEqual(ids(), ['n1', 'n3', 'n4'])
    assert(!existsSync(join(cluster.dir, 'n2')))
    const [folder = ''] = readdirSync(join(cluster.dir, 'removed'))
    assert.match(folder, /^n2-\d{8}T\d{6}Z$/)
    assert(existsSync(join(cluster.dir, 'removed', folder, 'pgdata', 'PG_VERSION')), 'its data are kept')
    await assert.rejects(cluster.command(['start', 'n2']), /there is no node n2/)
    await assertAllEqual(cluster)
    const client = await cluster.connect(1)
    const { rows } = await client.query('select client from pairs where half = 7 order by 1')
    assert.deepEqual(rows, [{ client: 7 }, { client: 8 }])
    await client.end()

    assert.deepEqual(kept(), { ...kept(), members: [1, 3, 4], nextNode: 5 })
  },
)

test(
  'up again: the members are those that were left, and it is up while one of them still copies',
  { skip },
  async () => {
    await cluster.killEverything()
    writeFileSync(join(cluster.dir, 'n4', 'rebuild'), 'diverged: as a test has it')
    await cluster.restart()
    assert.deepEqual(
      cluster.nodes.map(({ id, state }) => `${id} ${state}`),
      ['n1 serving', 'n3 serving', 'n4 joining'],
    )
    await allServing(cluster)
    await assertAllEqual(cluster)
  },
)

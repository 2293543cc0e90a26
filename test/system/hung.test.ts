/** A node that hangs slows nobody, is left out by the endpoint, and serves nothing old when it goes on. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { Client } from 'pg'
import { needsCluster, startCluster } from '#testing/cluster.ts'
import type { Cluster } from '#testing/cluster.ts'
import { assertAllEqual } from '#testing/equality.ts'
import { loadTable, longestGap, startLoad } from '#testing/load.ts'
import { signal } from '#testing/processes.ts'
import { runFor, testSeconds, until } from '#testing/wait.ts'

const skip = needsCluster
/** The survivors may pause this long, ms; nothing of theirs waits for the hung one. */
const gapMsMax = 1000

let cluster: Cluster
before(async () => {
  if (skip !== false) return
  cluster = await startCluster({ nodes: 4 })
  const client = await cluster.connect(1)
  await client.query(loadTable)
  await client.query('create table latest (id int primary key, n int not null); insert into latest values (1, 0)')
  await client.end()
  await assertAllEqual(cluster)
})
after(() => cluster?.[Symbol.asyncDispose]())

const stateOf = async (id: string): Promise<string | undefined> =>
  (await cluster.status()).find((node) => node.id === id)?.state

const agentOf = async (id: string): Promise<number> => {
  const pid = (await cluster.status()).find((node) => node.id === id)?.agentPid
  assert(pid, `${id} has an agent`)
  return pid
}

test(
  'a stopped agent: survivors go on, new clients get another node, and it comes back equal',
  { skip },
  async (context) => {
    const pid = await agentOf('n2')
    const load = startLoad([1, 3, 4].map((number) => cluster.urlOf(number)))
    try {
      await runFor(500)
      const struck = performance.now()
      signal(pid, 'SIGSTOP')
      try {
        await until('n2 is left out', async () => ['silent', 'hung'].includes((await stateOf('n2')) ?? ''), {
          msMax: 10_000,
          everyMs: 50,
        })
        context.diagnostic(`left out after ${Math.round(performance.now() - struck)} ms`)
        for (let i = 0; i < 12; i++) {
          const client = new Client({ connectionString: cluster.url, connectionTimeoutMillis: 5_000 })
          await client.connect()
          await client.query('select 1')
          await client.end()
        }
        await runFor(testSeconds(3) * 1000)
      } finally {
        signal(pid, 'SIGCONT')
      }
      const gap = longestGap(load, [1, 2, 3], struck, performance.now())
      context.diagnostic(`survivors' longest gap ${Math.round(gap)} ms`)
      assert(gap <= gapMsMax, `survivors paused for ${gap} ms`)
    } finally {
      await load.stop()
    }
    await until('n2 serves again', async () => (await stateOf('n2')) === 'serving', { msMax: 60_000 })
    await assertAllEqual(cluster)
  },
)

test(
  'when it goes on, a session reads what was committed meanwhile, not what stood there before',
  { skip },
  async () => {
    const pid = await agentOf('n3')
    const [reader, writer] = await Promise.all([cluster.connect(3), cluster.connect(1)])
    await reader.query('select n from latest')
    for (let round = 1; round <= 3; round++) {
      signal(pid, 'SIGSTOP')
      const stopped = performance.now()
      let read: Promise<{ rows: { n: number }[] }>
      let written = 0
      try {
        // It waits in the stopped agent's socket, and is the first thing that it sees.
        read = reader.query<{ n: number }>('select n from latest where id = 1')
        while (performance.now() - stopped < 2_000) {
          written = (await writer.query<{ n: number }>('update latest set n = n + 1 returning n')).rows[0]?.n ?? 0
        }
      } finally {
        signal(pid, 'SIGCONT')
      }
      const { rows } = await read
      assert((rows[0]?.n ?? -1) >= written, `read ${rows[0]?.n}, but ${written} was acknowledged before it went on`)
    }
    await Promise.all([reader.end(), writer.end()])
    await assertAllEqual(cluster)
  },
)

test('a transaction that was open meanwhile commits nothing unordered', { skip }, async () => {
  const pid = await agentOf('n4')
  const [loser, winner] = await Promise.all([cluster.connect(4), cluster.connect(1)])
  await loser.query('begin isolation level repeatable read')
  const before = await loser.query<{ n: number }>('select n from latest where id = 1')
  signal(pid, 'SIGSTOP')
  try {
    await winner.query('update latest set n = n + 100 where id = 1')
    await runFor(1_500)
  } finally {
    signal(pid, 'SIGCONT')
  }
  const codes: unknown[] = []
  for (const [sql, values] of [
    ['update latest set n = $1 where id = 1', [(before.rows[0]?.n ?? 0) + 1]],
    ['commit', []],
  ] as const) {
    await loser.query(sql, [...values]).catch((thrown: { code?: string }) => codes.push(thrown.code))
  }
  assert(codes.includes('40001'), `told ${JSON.stringify(codes)}`)
  const { rows } = await winner.query<{ n: number }>('select n from latest where id = 1')
  assert.equal(rows[0]?.n, (before.rows[0]?.n ?? 0) + 100)
  await Promise.all([loser.end(), winner.end()])
  await assertAllEqual(cluster)
})

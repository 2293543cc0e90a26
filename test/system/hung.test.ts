/** A node that hangs slows nobody, is left out by the endpoint, and serves nothing old when it goes on. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { Client } from 'pg'
import { needsCluster, startCluster } from '#testing/cluster.ts'
import type { Cluster, NodeStatus } from '#testing/cluster.ts'
import { assertAllEqual } from '#testing/equality.ts'
import { allServing } from '#testing/healed.ts'
import { loadTable, longestGap, startLoad } from '#testing/load.ts'
import { familyOf, signal } from '#testing/processes.ts'
import { runFor, testSeconds, until } from '#testing/wait.ts'

const skip = needsCluster
/** The survivors may pause this long, ms; nothing of theirs waits for the hung one. */
const gapMsMax = 1000
/** A node is left out of the endpoint within this, ms. */
const leftOutMsMax = 2000

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

const statusOf = async (id: string): Promise<NodeStatus | undefined> =>
  (await cluster.status()).find((node) => node.id === id)

const stateOf = async (id: string): Promise<string | undefined> => (await statusOf(id))?.state

const agentOf = async (id: string): Promise<number> => {
  const pid = (await cluster.status()).find((node) => node.id === id)?.agentPid
  assert(pid, `${id} has an agent`)
  return pid
}

/** The postmaster, and the processes of its server whose titles fit: all without a pattern. */
const serverOf = async (id: string, title = /./): Promise<readonly number[]> => {
  const pid = (await cluster.status()).find((node) => node.id === id)?.postgresPid
  assert(pid, `${id} has a server`)
  const found = familyOf([pid]).filter(({ command }) => title.test(command))
  assert(found.length > 0, `${id} has a process ${title.source}`)
  return found.map((info) => info.pid)
}

const stop = (pids: readonly number[]): void => pids.forEach((pid) => signal(pid, 'SIGSTOP'))
const goOn = (pids: readonly number[]): void => pids.forEach((pid) => signal(pid, 'SIGCONT'))

/** A node that was stopped serves, and every node with it. */
const healed = async (): Promise<void> => {
  await allServing(cluster)
  await assertAllEqual(cluster)
}

/** Resolves with the time it took, ms, when the supervisor has told that the node's state is this. */
const untilTold = async (id: string, state: string, from: number): Promise<number> => {
  const change = await until(
    `${id} is ${state}`,
    () => cluster.changes.find((told) => told.id === id && told.state === state && told.at > from),
    { msMax: 20_000 },
  )
  return change.at - from
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
        // The proxy is told within another quarter of a second: out of the endpoints within two.
        await runFor(Math.max(0, struck + 2_000 - performance.now()))
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

for (const what of ['agent', 'PostgreSQL'] as const)
  test(`a transaction that was open while its ${what} was stopped commits nothing unordered`, { skip }, async () => {
    const [loser, winner] = await Promise.all([cluster.connect(4), cluster.connect(1)])
    await loser.query('begin isolation level repeatable read')
    const before = await loser.query<{ n: number }>('select n from latest where id = 1')
    const pids = what === 'agent' ? [await agentOf('n4')] : await serverOf('n4')
    stop(pids)
    try {
      await winner.query('update latest set n = n + 100 where id = 1')
      await runFor(1_500)
    } finally {
      goOn(pids)
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

test(
  'a stopped PostgreSQL under a live agent: left out, then given up; survivors go on, and it comes back equal',
  { skip },
  async (context) => {
    const idle = await cluster.connect(2)
    const waiting = await cluster.connect(2)
    const pids = await serverOf('n2')
    const load = startLoad([1, 3, 4].map((number) => cluster.urlOf(number)))
    try {
      await runFor(500)
      const struck = performance.now()
      stop(pids)
      let ended: unknown
      try {
        const asked = waiting.query('select 1').catch((error: unknown) => error)
        const leftOutMs = await untilTold('n2', 'silent', struck)
        context.diagnostic(`left out after ${Math.round(leftOutMs)} ms`)
        assert(leftOutMs <= leftOutMsMax, `left out after ${leftOutMs} ms`)
        const refused = new Client({ connectionString: cluster.urlOf(2), connectionTimeoutMillis: 5_000 })
        await assert.rejects(refused.connect(), { code: '57P03' })
        for (let i = 0; i < 4; i++) {
          const client = new Client({ connectionString: cluster.url, connectionTimeoutMillis: 5_000 })
          await client.connect()
          await client.end()
        }
        await untilTold('n2', 'hung', struck)
        const words = await cluster.command(['status'])
        assert.match(words, /PostgreSQL does not answer/)
        ended = await asked
        assert(ended instanceof Error, 'a client that waits for a hung server is let go')
        await assert.rejects(idle.query('select 1'))
      } finally {
        goOn(pids)
      }
      const gap = longestGap(load, [1, 2, 3], struck, performance.now())
      context.diagnostic(`survivors' longest gap ${Math.round(gap)} ms`)
      assert(gap <= gapMsMax, `survivors paused for ${gap} ms`)
    } finally {
      await load.stop()
    }
    const agent = await agentOf('n2')
    await healed()
    assert.equal(await agentOf('n2'), agent, 'it went on where it was')
    await Promise.allSettled([idle.end(), waiting.end()])
  },
)

test('a PostgreSQL of which one part is stopped is left out as well', { skip }, async (context) => {
  for (const [id, part, title] of [
    ['n1', 'the postmaster', / -D /],
    ['n3', 'the capture stream', /walsender/],
    ['n4', 'the apply worker', /logical replication apply/],
  ] as const) {
    const pids = await serverOf(id, title)
    const struck = performance.now()
    stop(pids)
    try {
      context.diagnostic(`${part}: left out after ${Math.round(await untilTold(id, 'silent', struck))} ms`)
      const { note } = (await statusOf(id)) ?? {}
      assert.match(note ?? '', new RegExp(`does not answer \\(${part}\\)`))
    } finally {
      goOn(pids)
    }
    await allServing(cluster)
  }
  await assertAllEqual(cluster)
})

test('when a stopped PostgreSQL goes on, nothing is read from it before it has caught up', { skip }, async () => {
  const [reader, writer] = await Promise.all([cluster.connect(3), cluster.connect(1)])
  await reader.query('select n from latest')
  const pids = await serverOf('n3')
  const struck = performance.now()
  stop(pids)
  let read: Promise<{ rows: { n: number }[] }>
  let written = 0
  try {
    await untilTold('n3', 'silent', struck)
    // Here its agent holds it back.
    read = reader.query<{ n: number }>('select n from latest where id = 1')
    const enough = performance.now() + 1_000
    while (performance.now() < enough) {
      written = (await writer.query<{ n: number }>('update latest set n = n + 1 returning n')).rows[0]?.n ?? 0
    }
  } finally {
    goOn(pids)
  }
  const { rows } = await read
  assert((rows[0]?.n ?? -1) >= written, `read ${rows[0]?.n}, but ${written} was acknowledged before it went on`)
  await allServing(cluster)
  await Promise.all([reader.end(), writer.end()])
  await assertAllEqual(cluster)
})

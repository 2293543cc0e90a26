/** The wall clock jumps, forwards and back, under all processes: nobody notices. Durations are measured by the monotonic one. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { needsCluster, startCluster } from '#testing/cluster.ts'
import type { Cluster } from '#testing/cluster.ts'
import { assertAllEqual } from '#testing/equality.ts'
import { createFakeClock, needsFaketime } from '#testing/fake-clock.ts'
import type { FakeClock } from '#testing/fake-clock.ts'
import { allServing, assertNothingLost } from '#testing/healed.ts'
import { describeErrors, loadTable, longestGap, startLoad } from '#testing/load.ts'
import { runFor, testSeconds, until } from '#testing/wait.ts'

const skip = needsCluster === false ? needsFaketime : needsCluster
const gapMsMax = 1_000
const hour = 3_600

let clock: FakeClock | undefined
let cluster: Cluster
before(async () => {
  if (skip !== false) return
  clock = await createFakeClock()
  cluster = await startCluster({ nodes: 3, clock })
  const client = await cluster.connect(1)
  await client.query(loadTable)
  await client.end()
  await assertAllEqual(cluster)
})
after(async () => {
  await cluster?.[Symbol.asyncDispose]()
  clock?.[Symbol.dispose]()
})

test('the clock jumps by hours: no node is left out, none ends, nothing waits', { skip }, async (context) => {
  const agents = (await cluster.status()).map(({ agentPid, postgresPid }) => [agentPid, postgresPid])
  const load = startLoad(cluster.nodes.map(({ url }) => url))
  const struck = performance.now()
  try {
    for (const [hours, told] of [
      [5, 'forwards'],
      [-30, 'back, to before the cluster was made'],
      [0, 'to what it was'],
    ] as const) {
      clock?.set(hours * hour)
      await runFor(testSeconds(4) * 500)
      const client = await cluster.connect(2)
      const { rows } = await client.query<{ seconds: number }>(
        'select extract(epoch from clock_timestamp())::float8 as seconds',
      )
      await client.end()
      const off = Math.round((rows[0]?.seconds ?? 0) - Date.now() / 1000)
      assert(Math.abs(off - hours * hour) < 60, `the servers' clock went ${told}: ${off} s`)
    }
  } finally {
    clock?.set(0)
    await load.stop()
  }
  const gap = longestGap(load, [1, 2, 3], struck, performance.now())
  context.diagnostic(`${load.acknowledged.length} rows, longest gap ${Math.round(gap)} ms; ${describeErrors(load)}`)
  assert(gap <= gapMsMax, `writers paused for ${gap} ms`)
  assert.equal(describeErrors(load), 'none')
  assert.deepEqual(
    cluster.changes.filter(({ at }) => at > struck),
    [],
    'no node was anything but serving',
  )
  await allServing(cluster)
  assert.deepEqual(
    (await cluster.status()).map(({ agentPid, postgresPid }) => [agentPid, postgresPid]),
    agents,
  )
  await assertNothingLost(cluster, load)
})

test(
  'the clock is put back and an apply worker ends: its node comes back by itself and is equal',
  { skip },
  async () => {
    const writer = await cluster.connect(1)
    await writer.query('create table later (n int primary key)')
    await assertAllEqual(cluster)
    const client = await cluster.connect(2)
    const now = new Date()
    // PostgreSQL starts a worker again when the time of day says so: after this jump, the day after tomorrow.
    clock?.set(-48 * hour)
    try {
      await until('the server sees it', async () => {
        const text = `select clock_timestamp() < $1::timestamptz - interval '1 day' as back`
        return (await client.query<{ back: boolean }>(text, [now])).rows[0]?.back === true
      })
      const { rowCount } = await client.query(
        `select pg_terminate_backend(pid) from pg_stat_activity where backend_type = 'logical replication apply worker'`,
      )
      assert.equal(rowCount, 1)
    } finally {
      await client.end()
    }
    await writer.query('insert into later values (1)')
    await writer.end()
    await allServing(cluster)
    await assertAllEqual(cluster)
    clock?.set(0)
  },
)

/** A local transaction that stands in the way of a certified commit loses its lock, quickly. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { needsCluster, startCluster } from '#testing/cluster.ts'
import type { Cluster } from '#testing/cluster.ts'
import { outcomeOf } from '#testing/errors.ts'
import { assertAllEqual } from '#testing/equality.ts'
import { allServing } from '#testing/healed.ts'
import { signal } from '#testing/processes.ts'
import { numberFromEnv, until } from '#testing/wait.ts'

const skip = needsCluster
const rounds = numberFromEnv('ALLWRITE_TEST_BRUTE_FORCE_ROUNDS', 40)

let cluster: Cluster
before(async () => {
  if (skip !== false) return
  cluster = await startCluster({ nodes: 4 })
  const client = await cluster.connect(1)
  await client.query('create table row (id int primary key, value int not null)')
  await client.query('insert into row select n, 0 from generate_series(1, 100) n')
  await client.end()
  await assertAllEqual(cluster)
})
after(() => cluster?.[Symbol.asyncDispose]())

test('an idle transaction that holds the row is rolled back and told 40001 once, then 25P02', { skip }, async () => {
  const [holder, winner] = [await cluster.connect(1), await cluster.connect(2)]
  await holder.query('begin')
  await holder.query('update row set value = -1 where id = 1')
  await winner.query('update row set value = 1 where id = 1')
  await until('n1 shows the remote commit', async () => {
    const other = await cluster.connect(1)
    const { rows } = await other.query<{ value: number }>('select value from row where id = 1')
    await other.end()
    return rows[0]?.value === 1
  })
  assert.equal(await outcomeOf(holder.query('select 1')), '40001')
  assert.equal(await outcomeOf(holder.query('select 1')), '25P02')
  const { command } = await holder.query('commit')
  assert.equal(command, 'ROLLBACK')
  assert.equal(await outcomeOf(holder.query('update row set value = 2 where id = 1')), 'ok')
  await Promise.all([holder.end(), winner.end()])
})

test('a running statement that holds the row is stopped', { skip }, async () => {
  const [holder, winner] = [await cluster.connect(1), await cluster.connect(2)]
  await holder.query('begin')
  await holder.query('update row set value = -1 where id = 2')
  const sleeping = outcomeOf(holder.query('select pg_sleep(60)'))
  await winner.query('update row set value = 1 where id = 2')
  assert.equal(await sleeping, '40001')
  await holder.query('rollback')
  await Promise.all([holder.end(), winner.end()])
})

test(
  'a running statement is stopped though the postmaster is, and nothing later is hit when that goes on',
  { skip },
  async () => {
    const [holder, winner] = [await cluster.connect(1), await cluster.connect(2)]
    const postmaster = (await cluster.status()).find(({ id }) => id === 'n1')?.postgresPid
    assert(postmaster, 'n1 has a server')
    await holder.query('begin')
    await holder.query('update row set value = -1 where id = 3')
    const sleeping = outcomeOf(holder.query('select pg_sleep(60)'))
    let next: Promise<string>
    signal(postmaster, 'SIGSTOP')
    try {
      await winner.query('update row set value = 1 where id = 3')
      assert.equal(await sleeping, '40001')
      assert.equal(await outcomeOf(holder.query('rollback')), 'ok')
      next = outcomeOf(holder.query('select pg_sleep(1)'))
    } finally {
      signal(postmaster, 'SIGCONT')
    }
    assert.equal(await next, 'ok')
    await Promise.all([holder.end(), winner.end()])
    await allServing(cluster)
  },
)

test('a remote commit becomes visible at the node whose transaction was in the way', { skip }, async (context) => {
  const [holder, winner, reader] = [await cluster.connect(1), await cluster.connect(2), await cluster.connect(1)]
  const delays: number[] = []
  for (let round = 1; round <= rounds; round++) {
    await holder.query('begin')
    await holder.query('update row set value = -1 where id = $1', [2 + round])
    await winner.query('update row set value = $2 where id = $1', [2 + round, round])
    const acknowledged = performance.now()
    await until(
      'the commit is visible at n1',
      async () => {
        const { rows } = await reader.query<{ value: number }>('select value from row where id = $1', [2 + round])
        return rows[0]?.value === round
      },
      { msMax: 10_000, everyMs: 0 },
    )
    delays.push(performance.now() - acknowledged)
    assert.equal(await outcomeOf(holder.query('commit')), '40001')
    await outcomeOf(holder.query('rollback'))
  }
  delays.sort((a, b) => a - b)
  const at = (share: number): number =>
    Math.round(delays[Math.min(delays.length - 1, Math.floor(delays.length * share))] ?? 0)
  context.diagnostic(
    `visible after the remote acknowledgement: median ${at(0.5)} ms, p95 ${at(0.95)} ms, worst ${at(1)} ms`,
  )
  assert(at(0.95) < 1000, `p95 ${at(0.95)} ms`)
  await Promise.all([holder.end(), winner.end(), reader.end()])
})

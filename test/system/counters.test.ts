/** No lost update: what was acknowledged is what is there, to the last increment. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import type pg from 'pg'
import { startCluster } from '#testing/cluster.ts'
import type { Cluster } from '#testing/cluster.ts'
import { fieldsOf } from '#testing/errors.ts'
import { assertAllEqual } from '#testing/equality.ts'
import { testSeconds } from '#testing/wait.ts'

const rows = 10
const clients = 8

let cluster: Cluster
before(async () => {
  cluster = await startCluster({ nodes: 4 })
  const client = await cluster.connect(1)
  await client.query('create table counter (id int primary key, value bigint not null default 0)')
  await client.query('insert into counter select generate_series(1, $1)', [rows])
  await client.end()
  await assertAllEqual(cluster)
})
after(() => cluster?.[Symbol.asyncDispose]())

interface Tally {
  acknowledged: number
  conflicts: number
}

/** Runs `increment` on 8 clients over 4 nodes for the time given, and compares the sums before and after. */
const hammer = async (increment: (client: pg.Client, id: number) => Promise<boolean>): Promise<Tally> => {
  const total = async (): Promise<number> => {
    const client = await cluster.connect(2)
    const { rows: sums } = await client.query<{ total: string }>('select sum(value) as total from counter')
    await client.end()
    return Number(sums[0]?.total)
  }
  await assertAllEqual(cluster)
  const start = await total()
  const tally: Tally = { acknowledged: 0, conflicts: 0 }
  const deadline = performance.now() + testSeconds(5) * 1000
  await Promise.all(
    Array.from({ length: clients }, async (_, worker) => {
      const client = await cluster.connect(1 + (worker % 4))
      for (let turn = worker; performance.now() < deadline; turn++) {
        if (await increment(client, 1 + (turn % rows))) tally.acknowledged++
        else tally.conflicts++
      }
      await client.end()
    }),
  )
  await assertAllEqual(cluster)
  assert.equal((await total()) - start, tally.acknowledged, 'sum of the counters = acknowledged increments')
  assert(tally.acknowledged > 0)
  return tally
}

const isConflict = (error: unknown): boolean => fieldsOf(error).code === '40001'

test('single-statement increments from all nodes: none lost, none doubled, no conflict shown', async (context) => {
  const tally = await hammer(async (client, id) => {
    const { rowCount } = await client.query('update counter set value = value + 1 where id = $1', [id])
    assert.equal(rowCount, 1)
    return true
  })
  context.diagnostic(JSON.stringify(tally))
})

test('BEGIN … COMMIT increments with retry on 40001: none lost, none doubled', async (context) => {
  const tally = await hammer(async (client, id) => {
    try {
      await client.query('begin')
      const { rows: seen } = await client.query<{ value: string }>('select value from counter where id = $1', [id])
      assert(seen.length === 1)
      await client.query('update counter set value = value + 1 where id = $1', [id])
      await client.query('commit')
      return true
    } catch (error) {
      if (!isConflict(error)) throw error
      await client.query('rollback')
      return false
    }
  })
  context.diagnostic(JSON.stringify(tally))
})

test('read-modify-write under REPEATABLE READ: first committer wins, the other gets 40001', async (context) => {
  const tally = await hammer(async (client, id) => {
    try {
      await client.query('begin isolation level repeatable read')
      const { rows: seen } = await client.query<{ value: string }>('select value from counter where id = $1', [id])
      await client.query('update counter set value = $2 where id = $1', [id, Number(seen[0]?.value) + 1])
      await client.query('commit')
      return true
    } catch (error) {
      if (!isConflict(error)) throw error
      await client.query('rollback')
      return false
    }
  })
  context.diagnostic(JSON.stringify(tally))
})

/**
 * What must be true when a fault is over, or what one node did has reached all.
 *
 * @module
 */
import assert from 'node:assert/strict'
import type { Cluster } from './cluster.ts'
import { assertAllEqual } from './equality.ts'
import { lostRows } from './load.ts'
import type { Load } from './load.ts'
import { until } from './wait.ts'

/** Killed nodes have come back and caught up within this, ms. */
const healMsMax = 120_000

/** Resolves when every node serves. */
export const allServing = async (cluster: Cluster): Promise<void> => {
  await until(
    'all nodes are serving',
    async () => (await cluster.status()).every(({ state }) => state === 'serving') && (true as const),
    { msMax: healMsMax, everyMs: 100 },
  )
}

/** All nodes are equal, and each has every row that the load was told is committed. */
export const assertNothingLost = async (cluster: Cluster, load: Load): Promise<void> => {
  await assertAllEqual(cluster, healMsMax)
  for (const { id } of cluster.nodes) {
    const client = await cluster.connect(Number(id.slice(1)))
    assert.deepEqual(await lostRows(load, client), [], `acknowledged rows missing at ${id}`)
    await client.end()
  }
}

/** Waits until every node answers the query with a row. */
export const seenEverywhere = async (cluster: Cluster, sql: string): Promise<void> => {
  for (const { id } of cluster.nodes) {
    const client = await cluster.connect(Number(id.slice(1)))
    await until(`${id} has it`, async () => ((await client.query(sql)).rowCount ?? 0) > 0)
    await client.end()
  }
}

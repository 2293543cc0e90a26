/**
 * List-append on four nodes while nodes are killed: what snapshot isolation, sessions and the order of commits forbid is not seen.
 *
 * The long run: `npm run chaos` (docs/operating/chaos.md). This file alone, for longer or again (a seed repeats transactions and
 * faults, not their timing):
 *
 *     ALLWRITE_TEST_SECONDS=1800 node --test dist/test/chaos/list-append.test.js
 *     ALLWRITE_TEST_SEED=12345 …        the seed that a run has printed
 *     ALLWRITE_TEST_CONTROL=1 …         against one plain PostgreSQL, without faults: must pass
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { needsCluster } from '#testing/cluster.ts'
import { suite } from '#testing/chaos/suite.ts'
import { assertReplayEqual } from '#testing/replay.ts'
import { runWorkload, useCluster } from './chaos.ts'

const skip = needsCluster
const cluster = useCluster()
/** A run of so many transactions has some write skew: about one in fifty was measured. */
const enough = 1000

test('list-append while nodes are killed: no anomaly', async (context) => {
  const { notes, transactions } = await runWorkload(context, cluster(), suite['list-append'](), { kill: true })
  // Snapshot isolation allows write skew. A load that never shows it would not show anything else either.
  if (transactions > enough) assert((notes['G2-item'] ?? 0) > 0, 'the load made no write skew: it is too weak')
  if (needsCluster !== false) assert.equal(notes['G-single-realtime'], undefined, 'stale reads on one server')
})

test('list-append at SERIALIZABLE while nodes are killed: no write skew either', async (context) => {
  await runWorkload(context, cluster(), suite.serializable(), { kill: true })
})

test("list-append at allwrite.consistency = 'cluster': no stale read, at whatever node", async (context) => {
  await runWorkload(context, cluster(), suite['cluster-reads']())
})

test('the journal of all this, replayed into a fresh server, gives what the nodes hold', { skip }, async (context) => {
  context.diagnostic(JSON.stringify(await assertReplayEqual(cluster())))
})

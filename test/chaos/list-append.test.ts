/**
 * List-append on four nodes while nodes are killed: what snapshot isolation, sessions and the order of commits forbid is not seen.
 *
 * The long run, one command (length in seconds; the seed of a failed run repeats its transactions and faults, not its timing).
 * Where a length is given, every fault strikes that there is (src/testing/faults.ts), those of disks and clocks where root and
 * the package `faketime` allow it:
 *
 *     ALLWRITE_TEST_SECONDS=1800 node --test dist/test/chaos/list-append.test.js
 *     ALLWRITE_TEST_SEED=12345 …        the seed that a run has printed
 *     ALLWRITE_TEST_CONTROL=1 …         against one plain PostgreSQL, without faults: must pass
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { needsCluster } from '#testing/cluster.ts'
import { listAppend } from '#testing/workloads/list-append.ts'
import { runWorkload, useCluster } from './chaos.ts'

const cluster = useCluster()
/** A run of so many transactions has some write skew: about one in fifty was measured. */
const enough = 1000

test('list-append while nodes are killed: no anomaly', async (context) => {
  const { notes, transactions } = await runWorkload(context, cluster(), listAppend(), { kill: true })
  // Snapshot isolation allows write skew. A load that never shows it would not show anything else either.
  if (transactions > enough) assert((notes['G2-item'] ?? 0) > 0, 'the load made no write skew: it is too weak')
  if (needsCluster !== false) assert.equal(notes['G-single-realtime'], undefined, 'stale reads on one server')
})

test('list-append at SERIALIZABLE while nodes are killed: no write skew either', async (context) => {
  const workload = listAppend({
    begin: 'begin isolation level serializable',
    level: 'session-serializable',
    aloneShare: 0,
  })
  await runWorkload(context, cluster(), workload, { kill: true })
})

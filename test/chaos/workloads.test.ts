/**
 * The smaller workloads, one after the other on one cluster, without faults: a few seconds of each, to find what needs no fault.
 *
 * The long run, with a random fault every five seconds if wanted:
 *
 *     ALLWRITE_TEST_SECONDS=300 ALLWRITE_TEST_KILL=1 node --test dist/test/chaos/workloads.test.js
 *
 * One of them: `--test-name-pattern='sequences'`. Seeds and the control: see list-append.test.ts.
 */
import { test } from 'node:test'
import { foreignKey } from '#testing/workloads/foreign-key.ts'
import { longFork } from '#testing/workloads/long-fork.ts'
import { monotonic } from '#testing/workloads/monotonic.ts'
import { schemaChanges } from '#testing/workloads/schema-changes.ts'
import { sequences } from '#testing/workloads/sequences.ts'
import { set } from '#testing/workloads/set.ts'
import { unique } from '#testing/workloads/unique.ts'
import { runWorkload, useCluster } from './chaos.ts'

const cluster = useCluster()
const kill = process.env['ALLWRITE_TEST_KILL'] === '1'

const promises = {
  'long fork: all nodes show prefixes of one order': longFork,
  'unique: of all who claim a name, at most one gets it': unique,
  'foreign key: no orphan at any node': foreignKey,
  'set: nothing acknowledged is lost, nothing comes and goes': set,
  'monotonic: a session never sees a counter go back': monotonic,
  'sequences: no value is given twice': sequences,
  'schema changes under load: none is lost, nor any write, and all nodes have one schema': schemaChanges,
}

for (const [promise, workload] of Object.entries(promises)) {
  test(promise, async (context) => void (await runWorkload(context, cluster(), workload(), { kill })))
}

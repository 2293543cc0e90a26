/**
 * Bank on four nodes while nodes are killed: every node shows the same total at any time, and every acknowledged transfer.
 *
 * The long run: `ALLWRITE_TEST_SECONDS=300 node --test dist/test/chaos/bank.test.js`; see list-append.test.ts for the rest.
 */
import { test } from 'node:test'
import { bank } from '#testing/workloads/bank.ts'
import { runWorkload, useCluster } from './chaos.ts'

const cluster = useCluster()

test('transfers while nodes are killed: the total is constant at every node, none is lost', async (context) => {
  await runWorkload(context, cluster(), bank(), { kill: true })
})

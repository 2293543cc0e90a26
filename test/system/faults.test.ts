/**
 * Each fault once, under load: nobody loses anything that was acknowledged, and every node comes back by itself.
 * Kills of agents and servers: kill.test.ts; what hangs: hung.test.ts; full disks: disk-full.test.ts.
 */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { after, before, test } from 'node:test'
import { needsCluster, startCluster } from '#testing/cluster.ts'
import type { Cluster } from '#testing/cluster.ts'
import { assertAllEqual } from '#testing/equality.ts'
import { killBackend, killJournal, removeDown, removeRunning, stopBackend, stopJournal } from '#testing/faults.ts'
import type { Fault } from '#testing/faults.ts'
import { allServing, assertNothingLost } from '#testing/healed.ts'
import { flipBit, tearJournal } from '#testing/journal-damage.ts'
import { describeErrors, loadTable, startLoad } from '#testing/load.ts'
import { createRandom, testSeed } from '#testing/random.ts'
import { runFor, until } from '#testing/wait.ts'

const skip = needsCluster
/** How long a fault lasts that is not over at once, ms: longer than it takes to leave a node out. */
const holdMs = 2_000

let cluster: Cluster
before(async () => {
  if (skip !== false) return
  cluster = await startCluster({ nodes: 3 })
  const client = await cluster.connect(1)
  await client.query(loadTable)
  await client.end()
  await assertAllEqual(cluster)
})
after(() => cluster?.[Symbol.asyncDispose]())

const faults: readonly {
  readonly what: string
  readonly fault: Fault
  /** The node leaves service, soon after the strike: only then it can have come back. */
  readonly leaves: boolean
}[] = [
  { what: 'kill -9 of one backend', fault: killBackend, leaves: true },
  { what: 'one process of a server stopped for a while', fault: stopBackend, leaves: false },
  { what: 'kill -9 of the journal', fault: killJournal, leaves: false },
  { what: 'the journal stopped for a while', fault: stopJournal, leaves: false },
  { what: 'a data folder removed while its server runs', fault: removeRunning, leaves: true },
  { what: "a node's folder removed while it is down", fault: removeDown, leaves: true },
]

for (const { what, fault, leaves } of faults) {
  test(`${what}: every node serves again, nothing acknowledged is lost`, { skip }, async (context) => {
    const seed = testSeed()
    const load = startLoad(
      cluster.nodes.map(({ url }) => url),
      1,
    )
    try {
      await runFor(500)
      const stop = new AbortController().signal
      const struck = performance.now()
      const told = await fault.run({ cluster, random: createRandom(seed), holdMs, stop })
      assert(told, 'there was something to strike')
      if (leaves) {
        await until('a node has left service', () =>
          cluster.changes.some(({ state, at }) => state !== 'serving' && at > struck),
        )
      }
      await allServing(cluster)
      context.diagnostic(`seed ${seed}: ${told}; all serving after ${Math.round(performance.now() - struck)} ms`)
      const since = performance.now()
      await until('the writers of every node go on', () =>
        cluster.nodes.every((_, index) => load.acknowledged.some(({ node, at }) => node === index + 1 && at > since)),
      )
    } finally {
      await load.stop()
    }
    context.diagnostic(`${load.acknowledged.length} rows acknowledged; errors: ${describeErrors(load)}`)
    await assertNothingLost(cluster, load)
  })
}

test('a torn tail of the journal is cut at its start, and nothing acknowledged with it', { skip }, async (context) => {
  const load = startLoad(
    cluster.nodes.map(({ url }) => url),
    1,
  )
  await runFor(500)
  await cluster.killEverything()
  await load.stop()
  const torn = await tearJournal(cluster.dir)
  await cluster.restart()
  await allServing(cluster)
  context.diagnostic(`${torn} bytes torn`)
  assert.match(readFileSync(`${cluster.dir}/journal.log`, 'utf8'), new RegExp(`cut a torn tail of ${torn} bytes`))
  await assertNothingLost(cluster, load)
})

test('a flipped bit in the middle of the journal: the start is refused, and says where', { skip }, async () => {
  await cluster.killEverything()
  const position = await flipBit(cluster.dir)
  await assert.rejects(cluster.restart(), (error: Error) => {
    assert.match(error.message, new RegExp(`journal entry at position ${position} is damaged`))
    assert.match(error.message, /docs\/operating\/faults\.md/)
    return true
  })
  // The same bit again is the repair; what the nodes hold was never touched.
  assert.equal(await flipBit(cluster.dir), position)
  await cluster.restart()
  await allServing(cluster)
  await assertAllEqual(cluster)
})

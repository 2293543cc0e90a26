#!/usr/bin/env node
/**
 * A node is away while the others write; how long it takes to catch up, and whether all is there:
 *
 *   npm run build && node bench/rejoin.mjs --away 60
 *
 * Four nodes, --writers clients at each of three that insert row by row without a pause, before, during and after; the fourth is killed
 * (SIGKILL) and kept down for --away seconds, then started. Caught up: it serves again, which it does at the journal's end only.
 */
import { setTimeout as delay } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { startCluster } from '../dist/testing/cluster.js'
import { allServing, assertNothingLost } from '../dist/testing/healed.js'
import { describeErrors, loadTable, startLoad } from '../dist/testing/load.js'

const { values: options } = parseArgs({
  options: {
    away: { type: 'string', default: '60' },
    writers: { type: 'string', default: '4' },
  },
})
const awayMs = Number(options.away) * 1000

const cluster = await startCluster({ nodes: 4, fsync: false })
const measure = async () => {
  const admin = await cluster.connect(1)
  await admin.query(loadTable)
  await admin.end()
  const load = startLoad(
    [1, 2, 3].map((number) => cluster.urlOf(number)),
    Number(options.writers),
  )
  /** Acknowledged writes a second between two moments. */
  const rate = (from, to) =>
    (load.acknowledged.filter(({ at }) => at >= from && at < to).length / ((to - from) / 1000)).toFixed(0)
  const position = async () => (await cluster.status()).reduce((most, node) => Math.max(most, node.position), 0)
  try {
    await delay(10_000)
    const before = performance.now()
    await delay(10_000)
    const down = performance.now()
    console.log(`four nodes: ${rate(before, down)} writes/s`)
    await cluster.command(['kill', 'n4'])
    const left = await position()
    await delay(awayMs)
    const up = performance.now()
    const missed = (await position()) - left
    console.log(
      `n4 away for ${((up - down) / 1000).toFixed(1)} s: ${rate(down, up)} writes/s, ${missed} journal entries`,
    )
    await cluster.command(['start', 'n4'])
    await allServing(cluster)
    const served = performance.now()
    console.log(
      `caught up and serving ${((served - up) / 1000).toFixed(1)} s after its start, while the others wrote ${rate(up, served)} writes/s`,
    )
  } finally {
    await load.stop()
  }
  await assertNothingLost(cluster, load)
  console.log(`${load.acknowledged.length} acknowledged writes are at all nodes; errors: ${describeErrors(load)}`)
}
try {
  await measure()
} finally {
  await cluster[Symbol.asyncDispose]()
}

/**
 * Runs a workload on a cluster while faults strike, then heals, compares all nodes and judges.
 *
 * @module
 */
import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before } from 'node:test'
import type { TestContext } from 'node:test'
import { isControl, startCluster } from '#testing/cluster.ts'
import type { Cluster } from '#testing/cluster.ts'
import { assertAllEqual } from '#testing/equality.ts'
import { createFakeClock, needsFaketime } from '#testing/fake-clock.ts'
import type { FakeClock } from '#testing/fake-clock.ts'
import { allFaults, kills, strikeAtRandom } from '#testing/faults.ts'
import { allServing } from '#testing/healed.ts'
import { createRandom, testSeed } from '#testing/random.ts'
import { needsMount } from '#testing/small-disk.ts'
import { isLongRun, testSeconds } from '#testing/wait.ts'
import type { Verdict, Workload } from '#testing/workloads/contract.ts'

/** Length of a workload's smoke, s, with and without faults; ALLWRITE_TEST_SECONDS for the long run. */
const smokeSeconds = { kill: 8, calm: 6 }
/** Of the long run, MiB: room for its data, and for a copy beside it. They are memory, and filled to the last page. */
const smallDisks = { journal: 2_048, n4: 2_048 }
/** Nodes that were killed have come back and caught up, ms. */
const healMsMax = 120_000

export interface ChaosOptions {
  /** Faults while the workload runs: agents and servers are killed; in the long run all there are. Never on the control. */
  readonly kill?: boolean
}

/** Registers a cluster of four nodes for all tests of the calling file. */
export const useCluster = (): (() => Cluster) => {
  let cluster: Cluster | undefined
  let clock: FakeClock | undefined
  before(async () => {
    if (isLongRun && needsFaketime === false) clock = await createFakeClock()
    cluster = await startCluster({
      nodes: 4,
      ...(clock === undefined ? {} : { clock }),
      ...(isLongRun && needsMount === false ? { disks: smallDisks } : {}),
    })
  })
  after(async () => {
    await cluster?.[Symbol.asyncDispose]()
    clock?.[Symbol.dispose]()
  })
  return () => {
    assert(cluster, 'the cluster runs')
    return cluster
  }
}

/**
 * Sets up, runs, heals, compares, judges.
 * @throws AssertionError with seed and witness where anything forbidden was seen; the history is then kept in a file
 */
export const runWorkload = async (
  context: TestContext,
  cluster: Cluster,
  workload: Workload,
  { kill = false }: ChaosOptions = {},
): Promise<Verdict> => {
  const seed = testSeed()
  const seconds = testSeconds(kill ? smokeSeconds.kill : smokeSeconds.calm)
  context.diagnostic(`${workload.name}: ALLWRITE_TEST_SEED=${seed}, ${seconds} s`)
  const client = await cluster.connect(1)
  await workload.setUp(client)
  await client.end()
  await assertAllEqual(cluster)

  const urls = cluster.nodes.map(({ url }) => url)
  const random = createRandom(seed)
  const signal = AbortSignal.timeout(seconds * 1000)
  const [, strikes] = await Promise.all([
    workload.run({ urls, random: random.fork(), signal }),
    kill && !isControl ? strikeAtRandom(cluster, random.fork(), signal, isLongRun ? allFaults : kills) : [],
  ])
  for (const { at, what } of strikes) context.diagnostic(`${at} ms: ${what}`)
  await allServing(cluster)
  await assertAllEqual(cluster, healMsMax)
  const verdict = await workload.judge(urls)
  const { witness, ...numbers } = verdict
  context.diagnostic(JSON.stringify(numbers))
  const hint = `seed ${seed}${Object.keys(verdict.anomalies).length === 0 ? '' : keepHistory(workload, seed)}\n${witness}`
  assert.deepEqual(verdict.anomalies, {}, hint)
  assert(verdict.transactions > 0, `nothing was acknowledged: ${JSON.stringify(verdict)}`)
  return verdict
}

/** Writes what happened to a file, and says where. */
const keepHistory = (workload: Workload, seed: number): string => {
  if (workload.history === undefined) return ''
  const file = join(tmpdir(), `allwrite-${workload.name}-${seed}.jsonl`)
  writeFileSync(file, [...workload.history()].join('\n'))
  return `, history in ${file}`
}

/**
 * Runs a workload on a cluster as a test: whatever the run finds wrong is a failure.
 *
 * @module
 */
import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before } from 'node:test'
import type { TestContext } from 'node:test'
import { runWorkload as run, targetOf } from '#testing/chaos/run.ts'
import { startCluster } from '#testing/cluster.ts'
import type { Cluster } from '#testing/cluster.ts'
import { kills } from '#testing/faults.ts'
import { createRandom, testSeed } from '#testing/random.ts'
import { testSeconds } from '#testing/wait.ts'
import type { Verdict, Workload } from '#testing/workloads/contract.ts'

/** Length of a workload's smoke, s, with and without faults; ALLWRITE_TEST_SECONDS for longer. */
const smokeSeconds = { kill: 8, calm: 5 }

export interface ChaosOptions {
  /** Agents and servers are killed while the workload runs. Never on the control; all faults that there are: `npm run chaos`. */
  readonly kill?: boolean
}

/** Registers a cluster of four nodes for all tests of the calling file. */
export const useCluster = (): (() => Cluster) => {
  let cluster: Cluster | undefined
  before(async () => {
    cluster = await startCluster({ nodes: 4 })
  })
  after(() => cluster?.[Symbol.asyncDispose]())
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
  const { verdict, strikes, divergence } = await run(targetOf(cluster, kills), workload, {
    random: createRandom(seed),
    signal: AbortSignal.timeout(seconds * 1000),
    faultEveryMs: kill ? undefined : false,
  })
  for (const { at, what } of strikes) context.diagnostic(`${at} ms: ${what}`)
  const { witness, ...numbers } = verdict
  context.diagnostic(JSON.stringify(numbers))
  const hint = `seed ${seed}${Object.keys(verdict.anomalies).length === 0 ? '' : keepHistory(workload, seed)}\n${witness}`
  assert.deepEqual(verdict.anomalies, {}, hint)
  assert.equal(divergence, undefined, `seed ${seed}`)
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

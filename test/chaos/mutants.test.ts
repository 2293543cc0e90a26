/**
 * Who tests the tests: each mutant of the product must be caught, by what is said to catch it. One that survives is a hole in the
 * suite, and fails.
 *
 * One of them: `node --test --test-name-pattern='fsync' dist/test/chaos/mutants.test.js`.
 */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import type { TestContext } from 'node:test'
import { needsCluster, startCluster } from '#testing/cluster.ts'
import type { Cluster } from '#testing/cluster.ts'
import { whenQuiescent } from '#testing/equality.ts'
import { mutants } from '#testing/mutants/mutants.ts'
import type { CaughtByTest, CaughtByWorkload } from '#testing/mutants/mutants.ts'
import { openWorkshop } from '#testing/mutants/workshop.ts'
import type { Patch, Workshop } from '#testing/mutants/workshop.ts'
import { createRandom, testSeed } from '#testing/random.ts'
import { run } from '#testing/tools.ts'

/** A mutant's load, s; one that lives is given more time, each time on a new cluster: a busy machine does little in the first. */
const loadSeconds = [2.5, 5, 10]
/** A broken cluster that isn't quiet after this is judged by what its clients saw, ms. */
const quietMsMax = 4_000
/** The tests that catch mutants take a second or two; all of the simulation's seeds some ten, ms. */
const testMsMax = 120_000

/** Side by side, each in a copy of its own: as many as the smallest machine has cores. */
const sideBySide = 2
const workshops: Workshop[] = []
const idle: Workshop[] = []
before(() => {
  for (let i = 0; i < sideBySide; i++) workshops.push(openWorkshop())
  idle.push(...workshops)
})
after(() => {
  for (const workshop of workshops) workshop[Symbol.dispose]()
})

const withMutant = async (patch: Patch, work: (workshop: Workshop) => Promise<void>): Promise<void> => {
  const workshop = idle.pop()
  assert(workshop, 'no more tests run side by side than there are workshops')
  try {
    await workshop.withMutant(patch, () => work(workshop))
  } finally {
    idle.push(workshop)
  }
}

const catchByTest = async (
  context: TestContext,
  workshop: Workshop,
  { file, test, says }: CaughtByTest,
): Promise<void> => {
  const pattern = `^${test.replaceAll(/[.*+?^${}()|[\]\\]/g, String.raw`\$&`)}$`
  const options = ['--test-reporter=tap', `--test-name-pattern=${pattern}`, join(workshop.dist, file)]
  // Inside a test of ours node:test would take it for a part of that.
  const { code, stdout } = await run('env', ['-u', 'NODE_TEST_CONTEXT', process.execPath, ...options], {
    msMax: testMsMax,
  })
  context.diagnostic(/ALLWRITE_TEST_SEED=\d+/.exec(stdout)?.[0] ?? 'no seed')
  assert.notEqual(code, 0, `it survived "${test}"`)
  assert.match(stdout, says, 'it was caught, but not for what it does')
}

/** What nodes have said of themselves. */
const isInconsistent = (cluster: Cluster): boolean =>
  cluster.nodes.some(({ id }) => readFileSync(join(cluster.dir, id, 'agent.log'), 'utf8').includes('is inconsistent'))

/** What a load of some seconds finds on a fresh cluster of the mutant, by name. */
const hunt = async (
  context: TestContext,
  { workload: create }: CaughtByWorkload,
  { bin, fresh, seconds }: { readonly bin: string; readonly fresh: string; readonly seconds: number },
): Promise<Readonly<Record<string, number>>> => {
  const seed = testSeed()
  const workload = create()
  await using cluster = await startCluster({ nodes: 2, bin, from: { dir: fresh } })
  const client = await cluster.connect(1)
  await workload.setUp(client)
  await client.end()
  await whenQuiescent(cluster)
  const urls = cluster.nodes.map(({ url }) => url)
  await workload.run({ urls, random: createRandom(seed), signal: AbortSignal.timeout(seconds * 1000) })
  // A node that has taken itself out is made anew from its peer: what its clients saw is judged, nobody waits for that.
  const quiet =
    !isInconsistent(cluster) &&
    (await whenQuiescent(cluster, quietMsMax).then(
      () => true,
      () => false,
    ))
  const { transactions, anomalies } = await workload.judge(quiet ? urls : [])
  const found = { ...anomalies, ...(isInconsistent(cluster) ? { inconsistent: 1 } : {}) }
  context.diagnostic(
    `${workload.name}, seed ${seed}, ${seconds} s, ${transactions} transactions: found ${JSON.stringify(found)}`,
  )
  // Nobody needs an orderly end of what is broken.
  await cluster.killEverything()
  return found
}

const catchByWorkload = async (
  context: TestContext,
  { bin }: Workshop,
  caughtBy: CaughtByWorkload,
  fresh: string,
): Promise<void> => {
  for (const seconds of loadSeconds) {
    const found = await hunt(context, caughtBy, { bin, fresh, seconds })
    if (caughtBy.anomalies.some((name) => Object.hasOwn(found, name))) return
  }
  assert.fail(`it survived: none of ${caughtBy.anomalies.join(', ')}`)
}

describe('mutants are caught', { concurrency: sideBySide }, () => {
  for (const { name, caughtBy, ...patch } of mutants) {
    if (caughtBy.kind !== 'test') continue
    test(name, (context) => withMutant(patch, (workshop) => catchByTest(context, workshop, caughtBy)))
  }
})

describe('mutants are caught on servers', { skip: needsCluster, concurrency: sideBySide }, () => {
  /** The folder of a whole cluster of two that has just been made, and stopped. */
  let fresh = ''
  let made: Cluster | undefined
  before(async () => {
    if (needsCluster !== false) return
    made = await startCluster({ nodes: 2 })
    await made.stop()
    fresh = made.dir
  })
  after(() => made?.[Symbol.asyncDispose]())

  for (const { name, caughtBy, ...patch } of mutants) {
    if (caughtBy.kind !== 'workload') continue
    test(name, (context) => withMutant(patch, (workshop) => catchByWorkload(context, workshop, caughtBy, fresh)))
  }
})

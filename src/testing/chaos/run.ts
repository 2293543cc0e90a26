/**
 * The core of every run with faults, in a test and from the command line: set up, run, strike, heal, compare, judge.
 *
 * Contract
 * 1. What the workload or the probe found wrong is in the result, never thrown. A difference between nodes is text in it.
 * 2. Whatever strikes, the endpoints are compared only after `heal` has resolved and nothing is under way.
 * 3. With one seed, transactions and faults are drawn the same; their timing is not.
 *
 * Failure cases: throws when the endpoints can't be reached to set up, or don't heal within the caller's bound.
 *
 * @module
 */
import type { Client } from 'pg'
import { isControl } from '../cluster.ts'
import type { Cluster } from '../cluster.ts'
import { assertAllEqual, assertSameCatalogs } from '../equality.ts'
import type { Comparable } from '../equality.ts'
import { strikeAtRandom } from '../faults.ts'
import type { Fault, Strike } from '../faults.ts'
import { allServing } from '../healed.ts'
import type { Random } from '../random.ts'
import type { Verdict, Workload } from '../workloads/contract.ts'
import { connectTo } from '../workloads/sessions.ts'
import { gapsOf, startProbe } from './probe.ts'
import type { Gap, ProbeResult } from './probe.ts'

/** Nodes that were killed have come back and caught up, ms. */
const healMsMax = 120_000

/** What a run is made against. */
export interface Target {
  readonly urls: readonly string[]
  readonly compare: Comparable
  /** Resolves when all endpoints serve again. */
  heal(): Promise<void>
  /** Makes faults until the signal; absent where none may be made. */
  strike?(random: Random, signal: AbortSignal, everyMs: number | undefined): Promise<readonly Strike[]>
}

export interface RunOptions {
  readonly random: Random
  /** Ends the load; what is under way is finished. */
  readonly signal: AbortSignal
  /** Between two faults, ms; `undefined`: as the faults have it. Without faults: false. */
  readonly faultEveryMs: number | undefined | false
  /** Between two writes of the probe at each endpoint, ms; absent: no probe. */
  readonly probeEveryMs?: number
}

export interface RunResult {
  readonly verdict: Verdict
  /** Length of the load, s. */
  readonly seconds: number
  readonly strikes: readonly Strike[]
  /** How the endpoints differ after the run; undefined where they don't. */
  readonly divergence: string | undefined
  readonly probe: ProbeResult | undefined
  readonly gaps: readonly Gap[]
}

/** A cluster of ours, struck by these, unless it is the control. */
export const targetOf = (cluster: Cluster, faults: readonly Fault[]): Target => ({
  urls: cluster.nodes.map(({ url }) => url),
  compare: cluster,
  heal: () => allServing(cluster),
  ...(isControl
    ? {}
    : { strike: (random, signal, everyMs) => strikeAtRandom(cluster, random, signal, faults, everyMs) }),
})

/** Any PostgreSQL endpoints, which we can't strike. */
export const targetOfEndpoints = (urls: readonly string[]): Target => {
  const nodes = urls.map((url, index) => ({
    id: `n${index + 1}`,
    url,
    state: 'serving',
    agentPid: 0,
    postgresPid: 0,
    dataDir: '',
  }))
  const connect = (number: number): Promise<Client> => connectTo(urls[number - 1]!)
  return {
    urls,
    heal: async () => {
      for (const url of urls) await (await connectTo(url)).end()
    },
    compare: {
      nodes,
      connect,
      // Where they stand is not known; the comparison itself waits for them to agree.
      status: () =>
        Promise.resolve(
          nodes.map(({ id }) => ({
            id,
            state: 'serving',
            position: 0,
            lag: 0,
            agentPid: null,
            postgresPid: null,
          })),
        ),
    },
  }
}

const firstLines = (thrown: unknown): string =>
  (thrown instanceof Error ? thrown.message : String(thrown)).split('\n').slice(0, 20).join('\n')

const compare = async (target: Target): Promise<string | undefined> => {
  try {
    await assertAllEqual(target.compare, healMsMax)
    await assertSameCatalogs(target.compare, healMsMax)
    return undefined
  } catch (thrown) {
    return firstLines(thrown)
  }
}

/** Sets up, runs, heals, compares and judges one workload. */
export const runWorkload = async (target: Target, workload: Workload, options: RunOptions): Promise<RunResult> => {
  const { urls } = target
  const { random, signal, faultEveryMs, probeEveryMs } = options
  const client = await target.compare.connect(1)
  await workload.setUp(client)
  const probe = probeEveryMs === undefined ? undefined : await startProbe(urls, client, probeEveryMs)
  await client.end()
  await assertAllEqual(target.compare)

  const begun = performance.now()
  const forLoad = random.fork()
  const forFaults = random.fork()
  const [, strikes] = await Promise.all([
    workload.run({ urls, random: forLoad, signal }),
    faultEveryMs === false ? [] : (target.strike?.(forFaults, signal, faultEveryMs) ?? []),
    probe?.run(signal),
  ])
  const ended = performance.now()
  await target.heal()
  const divergence = await compare(target)
  const result = await probe?.judge()
  return {
    verdict: await workload.judge(urls),
    seconds: (ended - begun) / 1000,
    strikes,
    divergence,
    probe: result,
    gaps: result === undefined ? [] : gapsOf(result, strikes, begun, ended),
  }
}

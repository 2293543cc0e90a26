/**
 * `npm run chaos`: workloads with faults for as long as wanted, and a report. Exit code 0 only where the run was clean, 1 where
 * it was not, 2 where it could not be made.
 *
 * @module
 */
import { cpSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { timeLimit } from '../../journal/cancel.ts'
import { startCluster } from '../cluster.ts'
import type { Cluster } from '../cluster.ts'
import { createFakeClock, needsFaketime } from '../fake-clock.ts'
import { allFaults } from '../faults.ts'
import { createRandom, testSeed } from '../random.ts'
import { assertReplayEqual } from '../replay.ts'
import { needsMount } from '../small-disk.ts'
import { parseOptions, usage } from './options.ts'
import type { ChaosOptions } from './options.ts'
import { formatReport, isClean } from './report.ts'
import type { Report } from './report.ts'
import { runWorkload, targetOf, targetOfEndpoints } from './run.ts'
import type { RunResult, Target } from './run.ts'
import { suite } from './suite.ts'

/** The run says where it is, ms. */
const progressEveryMs = 10_000
/** All of the journal is kept, for the replay: its cap, as `allwrite up` takes it. */
const journalKept = ['--journal-retain', '64GB', '--journal-cap', '64GB']

/** MiB: room for a long run's data, and for a copy beside it. They are memory, and filled to the last page. */
const smallDisks = { journal: 2_048, n4: 2_048 }

/** URLs without their passwords: reports are published. */
const withoutPasswords = (text: string): string => text.replaceAll(/(:\/\/[^:@/\s]*):[^@\s]*@/g, '$1:…@')

const say = (text: string): void => void process.stderr.write(`${new Date().toISOString().slice(11, 19)} ${text}\n`)

const runAll = async (target: Target, options: ChaosOptions, seed: number, stop: AbortSignal): Promise<RunResult[]> => {
  const random = createRandom(seed)
  const results: RunResult[] = []
  const secondsEach = (options.minutes * 60) / options.workloads.length
  for (const name of options.workloads) {
    if (stop.aborted) break
    say(`${name}: ${secondsEach.toFixed(0)} s`)
    const begun = performance.now()
    const timer = setInterval(() => {
      say(`${name}: ${((performance.now() - begun) / 1000).toFixed(0)} of ${secondsEach.toFixed(0)} s`)
    }, progressEveryMs)
    const workload = suite[name]()
    using length = timeLimit(stop, secondsEach * 1000)
    try {
      const result = await runWorkload(target, workload, {
        random: random.fork(),
        signal: length.signal,
        faultEveryMs: options.faultEvery === 0 ? false : options.faultEvery * 1000,
        ...(options.probeEvery === 0 ? {} : { probeEveryMs: options.probeEvery }),
      })
      results.push(result)
      const { transactions, failed, unknown, anomalies } = result.verdict
      say(
        `${name}: ${transactions} committed, ${failed} aborted, ${unknown} unknown, anomalies ${JSON.stringify(anomalies)}, ` +
          `${result.probe?.lost ?? 0} of the probe's writes lost, ${result.strikes.length} faults${result.divergence === undefined ? '' : ', the nodes DIFFER'}`,
      )
      if (Object.keys(anomalies).length > 0 && workload.history !== undefined) {
        const file = join(tmpdir(), `allwrite-${name}-${seed}.jsonl`)
        writeFileSync(file, [...workload.history()].join('\n'))
        say(`its history is in ${file}`)
      }
    } finally {
      clearInterval(timer)
    }
  }
  return results
}

const replay = async (cluster: Cluster | undefined): Promise<Report['replay']> => {
  if (cluster === undefined) return undefined
  say('replaying the whole journal into a fresh server')
  try {
    const { entries, ms } = await assertReplayEqual(cluster)
    return { equal: true, text: `equal to the nodes (${entries} entries in ${(ms / 1000).toFixed(1)} s)` }
  } catch (thrown) {
    return { equal: false, text: `**failed**: ${thrown instanceof Error ? thrown.message : String(thrown)}` }
  }
}

/** The logs of all processes, out of the folder that is removed: without them nobody learns why. */
const keepLogs = (cluster: Cluster | undefined, seed: number): void => {
  if (cluster === undefined) return
  const kept = join(tmpdir(), `allwrite-chaos-${seed}`)
  // Data are left out: a folder of them may be gone, or change, while it is read.
  const isKept = (path: string): boolean =>
    statSync(path, { throwIfNoEntry: false })?.isDirectory() === true
      ? !/^(pgdata|segments|spool)/.test(basename(path))
      : /\.log(\.\d+)?$/.test(path)
  cpSync(cluster.dir, kept, { recursive: true, filter: isKept })
  say(`the logs are in ${kept}`)
}

const main = async (args: readonly string[]): Promise<number> => {
  let options: ChaosOptions
  try {
    options = parseOptions(args)
  } catch (thrown) {
    process.stderr.write(`chaos: ${thrown instanceof Error ? thrown.message : String(thrown)}\n\n${usage}`)
    return 2
  }
  const seed = options.seed ?? testSeed()
  const stop = new AbortController()
  for (const name of ['SIGINT', 'SIGTERM'] as const) process.once(name, () => stop.abort())
  const own = options.endpoints.length === 0
  say(withoutPasswords(`seed ${seed}, ${own ? `starting ${options.nodes} nodes` : options.endpoints.join(', ')}`))
  const faults = options.faultEvery > 0
  for (const [fault, needs] of [
    ['clocks that jump', needsFaketime],
    ['full disks', needsMount],
  ] as const) {
    if (own && faults && needs !== false) say(`without ${fault}: ${needs}`)
  }
  using clock = own && faults && needsFaketime === false ? await createFakeClock() : undefined
  await using cluster = own
    ? await startCluster({
        nodes: options.nodes,
        args: journalKept,
        detached: true,
        ...(clock === undefined ? {} : { clock }),
        ...(faults && needsMount === false ? { disks: smallDisks } : {}),
      })
    : undefined
  const target = cluster === undefined ? targetOfEndpoints(options.endpoints) : targetOf(cluster, allFaults)
  const results = await runAll(target, options, seed, stop.signal)
  const report: Report = {
    head: {
      date: new Date().toISOString(),
      command: withoutPasswords(['npm run chaos --', ...args].join(' ')),
      seed,
      target: own ? `a fresh cluster of ${options.nodes} nodes` : `${options.endpoints.length} endpoints`,
    },
    results,
    replay: await replay(cluster),
  }
  const text = formatReport(report)
  if (options.report !== undefined) writeFileSync(options.report, text)
  process.stdout.write(text)
  if (isClean(report)) return 0
  keepLogs(cluster, seed)
  return 1
}

main(process.argv.slice(2)).then(
  (code) => (process.exitCode = code),
  (thrown: unknown) => {
    process.stderr.write(`chaos: ${thrown instanceof Error ? (thrown.stack ?? thrown.message) : String(thrown)}\n`)
    process.exitCode = 2
  },
)

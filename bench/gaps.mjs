#!/usr/bin/env node
/**
 * How long writers notice that a node has died or hangs, many times over:
 *
 *   npm run build && node bench/gaps.mjs --trials 30 --write
 *
 * An open-loop probe has a write due at every node each 20 ms, whatever became of those before. For every trial one node is
 * struck, then left to come back; "none" is the control: what the machine does to the probe without any fault. Measured are
 * - the longest time without an acknowledged write at each of the others, from the strike on;
 * - for a client of the struck node that came through the cluster endpoint: the time from the strike to its next acknowledged
 *   write, through the same endpoint, connecting anew as often as it has to.
 *
 * The machine is shared by all nodes, the load, and the start of what was killed: that is in the figures.
 */
import { writeFileSync } from 'node:fs'
import { cpus } from 'node:os'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import pg from 'pg'
import { startProbe } from '../dist/testing/chaos/probe.js'
import { percentile } from '../dist/testing/chaos/report.js'
import { startCluster } from '../dist/testing/cluster.js'
import { assertAllEqual } from '../dist/testing/equality.js'
import { allServing } from '../dist/testing/healed.js'
import { familyOf, signal as sendSignal } from '../dist/testing/processes.js'

const { values: options } = parseArgs({
  options: {
    trials: { type: 'string', default: '30' },
    faults: { type: 'string', default: 'none,kill agent,kill postgres,stop agent,stop postgres' },
    'watch-ms': { type: 'string', default: '2500' },
    'every-ms': { type: 'string', default: '20' },
    write: { type: 'boolean', default: false },
  },
})
const trials = Number(options.trials)
const watchMs = Number(options['watch-ms'])

/** Of a node's status: the processes to strike. */
const targets = {
  agent: ({ agentPid }) => [agentPid],
  postgres: ({ postgresPid }) => familyOf([postgresPid]).map(({ pid }) => pid),
}

const cluster = await startCluster({ nodes: 4, fsync: false })
const urls = cluster.nodes.map(({ url }) => url)

const connect = async () => {
  const client = new pg.Client({ connectionString: cluster.url, connectionTimeoutMillis: 5_000 })
  client.on('error', () => undefined)
  await client.connect()
  return client
}

/** A client of node `id`, which came there through the cluster endpoint. */
const clientAt = async (id) => {
  const others = []
  try {
    for (;;) {
      const client = await connect()
      const { rows } = await client.query('show data_directory')
      if (rows[0].data_directory.includes(`/${id}/`)) return client
      others.push(client)
    }
  } finally {
    for (const client of others) await client.end()
  }
}

let written = 0
/** Writes without a pause; resolves with the time when the first write that was sent after the strike is acknowledged. */
const writer = (first, strike) => {
  const run = async () => {
    let client = first
    for (;;) {
      try {
        client ??= await connect()
        const sent = performance.now()
        await client.query('insert into gaps_client values ($1)', [(written += 1)])
        // A write that was under way may have its answer from a node that has been killed; one that only hung goes on.
        if (strike.at !== undefined && sent > strike.at) return performance.now()
        if (client === first) await delay(5)
      } catch {
        client?.end().catch(() => undefined)
        client = undefined
      }
    }
  }
  return run()
}

const results = []
try {
  const maker = await cluster.connect(1)
  await maker.query('create table gaps_client (id int primary key)')
  await maker.end()
  for (const fault of options.faults.split(',')) {
    const [act, what = 'agent'] = fault.split(' ')
    const admin = await cluster.connect(1)
    const probe = await startProbe(urls, admin, Number(options['every-ms']))
    const over = new AbortController()
    await admin.end()
    const running = probe.run(over.signal)
    await delay(3_000)
    const strikes = []
    for (let trial = 0; trial < trials; trial++) {
      const victim = (trial % urls.length) + 1
      const client = await clientAt(`n${victim}`)
      const strike = {}
      const served = act === 'none' ? undefined : writer(client, strike)
      await delay(300)
      const status = (await cluster.status()).find(({ id }) => id === `n${victim}`)
      const pids = targets[what](status)
      strike.at = performance.now()
      if (act !== 'none') for (const pid of pids) sendSignal(pid, act === 'kill' ? 'SIGKILL' : 'SIGSTOP')
      await delay(watchMs)
      if (act === 'stop') for (const pid of pids) sendSignal(pid, 'SIGCONT')
      const servedMs = served === undefined ? undefined : (await served) - strike.at
      if (served === undefined) await client.end()
      strikes.push({ victim, at: strike.at, servedMs })
      await allServing(cluster)
      // The node that came back has what the others have, and its first writes are over.
      await delay(700)
      console.error(
        `${fault} ${trial + 1}/${trials}: n${victim}, its client was served after ${servedMs?.toFixed(0) ?? '–'} ms`,
      )
    }
    over.abort()
    await running
    const { acknowledged, lost } = await probe.judge()
    const gaps = strikes.flatMap(({ victim, at }) =>
      acknowledged.flatMap((times, index) => {
        if (index + 1 === victim) return []
        let longest = 0
        let last = at
        for (const time of times) {
          if (time < at || time > at + watchMs) continue
          longest = Math.max(longest, time - last)
          last = time
        }
        return [Math.max(longest, at + watchMs - last)]
      }),
    )
    results.push({ fault, gaps, served: strikes.flatMap(({ servedMs }) => servedMs ?? []), lost })
    console.error(
      fault,
      'gaps',
      gaps
        .map(Math.round)
        .toSorted((a, b) => a - b)
        .join(' '),
    )
  }
  await assertAllEqual(cluster)
} finally {
  await cluster[Symbol.asyncDispose]()
}

const figures = (values) => {
  if (values.length === 0) return ['–', '–', '–']
  const sorted = values.toSorted((a, b) => a - b)
  return [0.5, 0.95, 1].map((share) => `${percentile(sorted, share).toFixed(0)} ms`)
}
const line = (cells) => `| ${cells.join(' | ')} |`
const header = ['fault', 'trials', 'p50', 'p95', 'max', 'p50', 'p95', 'max', 'lost']
const report = `# Gaps in writing

<!-- written by: node bench/gaps.mjs ${process.argv.slice(2).join(' ')} -->

${[
  line(['', '', 'survivors’ gap', '', '', 'client of the struck node', '', '', '']),
  line(header.map(() => '---')),
  line(header),
  ...results.map(({ fault, gaps, served, lost }) => line([fault, trials, ...figures(gaps), ...figures(served), lost])),
].join('\n')}

Survivors' gap: the longest time without an acknowledged write at each of the three other nodes within ${watchMs} ms of the strike; a write is due at
each node every ${options['every-ms']} ms. Client of the struck node: from the strike until a write that it sent afterwards was acknowledged, through the
cluster endpoint; a stopped node goes on after ${watchMs} ms, and its clients wait for that. Lost: acknowledged writes that a node lacks at the end.

Measured ${new Date().toISOString().slice(0, 10)} on ${cpus().length} × ${cpus()[0]?.model.trim()}, Node ${process.version}; four nodes, the probe and the
client on the same machine.
`
console.log(report)
if (options.write) writeFileSync(fileURLToPath(new URL('../docs/GAPS.md', import.meta.url)), report)

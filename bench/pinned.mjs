#!/usr/bin/env node
/**
 * How long clients of the pinned endpoint are without a writer after theirs has died or hangs, many times over:
 *
 *   npm run build && node bench/pinned.mjs --trials 30
 *
 * Two clients, each at the pinned endpoint of a proxy of its own, write without a pause and connect anew as often as they have to. For every
 * trial the writer is struck, then left to come back; measured is the time from the strike to the first acknowledged write that was sent
 * after it, at each of the two, and whether both came to the same node.
 */
import { spawn } from 'node:child_process'
import { cpus, loadavg } from 'node:os'
import { createInterface } from 'node:readline'
import { setTimeout as delay } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import pg from 'pg'
import { percentile } from '../dist/testing/chaos/report.js'
import { allwriteBin, startCluster } from '../dist/testing/cluster.js'
import { assertAllEqual } from '../dist/testing/equality.js'
import { allServing } from '../dist/testing/healed.js'
import { freePorts } from '../dist/testing/ports.js'
import { familyOf, signal } from '../dist/testing/processes.js'

const { values: options } = parseArgs({
  options: {
    trials: { type: 'string', default: '30' },
    faults: { type: 'string', default: 'kill agent,kill postgres,stop agent' },
    nodes: { type: 'string', default: '4' },
  },
})
const trials = Number(options.trials)

/** Of a node's status: the processes to strike. */
const targets = {
  agent: ({ agentPid }) => [agentPid],
  postgres: ({ postgresPid }) => familyOf([postgresPid]).map(({ pid }) => pid),
}

const cluster = await startCluster({ nodes: Number(options.nodes), fsync: false })
const status = async () => JSON.parse(await cluster.command(['status', '--json']))
const { proxy: firstUrl } = await status()
const port = await freePorts(1)
const second = spawn(allwriteBin, ['proxy', '--data', cluster.dir, '--pinned-port', String(port)], {
  stdio: ['ignore', 'pipe', 'inherit'],
})
await new Promise((resolve) => createInterface({ input: second.stdout }).once('line', resolve))
const secondUrl = new URL(firstUrl)
secondUrl.port = String(port)

let written = 0
/** A client that never gives up. */
const startWriter = (url) => {
  const writer = { struckAt: undefined, served: undefined, stop: false }
  const connect = async () => {
    const client = new pg.Client({ connectionString: String(url), connectionTimeoutMillis: 15_000 })
    client.on('error', () => undefined)
    await client.connect()
    return client
  }
  writer.done = (async () => {
    let session
    while (!writer.stop) {
      try {
        session ??= await connect()
        const sent = performance.now()
        const { rows } = await session.query(
          "insert into pinned_client values ($1) returning current_setting('data_directory') as place",
          [(written += 1)],
        )
        writer.node = /\/(n\d+)\/pgdata/.exec(rows[0].place)?.[1]
        // A write that was under way may have its answer from a node that has been killed.
        if (writer.struckAt !== undefined && sent > writer.struckAt && writer.node !== writer.struck)
          writer.served ??= performance.now()
        await delay(5)
      } catch {
        session?.end().catch(() => undefined)
        session = undefined
        await delay(2)
      }
    }
    await session?.end().catch(() => undefined)
  })()
  return writer
}

const results = []
try {
  const maker = await cluster.connect(1)
  await maker.query('create table pinned_client (id int primary key)')
  await maker.end()
  const writers = [startWriter(firstUrl), startWriter(secondUrl)]
  const until = async (look) => {
    while (!look()) await delay(5)
  }
  await until(() => writers.every(({ node }) => node !== undefined))
  for (const fault of options.faults.split(',')) {
    const [act, what] = fault.split(' ')
    const times = []
    let disagreed = 0
    for (let trial = 0; trial < trials; trial++) {
      await allServing(cluster)
      const { pinned, nodes } = await status()
      const pids = targets[what](nodes.find(({ id }) => id === pinned.node))
      for (const writer of writers) Object.assign(writer, { served: undefined, struck: pinned.node })
      const struckAt = performance.now()
      for (const writer of writers) writer.struckAt = struckAt
      for (const pid of pids) signal(pid, act === 'kill' ? 'SIGKILL' : 'SIGSTOP')
      await until(() => writers.every(({ served }) => served !== undefined))
      if (writers[0].node !== writers[1].node) disagreed++
      for (const { served } of writers) times.push(served - struckAt)
      if (act === 'stop') for (const pid of pids) signal(pid, 'SIGCONT')
      await delay(500)
    }
    times.sort((a, b) => a - b)
    const ms = (share) => Math.round(percentile(times, share))
    results.push({ fault, trials, p50: ms(0.5), p95: ms(0.95), max: ms(1), disagreed })
    process.stderr.write(`${JSON.stringify(results.at(-1))}\n`)
  }
  for (const writer of writers) writer.stop = true
  await Promise.all(writers.map(({ done }) => done))
  await allServing(cluster)
  await assertAllEqual(cluster)
} finally {
  second.kill('SIGTERM')
  await cluster[Symbol.asyncDispose]()
}
process.stdout.write(
  [
    `${options.nodes} nodes, ${trials} trials a fault, two proxies; ${cpus().length} cores, load ${loadavg()[0].toFixed(1)} at the end. Until both clients write again, ms:`,
    '',
    '| fault | p50 | p95 | max | proxies at different writers |',
    '| ----- | --- | --- | --- | --- |',
    ...results.map(({ fault, p50, p95, max, disagreed }) => `| ${fault} | ${p50} | ${p95} | ${max} | ${disagreed} |`),
    '',
  ].join('\n'),
)

#!/usr/bin/env node
/**
 * What the clients of an endpoint notice of a node that goes, many times over:
 *
 *   npm run build && node bench/failover.mjs --trials 30
 *
 * Clients run transactions without a pause at one endpoint: a block that adds to an account and writes a row with an id of its own to a ledger. In each
 * trial a node is killed (kill -9 of its agent), stopped (SIGSTOP) until the others serve, restarted or drained, and is whole again before the next one.
 * Measured: every error that a client is told; the longest time that a client waited for a transaction that was under way, or begun, from the strike on; and at the end
 * the ledger, in which every acknowledged transaction has to stand once, and none twice.
 */
import { cpus, loadavg } from 'node:os'
import { setTimeout as delay } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import pg from 'pg'
import { percentile } from '../dist/testing/chaos/report.js'
import { startCluster } from '../dist/testing/cluster.js'
import { assertAllEqual } from '../dist/testing/equality.js'
import { allServing } from '../dist/testing/healed.js'
import { signal } from '../dist/testing/processes.js'

const { values: options } = parseArgs({
  options: {
    trials: { type: 'string', default: '30' },
    faults: { type: 'string', default: 'kill,stop,restart,drain' },
    clients: { type: 'string', default: '32' },
    nodes: { type: 'string', default: '4' },
    endpoint: { type: 'string', default: 'cluster' },
    /** Options of `allwrite up`, separated by blanks: `--no-pool`. */
    up: { type: 'string', default: '' },
  },
})
const trials = Number(options.trials)
/** How long a trial is watched behind its strike at least, ms. */
const watchMs = 3_000

const args = options.up.split(' ').filter((word) => word !== '')
const cluster = await startCluster({ nodes: Number(options.nodes), fsync: false, args })
const status = async () => JSON.parse(await cluster.command(['status', '--json']))
const first = await status()
const url = options.endpoint === 'pinned' ? first.proxy : first.cluster

const errors = []
/** What a client waited for its transactions since the last strike, ms. */
const startClient = (worker) => {
  const client = { stop: false, acknowledged: [], unsure: new Set(), longest: 0, begun: undefined }
  const connect = async () => {
    const connection = new pg.Client({ connectionString: url, connectionTimeoutMillis: 30_000 })
    connection.on('error', () => undefined)
    await connection.connect()
    return connection
  }
  client.done = (async () => {
    let connection = await connect()
    for (let n = 0; !client.stop; n++) {
      const id = `${worker}-${n}`
      client.begun = performance.now()
      try {
        await connection.query('BEGIN')
        await connection.query('UPDATE account SET n = n + 1 WHERE worker = $1', [worker])
        await connection.query('INSERT INTO ledger VALUES ($1)', [id])
        await connection.query('COMMIT')
        client.acknowledged.push(id)
      } catch ({ code, message }) {
        errors.push({ code, message })
        // Its outcome is open, or it is none.
        client.unsure.add(id)
        await connection.query('ROLLBACK').catch(async () => {
          await connection.end().catch(() => undefined)
          connection = await connect()
        })
      }
      client.longest = Math.max(client.longest, performance.now() - client.begun)
    }
    await connection.end().catch(() => undefined)
  })()
  return client
}

const strikes = {
  kill: async (node) => signal(node.agentPid, 'SIGKILL'),
  stop: async (node) => {
    signal(node.agentPid, 'SIGSTOP')
    await delay(watchMs + 5_000)
    signal(node.agentPid, 'SIGCONT')
  },
  restart: async (node) => cluster.command(['restart', node.id]),
  drain: async (node) => {
    await cluster.command(['drain', node.id])
    await cluster.command(['undrain', node.id])
  },
}

const results = []
try {
  const admin = await cluster.connect(1)
  await admin.query('CREATE TABLE account (worker int PRIMARY KEY, n int NOT NULL)')
  await admin.query('CREATE TABLE ledger (id text)')
  await admin.query('INSERT INTO account SELECT g, 0 FROM generate_series(0, 999) g')
  await admin.end()
  await assertAllEqual(cluster)
  const clients = Array.from({ length: Number(options.clients) }, (_, worker) => startClient(worker))
  await delay(2_000)
  for (const fault of options.faults.split(',')) {
    const gaps = []
    const usual = []
    const errorsBefore = errors.length
    for (let trial = 0; trial < trials; trial++) {
      await allServing(cluster)
      for (const client of clients) client.longest = 0
      await delay(1_000)
      usual.push(Math.max(...clients.map(({ longest }) => longest)))
      const { nodes, pinned } = await status()
      // The pinned writer, or one node after the other.
      const id = options.endpoint === 'pinned' ? pinned.node : nodes[trial % nodes.length].id
      for (const client of clients) client.longest = 0
      await Promise.all([strikes[fault](nodes.find((node) => node.id === id)), delay(watchMs)])
      const now = performance.now()
      gaps.push(Math.max(...clients.map(({ longest, begun }) => Math.max(longest, now - begun))))
    }
    for (const times of [gaps, usual]) times.sort((a, b) => a - b)
    const ms = (times, share) => Math.round(percentile(times, share))
    results.push({
      fault,
      errors: errors.length - errorsBefore,
      p50: ms(gaps, 0.5),
      p95: ms(gaps, 0.95),
      max: ms(gaps, 1),
      usual: ms(usual, 0.5),
    })
    process.stderr.write(`${JSON.stringify(results.at(-1))}\n`)
  }
  for (const client of clients) client.stop = true
  await Promise.all(clients.map(({ done }) => done))
  await allServing(cluster)
  await assertAllEqual(cluster)
  const { rows } = await (await cluster.connect(1)).query('SELECT id, count(*)::int AS times FROM ledger GROUP BY id')
  const times = new Map(rows.map(({ id, times: count }) => [id, count]))
  const acknowledged = clients.flatMap((client) => client.acknowledged)
  const missing = acknowledged.filter((id) => !times.has(id)).length
  const twice = [...times.values()].filter((count) => count > 1).length
  process.stdout.write(
    [
      `${options.nodes} nodes, ${options.clients} clients at the ${options.endpoint} endpoint, ${trials} trials a fault; ${cpus().length} cores, load ${loadavg()[0].toFixed(1)} at the end.`,
      `${acknowledged.length} transactions acknowledged; of these ${missing} missing; ${twice} there twice. Nodes equal.`,
      '',
      '| fault | errors | longest wait of any client, ms: p50 | p95 | max | without a fault, p50 |',
      '| ----- | --- | --- | --- | --- | --- |',
      ...results.map((r) => `| ${r.fault} | ${r.errors} | ${r.p50} | ${r.p95} | ${r.max} | ${r.usual} |`),
      '',
      ...new Set(errors.map(({ code, message }) => `${code}: ${message}`)),
      '',
    ].join('\n'),
  )
} finally {
  await cluster[Symbol.asyncDispose]()
}

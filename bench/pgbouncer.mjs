#!/usr/bin/env node
/**
 * The pool beside PgBouncer, both in front of the same node, in turns:
 *
 *   npm run build && node bench/pgbouncer.mjs --seconds 20 --rounds 5
 *
 * For each workload (pgbench's `-S` and its TPC-B-like script), protocol (`-M simple`, `-M prepared`) and number of clients: transactions per
 * second and latency of each, the ratio of each round's pair, and what the proxy's own process used of the processor for a transaction. The last
 * is what stays comparable on a machine that others use. `relay` is our endpoint that forwards bytes, a connection for each client.
 *
 * Both pools have the same number of connections. PgBouncer runs in transaction mode. Before 1.21 (Debian 12 has 1.18) it knows nothing of
 * prepared statements there: `-M prepared` then runs in its session mode, with a connection for each client, and not beyond `--connections`.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { cpus, loadavg, tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import pg from 'pg'
import { percentile } from '../dist/testing/chaos/report.js'
import { startCluster } from '../dist/testing/cluster.js'
import { freePorts } from '../dist/testing/ports.js'
import { startProxy } from '../dist/testing/proxy.js'
import { libpqEnv, missing, run } from '../dist/testing/tools.js'
import { until } from '../dist/testing/wait.js'

const { values: options } = parseArgs({
  options: {
    seconds: { type: 'string', default: '10' },
    rounds: { type: 'string', default: '3' },
    clients: { type: 'string', default: '1,32,500' },
    connections: { type: 'string', default: '32' },
    systems: { type: 'string', default: 'pgbouncer,pool' },
    workloads: { type: 'string', default: 'select,tpcb' },
    modes: { type: 'string', default: 'simple,prepared' },
    scale: { type: 'string', default: '10' },
  },
})
const seconds = Number(options.seconds)
const rounds = Number(options.rounds)
const connections = Number(options.connections)
const list = (text) => text.split(',')

for (const tool of ['pgbouncer', 'pgbench']) {
  const why = missing(tool)
  if (why !== false) throw new Error(`${why}: apt-get install pgbouncer postgresql-contrib`)
}
const folder = mkdtempSync(join(tmpdir(), 'bench-pgbouncer-'))
chmodSync(folder, 0o755)

/** @typedef {{ url: string, pid: number, stop: () => Promise<void> }} Started */

/**
 * @param {string} server URL of what it stands in front of
 * @param {'transaction' | 'session'} mode
 * @returns {Promise<Started>}
 */
const startPgBouncer = async (server, mode, prepares) => {
  const url = new URL(server)
  const port = await freePorts(1)
  const files = join(folder, mode)
  const users = `${files}.users`
  const password = decodeURIComponent(url.password)
  writeFileSync(users, `"${url.username}" "${password.replaceAll('"', '""')}"\n`, { mode: 0o644 })
  const settings = {
    listen_addr: '127.0.0.1',
    listen_port: port,
    unix_socket_dir: '',
    auth_type: 'scram-sha-256',
    auth_file: users,
    admin_users: url.username,
    pool_mode: mode,
    default_pool_size: connections,
    max_client_conn: 2_000,
    ignore_startup_parameters: 'extra_float_digits',
    ...(prepares ? { max_prepared_statements: 1_000 } : {}),
  }
  writeFileSync(
    `${files}.ini`,
    [
      '[databases]',
      `* = host=${url.hostname} port=${url.port}`,
      '[pgbouncer]',
      ...Object.entries(settings).map(([name, value]) => `${name} = ${value}`),
      '',
    ].join('\n'),
  )
  // It does not run as root.
  const asNobody = process.getuid?.() === 0 ? ['-u', 'nobody'] : []
  const child = spawn('pgbouncer', [...asNobody, '-q', `${files}.ini`], { stdio: ['ignore', 'ignore', 'inherit'] })
  const ended = once(child, 'exit')
  const own = new URL(server)
  own.port = String(port)
  await until('pgbouncer serves', async () => {
    const client = new pg.Client({ connectionString: own.href })
    client.on('error', () => undefined)
    return client.connect().then(
      () => client.end().then(() => true),
      () => false,
    )
  })
  return {
    url: own.href,
    pid: child.pid,
    stop: async () => {
      child.kill('SIGTERM')
      await ended
    },
  }
}

const version = (await run('pgbouncer', ['--version'])).stdout.split('\n')[0] ?? ''
const [, major, minor] = /(\d+)\.(\d+)/.exec(version) ?? []
const preparesInTransactions = Number(major) > 1 || Number(minor) >= 21

/** Of a process and its threads so far, µs; ticks are hundredths of a second. */
const cpuUs = (pid) => {
  const stat = readFileSync(`/proc/${pid}/stat`, 'latin1')
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return (Number(fields[11]) + Number(fields[12])) * 10_000
}

const workloads = { select: ['-S'], tpcb: ['-b', 'tpcb-like'] }

/** One run of pgbench. */
const measure = async ({ url, pid }, { workload, mode, clients }) => {
  const prefix = join(folder, 'log')
  const before = cpuUs(pid)
  const { code, stdout, stderr } = await run(
    'pgbench',
    // A thread for each client: while a thread waits in PQprepare for a connection of the pool, its other clients can't give theirs back.
    ['-n', '-M', mode, '-c', String(clients), '-j', String(clients), '-T', String(seconds), '--max-tries=0'].concat(
      ['-l', '--log-prefix', prefix],
      workloads[workload],
    ),
    { env: libpqEnv(url), cwd: folder },
  )
  const used = cpuUs(pid) - before
  const times = []
  for (const name of readdirSync(folder).filter((one) => one.startsWith('log.'))) {
    for (const line of readFileSync(join(folder, name), 'latin1').split('\n')) {
      const time = Number(line.split(' ')[2])
      if (line !== '' && Number.isFinite(time)) times.push(time / 1000)
    }
    rmSync(join(folder, name))
  }
  if (code !== 0 || times.length === 0) throw new Error(`pgbench: exit ${code}\n${stdout}\n${stderr}`)
  times.sort((a, b) => a - b)
  return {
    tps: Number(/tps = ([\d.]+)/.exec(stdout)?.[1]),
    p50: percentile(times, 0.5),
    p99: percentile(times, 0.99),
    cpuUs: used / times.length,
  }
}

const median = (values) =>
  percentile(
    values.toSorted((a, b) => a - b),
    0.5,
  )
const column = (results, name, digits) => median(results.map((result) => result[name])).toFixed(digits)

const cluster = await startCluster({ nodes: 1, fsync: false })
const stops = []
const rows = []
try {
  const node = cluster.urlOf(1)
  const made = await run('pgbench', ['-i', '-q', '-s', options.scale], { env: libpqEnv(node) })
  if (made.code !== 0) throw new Error(made.stderr)
  const settings = [`nodeConnectionsMax=${connections}`, 'MaxIdleConnectionsPercent=100']
  const pool = await startProxy(cluster, 'cluster', ['--pool', ...settings])
  const relay = await startProxy(cluster, 'cluster', ['--no-pool'])
  stops.push(
    () => pool[Symbol.asyncDispose](),
    () => relay[Symbol.asyncDispose](),
  )
  const transaction = await startPgBouncer(node, 'transaction', preparesInTransactions)
  const session = await startPgBouncer(node, 'session', false)
  stops.push(transaction.stop, session.stop)
  /** Name → what to measure for a case; undefined: it can't be. */
  const systems = {
    pool: () => pool,
    pgbouncer: ({ mode, clients }) =>
      mode === 'simple' || preparesInTransactions ? transaction : clients <= connections ? session : undefined,
    relay: ({ clients }) => (clients <= connections ? relay : undefined),
  }
  // Code that has run for a while is compiled; PgBouncer's always is.
  for (const mode of list(options.modes))
    for (const name of list(options.systems)) {
      const one = { workload: 'select', mode, clients: Math.min(8, connections) }
      const system = systems[name](one)
      if (system) await measure(system, one)
    }
  for (const workload of list(options.workloads))
    for (const mode of list(options.modes))
      for (const clients of list(options.clients).map(Number)) {
        const one = { workload, mode, clients }
        const measured = list(options.systems).filter((name) => systems[name](one) !== undefined)
        const results = Object.fromEntries(measured.map((name) => [name, []]))
        for (let round = 0; round < rounds; round++)
          for (const name of measured) results[name].push(await measure(systems[name](one), one))
        for (const name of measured) {
          const other = results.pgbouncer
          const ratios =
            other && name !== 'pgbouncer' ? results[name].map(({ tps }, round) => tps / other[round].tps) : []
          rows.push([
            workload,
            mode,
            clients,
            name === 'pgbouncer' && systems.pgbouncer(one) === session ? 'pgbouncer, session mode' : name,
            column(results[name], 'tps', 0),
            column(results[name], 'p50', 2),
            column(results[name], 'p99', 2),
            column(results[name], 'cpuUs', 0),
            ratios.length === 0
              ? ''
              : `${median(ratios).toFixed(2)} (${Math.min(...ratios).toFixed(2)}–${Math.max(...ratios).toFixed(2)})`,
          ])
          process.stderr.write(`${rows.at(-1).join(' | ')}\n`)
        }
      }
} finally {
  for (const stop of stops) await stop()
  await cluster[Symbol.asyncDispose]()
  rmSync(folder, { recursive: true, force: true })
}

process.stdout.write(
  [
    `${version}; ${connections} connections; ${rounds} rounds of ${seconds} s in turns; ${cpus().length} cores, load ${loadavg()[0].toFixed(1)} at the end. Medians; the ratio's least and most in brackets.`,
    '',
    '| workload | protocol | clients | through | tps | p50, ms | p99, ms | its own CPU, µs | to PgBouncer |',
    '| --- | --- | --- | --- | --- | --- | --- | --- | --- |',
    ...rows.map((row) => `| ${row.join(' | ')} |`),
    '',
  ].join('\n'),
)

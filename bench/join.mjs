#!/usr/bin/env node
/**
 * What it costs the others when a node joins, under pgbench (its simple-update script).
 *
 *   npm run build && node bench/join.mjs --mib 1000 --time 10
 *
 * Two nodes that serve, and a third that joins: it copies --mib of rows at --copy-rate. Throughput is pgbench's own, second by second.
 */
import { spawn } from 'node:child_process'
import { chmodSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import pg from 'pg'

const { values: options } = parseArgs({
  options: {
    mib: { type: 'string', default: '1000' },
    time: { type: 'string', default: '10' },
    clients: { type: 'string', default: '4' },
    'copy-rate': { type: 'string', default: '32' },
    'base-port': { type: 'string', default: '29400' },
  },
})
const allwrite = fileURLToPath(new URL('../bin/allwrite', import.meta.url))
const root = mkdtempSync(join(tmpdir(), 'allwrite-join-'))
chmodSync(root, 0o755)
const dir = join(root, 'data')
const seconds = Number(options.time)

/** Runs a command of allwrite to its end; its standard output. */
const run = (...words) =>
  new Promise((resolve, reject) => {
    const child = spawn(allwrite, [...words, '--data', dir], { stdio: ['ignore', 'pipe', 'inherit'] })
    let text = ''
    child.stdout.on('data', (chunk) => (text += chunk))
    child.once('exit', (code) =>
      code === 0 ? resolve(text) : reject(new Error(`allwrite ${words.join(' ')}: ${code}`)),
    )
  })
const status = async () => JSON.parse(await run('status', '--json'))

/** pgbench at the first two nodes; transactions by second. */
const startLoad = (urls) => {
  const ticks = []
  const children = urls.map((url) => {
    const child = spawn('pgbench', [
      '-n',
      '-N',
      '-P',
      '1',
      '-T',
      '100000',
      '-c',
      options.clients,
      '-j',
      '1',
      '--max-tries',
      '100',
      url,
    ])
    createInterface({ input: child.stderr }).on('line', (line) => {
      const tps = /^progress: .* ([\d.]+) tps/.exec(line)?.[1]
      if (tps !== undefined) ticks.push({ at: performance.now(), tps: Number(tps) })
      else if (/error|aborted/.test(line)) console.error(line)
    })
    return child
  })
  return {
    /** Mean tps of all nodes together between two moments. */
    between: (from, to) => {
      const inside = ticks.filter(({ at }) => at > from + 500 && at <= to)
      return inside.reduce((sum, { tps }) => sum + tps, 0) / (inside.length / urls.length)
    },
    stop: async () => {
      for (const child of children) child.kill('SIGINT')
      await Promise.all(
        children.map((child) => child.exitCode ?? new Promise((resolve) => child.once('exit', resolve))),
      )
    },
  }
}

const up = spawn(
  allwrite,
  [
    'up',
    '--json',
    '--data',
    dir,
    '--nodes',
    '2',
    '--base-port',
    options['base-port'],
    '--copy-rate',
    options['copy-rate'],
  ],
  { stdio: ['ignore', 'pipe', 'inherit'] },
)
try {
  const events = createInterface({ input: up.stdout })
  await new Promise((resolve, reject) => {
    events.on('line', (line) => JSON.parse(line).event === 'ready' && resolve())
    up.once('exit', () => reject(new Error('the cluster did not start')))
  })
  const urls = (await status()).nodes.map(({ url }) => url)
  const client = new pg.Client({ connectionString: urls[0] })
  await client.connect()
  const init = spawn('pgbench', ['-i', '-q', '-s', '1', '-I', 'dtGp', urls[0]], { stdio: 'inherit' })
  await new Promise((resolve) => init.once('exit', resolve))
  await client.query('create table filling (id bigint primary key, v text)')
  const rows = 8192
  const filled = performance.now()
  for (let i = 0; i < Number(options.mib) / 16; i++) {
    // Each row fills a quarter of a page, and neither compresses nor is moved out of its table.
    await client.query(
      `insert into filling select ${i * rows} + n, (select string_agg(md5((n * 61 + m)::text), '') from generate_series(1, 60) m)
       from generate_series(1, ${rows}) n`,
    )
  }
  const { rows: sized } = await client.query('select pg_database_size(current_database())::float8 / 2 ^ 20 mib')
  console.log(`filled ${sized[0].mib.toFixed(0)} MiB in ${((performance.now() - filled) / 1000).toFixed(0)} s`)
  await client.end()

  const load = startLoad(urls)
  // Agents are faster when what runs is compiled: without that the joining would seem to cost less than nothing.
  await delay(30_000)
  let from = performance.now()
  await delay(seconds * 1000)
  let to = performance.now()
  const before = load.between(from, to)
  console.log(`two nodes, nobody joins: ${before.toFixed(0)} tps`)

  let copied
  events.on('line', (line) => {
    const event = JSON.parse(line)
    if (event.event === 'progress' && /starting the copy/.test(event.text)) copied = performance.now()
  })
  from = performance.now()
  await run('add')
  to = performance.now()
  const during = load.between(from, copied)
  const loss = 100 * (1 - during / before)
  console.log(
    `copied in ${((copied - from) / 1000).toFixed(1)} s at ${options['copy-rate']} MB/s, served after ${((to - from) / 1000).toFixed(1)} s; ` +
      `meanwhile ${during.toFixed(0)} tps while it copied: ${loss.toFixed(0)} % less`,
  )
  from = performance.now()
  await delay(seconds * 1000)
  console.log(`three nodes: ${load.between(from, performance.now()).toFixed(0)} tps`)
  await load.stop()
} finally {
  const ended = new Promise((resolve) => up.once('exit', resolve))
  up.kill('SIGTERM')
  await ended
  rmSync(root, { recursive: true, force: true })
}

#!/usr/bin/env node
/**
 * Side by side on this machine, in this run: one plain PostgreSQL, an Allwrite cluster, a MariaDB Galera cluster, all
 * with relaxed local durability, under the same sysbench work. Prints a Markdown table; --write also stores it as docs/BENCH.md.
 *
 *   npm run build && node bench/run.mjs --time 20 --write
 *
 * What is not measured is said ("skipped: …"), never left out silently.
 */
import { cpus, release, totalmem } from 'node:os'
import { writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { measure, prepare } from './sysbench.mjs'
import { systems } from './systems.mjs'

const { values: options } = parseArgs({
  options: {
    time: { type: 'string', default: '10' },
    warmup: { type: 'string', default: '10' },
    rounds: { type: 'string', default: '3' },
    clients: { type: 'string', default: '8,32' },
    scripts: { type: 'string', default: 'oltp_update_index,oltp_write_only,oltp_point_select' },
    systems: { type: 'string', default: 'plain,allwrite,galera' },
    nodes: { type: 'string', default: '4' },
    tables: { type: 'string', default: '4' },
    'table-size': { type: 'string', default: '25000' },
    write: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
})
if (options.help) {
  console.log(`node bench/run.mjs [--time 10] [--rounds 3] [--warmup 10] [--clients 8,32] [--scripts oltp_update_index,…]
  [--systems plain,allwrite,galera] [--nodes 4] [--tables 4] [--table-size 25000] [--write]
PEERS_DIR names the folder with galera.sh (default ../shared/peers).`)
  process.exit(0)
}

const seconds = Number(options.time)
const rounds = Number(options.rounds)
const nodes = Number(options.nodes)
const size = { tables: Number(options.tables), tableSize: Number(options['table-size']) }
const names = options.systems.split(',')
/** One row of the table: `one` sends all clients to the first node, to see what one agent costs. */
const workloads = options.scripts.split(',').flatMap((script) =>
  options.clients.split(',').flatMap((clients) => {
    const spread = { script, clients: Number(clients), one: false }
    return script === 'oltp_point_select' ? [spread, { ...spread, one: true }] : [spread]
  }),
)
const keyOf = ({ script, clients, one }) => `${script} ${clients} ${one}`

/** @type {Map<string, Map<string, import('./sysbench.mjs').Result>>} */
const results = new Map()
const notes = []

/** @type {Map<string, import('./systems.mjs').Started>} */
const running = new Map()
try {
  for (const name of names) {
    const system = systems[name]
    if (system === undefined) throw new Error(`no such system: ${name}; there are ${Object.keys(systems).join(', ')}`)
    const reason = system.missing()
    if (reason !== false) {
      notes.push(`${system.title} skipped: ${reason}.`)
      continue
    }
    console.error(`${system.title}: starting`)
    const started = await system.start(nodes)
    running.set(name, started)
    results.set(name, new Map())
    await prepare(started.targets[0], size)
    // The same for all: caches are filled, and what is compiled while it runs is compiled.
    const scripts = [...new Set(workloads.map(({ script }) => script))]
    const warmup = Math.ceil(Number(options.warmup) / scripts.length)
    for (const script of scripts) await measure(started.targets, script, 8, warmup, size)
  }
  for (const workload of workloads) {
    /** @type {Map<string, import('./sysbench.mjs').Result[]>} */
    const measured = new Map([...running.keys()].map((name) => [name, []]))
    // In turns, while the others idle: a machine that grows slower within minutes is so for all of them.
    for (let round = 0; round < rounds; round++) {
      for (const [name, { targets }] of running) {
        const used = workload.one ? targets.map(() => targets[0]) : targets
        measured.get(name).push(await measure(used, workload.script, workload.clients, seconds, size))
      }
    }
    for (const [name, runs] of measured) {
      const mean = (field) => runs.reduce((sum, run) => sum + run[field], 0) / runs.length
      const result = { tps: mean('tps'), p95Ms: mean('p95Ms'), errorsPerSecond: mean('errorsPerSecond') }
      results.get(name).set(keyOf(workload), result)
      const each = runs.map(({ tps }) => Math.round(tps)).join(' ')
      console.error(`${systems[name].title}: ${keyOf(workload)}: ${JSON.stringify(result)} (${each})`)
    }
  }
} finally {
  for (const started of running.values()) await started.stop()
}

const cell = (result) => {
  if (result === undefined) return '–'
  const errors = result.errorsPerSecond > 0 ? `, ${result.errorsPerSecond.toFixed(1)} err/s` : ''
  return `${Math.round(result.tps)} (p95 ${result.p95Ms.toFixed(1)} ms${errors})`
}
const ratio = (a, b) => (a === undefined || b === undefined ? '–' : (a.tps / b.tps).toFixed(2))

const measuredNames = names.filter((name) => results.has(name))
const others = measuredNames.filter((name) => name !== 'allwrite')
const header = [
  'workload',
  'clients',
  ...measuredNames.map((name) => systems[name].title),
  ...others.map((name) => `Allwrite ÷ ${systems[name].title}`),
]
const rows = workloads.map((workload) => {
  const of = (name) => results.get(name)?.get(keyOf(workload))
  const where = workload.one ? ', all on one node' : ''
  return [
    `${workload.script}${where}`,
    workload.clients,
    ...measuredNames.map((name) => cell(of(name))),
    ...others.map((name) => ratio(of('allwrite'), of(name))),
  ]
})
const line = (cells) => `| ${cells.join(' | ')} |`
const table = [line(header), line(header.map(() => '---')), ...rows.map(line)].join('\n')
const processors = cpus()
const about = [
  `Measured ${new Date().toISOString().slice(0, 10)} on ${processors.length} × ${processors[0]?.model.trim()}, ` +
    `${Math.round(totalmem() / 2 ** 30)} GiB, Linux ${release()}, Node ${process.version}; load generators on the same machine.`,
  `Transactions per second, means of ${rounds} rounds of ${seconds} s in which the systems take turns, after ${options.warmup} s of the same work; ${nodes} nodes, clients spread evenly over them (plain PostgreSQL: one server for all); ` +
    `${size.tables} tables of ${size.tableSize} rows; local fsync off everywhere, Allwrite's journal fsynced.`,
  `"err/s" are transactions that ended with a conflict or deadlock and were started again by sysbench; they are not in the tps.`,
  ...notes,
].join('\n')
const command = `node bench/run.mjs ${process.argv.slice(2).join(' ')}`.trim()
const report = `# Side by side\n\n<!-- written by: ${command} -->\n\n${table}\n\n${about}\n\nAgain: \`${command}\`\n`

console.log(report)
if (options.write) writeFileSync(fileURLToPath(new URL('../docs/BENCH.md', import.meta.url)), report)

/**
 * `node test/regress/run.mjs DIR`. Exit code 0 where nothing differs but what is accepted, 1 where something does, 2 where the
 * comparison could not be made.
 *
 * @module
 */
import { copyFileSync, existsSync, mkdtempSync, chmodSync, mkdirSync, readdirSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { missing } from '../tools.ts'
import { acceptedDir } from './places.ts'
import { formatSummary, isClean, judgeAgain, runSuite } from './run.ts'
import { startSides } from './sides.ts'
import { filesOf } from './suite.ts'

const usage = `usage: node test/regress/run.mjs DIR [options]

  Runs the SQL files of DIR (a folder like PostgreSQL's src/test/regress, with sql/ and perhaps
  data/ and parallel_schedule) through a bare server and through a node of a cluster, and compares
  what psql prints. See docs/REGRESSION.md.

  --files A,B         these only, and test_setup before them (default: all)
  --nodes N           of the cluster (default: 2)
  --out DIR           gets outputs and differences (default: a temporary folder, which is named)
  --accepted DIR      differences that are documented (default: test/regress/accepted)
  --psql PROGRAM      (default: psql of the PATH)
  --time S            for each file, at each side (default: 600)
  --judge             compares outputs that are in --out from an earlier run, and runs nothing
  --compare-each      compares the nodes behind every file, to know which one left a difference
  --help
`

const text = { type: 'string' } as const

const positive = (name: string, value: string): number => {
  const number = Number(value)
  if (!(number > 0)) throw new RangeError(`--${name}: "${value}" is not a positive number`)
  return number
}

const say = (line: string): void => void process.stdout.write(`${line}\n`)

/** What a node wrote, for whoever looks into a fault. */
const keepLogs = (clusterDir: string, outDir: string): void => {
  mkdirSync(join(outDir, 'logs'), { recursive: true })
  for (const node of readdirSync(clusterDir).filter((name) => /^n\d+$/.test(name))) {
    for (const name of readdirSync(join(clusterDir, node)).filter((file) => file.endsWith('.log')))
      copyFileSync(join(clusterDir, node, name), join(outDir, 'logs', `${node}-${name}`))
  }
}

const main = async (args: readonly string[]): Promise<number> => {
  const { values, positionals } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: {
      files: text,
      nodes: { ...text, default: '2' },
      out: text,
      accepted: { ...text, default: acceptedDir },
      psql: { ...text, default: 'psql' },
      time: { ...text, default: '600' },
      judge: { type: 'boolean', default: false },
      'compare-each': { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  })
  if (values.help) {
    process.stdout.write(usage)
    return 0
  }
  const [given, ...more] = positionals
  if (given === undefined || more.length > 0) throw new RangeError('name one folder')
  const dir = resolve(given)
  if (!existsSync(join(dir, 'sql'))) throw new RangeError(`"${dir}" has no folder sql`)
  const files = filesOf(dir, (values.files ?? '').split(',').filter(Boolean))
  if (values.judge) {
    const judging = { outDir: resolve(values.out ?? '.'), acceptedDir: resolve(values.accepted) }
    process.stdout.write(formatSummary(await judgeAgain(judging, files)))
    return 1
  }
  const lacking = missing(values.psql) || missing('diff')
  if (lacking !== false) throw new Error(lacking)
  const outDir = resolve(values.out ?? mkdtempSync(join(tmpdir(), 'allwrite-regress-')))
  mkdirSync(outDir, { recursive: true })
  chmodSync(outDir, 0o755) // the servers run as another user when we are root
  say(`outputs and differences: ${outDir}`)
  const stop = new AbortController()
  for (const name of ['SIGINT', 'SIGTERM'] as const) process.once(name, () => stop.abort())
  await using sides = await startSides(positive('nodes', values.nodes))
  const result = await runSuite(sides, {
    dir,
    files,
    outDir,
    acceptedDir: resolve(values.accepted),
    psql: values.psql,
    fileMsMax: positive('time', values.time) * 1000,
    compareEach: values['compare-each'],
    signal: stop.signal,
    say,
  })
  keepLogs(sides.cluster.dir, outDir)
  process.stdout.write(`\n${formatSummary(result)}`)
  return isClean(result) ? 0 : 1
}

main(process.argv.slice(2)).then(
  (code) => (process.exitCode = code),
  (thrown: unknown) => {
    process.stderr.write(
      `regress: ${thrown instanceof Error ? thrown.message : String(thrown)}\n${thrown instanceof RangeError ? `\n${usage}` : ''}`,
    )
    process.exitCode = 2
  },
)

/**
 * Runs the compiled tests: `node scripts/test.mjs [unit|pg|system|suites|chaos] [part of a file's path …]`.
 *
 *     unit    tests that need nothing but Node
 *     pg      *.pg.test.js: start PostgreSQL servers from the npm package
 *     system  dist/test/system/: whole clusters, and other people's clients; dist/test/drivers/: libraries of the Node world;
 *             dist/test/migrations/: Django, Rails, Prisma
 *     suites  dist/test/suites/, dist/test/isolation/: other people's test suites, on one bare PostgreSQL and through an agent
 *     chaos   dist/test/chaos/: workloads whose results are judged, while nodes are killed, a smoke of each; mutants of the
 *             product, which must be caught. About three minutes. The long run: docs/operating/chaos.md
 *
 * As root on Debian, missing clients are installed first; else it says what will be skipped. With CI=true a test that is
 * skipped because a tool is missing is a failure: nobody reads skips.
 */
import { spawn, spawnSync } from 'node:child_process'
import { accessSync, constants, existsSync, readdirSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))
const dist = join(root, 'dist')

/** Program, or path, → Debian package. */
const tools = {
  psql: 'postgresql-client',
  pgbench: 'postgresql-contrib',
  sysbench: 'sysbench',
  faketime: 'faketime',
  haproxy: 'haproxy',
  'prometheus-pgbouncer-exporter': 'prometheus-pgbouncer-exporter',
}
/** What dist/test/suites/ needs besides: `needs` of its suites. */
const suiteTools = {
  go: 'golang-go',
  '/usr/share/gocode/src/github.com/jackc/pgx/v4': 'golang-github-jackc-pgx-v4-dev',
  '/usr/share/gocode/src/github.com/lib/pq': 'golang-github-lib-pq-dev',
  '/usr/lib/python3/dist-packages/pytest': 'python3-pytest',
  '/usr/lib/python3/dist-packages/psycopg': 'python3-psycopg',
  '/usr/lib/python3/dist-packages/psycopg2': 'python3-psycopg2',
  '/usr/lib/python3/dist-packages/sqlalchemy': 'python3-sqlalchemy',
  '/usr/share/gocode/src/github.com/jackc/pgmock': 'golang-github-jackc-pgmock-dev',
  '/usr/share/java/postgresql.jar': 'libpostgresql-jdbc-java',
  javac: 'default-jdk-headless',
  '/usr/lib/postgresql/15/bin/initdb': 'postgresql-15',
  pgcli: 'pgcli',
  pgloader: 'pgloader',
  'prometheus-postgres-exporter': 'prometheus-postgres-exporter',
}
/** What dist/test/migrations/ needs besides. */
const migrationTools = {
  '/usr/lib/python3/dist-packages/django': 'python3-django',
  '/usr/lib/python3/dist-packages/psycopg2': 'python3-psycopg2',
  '/usr/share/doc/ruby-activerecord/copyright': 'ruby-activerecord',
  '/usr/lib/ruby/vendor_ruby/pg.rb': 'ruby-pg',
}

/** Files of clusters whose gaps and latencies are asserted: they have the machine for themselves. All others run two at a time. */
const alone = /^test\/(chaos\/|system\/(clock|concurrently|ddl|disk-full|endpoints|hung|join|kill|life)\.)/
/** Begun first, so that none of them runs on when all else is done. */
const longest = ['test/suites/', 'test/drivers/', 'test/system/rules-ddl', 'test/system/databases', 'test/migrations/']

const suites = {
  unit: (path) => !path.endsWith('.pg.test.js') && !needsCluster(path),
  pg: (path) => path.endsWith('.pg.test.js') && !needsCluster(path),
  system: (path) => /^test\/(system|drivers|migrations)\//.test(path),
  suites: (path) => path.startsWith('test/suites/') || path.startsWith('test/isolation/'),
  chaos: (path) => path.startsWith('test/chaos/'),
}

const words = process.argv.slice(2)
const suite = words[0] !== undefined && Object.hasOwn(suites, words[0]) ? words.shift() : undefined
process.exitCode = await main(suite, words)

async function main(suite, parts) {
  if (!existsSync(dist)) return fail('nothing is compiled: run "npm run build" first')
  const files = readdirSync(dist, { recursive: true })
    .map((path) => path.replaceAll('\\', '/'))
    .filter((path) => path.endsWith('.test.js') && isCurrent(path))
    .filter((path) => suite === undefined || suites[suite](path))
    .filter((path) => parts.length === 0 || parts.some((part) => path.includes(part)))
    .sort((a, b) => orderOf(a) - orderOf(b) || a.localeCompare(b))
  if (files.length === 0) return fail(`no test matches ${[suite, ...parts].filter(Boolean).join(' ')}`)
  const missing = provideTools({
    ...(files.some((path) => suites.system(path)) ? tools : {}),
    ...(files.some((path) => path.startsWith('test/suites/')) ? suiteTools : {}),
    ...(files.some((path) => path.startsWith('test/migrations/')) ? migrationTools : {}),
  })
  const sideBySide = files.filter((path) => needsCluster(path) && !alone.test(path))
  const phases = [
    { files: files.filter((path) => !needsCluster(path)), concurrency: 2 },
    { files: sideBySide.sort((a, b) => rankOf(a) - rankOf(b)), concurrency: 2 },
    { files: files.filter((path) => alone.test(path)), concurrency: 1 },
  ]
  let code = 0
  let output = ''
  for (const phase of phases.filter((candidate) => candidate.files.length > 0)) {
    const result = await runTests(phase.files, phase.concurrency)
    code ||= result.code
    output += result.output
  }
  return code === 0 && isCi() ? checkSkips(output, missing) : code
}

/** A compiled test whose source was removed is stale. */
function isCurrent(path) {
  const source = path.replace(/\.js$/, '.ts')
  return existsSync(join(root, 'src', source)) || existsSync(join(root, source))
}

function needsCluster(path) {
  return suites.system(path) || suites.suites(path) || suites.chaos(path)
}

/** Quick ones first: a typing error should not wait for clusters. */
function orderOf(path) {
  return suites.unit(path) ? 0 : suites.pg(path) ? 1 : suites.system(path) ? 2 : suites.suites(path) ? 3 : 4
}

function rankOf(path) {
  const rank = longest.findIndex((part) => path.startsWith(part))
  return rank === -1 ? longest.length : rank
}

function provideTools(needed) {
  const missing = () => Object.keys(needed).filter((name) => !(name.startsWith('/') ? existsSync(name) : inPath(name)))
  if (missing().length === 0) return []
  const packages = missing().map((name) => needed[name])
  if (process.getuid?.() === 0 && existsSync('/etc/debian_version') && inPath('apt-get')) {
    process.stderr.write(`installing ${packages.join(' ')}\n`)
    const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' }
    const options = { env, stdio: ['ignore', 'ignore', 'inherit'] }
    spawnSync('apt-get', ['update', '-q'], options)
    spawnSync('apt-get', ['install', '-qy', '--no-install-recommends', ...packages], options)
  }
  for (const name of missing()) {
    process.stderr.write(`"${name}" is missing (Debian package ${needed[name]}): tests that need it are skipped\n`)
  }
  return missing()
}

function inPath(name) {
  return (process.env.PATH ?? '').split(delimiter).some((folder) => {
    try {
      accessSync(join(folder, name), constants.X_OK)
      return folder !== ''
    } catch {
      return false
    }
  })
}

/** The output is passed on, and kept for checkSkips. */
function runTests(files, concurrency) {
  return new Promise((resolve) => {
    const reporter = process.stdout.isTTY ? 'spec' : 'tap'
    const flags = ['--test', `--test-concurrency=${concurrency}`, `--test-reporter=${reporter}`, '--enable-source-maps']
    const child = spawn(process.execPath, [...flags, ...files.map((path) => join(dist, path))], {
      cwd: root,
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    let output = ''
    child.stdout.on('data', (chunk) => {
      process.stdout.write(chunk)
      output += chunk
    })
    for (const name of ['SIGINT', 'SIGTERM']) process.on(name, () => child.kill(name))
    child.on('close', (code) => resolve({ code: code ?? 1, output }))
  })
}

function checkSkips(output, missing) {
  if (missing.length > 0) return fail(`CI: missing tools: ${missing.join(', ')}`)
  const skipped = output.split('\n').filter((line) => /# SKIP .*(missing|not installed|not found)/i.test(line))
  return skipped.length === 0 ? 0 : fail(`CI: skipped for a missing tool:\n${skipped.join('\n')}`)
}

function isCi() {
  return ['true', '1'].includes(process.env.CI ?? '')
}

function fail(message) {
  process.stderr.write(`${message}\n`)
  return 1
}

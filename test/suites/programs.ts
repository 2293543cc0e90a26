/**
 * Programs that people run against PostgreSQL: dumps of a schema as applications have it loaded with psql and pg_restore, pgloader, pgcli,
 * and Prometheus' exporter.
 *
 * Debian's pg_dump is version 15 and refuses a server of version 18, bare or not. So `dump-18.sql` is what a pg_dump 18.3 wrote (PGlite's,
 * as WebAssembly, with --statistics) of `schema.sql` in a server 18.3; what pg_restore loads is made here of a server of version 15.
 *
 * @module
 */
import { spawn } from 'node:child_process'
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { freePorts } from '#testing/ports.ts'
import { libpqEnv, run, type ToolResult } from '#testing/tools.ts'
import { until } from '#testing/wait.ts'
import type { Result, Suite } from './suite.ts'

const sources = fileURLToPath(new URL('../../../test/suites/programs/', import.meta.url))
/** In the text form of pg_dump 18. */
export const dump18 = join(sources, 'dump-18.sql')
const server15 = '/usr/lib/postgresql/15/bin'

const need = async (result: Promise<ToolResult>, what: string): Promise<ToolResult> => {
  const { code, stdout, stderr } = await result
  if (code !== 0) throw new Error(`${what}: exit ${code}\n${stdout}${stderr}`)
  return { code, stdout, stderr }
}

/** A server of version 15 for the moment of a dump. PostgreSQL refuses to be root. */
const makeDumps = async (folder: string): Promise<void> => {
  mkdirSync(folder, { recursive: true })
  for (const path of [folder, dirname(folder)]) chmodSync(path, 0o777)
  const dataDir = join(folder, 'pg15')
  const asUser = process.getuid?.() === 0 ? ['setpriv', '--reuid=postgres', '--regid=postgres', '--clear-groups'] : []
  const call = (program: string, ...args: string[]) => {
    const [first = '', ...rest] = [...asUser, join(server15, program), ...args]
    return need(run(first, rest, { cwd: folder, msMax: 120_000 }), program)
  }
  const env = { PGHOST: folder, PGPORT: '5432', PGUSER: 'postgres', PGDATABASE: 'postgres' }
  await call('initdb', '-D', dataDir, '-U', 'postgres', '-A', 'trust', '-E', 'UTF8', '--locale=C.UTF-8', '-N')
  await call(
    'pg_ctl',
    '-D',
    dataDir,
    '-w',
    '-l',
    join(folder, 'log'),
    '-o',
    `-k ${folder} -c listen_addresses= -c fsync=off`,
    'start',
  )
  try {
    await need(run('psql', ['-qX', '-v', 'ON_ERROR_STOP=1', '-f', join(sources, 'schema.sql')], { env }), 'psql')
    await need(run('pg_dump', ['-Fc', '-f', join(folder, 'custom.dump')], { env }), 'pg_dump')
  } finally {
    await call('pg_ctl', '-D', dataDir, '-m', 'immediate', 'stop')
  }
}

const dumps = new Map<string, Promise<void>>()

/** Made once for the bare server and the cluster. */
const dumpsIn = (folder: string): Promise<void> => {
  const made = dumps.get(folder) ?? makeDumps(folder)
  dumps.set(folder, made)
  return made
}

const passedIf = (isTrue: boolean, why: string): Result => ({ verdict: isTrue ? 'passed' : 'failed', why })

/** What is printed of a table by a query, to be equal on both. */
const contents = ['customers', 'spent', 'towns', 'settings'].flatMap((table) => [
  '-c',
  `select count(*), md5(string_agg(t::text, '|' order by t::text collate "C")) from shop.${table} t`,
])

/** The names of metrics about the server, a result each; whether its queries succeeded. */
const exporter = async (url: string): Promise<[string, Result][]> => {
  const port = await freePorts(1)
  const child = spawn('prometheus-postgres-exporter', [`--web.listen-address=127.0.0.1:${port}`], {
    env: { ...process.env, DATA_SOURCE_NAME: `${url}?sslmode=disable` },
    stdio: 'ignore',
  })
  try {
    const text = await until(
      'the exporter answers',
      async () => {
        const metrics = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text()
        return /^pg_up 1$/m.test(metrics) && metrics
      },
      { msMax: 30_000, everyMs: 200 },
    )
    const names = new Set([...text.matchAll(/^(pg_\w+)/gm)].map(([name]) => name))
    const whole = /^pg_exporter_last_scrape_error 0$/m.test(text)
    return [
      ['exporter: no query fails', passedIf(whole, text.slice(0, 2_000))],
      ...[...names].map((name): [string, Result] => [`exporter: ${name}`, passedIf(true, '')]),
    ]
  } finally {
    child.kill('SIGKILL')
  }
}

const cleanDumps = 'drop schema shop cascade; drop extension hstore; drop extension pg_trgm'

export const programs: Suite = {
  name: 'programs',
  needs: {
    psql: 'postgresql-client',
    [join(server15, 'initdb')]: 'postgresql-15',
    pgcli: 'pgcli',
    pgloader: 'pgloader',
    'prometheus-postgres-exporter': 'prometheus-postgres-exporter',
  },
  sameContent: true,
  run: async (url, dir) => {
    mkdirSync(dir, { recursive: true })
    const folder = join(dir, '..', 'dumps')
    await dumpsIn(folder)
    const env = { ...libpqEnv(url), PGSSLMODE: 'disable' }
    const results = new Map<string, Result>()
    const psql = (...args: string[]) => run('psql', ['-qX', '-v', 'ON_ERROR_STOP=1', ...args], { env })
    /** Errors and notices by their text, then the contents, so that both must say the same. */
    const load = async (name: string, loading: Promise<ToolResult>): Promise<void> => {
      const { code, stderr } = await loading
      results.set(name, passedIf(code === 0, stderr))
      if (code !== 0) return
      const { stdout } = await psql('-At', ...contents)
      results.set(`${name}: ${stdout.replaceAll('\n', ' ')}`, passedIf(true, ''))
    }
    await load('psql loads a dump of pg_dump 18', psql('-f', dump18))
    await psql('-c', cleanDumps)
    await load('psql loads it in one transaction', psql('-1', '-f', dump18))
    await psql('-c', cleanDumps)
    const restore = (...args: string[]) =>
      run('pg_restore', ['-d', 'postgres', '--exit-on-error', ...args, join(folder, 'custom.dump')], { env })
    await load('pg_restore in one transaction', restore('-1'))
    await psql('-c', cleanDumps)
    await load('pg_restore with four jobs', restore('-j', '4'))

    const rows = Array.from({ length: 3_000 }, (_, i) => `${i},name ${i},${i * 1.5}`).join('\n')
    writeFileSync(join(dir, 'rows.csv'), `${rows}\n`)
    const { hostname, port, username, password } = new URL(url)
    const into = `postgresql://${username}${password ? `:${password}` : ''}@${hostname}:${port}/postgres`
    const command = `load csv from '${join(dir, 'rows.csv')}' (id, name, amount) into ${into} target table public.loaded (id, name, amount)
      with fields terminated by ',' before load do $$ drop table if exists loaded; $$,
      $$ create table loaded (id int primary key, name text, amount numeric); $$;`
    writeFileSync(join(dir, 'csv.load'), command)
    const loaded = await run('pgloader', ['--root-dir', dir, join(dir, 'csv.load')], { env })
    const { stdout: count } = await psql('-Atc', 'select count(*) || $$ $$ || sum(amount) from loaded')
    results.set(
      'pgloader loads a CSV file',
      passedIf(count.trim() === '3000 6747750.0', `${count}${loaded.stdout}${loaded.stderr}`),
    )

    const cli = await run('pgcli', [url], {
      env: { ...env, HOME: dir, PAGER: 'cat', TERM: 'dumb' },
      input: '\\dt shop.*\nselect count(*) as sold from shop.order_lines;\n\\q\n',
      msMax: 60_000,
    })
    results.set(
      'pgcli lists and asks',
      passedIf(/orders_2023/.test(cli.stdout) && /sold/.test(cli.stdout), cli.stdout + cli.stderr),
    )
    for (const [name, result] of await exporter(url)) results.set(name, result)
    return results
  },
}

/**
 * Programs that people run against PostgreSQL: a dump of a real schema loaded with psql and pg_restore, pgloader, pgcli, and Prometheus'
 * exporter. Debian's pg_dump is version 15 and refuses a server of version 18, bare or not; so the dump is made of a server of version 15.
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

const schema = fileURLToPath(new URL('../../../test/suites/programs/schema.sql', import.meta.url))
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
    await need(run('psql', ['-qX', '-v', 'ON_ERROR_STOP=1', '-f', schema], { env }), 'psql')
    await need(run('pg_dump', ['-f', join(folder, 'plain.sql')], { env }), 'pg_dump')
    await need(
      run(
        'pg_dump',
        ['-f', join(folder, 'inserts.sql'), '--inserts', '--rows-per-insert=50', '--clean', '--if-exists'],
        { env },
      ),
      'pg_dump',
    )
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
const contents = `select count(*), md5(string_agg(t::text, '|' order by t::text collate "C"))`

const exporter = async (url: string): Promise<Result> => {
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
    const scrapeFailed = /^pg_exporter_last_scrape_error 1$/m.test(text)
    return passedIf(
      !scrapeFailed && /^pg_stat_database_xact_commit\{.*datname="postgres".*\} /m.test(text),
      text.slice(0, 2_000),
    )
  } catch (error) {
    return { verdict: 'failed', why: String(error) }
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
    /** Errors and notices by their text, so that both must say the same. */
    const load = async (name: string, loading: Promise<ToolResult>): Promise<void> => {
      const { code, stderr } = await loading
      results.set(name, passedIf(code === 0, stderr))
      const { stdout } = await psql(
        '-Atc',
        `${contents} from shop.customers t`,
        '-c',
        `${contents} from shop.spent t`,
        '-c',
        `${contents} from shop.towns t`,
      )
      results.set(`${name}: ${stdout.replaceAll('\n', ' ')}`, passedIf(true, ''))
    }
    await load('psql loads a dump', psql('-f', join(folder, 'plain.sql')))
    await load(
      'psql loads a dump of INSERTs over it, in one transaction',
      psql('-1', '-f', join(folder, 'inserts.sql')),
    )
    await psql('-c', cleanDumps)
    const restore = (...args: string[]) =>
      run('pg_restore', ['-d', 'postgres', '--exit-on-error', ...args, join(folder, 'custom.dump')], { env })
    await load('pg_restore, four jobs', restore('-j', '4'))
    await psql('-c', cleanDumps)
    await load('pg_restore, one transaction', restore('-1'))

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
    results.set('prometheus-postgres-exporter has no scrape error', await exporter(url))
    return results
  },
}

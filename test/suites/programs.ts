/**
 * Programs that people run against PostgreSQL: pgloader, pgcli, and Prometheus' exporter.
 *
 * @module
 */
import { spawn } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { freePorts } from '#testing/ports.ts'
import { libpqEnv, run } from '#testing/tools.ts'
import { until } from '#testing/wait.ts'
import { passedIf, type Result, type Suite } from './suite.ts'

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

export const programs: Suite = {
  name: 'programs',
  needs: {
    psql: 'postgresql-client',
    pgcli: 'pgcli',
    pgloader: 'pgloader',
    'prometheus-postgres-exporter': 'prometheus-postgres-exporter',
  },
  sameContent: true,
  run: async (url, dir) => {
    mkdirSync(dir, { recursive: true })
    const env = { ...libpqEnv(url), PGSSLMODE: 'disable' }
    const results = new Map<string, Result>()
    const rows = Array.from({ length: 3_000 }, (_, i) => `${i},name ${i},${i * 1.5}`).join('\n')
    writeFileSync(join(dir, 'rows.csv'), `${rows}\n`)
    const { hostname, port, username, password } = new URL(url)
    const into = `postgresql://${username}${password ? `:${password}` : ''}@${hostname}:${port}/postgres`
    const command = `load csv from '${join(dir, 'rows.csv')}' (id, name, amount) into ${into} target table public.loaded (id, name, amount)
      with fields terminated by ',' before load do $$ drop table if exists loaded; $$,
      $$ create table loaded (id int primary key, name text, amount numeric); $$;`
    writeFileSync(join(dir, 'csv.load'), command)
    const loaded = await run('pgloader', ['--root-dir', dir, join(dir, 'csv.load')], { env })
    const { stdout: count } = await run('psql', ['-qXAtc', 'select count(*), sum(amount) from loaded'], { env })
    results.set(
      'pgloader loads a CSV file',
      passedIf(count.trim() === '3000|6747750.0', `${count}${loaded.stdout}${loaded.stderr}`),
    )

    const cli = await run('pgcli', [url], {
      env: { ...env, HOME: dir, PAGER: 'cat', TERM: 'dumb' },
      input: '\\dt\nselect count(*) as lines from loaded;\n\\q\n',
      msMax: 60_000,
    })
    results.set(
      'pgcli lists and asks',
      passedIf(/\bloaded\b/.test(cli.stdout) && /3000/.test(cli.stdout), cli.stdout + cli.stderr),
    )
    for (const [name, result] of await exporter(url)) results.set(name, result)
    return results
  },
}

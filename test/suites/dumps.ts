/**
 * Dumps of a schema as applications have it, loaded with psql and pg_restore.
 *
 * Debian's pg_dump is version 15 and refuses a server of version 18, bare or not. So `dump-18.sql` is what a pg_dump 18.3 wrote (PGlite's,
 * as WebAssembly, with --statistics) of `schema.sql` in a server 18.3; what pg_restore loads is made here of a server of version 15.
 *
 * @module
 */
import { chmodSync, mkdirSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { libpqEnv, run, type ToolResult } from '#testing/tools.ts'
import { passedIf, type Result, type Suite } from './suite.ts'

const sources = fileURLToPath(new URL('../../../test/suites/dumps/', import.meta.url))
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

const made = new Map<string, Promise<void>>()

/** Made once for the bare server and the cluster. */
const dumpsIn = (folder: string): Promise<void> => {
  const done = made.get(folder) ?? makeDumps(folder)
  made.set(folder, done)
  return done
}

/** What is printed of a table by a query, to be equal on both. */
const contents = ['customers', 'spent', 'towns', 'settings'].flatMap((table) => [
  '-c',
  `select count(*), md5(string_agg(t::text, '|' order by t::text collate "C")) from shop.${table} t`,
])

const clean = 'drop schema if exists shop cascade; drop extension if exists hstore, pg_trgm'

export const dumps: Suite = {
  name: 'dumps',
  needs: { psql: 'postgresql-client', [join(server15, 'initdb')]: 'postgresql-15' },
  sameContent: true,
  run: async (url, dir) => {
    mkdirSync(dir, { recursive: true })
    const folder = join(dir, '..', 'dumps')
    await dumpsIn(folder)
    const env = { ...libpqEnv(url), PGSSLMODE: 'disable' }
    const results = new Map<string, Result>()
    const psql = (...args: string[]) => run('psql', ['-qX', '-v', 'ON_ERROR_STOP=1', ...args], { env })
    const restore = (...args: string[]) =>
      run('pg_restore', ['-d', 'postgres', '--exit-on-error', ...args, join(folder, 'custom.dump')], { env })
    /** Errors by their text, then the contents, so that both must say the same. */
    const load = async (name: string, start: () => Promise<ToolResult>): Promise<void> => {
      await psql('-c', clean)
      const { code, stderr } = await start()
      results.set(name, passedIf(code === 0, stderr))
      if (code !== 0) return
      const { stdout } = await psql('-At', ...contents)
      results.set(`${name}: ${stdout.replaceAll('\n', ' ')}`, passedIf(true, ''))
    }
    await load('psql loads it in one transaction', () => psql('-1', '-f', dump18))
    await load('pg_restore in one transaction', () => restore('-1'))
    await load('psql loads a dump of pg_dump 18', () => psql('-f', dump18))
    await load('pg_restore', () => restore())
    // With all sections in one run, four jobs build indexes beside open transactions that load data: those lose.
    await load('pg_restore by sections, data with four jobs', async () => {
      for (const section of [['pre-data'], ['data', '-j', '4'], ['post-data']]) {
        const [name = '', ...more] = section
        const result = await restore(`--section=${name}`, ...more)
        if (result.code !== 0 || name === 'post-data') return result
      }
      throw new Error('there is no last section')
    })
    return results
  },
}

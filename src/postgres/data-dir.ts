/**
 * Data folders: made once by initdb as a template, then copied per node, so that all nodes start from the same bytes
 * (system identifier, catalogs, locale). Both steps put their result in place with one rename: a folder with its final
 * name is complete.
 *
 * @module
 */
import { execFile } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { chmodSync, lstatSync, mkdirSync, readFileSync, readdirSync, renameSync, rmSync } from 'node:fs'
import { chown, cp, open, readdir, writeFile } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { AllwriteError } from '../core/errors.ts'
import type { PostgresBinaries } from './binaries.ts'
import { assertReachable, ensureOwned, serverIdentity, type Identity } from './identity.ts'
import { wordsOf } from './system-error.ts'

/** The superuser that initdb makes: the agent's own role. */
export const superuser = 'allwrite'

export interface InitOptions {
  readonly binaries: PostgresBinaries
  /** The folder to make; must be absent or empty. Its parent must exist. */
  readonly dataDir: string
  /** Password of {@link superuser}. */
  readonly password: string
  /** False: files need not survive a power failure (nodes declared disposable). */
  readonly fsync: boolean
}

/**
 * Runs initdb: UTF-8, the builtin C.UTF-8 locale (the same order on every machine, whatever its libc), data checksums,
 * SCRAM. 0.6–1.7 s.
 * @throws AllwriteError configuration (folder not empty, unreachable) | postgres (initdb failed, its words in DETAIL)
 */
export async function initDatabase(options: InitOptions): Promise<void> {
  const { binaries, dataDir } = options
  const identity = serverIdentity()
  if (checkDataDir(dataDir, binaries.major) === 'ours') {
    throw new AllwriteError('configuration', `"${dataDir}" holds a database already`)
  }
  assertReachable(dataDir, identity)
  assertReachable(binaries.initdb, identity)
  const unfinished = unfinishedName(dataDir)
  mkdirSync(unfinished, { mode: 0o700 })
  ensureOwned(unfinished, identity)
  const passwordFile = `${unfinished}.password`
  try {
    await writeFile(passwordFile, `${options.password}\n`, { mode: 0o600, flag: 'wx' })
    ensureOwned(passwordFile, identity)
    await runInitdb(options, unfinished, passwordFile, identity)
    rmSync(dataDir, { recursive: true, force: true })
    renameSync(unfinished, dataDir)
    if (options.fsync) await syncFolder(dirname(dataDir))
  } finally {
    rmSync(passwordFile, { force: true })
    rmSync(unfinished, { recursive: true, force: true })
  }
}

async function runInitdb(
  options: InitOptions,
  folder: string,
  passwordFile: string,
  identity: Identity | undefined,
): Promise<void> {
  const common = `-U ${superuser} --encoding=UTF8 --data-checksums --auth=scram-sha-256 --no-instructions
    --locale-provider=builtin --builtin-locale=C.UTF-8 ${options.fsync ? '' : '--no-sync'}`
    .trim()
    .split(/\s+/)
  const env = { PATH: process.env['PATH'] ?? '/usr/bin:/bin', LC_ALL: 'C', ...timeZone(), ...options.binaries.env }
  const run = (locale: string) =>
    promisify(execFile)(
      options.binaries.initdb,
      [...common, `--locale=${locale}`, `--pwfile=${passwordFile}`, '-D', folder],
      {
        env,
        // initdb wants to be able to enter its working folder.
        cwd: '/',
        ...(identity ? { uid: identity.uid, gid: identity.gid } : {}),
      },
    )
  try {
    await run('C.UTF-8').catch(async (thrown: unknown) => {
      // A libc without C.UTF-8 (it came with glibc 2.35): its messages and LC_CTYPE then are C's; order is the same.
      if (!wordsOf(thrown).includes('invalid locale name')) throw thrown
      for (const name of await readdir(folder)) rmSync(join(folder, name), { recursive: true, force: true })
      await run('C')
    })
  } catch (thrown) {
    throw new AllwriteError('postgres', 'initdb failed', { detail: wordsOf(thrown).slice(-1000), cause: thrown })
  }
}

/** initdb writes the zone it runs in into postgresql.conf. */
function timeZone(): Record<string, string> {
  const zone = process.env['TZ']
  return zone === undefined ? {} : { TZ: zone }
}

/**
 * Copies a stopped server's folder (the template) to a new one, for the same user.
 * @throws AllwriteError configuration if `target` is not absent or empty, or `template` is in use or not a data folder
 */
export async function copyDataDir(template: string, target: string, options: { fsync: boolean }): Promise<void> {
  const identity = serverIdentity()
  const major = readMajor(template)
  if (major === undefined) throw new AllwriteError('configuration', `"${template}" is not a data folder`)
  if (lstatSync(join(template, 'postmaster.pid'), { throwIfNoEntry: false })) {
    throw new AllwriteError('configuration', `the server of "${template}" runs, or was not stopped cleanly`, {
      hint: 'Only the folder of a stopped server may be copied.',
    })
  }
  if (checkDataDir(target, major) === 'ours') {
    throw new AllwriteError('configuration', `"${target}" holds a database already`)
  }
  assertReachable(target, identity)
  const unfinished = unfinishedName(target)
  try {
    await cp(template, unfinished, { recursive: true, preserveTimestamps: true, verbatimSymlinks: true })
    await forEachPath(unfinished, async (path, folder) => {
      if (identity) await chown(path, identity.uid, identity.gid)
      if (options.fsync) await (folder ? syncFolder(path) : syncFile(path))
    })
    chmodSync(unfinished, 0o700)
    rmSync(target, { recursive: true, force: true })
    renameSync(unfinished, target)
    if (options.fsync) await syncFolder(dirname(target))
  } finally {
    rmSync(unfinished, { recursive: true, force: true })
  }
}

/**
 * Looks whether a server of `major` could use `dataDir`.
 * @returns `absent` (also: empty) or `ours`
 * @throws AllwriteError configuration: not a folder, unreadable, something else in it, other major version, other owner
 */
export function checkDataDir(dataDir: string, major: number): 'absent' | 'ours' {
  const stat = lstatSync(dataDir, { throwIfNoEntry: false })
  if (!stat) return 'absent'
  if (!stat.isDirectory()) throw new AllwriteError('configuration', `"${dataDir}" is not a folder`)
  let names: string[]
  try {
    names = readdirSync(dataDir)
  } catch (thrown) {
    throw new AllwriteError('configuration', `could not read "${dataDir}"`, {
      detail: wordsOf(thrown),
      hint: 'Run allwrite as the user who made the cluster.',
      cause: thrown,
    })
  }
  if (names.length === 0) return 'absent'
  const found = readMajor(dataDir)
  if (found === undefined) {
    throw new AllwriteError('configuration', `"${dataDir}" is not empty, and not a PostgreSQL data folder`, {
      hint: 'Choose another folder, or empty this one.',
    })
  }
  if (found !== major) {
    throw new AllwriteError('configuration', `"${dataDir}" was made by PostgreSQL ${found}, the server is ${major}`, {
      hint: `Use PostgreSQL ${found} with --pg-bin, or start a new cluster and load a dump.`,
    })
  }
  const wanted = serverIdentity()?.uid ?? process.getuid?.()
  if (wanted !== undefined && stat.uid !== wanted) {
    throw new AllwriteError('configuration', `"${dataDir}" belongs to user ${stat.uid}, the server runs as ${wanted}`, {
      hint: 'Run allwrite as the user who made the cluster, or change the owner of the folder with "chown -R".',
    })
  }
  return 'ours'
}

function readMajor(dataDir: string): number | undefined {
  try {
    const major = Number(readFileSync(join(dataDir, 'PG_VERSION'), 'latin1').trim())
    return Number.isInteger(major) && major > 0 ? major : undefined
  } catch {
    return undefined
  }
}

/** A name beside `target` to build it under. Removes what a killed predecessor left there, its password file included. */
function unfinishedName(target: string): string {
  const prefix = `${basename(target)}.new-`
  for (const name of readdirSync(dirname(target)).filter((found) => found.startsWith(prefix))) {
    rmSync(join(dirname(target), name), { recursive: true, force: true })
  }
  return `${target}.new-${randomBytes(4).toString('hex')}`
}

/** Calls `visit` for everything below and including `folder`; contents before their folder. */
async function forEachPath(folder: string, visit: (path: string, folder: boolean) => Promise<void>): Promise<void> {
  for (const item of await readdir(folder, { withFileTypes: true })) {
    const path = join(folder, item.name)
    if (item.isDirectory()) await forEachPath(path, visit)
    else if (item.isFile()) await visit(path, false)
  }
  await visit(folder, true)
}

async function syncFile(path: string): Promise<void> {
  await using handle = await open(path, 'r+')
  await handle.sync()
}

/** Makes a folder's list of names durable. */
export async function syncFolder(path: string): Promise<void> {
  await using handle = await open(path, 'r')
  await handle.sync()
}

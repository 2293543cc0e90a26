/**
 * A wall clock that jumps, for a whole cluster: libfaketime (Debian package `faketime`) is loaded into all its processes, its
 * servers included, and reads the offset from a file at every look. The monotonic clock is left alone, as by a real jump.
 *
 * @module
 */
import { chmodSync, existsSync, mkdtempSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { locateBinaries } from '../postgres/index.ts'

/** The variant for programs with threads; Debian keeps it in the folder of the machine's architecture. */
const findLibrary = (): string | undefined =>
  ['/usr/lib', ...folders('/usr/lib'), '/usr/local/lib']
    .map((folder) => join(folder, 'faketime', 'libfaketimeMT.so.1'))
    .find((path) => existsSync(path))

const folders = (path: string): string[] =>
  readdirSync(path, { withFileTypes: true }).flatMap((entry) => (entry.isDirectory() ? [join(path, entry.name)] : []))

const library = findLibrary()

/** For node:test's `skip`. */
export const needsFaketime: string | false = library === undefined ? 'faketime is not installed' : false

export interface FakeClock extends Disposable {
  /** For `allwrite up`. */
  readonly env: Readonly<Record<string, string>>
  /** For `allwrite up`: servers that look at this clock. Their environment is not inherited. */
  readonly args: readonly string[]
  /** Sets the wall clock so many seconds before or behind the true one, at once. */
  set(seconds: number): void
}

export const createFakeClock = async (): Promise<FakeClock> => {
  if (library === undefined) throw new Error('faketime is not installed')
  const folder = mkdtempSync(join(tmpdir(), 'allwrite-clock-'))
  chmodSync(folder, 0o755) // the servers run as another user when we are root
  const offset = join(folder, 'offset')
  const set = (seconds: number): void => {
    // Never half written: every process reads it all the time.
    writeFileSync(`${offset}.new`, `${seconds < 0 ? '' : '+'}${seconds}`, { mode: 0o644 })
    renameSync(`${offset}.new`, offset)
  }
  set(0)
  const env = {
    LD_PRELOAD: library,
    FAKETIME_TIMESTAMP_FILE: offset,
    FAKETIME_NO_CACHE: '1',
    FAKETIME_DONT_FAKE_MONOTONIC: '1',
  }
  const binaries = await locateBinaries()
  for (const program of ['postgres', 'initdb'] as const) {
    const words = Object.entries({ ...env, ...binaries.env }).map(([name, value]) => `${name}='${value}'`)
    writeFileSync(join(folder, program), `#!/bin/sh\nexec env ${words.join(' ')} '${binaries[program]}' "$@"\n`, {
      mode: 0o755,
    })
  }
  return {
    env,
    args: ['--pg-bin', folder],
    set,
    [Symbol.dispose]: () => rmSync(folder, { recursive: true, force: true }),
  }
}

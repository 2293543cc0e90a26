/**
 * A short, private folder for Unix sockets. The kernel allows 107 bytes for a socket's path, and data folders have long
 * names; so sockets live apart from the data, under a name made from the data folder's.
 *
 * @module
 */
import { createHash } from 'node:crypto'
import { chmodSync, chownSync, lstatSync, mkdirSync, realpathSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, dirname, join, resolve } from 'node:path'
import { AllwriteError } from '../core/errors.ts'
import { closedFolder, serverIdentity } from './identity.ts'
import { systemCode } from './system-error.ts'

/** Bytes of a Unix socket's path that Linux accepts (unix(7): sun_path is 108 bytes with its final zero). */
export const socketPathBytesMax = 107

/** Bytes that our longest socket name below the runtime folder takes, `/n16/.s.PGSQL.65535`, with some to spare. */
const socketNameBytesMax = 24

/**
 * The folder for the sockets of the cluster in `dir`: made if absent, owned by us, closed to others (0700). As root the
 * server's user may pass through it (0710, its group), since its socket folder lies below.
 * @throws AllwriteError configuration if the folder is another user's: a stranger waits there for our passwords
 */
export function runtimeDir(dir: string): string {
  const path = runtimePath(dir)
  const identity = serverIdentity()
  privateDir(path, identity ? 0o710 : 0o700)
  if (identity) chownSync(path, process.getuid?.() ?? 0, identity.gid)
  return path
}

/** The same folder if it exists and is ours: for those who only look for a running cluster. Makes nothing. */
export function existingRuntimeDir(dir: string): string | undefined {
  const path = runtimePath(dir)
  const stat = lstatSync(path, { throwIfNoEntry: false })
  return stat?.isDirectory() && stat.uid === (process.getuid?.() ?? stat.uid) ? path : undefined
}

function runtimePath(dir: string): string {
  const uid = process.getuid?.() ?? 0
  const hash = createHash('sha256')
    .update(`${uid}:${canonical(dir)}`)
    .digest('hex')
    .slice(0, 12)
  const identity = serverIdentity()
  const bases = [process.env['XDG_RUNTIME_DIR'], tmpdir(), '/tmp']
  for (const base of bases) {
    if (base === undefined || !base.startsWith('/')) continue
    const path = join(base, `allwrite-${hash}`)
    if (Buffer.byteLength(path) + socketNameBytesMax > socketPathBytesMax) continue
    if (!statSync(base, { throwIfNoEntry: false })?.isDirectory()) continue
    if (identity && closedFolder(path, identity) !== undefined) continue
    return path
  }
  throw new AllwriteError('configuration', 'found no folder for sockets', {
    detail: `Tried ${bases.filter(Boolean).join(', ')}: too long a name, absent, or closed to the server's user.`,
    hint: 'Set TMPDIR or XDG_RUNTIME_DIR to a short path such as /tmp.',
  })
}

/**
 * Makes a folder of ours in a place where others can write, or takes it if it is ours already.
 * @throws AllwriteError configuration if it belongs to someone else or is not a folder
 */
export function privateDir(path: string, mode: number): string {
  try {
    mkdirSync(path, { mode })
  } catch (thrown) {
    if (systemCode(thrown) !== 'EEXIST') throw AllwriteError.from(thrown, 'configuration')
  }
  // lstat: a symbolic link planted there must not lead us elsewhere.
  const stat = lstatSync(path)
  if (!stat.isDirectory() || stat.uid !== (process.getuid?.() ?? stat.uid)) {
    throw new AllwriteError('configuration', `"${path}" is not a folder of ours`, {
      detail: stat.isDirectory() ? `It belongs to user ${stat.uid}.` : 'It is not a folder.',
      hint: 'Remove it, or set TMPDIR to a private folder.',
    })
  }
  chmodSync(path, mode)
  return path
}

/** The real path, also of a folder that does not exist yet: two names of one folder must give one answer. */
function canonical(path: string): string {
  const absolute = resolve(path)
  try {
    return realpathSync(absolute)
  } catch {
    const parent = dirname(absolute)
    return parent === absolute ? absolute : join(canonical(parent), basename(absolute))
  }
}

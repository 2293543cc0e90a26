/**
 * Who the server runs as. `postgres` refuses root, so a root agent starts it as another user, who must then own the
 * data folder and be able to reach it: a folder below /root, say, can't be used, and that is said plainly.
 *
 * @module
 */
import { chownSync, readFileSync, statSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { AllwriteError } from '../core/errors.ts'

/** A system user, by numbers. */
export interface Identity {
  readonly uid: number
  readonly gid: number
  readonly name: string
}

/** The user that a server is started as: `undefined` = as we are, which is right for everyone but root. */
export function serverIdentity(passwdPath = '/etc/passwd'): Identity | undefined {
  if (process.getuid?.() !== 0) return undefined
  const lines = readFileSync(passwdPath, 'utf8').split('\n')
  for (const wanted of ['postgres', 'nobody']) {
    const fields = lines.find((line) => line.startsWith(`${wanted}:`))?.split(':')
    const [uid, gid] = [Number(fields?.[2]), Number(fields?.[3])]
    if (fields && uid > 0 && Number.isInteger(gid)) return { uid, gid, name: wanted }
  }
  throw new AllwriteError('configuration', 'PostgreSQL can not run as root, and no other user was found for it', {
    detail: `${passwdPath} has neither "postgres" nor "nobody".`,
    hint: 'Run allwrite as an ordinary user, or add a user named postgres.',
  })
}

/** Gives a path to the server's user; a no-op when the server runs as we do. */
export function ensureOwned(path: string, identity: Identity | undefined): void {
  if (identity) chownSync(path, identity.uid, identity.gid)
}

/**
 * Checks that `identity` may pass through every folder above `path`.
 * @throws AllwriteError configuration, naming the folder that is closed
 */
export function assertReachable(path: string, identity: Identity | undefined): void {
  if (!identity) return
  const closed = closedFolder(path, identity)
  if (closed === undefined) return
  throw new AllwriteError('configuration', `user "${identity.name}" can not reach "${path}"`, {
    detail: `As root, PostgreSQL is started as "${identity.name}", who may not enter "${closed}".`,
    hint: 'Choose a folder that other users can reach (--data /var/lib/allwrite), or run allwrite as an ordinary user.',
  })
}

/** The topmost folder above `path` that `identity` may not enter; undefined where all are open. Group and other bits only. */
export function closedFolder(path: string, identity: Identity): string | undefined {
  const folders: string[] = []
  for (let folder = dirname(resolve(path)); ; folder = dirname(folder)) {
    folders.unshift(folder)
    if (folder === dirname(folder)) break
  }
  return folders.find((folder) => {
    const stat = statSync(folder, { throwIfNoEntry: false })
    if (!stat) return false
    if (stat.uid === identity.uid) return (stat.mode & 0o100) === 0
    if (stat.gid === identity.gid) return (stat.mode & 0o010) === 0
    return (stat.mode & 0o001) === 0
  })
}

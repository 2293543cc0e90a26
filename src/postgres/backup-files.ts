/**
 * Puts the members of a base backup's archive on disk: private to the server's user, synced where asked, one open file at a
 * time.
 *
 * Calls are synchronous but for the syncs: a data folder is a thousand small files, and a trip through Node's thread pool costs
 * more than each call. Whoever copies has nothing else to do meanwhile than to keep its timers running between chunks.
 *
 * @module
 */
import { chownSync, closeSync, fchownSync, fsync, mkdirSync, openSync, writeSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { AllwriteError, assert } from '../core/errors.ts'
import { syncFolder } from './data-dir.ts'
import type { Identity } from './identity.ts'
import type { TarHeader, TarPart } from './tar.ts'

export interface BackupFiles extends Disposable {
  take(part: TarPart): Promise<void> | void
  /** All is written, and synced where asked. */
  finish(): Promise<void>
}

export interface BackupFilesOptions {
  /** Made by the caller, empty. */
  readonly folder: string
  readonly identity: Identity | undefined
  readonly fsync: boolean
}

const sync = promisify(fsync)

export const createBackupFiles = (options: BackupFilesOptions): BackupFiles => {
  const { folder, identity } = options
  let current: number | undefined
  const folders = new Set([folder])

  const close = (): void => {
    if (current !== undefined) closeSync(current)
    current = undefined
  }

  const makeFolder = (path: string): void => {
    if (folders.has(path)) return
    makeFolder(dirname(path))
    mkdirSync(path, { mode: 0o700 })
    if (identity) chownSync(path, identity.uid, identity.gid)
    folders.add(path)
  }

  const begin = (header: TarHeader): void => {
    close()
    const path = join(folder, header.name)
    if (header.kind === 'folder') return makeFolder(path)
    // The only links in a data folder are to tablespaces: a donor that has some was refused.
    if (header.kind === 'link') throw new AllwriteError('unsupported', `the copy has a link, "${header.name}"`)
    makeFolder(dirname(path))
    current = openSync(path, 'wx', 0o600)
    if (identity) fchownSync(current, identity.uid, identity.gid)
  }

  const write = (bytes: Buffer): void => {
    assert(current !== undefined, 'bytes follow the header of their file')
    for (let at = 0; at < bytes.length;) at += writeSync(current, bytes, at)
  }

  const syncThen = async (next: () => void): Promise<void> => {
    if (current !== undefined) await sync(current)
    next()
  }

  return {
    take(part) {
      if (part.kind === 'bytes') return write(part.bytes)
      if (options.fsync) return syncThen(() => begin(part.header))
      return begin(part.header)
    },
    async finish() {
      if (options.fsync) await syncThen(() => undefined)
      close()
      if (!options.fsync) return
      // Children were made after their parents.
      for (const path of [...folders].toReversed()) await syncFolder(path)
    },
    [Symbol.dispose]: close,
  }
}

/**
 * Puts the members of a base backup's archive on disk: private to the server's user, synced where asked, one open file at a
 * time.
 *
 * @module
 */
import { chown, mkdir, open, type FileHandle } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { AllwriteError, assert } from '../core/errors.ts'
import { syncFolder } from './data-dir.ts'
import type { Identity } from './identity.ts'
import type { TarHeader, TarPart } from './tar.ts'

export interface BackupFiles extends AsyncDisposable {
  take(part: TarPart): Promise<void>
  /** All is written, and synced where asked. */
  finish(): Promise<void>
}

export interface BackupFilesOptions {
  /** Made by the caller, empty. */
  readonly folder: string
  readonly identity: Identity | undefined
  readonly fsync: boolean
}

export const createBackupFiles = (options: BackupFilesOptions): BackupFiles => {
  const { folder, identity, fsync } = options
  let current: FileHandle | undefined
  const folders = new Set([folder])

  const closeCurrent = async (): Promise<void> => {
    const handle = current
    current = undefined
    if (handle === undefined) return
    try {
      if (fsync) await handle.sync()
    } finally {
      await handle.close()
    }
  }

  const makeFolder = async (path: string): Promise<void> => {
    if (folders.has(path)) return
    await makeFolder(dirname(path))
    await mkdir(path, { mode: 0o700 })
    if (identity) await chown(path, identity.uid, identity.gid)
    folders.add(path)
  }

  const begin = async (header: TarHeader): Promise<void> => {
    await closeCurrent()
    const path = join(folder, header.name)
    if (header.kind === 'folder') return makeFolder(path)
    // The only links in a data folder are to tablespaces: the donor has none, or it would have been refused.
    if (header.kind === 'link') throw new AllwriteError('unsupported', `the copy has a link, "${header.name}"`)
    await makeFolder(dirname(path))
    current = await open(path, 'wx', 0o600)
    if (identity) await current.chown(identity.uid, identity.gid)
  }

  return {
    async take(part) {
      if (part.kind === 'header') return begin(part.header)
      assert(current !== undefined, 'bytes follow the header of their file')
      for (let at = 0; at < part.bytes.length; ) {
        const { bytesWritten } = await current.write(part.bytes, at)
        at += bytesWritten
      }
    },
    async finish() {
      await closeCurrent()
      if (!fsync) return
      // Children come after their parents.
      for (const path of [...folders].toReversed()) await syncFolder(path)
    },
    async [Symbol.asyncDispose]() {
      await current?.close()
      current = undefined
    },
  }
}

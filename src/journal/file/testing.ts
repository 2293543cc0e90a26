/**
 * What the tests of this folder share: directories that go away, a journal behind a socket.
 *
 * @module
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Journal } from '../contract.ts'
import { connectFileJournal } from './client.ts'
import { lockDirectory } from './lock.ts'
import { serveJournal } from './server.ts'
import { openStore } from './store.ts'
import type { Store, StoreOptions } from './store.ts'

/** A fresh directory, removed with all in it when disposed. */
export const temporaryDirectory = (): { readonly path: string } & Disposable => {
  const path = mkdtempSync(join(tmpdir(), 'aw-journal-'))
  return { path, [Symbol.dispose]: () => rmSync(path, { recursive: true, force: true }) }
}

/** Small segments, so that tests cross their borders; their filling costs nothing. */
export const smallSegments = { segmentBytes: 64 * 1024 } as const

export interface Served extends AsyncDisposable {
  readonly store: Store
  readonly socketPath: string
}

/** A store served in this process. */
export const served = async (
  directory: string,
  options: Partial<StoreOptions> = {},
  socketPath = join(directory, 'socket'),
): Promise<Served> => {
  const lock = await lockDirectory(directory)
  const store = await openStore({ directory, ...smallSegments, ...options })
  const server = await serveJournal({ store, socketPath })
  return {
    store,
    socketPath,
    async [Symbol.asyncDispose]() {
      await store[Symbol.asyncDispose]()
      await server[Symbol.asyncDispose]()
      await lock[Symbol.asyncDispose]()
    },
  }
}

/** A client whose journal is served in this process. */
export const clientOf = ({ socketPath }: Served): Journal => connectFileJournal({ socketPath })

/** Resolves when `condition` holds. @throws Error after `deadlineMs` */
export const until = async (condition: () => boolean, what: string, deadlineMs = 10_000): Promise<void> => {
  const end = performance.now() + deadlineMs
  while (!condition()) {
    if (performance.now() > end) throw new Error(`waited in vain: ${what}`)
    await new Promise((resolve) => setTimeout(resolve, 2))
  }
}

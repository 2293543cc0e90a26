/**
 * The journal inside this process: a locked directory, its store, and the contract's interface over both. For tests,
 * tools, and a cluster of one process; a cluster of several reaches the same store through `server.ts` and `client.ts`.
 *
 * @module
 */
import { AllwriteError } from '../../core/errors.ts'
import type { NodeId, Position } from '../../core/ids.ts'
import type { AppendId } from '../../core/writeset.ts'
import type { Journal, StoredEntry } from '../contract.ts'
import { whenAborted } from '../cancel.ts'
import { nodeDisk } from './disk.ts'
import { lockDirectory } from './lock.ts'
import { decodeRecords } from './record.ts'
import { openStore } from './store.ts'
import type { Store, StoreOptions } from './store.ts'

/** Bytes of one batch that a reader gets, unless one entry is longer. */
export const batchBytesMax = 256 * 1024

/** Opens the directory's journal for this process only. @throws AllwriteError unavailable | journal_corrupt | journal_full */
export const openFileJournal = async (options: StoreOptions): Promise<Journal> => {
  const { directory, disk = nodeDisk } = options
  disk.makeDirectory(directory)
  const lock = await lockDirectory(directory)
  try {
    const store = await openStore(options)
    return localJournal(store, async () => {
      await store[Symbol.asyncDispose]()
      await lock[Symbol.asyncDispose]()
    })
  } catch (error) {
    await lock[Symbol.asyncDispose]()
    throw error
  }
}

const localJournal = (store: Store, close: () => Promise<void>): Journal => ({
  append: (id, payload, signal) => append(store, id, payload, signal),
  read: (from, options = {}) => read(store, from, options.to, options.signal),
  tail: async (signal) => {
    signal?.throwIfAborted()
    return store.tail()
  },
  report: (node: NodeId, safe: Position) => store.report(node, safe),
  [Symbol.asyncDispose]: close,
})

const append = (store: Store, id: AppendId, payload: Uint8Array, signal?: AbortSignal): Promise<Position> =>
  new Promise((resolve, reject) => {
    const stop = whenAborted(signal, reject)
    if (stop === undefined) return
    store.append(id, payload, (outcome) => {
      stop()
      if (outcome.ok) resolve(outcome.position)
      else reject(outcome.error)
    })
  })

async function* read(
  store: Store,
  from: Position,
  to: Position | undefined,
  signal: AbortSignal | undefined,
): AsyncGenerator<readonly StoredEntry[]> {
  const cursor = store.cursor(Math.max(from, 1))
  const last = to ?? Infinity
  try {
    while (cursor.position <= last) {
      if (signal?.aborted) throw new AllwriteError('cancelled', 'the read was cancelled')
      if (store.ended !== undefined) throw store.ended
      if (cursor.atTail) {
        await changed(store, signal)
        continue
      }
      const run = cursor.fromMemory(last, batchBytesMax) ?? (await cursor.fromDisk(last, batchBytesMax))
      yield decodeRecords(run.bytes, run.first)
    }
  } finally {
    cursor.close()
  }
}

const changed = (store: Store, signal: AbortSignal | undefined): Promise<void> =>
  new Promise((resolve, reject) => {
    const stop = whenAborted(signal, (error) => {
      forget()
      reject(error)
    })
    const forget = store.onChange(() => {
      forget()
      stop?.()
      resolve()
    })
    if (stop === undefined) forget()
  })

/**
 * Gathers ready transactions into groups and appends them: one append under way at a time, everything that became ready
 * meanwhile goes into the next. So there is no delay when idle and large groups under load.
 *
 * Contract
 * - Numbers of one incarnation are dense: `append` is the only way to the journal, for groups and chunks alike.
 * - Once sent, only the journal decides (RULES 2): an append is never taken back.
 * - A failed append ends the agent (`onFatal`): whether it landed is learned from the journal after the restart.
 *
 * @module
 */
import type { AppendId, Entry, WritesetRecord } from '../../core/writeset.ts'
import type { Incarnation, NodeId, Position } from '../../core/ids.ts'
import { encodeEntry, recordByteLength } from '../../core/entry.ts'
import { keyBytes } from '../../core/writeset.ts'
import type { Journal } from '../../journal/contract.ts'
import type { Pending } from './pending.ts'

/** Bounds of a group; what is beyond waits for the next. They keep one apply transaction, and one verdict pass, small. */
const groupRecordsMax = 512
const groupBytesMax = 1024 * 1024
const groupKeysMax = 16_384

export interface GroupBuilder {
  /** Appends the fence: first of all appends. */
  fence(): Promise<Position>
  chunk(transaction: number, index: number, bytes: Uint8Array): Promise<Position>
  add(pending: Pending): void
  /** Takes a transaction out that is not appended yet; false when it is too late. */
  withdraw(pending: Pending): boolean
  /** The transactions of an appended group of this incarnation; forgets them. */
  take(appendNumber: number): readonly Pending[] | undefined
  readonly waiting: number
}

export interface GroupBuilderOptions {
  readonly journal: Journal
  readonly node: NodeId
  readonly incarnation: Incarnation
  readonly signal: AbortSignal
  readonly onFatal: (error: Error) => void
}

export const createGroupBuilder = (options: GroupBuilderOptions): GroupBuilder => {
  const { journal, node, incarnation, signal } = options
  let ready: Pending[] = []
  const appended = new Map<number, readonly Pending[]>()
  let nextNumber = 0
  let underWay = false

  const append = (build: (id: AppendId) => Entry): { number: number; done: Promise<Position> } => {
    const id: AppendId = { node, incarnation, number: nextNumber }
    nextNumber += 1
    const done = journal.append(id, encodeEntry(build(id)), signal)
    // Whatever was appended: its number is used, so nothing can follow it, and nobody knows whether it landed.
    done.catch((error: unknown) => options.onFatal(error as Error))
    return { number: id.number, done }
  }

  /** Takes the next group off the ready list. */
  const cut = (): Pending[] => {
    if (ready[0]?.alone === true) return ready.splice(0, 1)
    let count = 0
    let bytes = 0
    let keys = 0
    for (const { record, alone } of ready) {
      bytes += recordByteLength(record)
      keys += record.keys.length / keyBytes
      const full = bytes > groupBytesMax || keys > groupKeysMax || count >= groupRecordsMax
      if (count > 0 && (full || alone)) break
      count += 1
    }
    return ready.splice(0, count)
  }

  const flush = (): void => {
    if (underWay || ready.length === 0) return
    underWay = true
    const group = cut()
    const records: readonly WritesetRecord[] = group.map((pending) => pending.record)
    for (const pending of group) pending.appended = true
    const { number, done } = append((id) => ({ kind: 'group', ...id, records }))
    // Known before the journal can show it to us.
    appended.set(number, group)
    done.then(
      () => {
        underWay = false
        flush()
      },
      () => undefined,
    )
  }

  return {
    fence: () => append((id) => ({ kind: 'fence', ...id })).done,
    chunk: (transaction, index, bytes) => append((id) => ({ kind: 'chunk', ...id, transaction, index, bytes })).done,
    add(pending) {
      ready.push(pending)
      // In the next microtask: what becomes ready in the same read of the capture stream goes together.
      if (ready.length === 1) queueMicrotask(flush)
    },
    withdraw(pending) {
      if (pending.appended) return false
      ready = ready.filter((other) => other !== pending)
      return true
    },
    take(appendNumber) {
      const group = appended.get(appendNumber)
      appended.delete(appendNumber)
      return group
    },
    get waiting() {
      return ready.length
    },
  }
}

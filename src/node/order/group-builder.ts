/**
 * Gathers ready transactions into groups and appends them: one append under way at a time, everything that became ready
 * meanwhile goes into the next. So there is no delay when idle and large groups under load.
 *
 * Contract
 * - Numbers of one incarnation are dense: `append` is the only way to the journal, for groups and chunks alike.
 * - A group holds records of one database: its members are applied in one transaction (core/writeset.ts).
 * - It holds one record with notifications at most: its members commit side by side, and where they are applied, in one
 *   transaction, of which PostgreSQL would tell equal notifications once (ADR 20).
 * - Once sent, only the journal decides (RULES 2): an append is never taken back.
 * - A full journal refuses an append without a trace: its transactions are refused, with 53100. Its number was not used, and is the
 *   next one when nothing is under way any more: until then a later append of the old numbering could take it.
 * - What another node's schema change would lose to waits while that has its turn (holds.ts); until it is sent it can be withdrawn.
 * - Any other failed append ends the agent (`onFatal`): whether it landed is learned from the journal after the restart.
 *
 * @module
 */
import { setTimeout as delay } from 'node:timers/promises'
import { AllwriteError, assert } from '../../core/errors.ts'
import type { AppendId, Entry, HoldScope, WritesetRecord } from '../../core/writeset.ts'
import type { Incarnation, NodeId, Position } from '../../core/ids.ts'
import { encodeEntry, recordByteLength } from '../../core/entry.ts'
import { keyBytes } from '../../core/writeset.ts'
import type { Journal } from '../../journal/contract.ts'
import type { Pending } from './pending.ts'

/** Bounds of a group; what is beyond waits for the next. They keep one apply transaction, and one verdict pass, small. */
const groupRecordsMax = 512
const groupBytesMax = 1024 * 1024
const groupKeysMax = 16_384
/** A fence that a full journal refused is tried again after this, ms: without it the node can't serve. */
const fenceAgainMs = 500

export interface GroupBuilder {
  /** Appends the fence: first of all appends. */
  fence(): Promise<Position>
  chunk(transaction: number, index: number, bytes: Uint8Array): Promise<Position>
  /** Asks for a turn for a schema change, or gives it back (ADR 18). */
  hold(scope: HoldScope): Promise<Position>
  add(pending: Pending): void
  /** Another hold is in force, or none: what was held back may go. */
  resume(): void
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
  /** Whether a record has to wait for another node's schema change. */
  readonly isHeld: (record: WritesetRecord) => boolean
}

export const createGroupBuilder = (options: GroupBuilderOptions): GroupBuilder => {
  const { journal, node, incarnation, signal } = options
  let ready: Pending[] = []
  /** Older than those that are ready; no more than the node has sessions, and no longer than holds last (holds.ts). */
  let held: Pending[] = []
  const appended = new Map<number, readonly Pending[]>()
  let nextNumber = 0
  let underWay = false
  /** Appends that the journal has not answered. */
  let unanswered = 0
  /** The first number that a full journal refused, until nothing is under way. */
  let refused: { readonly number: number; readonly error: Error } | undefined

  const isFull = (error: unknown): boolean => error instanceof AllwriteError && error.code === 'journal_full'

  /** Behind a refused number all others are a gap to the journal. */
  const isBehindRefused = (number: number, error: unknown): boolean =>
    refused !== undefined && number > refused.number && error instanceof AllwriteError && error.code === 'protocol'

  const failed = (number: number, error: Error): Error => {
    if (isFull(error)) {
      if (refused === undefined || number < refused.number) refused = { number, error }
      return error
    }
    if (refused !== undefined && isBehindRefused(number, error)) return refused.error
    // Its number is used, so nothing can follow it, and nobody knows whether it landed.
    options.onFatal(error)
    return error
  }

  const answered = (): void => {
    unanswered -= 1
    if (unanswered > 0 || refused === undefined) return
    nextNumber = refused.number
    refused = undefined
    flush()
  }

  const append = (build: (id: AppendId) => Entry): { number: number; done: Promise<Position> } => {
    if (refused !== undefined) return { number: -1, done: Promise.reject(refused.error) }
    const id: AppendId = { node, incarnation, number: nextNumber }
    nextNumber += 1
    unanswered += 1
    const done = journal.append(id, encodeEntry(build(id)), signal).then(
      (position) => {
        assert(refused === undefined || id.number < refused.number, 'nothing is stored behind a refused number')
        answered()
        return position
      },
      (error: unknown) => {
        const told = failed(id.number, error as Error)
        answered()
        throw told
      },
    )
    // Who does not wait for it is told by its entry, or by the agent's end.
    done.catch(() => undefined)
    return { number: id.number, done }
  }

  /** Takes the next group off the ready list: of the first one's database, as all that are ready hold their locks at one time. */
  const cut = (): Pending[] => {
    const [first] = ready
    if (first?.alone === true) return ready.splice(0, 1)
    const group: Pending[] = []
    const others: Pending[] = []
    let bytes = 0
    let keys = 0
    let notifies = false
    for (const [at, pending] of ready.entries()) {
      const { record, alone, database } = pending
      if (database !== first?.database) {
        others.push(pending)
        continue
      }
      bytes += recordByteLength(record)
      keys += record.keys.length / keyBytes
      const full = bytes > groupBytesMax || keys > groupKeysMax || group.length >= groupRecordsMax
      if (group.length > 0 && (full || alone || (notifies && record.notifies === true))) {
        others.push(...ready.slice(at))
        break
      }
      notifies ||= record.notifies === true
      group.push(pending)
    }
    ready = others
    return group
  }

  /** Records that wait for different groups all hold their locks at one time: any of them may go first. */
  const sortOut = (): void => {
    const all = held.length === 0 ? ready : [...held, ...ready]
    held = all.filter(({ record }) => options.isHeld(record))
    ready = held.length === 0 ? all : all.filter((pending) => !held.includes(pending))
  }

  const flush = (): void => {
    if (underWay || refused !== undefined) return
    sortOut()
    if (ready.length === 0) return
    underWay = true
    const group = cut()
    const records: readonly WritesetRecord[] = group.map((pending) => pending.record)
    for (const pending of group) pending.appended = true
    const database = group[0]?.database
    const { number, done } = append((id) => ({
      kind: 'group',
      ...id,
      ...(database === undefined ? {} : { database }),
      records,
    }))
    // Known before the journal can show it to us.
    appended.set(number, group)
    done.then(
      () => {
        underWay = false
        flush()
      },
      (error: Error) => {
        // After any other failure nobody knows what became of it, and the agent ends.
        if (!isFull(error)) return
        appended.delete(number)
        for (const pending of group) pending.outcome.resolve({ kind: 'refused', error })
        underWay = false
        flush()
      },
    )
  }

  return {
    async fence() {
      for (;;) {
        try {
          return await append((id) => ({ kind: 'fence', ...id })).done
        } catch (error) {
          if (!isFull(error)) throw error
          await delay(fenceAgainMs, undefined, { signal })
        }
      }
    },
    chunk: (transaction, index, bytes) => append((id) => ({ kind: 'chunk', ...id, transaction, index, bytes })).done,
    hold: (scope) => append((id) => ({ kind: 'hold', ...id, scope })).done,
    add(pending) {
      ready.push(pending)
      // In the next microtask: what becomes ready in the same read of the capture stream goes together.
      if (ready.length === 1) queueMicrotask(flush)
    },
    resume: () => flush(),
    withdraw(pending) {
      if (pending.appended) return false
      held = held.filter((other) => other !== pending)
      ready = ready.filter((other) => other !== pending)
      return true
    },
    take(appendNumber) {
      const group = appended.get(appendNumber)
      appended.delete(appendNumber)
      return group
    },
    get waiting() {
      return ready.length + held.length
    },
  }
}

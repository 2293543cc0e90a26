/**
 * Executes judged entries strictly in journal order (ARCHITECTURE, Life of a write transaction, step 6):
 * - own group: COMMIT to the waiting backends, side by side; then, and only then, what follows;
 * - others' groups: consecutive ones merged into one transaction of the apply worker; several such may be on their way. One record of
 *   such a transaction notifies at most: PostgreSQL tells equal notifications of one transaction once (ADR 20);
 * - each database has its own worker: none gets anything while another one's is on its way, so the largest position that any of them has
 *   committed is the node's (ADR 30);
 * - a schema change: alone, by SQL, when all before it is applied;
 * - a record of an older incarnation of this node: only if `pg_xact_status` says that it did not commit here;
 * - an own record whose local transaction was lost: like a remote one, at its position (RULES 2).
 *
 * @module
 */
import { databaseOf } from '../../core/entry.ts'
import { firstDatabase, type DatabaseId, type Position } from '../../core/ids.ts'
import { assert } from '../../core/errors.ts'
import { deferred, type Deferred } from '../../core/deferred.ts'
import type { WritesetRecord } from '../../core/writeset.ts'
import { createBatch, type ReadChunks } from '../apply/batch.ts'
import type { ApplyBatch, Publisher } from '../apply/publisher.ts'
import type { Judged } from './judge.ts'
import type { OrderTracker } from './order-tracker.ts'
import type { Pending } from './pending.ts'

/** The queue of judged entries pauses the reader beyond this: bounds memory when apply is slower than the journal. */
const queueBytesMax = 32 * 1024 * 1024
const queueEntriesMax = 8_192
/** Apply transactions on their way to the worker: one being applied, one waiting in its socket. */
const batchesMax = 2
/** A merged apply transaction ends at these: its locks are held until it commits. */
const batchPositionsMax = 256
const batchBytesMax = 512 * 1024

/** How entries come into a database of this node's server. */
export interface ApplyTarget {
  readonly publisher: Pick<Publisher, 'send' | 'idle' | 'applied' | 'outstanding' | 'forgetRelations'>
  /** Applies by SQL, in one transaction: schema changes. */
  readonly applyBySql: (position: Position, records: readonly WritesetRecord[]) => Promise<void>
  /** The schema changed at this position, locally committed: catalogs are to be read anew before anything goes on. */
  readonly onSchemaChange: () => Promise<void>
}

export interface ExecutorOptions {
  readonly tracker: OrderTracker
  /** Of a database that is there: who writes to one loses to its DROP. */
  readonly targetOf: (database: DatabaseId) => ApplyTarget
  readonly readChunks: ReadChunks
  /** Did this transaction of an older incarnation commit at this server? */
  readonly committedBefore: (record: WritesetRecord) => Promise<boolean>
  readonly isOwnNode: (judged: Judged) => boolean
  /** A batch that does nothing but move the first database's worker's origin. */
  readonly heartbeatBatch: (position: Position) => ApplyBatch
  /** Apply work begins and ends: blockers are looked for in between. */
  readonly onBusy: (busy: boolean) => void
}

export interface Executor {
  push(judged: Judged): Promise<void> | void
  /** A worker has applied up to here. */
  applied(position: Position): void
  /** Runs until closed. */
  run(): Promise<void>
  /** Moves the worker's origin to the applied position soon, although only own groups came (RULES 10). */
  heartbeat(): void
  close(): void
  readonly queued: number
  /** The newest own position whose COMMITs were sent. */
  readonly committing: Position
  /** What the worker is applying now; the first may be what waits for a lock. */
  readonly applying: readonly Judged[]
}

export const createExecutor = (options: ExecutorOptions): Executor => {
  const { tracker } = options
  /** The one whose worker may have something on its way. */
  let current = options.targetOf(firstDatabase)
  const queue: Judged[] = []
  let queuedBytes = 0
  let wake: Deferred<void> | undefined
  let room: Deferred<void> | undefined
  let closed = false
  let applying: Judged[] = []
  let heartbeatDue = false
  let committing = tracker.applied

  const signal = (): void => {
    wake?.resolve()
    wake = undefined
  }

  const sleep = (): Promise<void> => {
    wake ??= deferred()
    return wake.promise
  }

  const shift = (): Judged => {
    const judged = queue.shift()
    assert(judged !== undefined, 'shift follows a look')
    queuedBytes -= judged.byteLength
    if (room !== undefined && queuedBytes < queueBytesMax / 2 && queue.length < queueEntriesMax / 2) {
      room.resolve()
      room = undefined
    }
    return judged
  }

  const recordsOf = (judged: Judged): WritesetRecord[] => {
    const { entry } = judged
    if (entry.kind !== 'group') return []
    return judged.committed.map((i) => entry.records[i] as WritesetRecord)
  }

  /** Without those that changed nothing: they stand in the order for what they locked (ADR 13). */
  const changesOf = (records: readonly WritesetRecord[]): WritesetRecord[] =>
    records.filter(({ changes }) => changes.kind === 'chunked' || changes.bytes.length > 0)

  const send = (batch: ApplyBatch): void => {
    options.onBusy(true)
    current.publisher.send(batch)
  }

  const drain = async (): Promise<void> => {
    await current.publisher.idle()
  }

  /** What is sent from here on is this database's. */
  const enter = async (database: DatabaseId): Promise<void> => {
    const target = options.targetOf(database)
    if (target === current) return
    await drain()
    current = target
  }

  const applyNow = async ({ position, entry }: Judged, records: readonly WritesetRecord[]): Promise<void> => {
    await enter(databaseOf(entry))
    await drain()
    if (records.some((record) => record.schemaChange)) {
      options.onBusy(true)
      try {
        await current.applyBySql(position, records)
      } finally {
        options.onBusy(false)
      }
      await schemaChanged()
    } else {
      send(createBatch(position, records, options.readChunks))
      await drain()
    }
  }

  const schemaChanged = async (): Promise<void> => {
    const { publisher, onSchemaChange } = current
    publisher.forgetRelations()
    // It may be this database that is gone then, for all that `current` needs to know.
    current = options.targetOf(firstDatabase)
    await onSchemaChange()
  }

  /** Own group of this incarnation: all commit at once; what was lost locally is applied from the journal. */
  const executeOwn = async (judged: Judged, own: readonly Pending[]): Promise<void> => {
    await drain()
    const pendings = judged.committed.map((i) => own[i] as Pending)
    committing = judged.position
    const results = await Promise.all(pendings.map((pending) => pending.participant.commit()))
    const lost = changesOf(recordsOf(judged).filter((_, i) => results[i] === false))
    if (lost.length > 0) {
      // As the journal has them: a large record's chunks are found by the record that the journal gave.
      await applyNow(judged, lost)
    } else if (pendings.some((pending) => pending.record.schemaChange)) {
      await enter(databaseOf(judged.entry))
      await schemaChanged()
    }
    tracker.complete(judged.position)
    for (const [i, pending] of pendings.entries()) {
      pending.outcome.resolve({ kind: 'committed', position: judged.position, local: results[i] === true })
    }
  }

  const executeOlderIncarnation = async (judged: Judged): Promise<void> => {
    await drain()
    const missing: WritesetRecord[] = []
    for (const record of changesOf(recordsOf(judged))) {
      if (!(await options.committedBefore(record))) missing.push(record)
    }
    if (missing.length > 0) await applyNow(judged, missing)
    tracker.complete(judged.position)
  }

  /** Others' rows, and whatever needs no work here: fences, chunks, groups in which nothing was certified. */
  const isMergeable = (judged: Judged): boolean =>
    judged.committed.length === 0 ||
    (!options.isOwnNode(judged) && recordsOf(judged).every((record) => !record.schemaChange))

  const notifies = (judged: Judged): boolean => recordsOf(judged).some((record) => record.notifies === true)

  /** Whose worker applies it; undefined: nothing is to be applied. */
  const destination = (judged: Judged): DatabaseId | undefined =>
    judged.committed.length === 0 ? undefined : databaseOf(judged.entry)

  /** Takes what can be applied as one transaction off the queue and sends it. */
  const executeRemote = async (): Promise<void> => {
    const database = destination(queue[0] as Judged)
    if (database !== undefined) await enter(database)
    while (current.publisher.outstanding >= batchesMax && !closed) await sleep()
    if (closed) return
    const records: WritesetRecord[] = []
    let bytes = 0
    let last: Judged | undefined
    let count = 0
    let notified = false
    while (queue[0] !== undefined && isMergeable(queue[0]) && count < batchPositionsMax && bytes < batchBytesMax) {
      const to = destination(queue[0])
      if (to !== undefined && options.targetOf(to) !== current) break
      const notifying = notifies(queue[0])
      if (notifying && notified) break
      notified ||= notifying
      last = shift()
      count += 1
      bytes += last.byteLength
      const own = changesOf(recordsOf(last))
      if (own.length > 0) applying.push(last)
      for (const record of own) records.push(record)
      tracker.issue(last.position, own.length === 0 && records.length === 0)
    }
    if (last !== undefined && records.length > 0) send(createBatch(last.position, records, options.readChunks))
  }

  const sendHeartbeat = (): void => {
    heartbeatDue = false
    // Between steps all that is issued and not on its way to the worker is complete, so this can't overtake anything. Where
    // the worker stands there already, it would never report the heartbeat as something new.
    if (current.publisher.outstanding > 0) return
    current = options.targetOf(firstDatabase)
    if (tracker.applied > current.publisher.applied) send(options.heartbeatBatch(tracker.applied))
  }

  const step = async (): Promise<void> => {
    const next = queue[0]
    assert(next !== undefined, 'a step has an entry')
    if (isMergeable(next)) return executeRemote()
    shift()
    tracker.issue(next.position, false)
    if (next.own !== undefined) return executeOwn(next, next.own)
    if (options.isOwnNode(next)) return executeOlderIncarnation(next)
    await applyNow(next, recordsOf(next))
    tracker.complete(next.position)
  }

  return {
    push(judged) {
      queue.push(judged)
      queuedBytes += judged.byteLength
      signal()
      if (queuedBytes < queueBytesMax && queue.length < queueEntriesMax) return undefined
      room ??= deferred()
      return room.promise
    },
    applied(position) {
      applying = applying.filter((judged) => judged.position > position)
      if (position > tracker.applied) tracker.complete(position)
      if (current.publisher.outstanding === 0) options.onBusy(false)
      signal()
    },
    async run() {
      while (!closed) {
        if (heartbeatDue) sendHeartbeat()
        if (queue.length === 0) await sleep()
        else await step()
      }
    },
    heartbeat() {
      heartbeatDue = true
      signal()
    },
    close() {
      closed = true
      room?.resolve()
      room = undefined
      signal()
    },
    get committing() {
      return committing
    },
    get queued() {
      return queue.length
    },
    get applying() {
      return applying
    },
  }
}

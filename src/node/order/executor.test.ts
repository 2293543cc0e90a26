import { deepEqual, equal, ok } from 'node:assert/strict'
import { test } from 'node:test'
import { deferred, type Deferred } from '../../core/deferred.ts'
import { databaseId, position, type Position } from '../../core/ids.ts'
import type { Entry, WritesetRecord } from '../../core/writeset.ts'
import type { ApplyBatch, Publisher } from '../apply/publisher.ts'
import { createExecutor, type ApplyTarget } from './executor.ts'
import type { Judged } from './judge.ts'
import { appendId, fenceOf, groupOf, makePending, makeRecord, settleTasks } from './order-fixtures.ts'
import { createOrderTracker } from './order-tracker.ts'
import type { Pending } from './pending.ts'

const setUp = (committedBefore: (record: WritesetRecord) => Promise<boolean> = () => Promise.resolve(false)) => {
  const log: string[] = []
  const batches: ApplyBatch[] = []
  let applied = position(0)
  let waiters: Deferred<void>[] = []
  const publisher = {
    send: (batch: ApplyBatch) => {
      batches.push(batch)
      log.push(`send ${batch.position}: ${batch.records.map(({ xid }) => xid).join()}`)
    },
    get applied() {
      return applied
    },
    get outstanding() {
      return batches.length
    },
    idle: () => {
      if (batches.length === 0) return Promise.resolve()
      const waiter = deferred<void>()
      waiters.push(waiter)
      return waiter.promise
    },
    forgetRelations: () => void log.push('forget'),
  } as unknown as Publisher
  const target: ApplyTarget = {
    publisher,
    applyBySql: (at: Position, records) => {
      log.push(`sql ${at}: ${records.map(({ xid }) => xid).join()}`)
      return Promise.resolve()
    },
    onSchemaChange: () => {
      log.push('schema')
      return Promise.resolve()
    },
  }
  /** Those of other databases than the first. */
  const targets: Record<number, ApplyTarget> = {}
  const tracker = createOrderTracker(position(0), (at) => log.push(`applied ${at}`))
  const executor = createExecutor({
    tracker,
    targetOf: (database) => targets[database] ?? target,
    readChunks: () => {
      throw new Error('nothing is large here')
    },
    committedBefore,
    isOwnNode: ({ entry }) => entry.node === 1,
    heartbeatBatch: (at) => ({ position: at, records: [], write: () => undefined }),
    onBusy: (busy) => void log.push(busy ? 'busy' : 'quiet'),
  })
  const running = executor.run()
  /** The worker has committed its first batch. */
  const workerDone = async (): Promise<void> => {
    const batch = batches.shift()
    ok(batch)
    applied = batch.position
    executor.applied(applied)
    if (batches.length === 0) for (const waiter of waiters) waiter.resolve()
    if (batches.length === 0) waiters = []
    await settleTasks()
  }
  const take = (): string[] => log.splice(0)
  return { batches, executor, publisher, target, targets, tracker, running, workerDone, take }
}

let at = 0
const judgedOf = (entry: Entry, committed: readonly number[], own?: readonly Pending[]): Judged => ({
  position: position((at += 1)),
  entry,
  committed,
  own,
  byteLength: 100,
})

const remote = (...xids: number[]): Judged => {
  const entry = groupOf(
    appendId(2, 1, 1),
    xids.map((xid) => makeRecord({ xid })),
  )
  return judgedOf(
    entry,
    xids.map((_, i) => i),
  )
}

const own = (record: WritesetRecord, commit: () => Promise<boolean>): { judged: Judged; pending: Pending } => {
  const pending = makePending(record, { backendPid: 1, commit, abort: () => Promise.resolve() })
  return { judged: judgedOf(groupOf(appendId(1, 1, 1), [record]), [0], [pending]), pending }
}

test('consecutive remote groups go as one transaction, which completes all their positions', async () => {
  at = 0
  const { executor, workerDone, take } = setUp()
  void executor.push(remote(1, 2))
  void executor.push(judgedOf(fenceOf(appendId(2, 1, 0)), []))
  void executor.push(remote(3))
  await settleTasks()
  deepEqual(take(), ['busy', 'send 3: 1,2,3'])
  deepEqual(
    executor.applying.map(({ position }) => position),
    [1, 3],
  )
  await workerDone()
  deepEqual(take(), ['applied 3', 'quiet'])
  deepEqual(executor.applying, [])
})

test('one record of an apply transaction notifies at most', async () => {
  at = 0
  const { executor, workerDone, take } = setUp()
  const telling = (xid: number): Judged =>
    judgedOf(groupOf(appendId(2, 1, 1), [makeRecord({ xid, notifies: true })]), [0])
  for (const judged of [remote(1), telling(2), remote(3), telling(4), remote(5)]) void executor.push(judged)
  await settleTasks()
  deepEqual(take(), ['busy', 'send 3: 1,2,3', 'busy', 'send 5: 4,5'])
  await workerDone()
  await workerDone()
  deepEqual(take(), ['applied 3', 'applied 5', 'quiet'])
})

test('a database gets nothing while what another one was given is on its way; a schema change reads its own catalog', async () => {
  at = 0
  const { batches, executor, target, targets, workerDone, take } = setUp()
  const elsewhere = databaseId(7)
  const log: string[] = []
  const sent: ApplyBatch[] = []
  const waiters: (() => void)[] = []
  targets[elsewhere] = {
    ...target,
    publisher: {
      send: (batch) => void sent.push(batch),
      get outstanding() {
        return sent.length
      },
      applied: position(0),
      idle: () => (sent.length === 0 ? Promise.resolve() : new Promise((resolve) => waiters.push(resolve))),
      forgetRelations: () => void log.push('forget there'),
    },
    applyBySql: () => Promise.resolve(),
    onSchemaChange: () => (log.push('schema there'), Promise.resolve()),
  }
  const there = (judged: Judged): Judged => ({ ...judged, entry: { ...judged.entry, database: elsewhere } as Entry })
  void executor.push(remote(1))
  void executor.push(there(remote(2)))
  void executor.push(remote(3))
  await settleTasks()
  deepEqual([batches.length, sent.length], [1, 0], 'the first is not committed')
  await workerDone()
  deepEqual([batches.length, sent.map(({ position: end }) => end)], [0, [2]], 'nor is the second now')
  sent.length = 0
  executor.applied(position(2))
  for (const resolve of waiters.splice(0)) resolve()
  await settleTasks()
  deepEqual(
    take().filter((line) => line.startsWith('send')),
    ['send 1: 1', 'send 3: 3'],
  )
  await workerDone()
  const ddl = makeRecord({ xid: 5, schemaChange: true })
  void executor.push(there(judgedOf(groupOf(appendId(2, 1, 1), [ddl]), [0])))
  await settleTasks()
  deepEqual(log, ['forget there', 'schema there'])
})

test('an own group commits only when all before it is applied, and nothing goes out before it has', async () => {
  at = 0
  const { executor, workerDone, take } = setUp()
  const commits = deferred<boolean>()
  let asked = false
  const mine = { ...own(makeRecord({ xid: 7 }), () => ((asked = true), commits.promise)) }
  void executor.push({ ...remote(1), position: position(1) })
  void executor.push({ ...mine.judged, position: position(2) })
  void executor.push({ ...remote(3), position: position(3) })
  await settleTasks()
  deepEqual([take(), asked], [['busy', 'send 1: 1'], false])
  await workerDone()
  deepEqual([take(), asked], [['applied 1', 'quiet'], true])
  commits.resolve(true)
  deepEqual(await mine.pending.outcome.promise, { kind: 'committed', position: 2, local: true })
  await settleTasks()
  deepEqual(take(), ['applied 2', 'busy', 'send 3: 3'])
})

test('an own record that was lost is applied from the journal, at its position, before its client is told', async () => {
  at = 0
  const { batches, executor, workerDone, take } = setUp()
  const { judged, pending } = own(makeRecord({ xid: 7 }), () => Promise.resolve(false))
  let told = false
  void pending.outcome.promise.then(() => (told = true))
  void executor.push(judged)
  await settleTasks()
  equal(told, false)
  ok(judged.entry.kind === 'group')
  equal(batches[0]?.records[0], judged.entry.records[0], 'the record as the journal has it')
  await workerDone()
  deepEqual(await pending.outcome.promise, { kind: 'committed', position: 1, local: false })
  deepEqual(take(), ['busy', 'send 1: 7', 'applied 1', 'quiet'])
})

test('a record without changes is applied nowhere, wherever it comes from, and its position counts', async () => {
  at = 0
  const { executor, take } = setUp()
  const locksOnly = makeRecord({ xid: 7, changes: { kind: 'inline', bytes: new Uint8Array(0) } })
  void executor.push(judgedOf(groupOf(appendId(2, 1, 1), [locksOnly]), [0]))
  const lost = own(locksOnly, () => Promise.resolve(false))
  void executor.push(lost.judged)
  void executor.push(judgedOf(groupOf(appendId(1, 1, 2), [locksOnly]), [0]))
  await settleTasks()
  deepEqual(await lost.pending.outcome.promise, { kind: 'committed', position: 2, local: false })
  deepEqual(take(), ['applied 1', 'applied 2', 'applied 3'])
})

test('a schema change runs by SQL when all before it is applied, and catalogs are read before anything goes on', async () => {
  at = 0
  const { executor, workerDone, take } = setUp()
  const ddl = makeRecord({ xid: 5, schemaChange: true })
  void executor.push(remote(1))
  void executor.push(judgedOf(groupOf(appendId(2, 1, 1), [ddl]), [0]))
  await settleTasks()
  deepEqual(take(), ['busy', 'send 1: 1'])
  await workerDone()
  deepEqual(take(), ['applied 1', 'quiet', 'busy', 'sql 2: 5', 'quiet', 'forget', 'schema', 'applied 2'])
})

test('records of an older incarnation are applied only where the server did not commit them', async () => {
  at = 0
  const { executor, workerDone, take } = setUp((record) => Promise.resolve(record.xid === 1n))
  const records = [1, 2].map((xid) => makeRecord({ xid }))
  void executor.push(judgedOf(groupOf(appendId(1, 1, 1), records), [0, 1]))
  await settleTasks()
  deepEqual(take(), ['busy', 'send 1: 2'])
  await workerDone()
  deepEqual(take(), ['applied 1', 'quiet'])
})

test('a heartbeat never repeats a position that the worker has, and never overtakes', async () => {
  at = 0
  const { executor, workerDone, take } = setUp()
  executor.heartbeat()
  await settleTasks()
  deepEqual(take(), [])
  void executor.push(remote(1))
  await settleTasks()
  executor.heartbeat()
  await settleTasks()
  deepEqual(take(), ['busy', 'send 1: 1'], 'not while something is on its way')
  await workerDone()
  executor.heartbeat()
  await settleTasks()
  deepEqual(take(), ['applied 1', 'quiet'], 'the worker stands there already')
  void executor.push(judgedOf(fenceOf(appendId(2, 1, 0)), []))
  await settleTasks()
  executor.heartbeat()
  await settleTasks()
  deepEqual(take(), ['applied 2', 'busy', 'send 2: '])
})

test('a full queue holds the reader back until half of it is done; closing lets it go', async () => {
  at = 0
  const { executor, running } = setUp()
  const fill = (): Promise<void> | void => {
    for (;;) {
      const full = executor.push({ ...remote(1), byteLength: 1024 * 1024 })
      if (full !== undefined) return full
    }
  }
  const full = fill()
  ok(full)
  ok(executor.queued >= 30 && executor.queued < 40)
  executor.close()
  await full
  await running
})

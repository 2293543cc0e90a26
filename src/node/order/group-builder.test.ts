import { deepEqual, equal, ok } from 'node:assert/strict'
import { test } from 'node:test'
import { deferred } from '../../core/deferred.ts'
import { decodeEntry } from '../../core/entry.ts'
import { AllwriteError } from '../../core/errors.ts'
import { databaseId, incarnation, nodeId, position, type Position } from '../../core/ids.ts'
import type { AppendId, Entry } from '../../core/writeset.ts'
import type { Journal } from '../../journal/contract.ts'
import { createGroupBuilder } from './group-builder.ts'
import { makePending, makeRecord, packKey, settleTasks } from './order-fixtures.ts'

/** A journal whose appends are answered by hand. */
const slowJournal = () => {
  const appends: { id: AppendId; entry: Entry; answer: (at: number) => void; fail: (error: Error) => void }[] = []
  const append = (id: AppendId, payload: Uint8Array): Promise<Position> => {
    const { promise, resolve, reject } = deferred<Position>()
    appends.push({ id, entry: decodeEntry(id, payload), answer: (at) => resolve(position(at)), fail: reject })
    return promise
  }
  return { appends, journal: { append } as unknown as Journal }
}

const newBuilder = (held: ReadonlySet<bigint> = new Set()) => {
  const { appends, journal } = slowJournal()
  const fatal: Error[] = []
  const builder = createGroupBuilder({
    journal,
    node: nodeId(1),
    incarnation: incarnation(1),
    signal: new AbortController().signal,
    onFatal: (error) => fatal.push(error),
    isHeld: ({ xid }) => held.has(xid),
  })
  const sizes = (): number[] => appends.map(({ entry }) => (entry.kind === 'group' ? entry.records.length : 0))
  return { appends, builder, fatal, sizes }
}

test('one group is under way at a time, and the next takes all that became ready meanwhile', async () => {
  const { appends, builder, sizes } = newBuilder()
  builder.add(makePending(makeRecord()))
  builder.add(makePending(makeRecord()))
  await settleTasks()
  for (let i = 0; i < 5; i++) builder.add(makePending(makeRecord()))
  await settleTasks()
  deepEqual(sizes(), [2])
  equal(builder.waiting, 5)
  appends[0]?.answer(1)
  await settleTasks()
  deepEqual(sizes(), [2, 5])
})

test('one record of a group notifies at most; others may stand beside it', async () => {
  const { appends, builder, sizes } = newBuilder()
  for (const notifies of [false, true, false, true, true, false]) {
    builder.add(makePending(makeRecord(notifies ? { notifies } : {})))
  }
  for (let i = 0; i < 3; i++) {
    await settleTasks()
    appends[i]?.answer(i + 1)
  }
  deepEqual(sizes(), [3, 1, 2])
})

test('what is held back lets others pass, can be withdrawn, and goes first when the hold is over', async () => {
  const held = new Set([7n, 8n])
  const { appends, builder } = newBuilder(held)
  const xids = (): bigint[][] =>
    appends.map(({ entry }) => (entry.kind === 'group' ? entry.records.map(({ xid }) => xid) : []))
  const withdrawn = makePending(makeRecord({ xid: 8 }))
  builder.add(makePending(makeRecord({ xid: 7 })))
  builder.add(withdrawn)
  builder.add(makePending(makeRecord({ xid: 1 })))
  await settleTasks()
  appends[0]?.answer(1)
  await settleTasks()
  deepEqual([xids(), builder.waiting], [[[1n]], 2])
  equal(builder.withdraw(withdrawn), true)
  equal(builder.waiting, 1)
  held.clear()
  builder.add(makePending(makeRecord({ xid: 2 })))
  builder.resume()
  deepEqual(xids(), [[1n], [7n, 2n]])
})

test('groups are bounded in records, bytes and keys, and no transaction is left over', async () => {
  const bulky = { kind: 'inline', bytes: new Uint8Array(300 * 1024) } as const
  const manyKeys = Array.from({ length: 9_000 }, (_, i) => packKey(String(i)))
  for (const [records, expected] of [
    [Array.from({ length: 1_100 }, () => makeRecord()), [512, 512, 76]],
    [Array.from({ length: 7 }, () => makeRecord({ changes: bulky })), [3, 3, 1]],
    [Array.from({ length: 3 }, () => makeRecord({ keys: manyKeys })), [1, 1, 1]],
  ] as const) {
    const { appends, builder, sizes } = newBuilder()
    for (const record of records) builder.add(makePending(record))
    for (let i = 0; i < expected.length; i++) {
      await settleTasks()
      appends[i]?.answer(i + 1)
    }
    deepEqual(sizes(), expected)
  }
})

test('a schema change is alone in its group, and keeps its place', async () => {
  const { appends, builder, sizes } = newBuilder()
  for (const schemaChange of [false, true, true, false, false]) builder.add(makePending(makeRecord({ schemaChange })))
  for (let i = 0; i < 4; i++) {
    await settleTasks()
    appends[i]?.answer(i + 1)
  }
  deepEqual(sizes(), [1, 1, 1, 2])
})

test('a transaction can be withdrawn until its group is appended, and not after', async () => {
  const { appends, builder, sizes } = newBuilder()
  const [first, second, third] = [1, 2, 3].map((id) => makePending(makeRecord({ xid: id })))
  ok(first && second && third)
  builder.add(first)
  equal(builder.withdraw(first), true)
  builder.add(second)
  await settleTasks()
  builder.add(third)
  equal(builder.withdraw(second), false)
  equal(builder.withdraw(third), true)
  appends[0]?.answer(1)
  await settleTasks()
  deepEqual(sizes(), [1])
  deepEqual(builder.take(0), [second])
  equal(builder.take(0), undefined)
})

test('numbers are dense over fence, chunks and groups', async () => {
  const { appends, builder } = newBuilder()
  void builder.fence()
  void builder.chunk(1, 0, new Uint8Array(3))
  builder.add(makePending(makeRecord()))
  await settleTasks()
  void builder.chunk(1, 1, new Uint8Array(3))
  deepEqual(
    appends.map(({ id, entry }) => [id.number, entry.kind]),
    [
      [0, 'fence'],
      [1, 'chunk'],
      [2, 'group'],
      [3, 'chunk'],
    ],
  )
})

test('any other failed append ends the agent: nothing can follow its number', async () => {
  const { appends, builder, fatal } = newBuilder()
  builder.add(makePending(makeRecord()))
  await settleTasks()
  appends[0]?.fail(new AllwriteError('stale_incarnation', 'replaced'))
  builder.add(makePending(makeRecord()))
  await settleTasks()
  deepEqual(
    fatal.map((error) => (error as AllwriteError).code),
    ['stale_incarnation'],
  )
  equal(appends.length, 1, 'nothing is sent behind it')
})

const full = new AllwriteError('journal_full', 'no room')

test('what a full journal refuses is refused, and its number is used by the next', async () => {
  const { appends, builder, fatal } = newBuilder()
  const first = makePending(makeRecord())
  builder.add(first)
  await settleTasks()
  const second = makePending(makeRecord())
  builder.add(second)
  appends[0]?.fail(full)
  deepEqual(await first.outcome.promise, { kind: 'refused', error: full })
  await settleTasks()
  equal(appends[1]?.id.number, 0)
  equal(builder.take(0)?.[0], second)
  appends[1]?.answer(1)
  await settleTasks()
  deepEqual(fatal, [])
})

test('behind a refused number nothing is sent until all that is under way has failed too', async () => {
  const { appends, builder, fatal } = newBuilder()
  const chunks = [0, 1].map((index) =>
    builder.chunk(1, index, new Uint8Array(3)).catch((error: unknown) => (error as AllwriteError).code),
  )
  const group = makePending(makeRecord())
  builder.add(group)
  await settleTasks()
  equal(appends.length, 3)
  appends[0]?.fail(full)
  await settleTasks()
  // Number 0 is free again, but number 1 could be stored behind it while it is still on its way.
  const late = makePending(makeRecord())
  builder.add(late)
  equal(await builder.chunk(2, 0, new Uint8Array(3)).catch((error: unknown) => error), full)
  await settleTasks()
  equal(appends.length, 3)
  appends[1]?.fail(new AllwriteError('protocol', 'append 1/1 of n1 leaves a gap'))
  appends[2]?.fail(new AllwriteError('protocol', 'append 1/2 of n1 leaves a gap'))
  deepEqual(await Promise.all(chunks), ['journal_full', 'journal_full'])
  deepEqual(await group.outcome.promise, { kind: 'refused', error: full })
  await settleTasks()
  deepEqual(
    appends.slice(3).map(({ id }) => id.number),
    [0],
  )
  equal(builder.take(0)?.[0], late)
  deepEqual(fatal, [])
})

test('a gap without a refused number before it ends the agent', async () => {
  const { appends, builder, fatal } = newBuilder()
  builder.add(makePending(makeRecord()))
  await settleTasks()
  appends[0]?.fail(new AllwriteError('protocol', 'append 1/0 of n1 leaves a gap'))
  await settleTasks()
  equal(fatal.length, 1)
})

test('a group holds transactions of one database, and none of another one waits for long', async () => {
  const { appends, builder, sizes } = newBuilder()
  const other = databaseId(3_000_000_000)
  builder.add(makePending(makeRecord()))
  await settleTasks()
  for (const database of [undefined, other, undefined, other, other]) {
    const pending = makePending(makeRecord())
    builder.add(database === undefined ? pending : { ...pending, database })
  }
  for (let i = 0; i < 3; i++) {
    await settleTasks()
    appends[i]?.answer(i + 1)
  }
  deepEqual(sizes(), [1, 2, 3])
  deepEqual(
    appends.map(({ entry }) => (entry.kind === 'group' ? entry.database : 'none')),
    [undefined, undefined, other],
  )
})

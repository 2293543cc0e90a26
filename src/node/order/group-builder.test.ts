import { deepEqual, equal, ok } from 'node:assert/strict'
import { test } from 'node:test'
import { deferred } from '../../core/deferred.ts'
import { decodeEntry } from '../../core/entry.ts'
import { AllwriteError } from '../../core/errors.ts'
import { incarnation, nodeId, position, type Position } from '../../core/ids.ts'
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

const newBuilder = () => {
  const { appends, journal } = slowJournal()
  const fatal: Error[] = []
  const builder = createGroupBuilder({
    journal,
    node: nodeId(1),
    incarnation: incarnation(1),
    signal: new AbortController().signal,
    onFatal: (error) => fatal.push(error),
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

test('any failed append ends the agent: nothing can follow its number', async () => {
  const { appends, builder, fatal } = newBuilder()
  const chunk = builder.chunk(1, 0, new Uint8Array(3)).catch((error: unknown) => error)
  appends[0]?.fail(new AllwriteError('journal_full', 'no room'))
  ok((await chunk) instanceof AllwriteError)
  builder.add(makePending(makeRecord()))
  await settleTasks()
  appends[1]?.fail(new AllwriteError('stale_incarnation', 'replaced'))
  builder.add(makePending(makeRecord()))
  await settleTasks()
  deepEqual(
    fatal.map((error) => (error as AllwriteError).code),
    ['journal_full', 'stale_incarnation'],
  )
  equal(appends.length, 2, 'nothing is sent behind it')
})

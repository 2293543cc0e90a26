import { deepEqual, equal, rejects } from 'node:assert/strict'
import { test } from 'node:test'
import { windowDefault } from '../../core/certifier.ts'
import { decodeEntry, encodeEntry } from '../../core/entry.ts'
import { position } from '../../core/ids.ts'
import type { ChunkedChanges, Entry } from '../../core/writeset.ts'
import { MemoryJournal } from '../../journal/memory/memory.ts'
import { createChunkTracker, readChunksOf } from './chunk-tracker.ts'
import { appendId, chunkOf, fenceOf, groupOf, makeRecord } from './order-fixtures.ts'

const claim = (transaction: number, first: number, last: number, chunks: number): ChunkedChanges => ({
  kind: 'chunked',
  transaction,
  chunks,
  first: position(first),
  last: position(last),
  byteLength: chunks,
})

const see = (tracker: ReturnType<typeof createChunkTracker>, at: number, entry: Entry): void =>
  tracker.see(position(at), entry)

test('the oldest unclaimed chunk holds retention, its record lets go', () => {
  const tracker = createChunkTracker()
  equal(tracker.oldest(), undefined)
  see(tracker, 5, chunkOf(appendId(1, 1, 1), 1, 0))
  see(tracker, 6, chunkOf(appendId(2, 1, 1), 1, 0))
  see(tracker, 7, chunkOf(appendId(1, 1, 2), 1, 1))
  equal(tracker.oldest(), 5)
  see(tracker, 8, groupOf(appendId(1, 1, 3), [makeRecord({ changes: claim(1, 5, 7, 2) })]))
  equal(tracker.oldest(), 6)
})

test('a newer incarnation voids the chunks of the older, and only of its node', () => {
  const tracker = createChunkTracker()
  see(tracker, 5, chunkOf(appendId(1, 1, 1), 1, 0))
  see(tracker, 6, chunkOf(appendId(2, 1, 1), 1, 0))
  see(tracker, 7, fenceOf(appendId(1, 2, 0)))
  equal(tracker.oldest(), 6)
})

test('chunks whose record never comes do not hold the journal for ever', () => {
  const tracker = createChunkTracker()
  see(tracker, 5, chunkOf(appendId(1, 1, 1), 1, 0))
  see(tracker, 9, chunkOf(appendId(1, 1, 2), 2, 0))
  const idle = (at: number): void => see(tracker, at, groupOf(appendId(3, 1, at), [makeRecord()]))
  idle(5 + windowDefault)
  equal(tracker.oldest(), 5, 'a record could still commit')
  idle(6 + windowDefault)
  equal(tracker.oldest(), 9)
  idle(10 + windowDefault)
  equal(tracker.oldest(), undefined)
})

const decode = (stored: { id: Entry; payload: Uint8Array }): Entry => decodeEntry(stored.id, stored.payload)

const read = async (journal: MemoryJournal, home: { node: number; incarnation: number }, changes: ChunkedChanges) => {
  const got: number[] = []
  const signal = new AbortController().signal
  for await (const bytes of readChunksOf(journal, home, makeRecord({ changes }), decode, signal)) got.push(...bytes)
  return got
}

test('chunks are read back in order among the entries of others, other transactions and older incarnations', async () => {
  await using journal = new MemoryJournal()
  const put = async (entry: Entry): Promise<number> => journal.append(entry, encodeEntry(entry))
  await put(fenceOf(appendId(1, 1, 0)))
  await put(fenceOf(appendId(2, 1, 0)))
  await put(chunkOf(appendId(1, 1, 1), 1, 0, Uint8Array.of(66)))
  await put(fenceOf(appendId(1, 2, 0)))
  const first = await put(chunkOf(appendId(1, 2, 1), 1, 0, Uint8Array.of(1)))
  await put(chunkOf(appendId(1, 2, 2), 2, 0, Uint8Array.of(77)))
  await put(chunkOf(appendId(2, 1, 1), 1, 1, Uint8Array.of(88)))
  await put(groupOf(appendId(1, 2, 3), [makeRecord()]))
  const last = await put(chunkOf(appendId(1, 2, 4), 1, 1, Uint8Array.of(2)))
  deepEqual(await read(journal, { node: 1, incarnation: 2 }, claim(1, first, last, 2)), [1, 2])
  deepEqual(await read(journal, { node: 1, incarnation: 1 }, claim(1, 1, last, 1)), [66])
  await rejects(read(journal, { node: 1, incarnation: 2 }, claim(1, first, last - 1, 2)), { code: 'journal_corrupt' })
})

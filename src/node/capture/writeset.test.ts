import { deepEqual, equal, ok, rejects } from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { position } from '../../core/ids.ts'
import {
  deleteMessage,
  emittedMessage,
  insertMessage,
  payloadOf,
  relationBody,
  relationMessage,
  streamAbort,
  streamStart,
  streamStop,
  truncateMessage,
} from '../../wire/pgoutput/pgoutput-fixtures.ts'
import { createMessageJoiner, forEachMessage } from '../apply/frames.ts'
import { noDependencies } from './dependencies.ts'
import { createDecoder, type StreamedTransaction } from './decoder.ts'
import type { RecordKeys } from './keys.ts'
import { buildWriteset, mayRename, writesetBytesMax } from './writeset.ts'

const folder = mkdtempSync(join(tmpdir(), 'writeset-'))
after(() => rmSync(folder, { recursive: true, force: true }))

const t = relationBody('public', 't', 'd', [
  ['id', 23, true],
  ['v', 25, false],
])
const notification = relationBody('allwrite', 'notification', 'f', [
  ['channel', 25, true],
  ['payload', 25, true],
])
const ddl = relationBody('allwrite', 'ddl', 'd', [['statement', 25, false]])

/** A captured transaction with these changes, as the decoder makes it. */
const transactionOf = (changes: readonly Buffer[], rolledBack: readonly number[] = []): StreamedTransaction => {
  let captured: StreamedTransaction | undefined
  const decoder = createDecoder(
    {
      onCapture: (_nonce, _xid, _reads, transaction) => void (captured = transaction),
      onCommit: () => undefined,
      onTripwire: () => undefined,
    },
    () => join(folder, 'spool'),
  )
  const feed = (message: Buffer): void => decoder.message(message, 0, message.length)
  feed(streamStart(10))
  changes.forEach(feed)
  feed(streamStop())
  for (const subxid of rolledBack) feed(streamAbort(10, subxid))
  feed(emittedMessage('allwrite', 'nonce 10'))
  ok(captured)
  return captured
}

const build = async (transaction: StreamedTransaction) => {
  const seen: string[] = []
  const chunks: { transaction: number; index: number; bytes: Uint8Array }[] = []
  const keys: RecordKeys = {
    row: (relation, change) => void seen.push(`${change.kind} ${relation.name}`),
    truncate: (relation) => void seen.push(`truncate ${relation.name}`),
    lockTable: () => undefined,
    readTable: (relation) => void seen.push(`read ${relation.name}`),
    everyTable: () => undefined,
    databases: (dropped) => void seen.push(`databases ${dropped ?? ''}`),
    lockRow: () => undefined,
    pack: () => Uint8Array.of(1),
  }
  try {
    const writeset = await buildWriteset(transaction, {
      keys,
      dependencies: noDependencies,
      statementOf: (_, change) => ({
        statement: { text: Buffer.from(change.new?.[0] ?? []).toString(), role: 'r', settings: {} },
        tables: [{ schema: 'public', name: 'altered' }],
        kind: 'alter table',
      }),
      appendChunk: (number, index, bytes) => {
        chunks.push({ transaction: number, index, bytes })
        // Others' entries lie between.
        return Promise.resolve(position(100 + 3 * chunks.length))
      },
      transactionNumber: () => 7,
      pause: () => Promise.resolve(),
    })
    return { writeset, seen, chunks }
  } finally {
    transaction.log.dispose()
  }
}

const messagesOf = (bytes: Uint8Array): Buffer[] => {
  const got: Buffer[] = []
  forEachMessage(bytes, (message) => got.push(Buffer.from(message)))
  return got
}

test('a small transaction travels inline: its changes in order, each with its keys', async () => {
  const { writeset, seen } = await build(
    transactionOf([
      relationMessage(500, t, 10),
      insertMessage(500, ['1', 'a'], 10),
      truncateMessage([500], 0, 10),
      deleteMessage(500, 'K', ['1', null], 10),
    ]),
  )
  deepEqual(seen, ['insert t', 'truncate t', 'delete t'])
  ok(writeset.changes.kind === 'inline')
  deepEqual(messagesOf(writeset.changes.bytes), [
    relationMessage(0, t),
    insertMessage(0, ['1', 'a']),
    truncateMessage([0], 0),
    deleteMessage(0, 'K', ['1', null]),
  ])
  deepEqual([writeset.schemaChange, writeset.empty, writeset.keys], [false, false, Uint8Array.of(1)])
})

test('the search_path goes in front of the changes, and alone is nothing', async () => {
  const path = Buffer.from('H["tenant","public"]')
  const transaction = transactionOf([relationMessage(500, t, 10), insertMessage(500, ['1', 'a'], 10)])
  transaction.searchPath = ['tenant', 'public']
  const { writeset, seen } = await build(transaction)
  ok(writeset.changes.kind === 'inline')
  deepEqual(messagesOf(writeset.changes.bytes), [path, relationMessage(0, t), insertMessage(0, ['1', 'a'])])
  deepEqual(seen, ['insert t'])
  const nothing = transactionOf([])
  nothing.searchPath = ['tenant']
  equal((await build(nothing)).writeset.empty, true)
})

test('a notification travels without keys and without its deletion; alone it conflicts with nothing', async () => {
  const told = [
    relationMessage(8, notification, 10),
    insertMessage(8, ['a', 'x'], 10),
    deleteMessage(8, 'O', ['a', 'x'], 10),
  ]
  const alone = await build(transactionOf(told))
  ok(alone.writeset.changes.kind === 'inline')
  deepEqual(messagesOf(alone.writeset.changes.bytes), [relationMessage(0, notification), insertMessage(0, ['a', 'x'])])
  deepEqual(
    [alone.seen, alone.writeset.notifies, alone.writeset.empty, alone.writeset.keys],
    [[], true, false, new Uint8Array(0)],
  )
  const besides = await build(transactionOf([...told, relationMessage(500, t, 10), insertMessage(500, ['1', 'a'], 10)]))
  deepEqual([besides.seen, besides.writeset.notifies, besides.writeset.keys], [['insert t'], true, Uint8Array.of(1)])
})

test('rows of the statement table become statements; their table stays at home', async () => {
  const { writeset, seen } = await build(
    transactionOf([
      relationMessage(9, ddl, 10),
      insertMessage(9, ['ALTER TABLE altered'], 10),
      relationMessage(500, t, 10),
      insertMessage(500, ['1', 'a'], 10),
      deleteMessage(9, 'K', ['old'], 10),
    ]),
  )
  deepEqual(seen, ['truncate altered', 'insert t'])
  equal(writeset.schemaChange, true)
  ok(writeset.changes.kind === 'inline')
  const messages = messagesOf(writeset.changes.bytes)
  const statements = messages.filter((message) => message.toString('latin1', 0, 1) === 'Q')
  deepEqual(
    statements.map((message) => JSON.parse(message.toString('utf8', 1)) as unknown),
    [{ text: 'ALTER TABLE altered', role: 'r', settings: {} }],
  )
  equal(messages.filter((message) => message.toString('latin1', 0, 1) === 'D').length, 0)
})

test('what was rolled back does not travel, and nothing left is empty', async () => {
  const changes = [relationMessage(500, t, 12), insertMessage(500, ['1', 'a'], 12)]
  const { writeset, seen } = await build(transactionOf(changes, [12]))
  deepEqual([writeset.empty, seen], [true, []])
})

test('a large transaction travels in chunks, which together are its changes', async () => {
  // More than a chunk in a message, and many messages in a chunk.
  const values = [...Array.from({ length: 900 }, (_, i) => 'x'.repeat(1 + i * 3)), 'y'.repeat(2_500_000), 'z']
  const { writeset, chunks, seen } = await build(
    transactionOf([
      relationMessage(500, t, 10),
      ...values.map((value, i) => insertMessage(500, [String(i), value], 10)),
    ]),
  )
  const { changes } = writeset
  ok(changes.kind === 'chunked')
  equal(seen.length, values.length)
  deepEqual(
    chunks.map(({ transaction, index }) => [transaction, index]),
    chunks.map((_, i) => [7, i]),
  )
  deepEqual(
    [changes.transaction, changes.chunks, changes.first, changes.last],
    [7, chunks.length, 103, 100 + 3 * chunks.length],
  )
  ok(chunks.length > 2 && chunks.every(({ bytes }) => bytes.length <= 1024 * 1024))
  equal(
    changes.byteLength,
    chunks.reduce((sum, { bytes }) => sum + bytes.length, 0),
  )
  const got: Buffer[] = []
  const joiner = createMessageJoiner((message) => got.push(Buffer.from(message)))
  for (const { bytes } of chunks) joiner.push(bytes)
  joiner.end()
  const expected = payloadOf([relationMessage(0, t), ...values.map((value, i) => insertMessage(0, [String(i), value]))])
  ok(payloadOf(got).equals(expected))
})

test('a transaction beyond the limit is refused before a byte of it is sent', async () => {
  const transaction = transactionOf([relationMessage(500, t, 10), insertMessage(500, ['1', 'a'], 10)])
  const huge = { ...transaction, log: { byteLength: writesetBytesMax + 1, spooled: true, dispose: () => undefined } }
  await rejects(build(huge as unknown as StreamedTransaction), { code: 'too_large', sqlState: '54000' })
  transaction.log.dispose()
})

test('a command that renames is taken for one that renames written tables only where it may be one', () => {
  const written = ['schema_migrations', 'Book']
  const may = (command: string): boolean => mayRename(command, written)
  for (const command of [
    'alter table "Book" rename to "Buch"',
    'ALTER TABLE schema_migrations RENAME COLUMN version TO v',
    'alter table x rename to book',
    'alter table x set schema other',
    'alter schema a rename to b',
    'alter extension e set schema other',
    'alter table "odd ""name" rename to x',
    String.raw`alter table U&"B\006fok" rename to x`,
  ])
    ok(may(command), command)
  for (const command of [
    'ALTER TABLE "entries" RENAME TO "postings"',
    'alter table shop rename column seen to seen_at',
    'ALTER INDEX i RENAME TO j',
    'alter table "Book" add column v int',
    'create table schema_migrations (version text)',
  ])
    ok(!may(command), command)
})

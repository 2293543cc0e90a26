import { deepEqual, equal, ok } from 'node:assert/strict'
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import {
  beginMessage,
  commitMessage,
  emittedMessage,
  insertMessage,
  relationBody,
  relationMessage,
  streamAbort,
  streamCommit,
  streamStart,
  streamStop,
  truncateMessage,
  updateMessage,
} from '../../wire/pgoutput/pgoutput-fixtures.ts'
import { createDecoder, type StreamedTransaction } from './decoder.ts'

const folder = mkdtempSync(join(tmpdir(), 'decoder-'))
after(() => rmSync(folder, { recursive: true, force: true }))

const t = relationBody('public', 't', 'd', [['id', 23, true]])
const u = relationBody('public', 'u', 'f', [['x', 25, true]])
const ddl = relationBody('allwrite', 'ddl', 'd', [['statement', 25, false]])

const setUp = () => {
  const captured: { nonce: string; xid: bigint; reads?: string; transaction: StreamedTransaction | undefined }[] = []
  const commits: StreamedTransaction[] = []
  const tripwires: string[] = []
  const decoder = createDecoder(
    {
      onCapture(nonce, xid, reads, transaction) {
        captured.push({ nonce, xid, transaction, ...(reads === undefined ? {} : { reads }) })
        if (transaction !== undefined) transaction.sealed = true
      },
      onCommit: (transaction) => commits.push(transaction),
      onTripwire: (what, xid) => tripwires.push(`${xid}: ${what}`),
    },
    (xid) => join(folder, String(xid)),
  )
  /** As from a socket: each message somewhere within a larger buffer. */
  const feed = (...messages: Buffer[]): void => {
    for (const message of messages) {
      const around = Buffer.concat([Buffer.from('....'), message, Buffer.from('..')])
      decoder.message(around, 4, 4 + message.length)
    }
  }
  const stream = (xid: number, ...messages: Buffer[]): void => feed(streamStart(xid), ...messages, streamStop())
  const capture = (nonce: string, xid: bigint): void => feed(emittedMessage('allwrite', `${nonce} ${xid}`))
  return { captured, commits, tripwires, decoder, feed, stream, capture }
}

const frames = (transaction: StreamedTransaction | undefined): Buffer[] => {
  const got: Buffer[] = []
  transaction?.log.forEach((message) => got.push(Buffer.from(message)))
  return got
}

test('interleaved transactions are told apart; each gets its own relation numbers', () => {
  const { captured, stream, capture } = setUp()
  stream(10, relationMessage(500, t, 10), insertMessage(500, ['1'], 10))
  stream(11, relationMessage(600, u, 11), insertMessage(600, ['a'], 11))
  stream(10, updateMessage(500, undefined, ['1'], 10))
  stream(11, relationMessage(500, t, 11), truncateMessage([500, 600], 1, 11))
  capture('n10', 10n)
  capture('n11', (3n << 32n) + 11n)
  deepEqual(
    captured.map(({ nonce, xid }) => [nonce, xid]),
    [
      ['n10', 10n],
      ['n11', (3n << 32n) + 11n],
    ],
  )
  deepEqual(frames(captured[0]?.transaction), [
    relationMessage(0, t),
    insertMessage(0, ['1']),
    updateMessage(0, undefined, ['1']),
  ])
  deepEqual(frames(captured[1]?.transaction), [
    relationMessage(0, u),
    insertMessage(0, ['a']),
    relationMessage(1, t),
    truncateMessage([1, 0], 1),
  ])
})

test('a transaction without changes is captured as undefined; messages of others are not ours', () => {
  const { captured, feed, capture } = setUp()
  capture('alone', 77n)
  feed(emittedMessage('other', 'n 5'), emittedMessage('allwrite', 'no xid'), emittedMessage('allwrite', 'one'))
  feed(emittedMessage('allwrite', 'transactional 5', 1))
  feed(streamStart(5), emittedMessage('allwrite', 'inside 5', 1, 5), streamStop())
  deepEqual(
    captured.map(({ nonce, transaction }) => [nonce, transaction]),
    [['alone', undefined]],
  )
})

test('a rolled back savepoint takes its rows back, a definition stays', () => {
  const { captured, stream, feed, capture } = setUp()
  stream(10, relationMessage(500, t, 12), insertMessage(500, ['gone'], 12))
  feed(streamAbort(10, 12), streamAbort(99, 98))
  stream(10, insertMessage(500, ['stays'], 13))
  capture('n', 10n)
  deepEqual(frames(captured[0]?.transaction), [relationMessage(0, t), insertMessage(0, ['stays'])])
})

test('a definition that changes within a transaction is written anew', () => {
  const { captured, stream, capture } = setUp()
  const wider = relationBody('public', 't', 'd', [
    ['id', 23, true],
    ['more', 25, false],
  ])
  stream(10, relationMessage(500, t, 10), insertMessage(500, ['1'], 10), relationMessage(500, t, 10))
  stream(10, relationMessage(500, wider, 10), insertMessage(500, ['2', 'x'], 10))
  capture('n', 10n)
  deepEqual(frames(captured[0]?.transaction), [
    relationMessage(0, t),
    insertMessage(0, ['1']),
    relationMessage(1, wider),
    insertMessage(1, ['2', 'x']),
  ])
})

test('rows of the statement table mark the transaction', () => {
  const { captured, stream, capture } = setUp()
  stream(10, relationMessage(9, ddl, 10), insertMessage(9, ['create'], 10))
  capture('n', 10n)
  equal(captured[0]?.transaction?.statements, true)
})

test('what writes around the agent trips: behind the capture message, or committed without one', () => {
  const { commits, tripwires, stream, feed, capture } = setUp()
  stream(10, relationMessage(500, t, 10), insertMessage(500, ['1'], 10))
  capture('n', 10n)
  stream(10, insertMessage(500, ['2'], 10))
  stream(10, truncateMessage([500], 0, 10))
  deepEqual(tripwires, [
    '10: a row was written behind the capture message',
    '10: a table was truncated behind the capture message',
  ])
  feed(beginMessage(20), relationMessage(500, t), insertMessage(500, ['3']), commitMessage())
  equal(tripwires[2], '20: a transaction with row changes committed uncaptured')
  feed(beginMessage(21), commitMessage())
  equal(tripwires.length, 3)
  stream(30, insertMessage(500, ['4'], 30))
  feed(streamCommit(30), streamCommit(31))
  deepEqual(
    commits.map(({ xid, sealed, rows }) => [xid, sealed, rows]),
    [[30, false, 1]],
  )
})

test('the rollback of a captured transaction is told: its locks are free for who comes next', () => {
  const { captured, decoder, stream, feed, capture } = setUp()
  stream(10, relationMessage(500, t, 10), insertMessage(500, ['1'], 10))
  capture('n', 10n)
  const transaction = captured[0]?.transaction
  ok(transaction)
  let told = 0
  transaction.onAborted = () => void (told += 1)
  feed(streamAbort(10, 12))
  deepEqual([told, transaction.aborted], [0, false], 'a savepoint is not all of it')
  feed(streamAbort(10, 10))
  deepEqual([told, transaction.aborted, decoder.openTransactions], [1, true, 0])
  equal(frames(transaction).length, 2, "the log is still the caller's")
})

test('spool files go with their transaction, captured ones with who disposes them', () => {
  const { captured, decoder, stream, feed, capture } = setUp()
  const large = insertMessage(500, ['x'.repeat(600_000)], 10)
  for (const xid of [10, 11, 12]) {
    stream(xid, relationMessage(500, t, xid), large, large, large)
  }
  equal(readdirSync(folder).length, 3)
  feed(streamAbort(10, 10))
  capture('n', 11n)
  feed(streamCommit(11))
  equal(readdirSync(folder).length, 2)
  captured[0]?.transaction?.log.dispose()
  decoder.reset()
  deepEqual(readdirSync(folder), [])
  equal(decoder.openTransactions, 0)
})

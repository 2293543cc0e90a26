import { deepEqual, equal, ok, rejects, throws } from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { lsnOfPosition, position, positionOfLsn, type Lsn, type Position } from '../../core/ids.ts'
import { createMessageCutter, standbyStatusUpdate } from '../../wire/pgoutput/copy-stream.ts'
import { insertMessage, payloadOf, relationBody, relationMessage } from '../../wire/pgoutput/pgoutput-fixtures.ts'
import { makeRecord } from '../order/order-fixtures.ts'
import { createBatch } from './batch.ts'
import { createPublisher, type ApplyBatch, type Publisher } from './publisher.ts'

const folder = mkdtempSync(join(tmpdir(), 'publisher-'))
after(() => rmSync(folder, { recursive: true, force: true }))

const until = async (what: string, look: () => boolean): Promise<void> => {
  const deadline = performance.now() + 10_000
  while (!look()) {
    ok(performance.now() < deadline, `not within 10 s: ${what}`)
    await new Promise((resolve) => setImmediate(resolve))
  }
}

const framed = (type: string, body: Buffer): Buffer => {
  const head = Buffer.alloc(5)
  head.write(type)
  head.writeUInt32BE(4 + body.length, 1)
  return Buffer.concat([head, body])
}

/** The server's side of the conversation: greets, streams, and answers when it is told to. */
const startWorker = (socketPath: string, from: number, user = 'n1') => {
  const socket: Socket = connect(socketPath)
  const types: string[] = []
  const streamed: string[] = []
  const relations: number[] = []
  let keepalive: Position | undefined
  let streaming = false
  const cut = createMessageCutter((type, bytes, start, end) => {
    const name = String.fromCharCode(type)
    if (name === 'W') streaming = true
    if (name !== 'd') return types.push(name)
    const message = bytes.subarray(start + 25, end)
    if (bytes[start] === 0x6b) keepalive = positionOfLsn(bytes.readBigUInt64BE(start + 1) as Lsn)
    else if (message[0] === 0x42) streamed.push(`begin ${positionOfLsn(message.readBigUInt64BE(1) as Lsn)}`)
    else if (message[0] === 0x49) streamed.push(message.toString('latin1', 13))
    else if (message[0] === 0x52) relations.push(message.readUInt32BE(1))
    else if (message[0] === 0x43) streamed.push('commit')
    return undefined
  })
  socket.on('data', (chunk: Buffer) => cut(chunk))
  socket.on('error', () => undefined)
  const startup = Buffer.from(`user\0${user}\0replication\0database\0database\0allwrite\0\0`)
  const length = Buffer.alloc(8)
  length.writeUInt32BE(8 + startup.length)
  length.writeUInt32BE(196_608, 4)
  const query = (sql: string): Buffer => framed('Q', Buffer.from(`${sql}\0`))
  const lsn = `${(lsnOfPosition(position(from)) >> 32n).toString(16)}/${(lsnOfPosition(position(from)) & 0xffff_ffffn).toString(16)}`
  // In pieces, and several in one: as a socket may bring them.
  socket.write(length.subarray(0, 3))
  socket.write(Buffer.concat([length.subarray(3), startup]))
  socket.write(
    Buffer.concat([query("SELECT pg_catalog.set_config('search_path', '', false);"), query('IDENTIFY_SYSTEM')]),
  )
  socket.write(query(`START_REPLICATION SLOT "allwrite" LOGICAL ${lsn.toUpperCase()} (proto_version '4')`))
  return {
    socket,
    types,
    streamed,
    relations,
    get streaming() {
      return streaming
    },
    get keepalive() {
      return keepalive
    },
    confirm: (at: number) => socket.write(standbyStatusUpdate(lsnOfPosition(position(at)), 0)),
  }
}

const table = relationBody('public', 't', 'd', [['id', 23, true]])
const batchOf = (at: number, ...rows: string[]): ApplyBatch => {
  const bytes = payloadOf([relationMessage(0, table), ...rows.map((row) => insertMessage(0, [row]))])
  const record = makeRecord({ xid: at, changes: { kind: 'inline', bytes } })
  return createBatch(position(at), [record], () => {
    throw new Error('nothing is large')
  })
}

let sockets = 0
const setUp = async (start = 0) => {
  const socketPath = join(folder, String((sockets += 1)))
  const applied: number[] = []
  const poison: ApplyBatch[] = []
  const errors: Error[] = []
  const publisher: Publisher = await createPublisher({
    socketPath,
    user: 'n1',
    start: position(start),
    wallClock: () => 0,
    generatedOf: () => new Set(),
    onApplied: (at) => applied.push(at),
    onConnected: () => undefined,
    onPoison: (batch) => poison.push(batch),
    onError: (error) => errors.push(error),
  })
  return { publisher, socketPath, applied, poison, errors }
}

test('batches go to the worker in order, each one transaction, and are applied when the worker says so', async () => {
  const { publisher, socketPath, applied } = await setUp()
  await using _ = publisher
  publisher.send(batchOf(2, 'a', 'b'))
  const worker = startWorker(socketPath, 0)
  publisher.send(batchOf(5, 'c'))
  await until('both are streamed', () => worker.keepalive === 5)
  deepEqual(worker.streamed, ['begin 2', 'a', 'b', 'commit', 'begin 5', 'c', 'commit'])
  deepEqual(worker.relations, [1], 'a relation is announced once')
  let idle = false
  const waiting = publisher.idle().then(() => (idle = true))
  worker.confirm(2)
  await until('the first is applied', () => publisher.applied === 2)
  deepEqual([publisher.outstanding, idle], [1, false])
  worker.confirm(5)
  await waiting
  deepEqual([applied, publisher.outstanding], [[2, 5], 0])
  throws(() => publisher.send(batchOf(5, 'd')), /moves the origin forward/)
})

test('a worker that comes again gets what lies behind its origin, and nothing twice', async () => {
  const { publisher, socketPath, applied } = await setUp()
  await using _ = publisher
  for (const at of [1, 2, 3]) publisher.send(batchOf(at, `row ${at}`))
  const first = startWorker(socketPath, 0)
  await until('all is streamed', () => first.keepalive === 3)
  // It committed 1 and 2, but its report was lost with it.
  first.socket.destroy()
  await until('it is gone', () => !publisher.connected)
  const second = startWorker(socketPath, 2)
  await until('the rest is streamed', () => second.keepalive === 3)
  deepEqual(second.streamed, ['begin 3', 'row 3', 'commit'])
  deepEqual([applied, publisher.outstanding], [[2], 1])
})

test('a worker that is replaced before its connection ended is cut off', async () => {
  const { publisher, socketPath } = await setUp()
  await using _ = publisher
  const first = startWorker(socketPath, 0)
  await until('it streams', () => first.streaming)
  const second = startWorker(socketPath, 0)
  await until('the first is closed', () => first.socket.destroyed || first.socket.readableEnded)
  publisher.send(batchOf(1, 'x'))
  await until('the second gets the batch', () => second.keepalive === 1)
})

test('a large batch that is cut off in the middle comes again from its start', async () => {
  const { publisher, socketPath } = await setUp()
  await using _ = publisher
  const cutOff: (() => void)[] = []
  let reads = 0
  const record = makeRecord({
    changes: { kind: 'chunked', transaction: 1, chunks: 2, first: position(1), last: position(2), byteLength: 1 },
  })
  const chunks = [
    payloadOf([relationMessage(0, table), insertMessage(0, ['one'.repeat(200_000)])]),
    payloadOf([insertMessage(0, ['two'])]),
  ]
  const batch = createBatch(position(3), [record], async function* () {
    const first = (reads += 1) === 1
    yield chunks[0] as Buffer
    // The first worker never gets the rest.
    if (first) await new Promise<void>((resolve) => cutOff.push(resolve))
    yield chunks[1] as Buffer
  })
  const worker = startWorker(socketPath, 0)
  publisher.send(batch)
  await until('the first half came', () => cutOff.length === 1 && worker.streamed.length === 2)
  worker.socket.destroy()
  await until('it is gone', () => !publisher.connected)
  const second = startWorker(socketPath, 0)
  await until('all came', () => second.keepalive === 3)
  cutOff[0]?.()
  deepEqual(
    second.streamed.map((text) => text.slice(0, 7)),
    ['begin 3', 'oneoneo', 'two', 'commit'],
  )
  equal(publisher.outstanding, 1)
})

test('a batch that three workers ended at is poison: told once, held back until it is skipped', async () => {
  const { publisher, socketPath, poison, applied } = await setUp()
  await using _ = publisher
  publisher.send(batchOf(1, 'fine'))
  publisher.send(batchOf(2, 'poison'))
  publisher.send(batchOf(3, 'next'))
  const end = async (worker: ReturnType<typeof startWorker>): Promise<void> => {
    await until('it was sent everything', () => worker.keepalive === 3)
    worker.socket.destroy()
    await until('it is gone', () => !publisher.connected)
  }
  await end(startWorker(socketPath, 0))
  await end(startWorker(socketPath, 1))
  await end(startWorker(socketPath, 1))
  deepEqual(poison, [], 'two failures may have other reasons')
  for (let i = 0; i < 4; i++) {
    const idleWorker = startWorker(socketPath, 1)
    await until('it streams', () => idleWorker.streaming && publisher.connected)
    idleWorker.confirm(1)
    await until('it is heard', () => applied.includes(1))
    deepEqual(idleWorker.streamed, [], 'what is applied in another way is not sent')
    idleWorker.socket.destroy()
    await until('it is gone', () => !publisher.connected)
  }
  deepEqual(
    poison.map(({ position }) => position),
    [2],
  )
  publisher.skip(position(2))
  // The worker's own origin does not know of it.
  const healthy = startWorker(socketPath, 1)
  await until('it gets the next', () => healthy.keepalive === 3)
  deepEqual(healthy.streamed, ['begin 3', 'next', 'commit'])
})

test('strangers get nothing, and nobody keeps the publisher from closing', async () => {
  const { publisher, socketPath } = await setUp()
  publisher.send(batchOf(1, 'secret'))
  const stranger = startWorker(socketPath, 0, 'n2')
  await until('it is closed', () => stranger.socket.destroyed || stranger.socket.readableEnded)
  deepEqual(stranger.types, [])
  const silent = connect(socketPath)
  silent.on('error', () => undefined)
  await until('it is connected', () => silent.readyState === 'open')
  const idle = publisher.idle()
  const ended = rejects(idle, { code: 'cancelled' })
  await publisher[Symbol.asyncDispose]()
  await ended
})

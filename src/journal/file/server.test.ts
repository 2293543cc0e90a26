import assert from 'node:assert/strict'
import { fork } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { statSync } from 'node:fs'
import { connect } from 'node:net'
import type { Socket } from 'node:net'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { fileURLToPath } from 'node:url'
import * as fc from 'fast-check'
import { nodeId, position } from '../../core/ids.ts'
import { appendId, payloadOf, readAll, refusedWith } from '../compliance.ts'
import { connectFileJournal } from './client.ts'
import { decodeReply, FrameReader, helloFrame, subscribeFrame, tailFrame } from './frames.ts'
import type { Reply } from './frames.ts'
import { clientOf, served, temporaryDirectory, until } from './testing.ts'

const fixture = fileURLToPath(new URL(import.meta.resolve('./serve.fixture.js'), import.meta.url))

const startServer = async (directory: string): Promise<ChildProcess> => {
  const child = fork(fixture, [directory])
  await once(child, 'message')
  return child
}

const kill = async (child: ChildProcess): Promise<void> => {
  child.kill('SIGKILL')
  await once(child, 'exit')
}

/** A socket that speaks frames by hand. */
const rawClient = async (path: string): Promise<{ socket: Socket; replies: Reply[] }> => {
  const socket = connect(path)
  const reader = new FrameReader()
  const replies: Reply[] = []
  socket.on('error', () => {})
  socket.on('data', (chunk: Buffer) => replies.push(...reader.push(chunk).map((frame) => decodeReply(frame))))
  await once(socket, 'connect')
  return { socket, replies }
}

describe('journal process', () => {
  it('kill -9 under load: no answered append is missing, none is stored twice, positions are dense', async () => {
    using directory = temporaryDirectory()
    let child = await startServer(directory.path)
    const answered: { node: number; number: number; at: number }[] = []
    const next = [0, 0, 0]
    const stop = new AbortController()
    const clients = next.map(() => connectFileJournal({ socketPath: join(directory.path, 'socket') }))
    const load = clients.flatMap((client, n) =>
      Array.from({ length: 16 }, async () => {
        while (!stop.signal.aborted) {
          const id = appendId(n + 1, next[n]!++)
          const at = await client.append(id, payloadOf(id, 300))
          answered.push({ node: id.node, number: id.number, at })
        }
      }),
    )
    try {
      for (let round = 1; round <= 6; round++) {
        const due = answered.length + 400
        await until(() => answered.length > due, `round ${round} is under load`)
        await kill(child)
        child = await startServer(directory.path)
      }
      stop.abort()
      await Promise.all(load)
      const { last } = await clients[0]!.tail()
      const entries = await readAll(clients[0]!, 1, last)
      for (const { node, number, at } of answered) {
        const entry = entries[at - 1]
        assert.deepEqual(entry?.id, appendId(node, number))
        assert.deepEqual(Buffer.from(entry.payload), Buffer.from(payloadOf(entry.id, 300)))
      }
      assert.equal(new Set(answered.map(({ at }) => at)).size, answered.length)
      assert.equal(entries.length, answered.length, 'all were answered in the end: nothing else is stored')
    } finally {
      stop.abort()
      for (const client of clients) await client[Symbol.asyncDispose]()
      await Promise.allSettled(load)
      await kill(child)
    }
  })

  it('a stream goes on behind the last entry received when the process is killed', async () => {
    using directory = temporaryDirectory()
    let child = await startServer(directory.path)
    await using client = connectFileJournal({ socketPath: join(directory.path, 'socket') })
    const reading = readAll(client, 1, 300)
    for (let n = 0; n < 300; n++) {
      await client.append(appendId(1, n), payloadOf(appendId(1, n)))
      if (n % 100 === 50) {
        await kill(child)
        child = await startServer(directory.path)
      }
    }
    assert.equal((await reading).length, 300)
    await kill(child)
  })

  it('a reader that does not read gets its credit and no more, and slows nobody', async () => {
    using directory = temporaryDirectory()
    await using server = await served(directory.path, { ringBytes: 1 << 20 })
    await using client = clientOf(server)
    const { socket, replies } = await rawClient(server.socketPath)
    const credit = 100_000
    socket.write(Buffer.concat([helloFrame(), subscribeFrame(9, 1, 0, credit)]))
    await until(() => replies.length > 0, 'the welcome')
    socket.pause()
    await Promise.all([...Array(400).keys()].map((n) => client.append(appendId(1, n), new Uint8Array(10_000))))
    socket.write(tailFrame(5))
    socket.resume()
    await until(() => replies.some(({ kind }) => kind === 'tailIs'), 'the tail')
    const bytes = replies.reduce((sum, reply) => sum + (reply.kind === 'entries' ? reply.records.length : 0), 0)
    assert.ok(bytes >= credit && bytes <= credit + 256 * 1024, `${bytes} bytes came`)
    socket.destroy()
  })

  it('a slow consumer gets every entry in order, from disk', async () => {
    using directory = temporaryDirectory()
    await using server = await served(directory.path, { ringBytes: 1 << 18, segmentBytes: 1 << 20 })
    await using client = clientOf(server)
    const iterator = client.read(position(1))[Symbol.asyncIterator]()
    const first = iterator.next()
    for (let n = 0; n < 1000; n++) void client.append(appendId(1, n), new Uint8Array(10_000))
    await until(() => server.store.tail().last === 1000, 'all is stored while the reader waits')
    let due = 1
    for (let batch = await first; due <= 1000; batch = await iterator.next()) {
      assert.ok(!batch.done)
      for (const entry of batch.value) assert.equal(entry.position, due++)
      if (due > 1000) break
    }
    await iterator.return?.()
  })

  it('malformed frames end their connection only', async () => {
    using directory = temporaryDirectory()
    await using server = await served(directory.path)
    await using client = clientOf(server)
    await client.append(appendId(1, 0), payloadOf(appendId(1, 0)))
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ minLength: 1, maxLength: 60 }), fc.boolean(), async (noise, polite) => {
        const { socket } = await rawClient(server.socketPath)
        const closed = once(socket, 'close')
        socket.end(Buffer.concat([polite ? helloFrame() : Buffer.alloc(0), noise]))
        await closed
      }),
      { numRuns: 100 },
    )
    assert.equal((await client.tail()).last, 1)
  })

  it('the socket is for its owner only', async () => {
    using directory = temporaryDirectory()
    await using server = await served(directory.path)
    assert.equal(statSync(server.socketPath).mode & 0o777, 0o600)
  })

  it('a journal that was replaced or lost entries is refused by who knew it', async () => {
    using directory = temporaryDirectory()
    using other = temporaryDirectory()
    const { store, socketPath, ...server } = await served(directory.path)
    await using client = connectFileJournal({ socketPath })
    await client.append(appendId(1, 0), payloadOf(appendId(1, 0)))
    client.report(nodeId(1), position(1))
    assert.equal(store.tail().last, 1)
    await server[Symbol.asyncDispose]()
    await using replacement = await served(other.path, {}, socketPath)
    assert.equal(replacement.store.tail().last, 0)
    await refusedWith(client.append(appendId(1, 1), new Uint8Array(1)), 'journal_corrupt')
  })
})

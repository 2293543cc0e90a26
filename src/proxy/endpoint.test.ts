import { deepEqual, equal, match, ok } from 'node:assert/strict'
import { once } from 'node:events'
import { connect, createServer, type Server, type Socket } from 'node:net'
import { test } from 'node:test'
import { encodePreamble } from '../core/preamble.ts'
import { startEndpoint } from './endpoint.ts'
import { createRoutes, type Routes, type RoutesOptions } from './routes.ts'
import { emptyView, type NodeView } from './view.ts'

function portOf(server: Server): number {
  const address = server.address()
  return typeof address === 'object' && address ? address.port : 0
}

async function nextData(socket: Socket): Promise<Buffer> {
  const [chunk]: Buffer[] = await once(socket, 'data')
  return chunk ?? Buffer.alloc(0)
}

const nodeView = (id: number, more: Partial<NodeView> = {}): NodeView => ({
  id,
  host: '127.0.0.1',
  port: id,
  state: 'serving',
  serving: true,
  alive: true,
  draining: false,
  lag: 0,
  sessions: 0,
  ...more,
})

/** A node that answers everything with its name, and remembers what it got. */
async function fakeNode(id: number) {
  const sockets = new Set<Socket>()
  const received: Buffer[] = []
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    sockets.add(socket)
    socket.on('close', () => sockets.delete(socket))
    socket.on('error', () => undefined)
    socket.on('data', (chunk: Buffer) => {
      received.push(chunk)
      socket.write(`n${id}`)
    })
    socket.on('end', () => socket.end('bye'))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const stop = async () => {
    for (const socket of sockets) socket.destroy()
    const closed = once(server, 'close')
    server.close()
    await closed
  }
  const port = portOf(server)
  return {
    route: nodeView(id, { port }),
    received,
    sockets,
    stop,
    [Symbol.asyncDispose]: () => (server.listening ? stop() : Promise.resolve()),
  }
}

const packet = (code: number, rest: Buffer = Buffer.alloc(0)): Buffer => {
  const head = Buffer.alloc(8)
  head.writeInt32BE(8 + rest.length, 0)
  head.writeInt32BE(code, 4)
  return Buffer.concat([head, rest])
}
const startup = packet(196_608, Buffer.from('user\0postgres\0\0'))
const sslRequest = packet(80_877_103)

function cancelRequest(processId: number, keyBytes = 4): Buffer {
  const rest = Buffer.alloc(4 + keyBytes, 7)
  rest.writeUInt32BE(processId, 0)
  return packet(80_877_102, rest)
}

async function open(port: number, first: Buffer) {
  const socket = connect({ host: '127.0.0.1', port, allowHalfOpen: true })
  socket.on('error', () => undefined)
  socket.write(first)
  const answer = await nextData(socket)
  return { socket, answer, [Symbol.dispose]: () => socket.destroy() }
}

const startWith = async (options: Partial<RoutesOptions> = {}, tls = false) => {
  const routes: Routes = createRoutes({ kind: 'cluster', now: () => performance.now(), ...options })
  const endpoint = await startEndpoint({ host: '127.0.0.1', port: 0, tls: () => tls, routes })
  return {
    port: endpoint.port,
    endpoint,
    update: (nodes: readonly NodeView[], more: { pin?: { epoch: number; node: number }; paused?: boolean } = {}) =>
      routes.update({ ...emptyView, ...more, nodes }),
    [Symbol.asyncDispose]: () => endpoint[Symbol.asyncDispose](),
  }
}
const freeEndpoint = () => startWith()

test('connections go to the node with the fewest, in turn among equals', async () => {
  await using one = await fakeNode(1)
  await using two = await fakeNode(2)
  await using endpoint = await freeEndpoint()
  endpoint.update([one.route, two.route])
  const opened = []
  for (let i = 0; i < 6; i++) opened.push(await open(endpoint.port, startup))
  const names = opened.map(({ answer }) => answer.toString())
  deepEqual(names.sort(), ['n1', 'n1', 'n1', 'n2', 'n2', 'n2'])
  for (const { socket } of opened) socket.destroy()
})

test('a node that refuses is passed over within the same connection', async () => {
  const one = await fakeNode(1)
  await using two = await fakeNode(2)
  await using endpoint = await freeEndpoint()
  endpoint.update([one.route, two.route])
  await one.stop()
  for (let i = 0; i < 4; i++) {
    using client = await open(endpoint.port, startup)
    equal(client.answer.toString(), 'n2')
  }
})

test('a node reported as not serving gets nothing; with none left the client hears 57P03', async () => {
  await using one = await fakeNode(1)
  await using endpoint = await freeEndpoint()
  endpoint.update([{ ...one.route, serving: false }])
  using client = await open(endpoint.port, startup)
  equal(client.answer.toString('latin1', 0, 1), 'E')
  equal(client.answer.readInt32BE(1), client.answer.length - 1)
  match(client.answer.toString(), /FATAL\0C57P03\0Mno node is serving\0H/)
  await once(client.socket, 'end')
  deepEqual(one.received, [])
})

test('connections of a node are closed at once when it is reported dead', async () => {
  await using one = await fakeNode(1)
  await using two = await fakeNode(2)
  await using endpoint = await freeEndpoint()
  endpoint.update([one.route])
  using client = await open(endpoint.port, startup)
  endpoint.update([two.route])
  using other = await open(endpoint.port, startup)
  endpoint.update([{ ...one.route, serving: false, alive: false }, two.route])
  await ended(client.socket)
  equal(other.socket.readableEnded, false)
})

test('a node that only stops serving keeps its connections', async () => {
  await using one = await fakeNode(1)
  await using endpoint = await freeEndpoint()
  endpoint.update([one.route])
  using client = await open(endpoint.port, startup)
  endpoint.update([{ ...one.route, serving: false, alive: true }])
  client.socket.write('more')
  const answer = await nextData(client.socket)
  equal(answer.toString(), 'n1')
})

for (const keyBytes of [4, 32]) {
  test(`a cancel with a key of ${keyBytes} bytes reaches the node in its process id, in pieces or after an SSL request`, async () => {
    await using one = await fakeNode(1)
    await using two = await fakeNode(2)
    await using endpoint = await freeEndpoint()
    endpoint.update([one.route, { ...two.route, serving: false, alive: true }])
    const request = cancelRequest((2 << 20) | 77, keyBytes)
    using whole = await open(endpoint.port, request)
    equal(whole.answer.toString(), 'n2')
    using encrypted = await open(endpoint.port, sslRequest)
    equal(encrypted.answer.toString(), 'N')
    for (const at of [3, 8, 11]) {
      encrypted.socket.write(request.subarray(at === 3 ? 0 : at === 8 ? 3 : 8, at))
      await new Promise((resolve) => setImmediate(resolve))
    }
    encrypted.socket.write(request.subarray(11))
    await once(encrypted.socket, 'data')
    deepEqual(Buffer.concat(two.received), Buffer.concat([request, request]))
    deepEqual(one.received, [])
  })
}

test('a cancel for an unknown node is closed without an answer', async () => {
  await using one = await fakeNode(1)
  await using endpoint = await freeEndpoint()
  endpoint.update([one.route])
  const socket = connect(endpoint.port, '127.0.0.1')
  socket.on('error', () => undefined)
  socket.end(cancelRequest(9 << 20))
  await once(socket, 'close')
  deepEqual(one.received, [])
})

test('where nodes speak TLS, the request for it passes through', async () => {
  await using one = await fakeNode(1)
  await using endpoint = await startWith({}, true)
  endpoint.update([one.route])
  using client = await open(endpoint.port, sslRequest)
  equal(client.answer.toString(), 'n1')
  deepEqual(Buffer.concat(one.received), sslRequest)
})

test('a half-close passes through, and the answer to it comes back', async () => {
  await using one = await fakeNode(1)
  await using endpoint = await freeEndpoint()
  endpoint.update([one.route])
  using client = await open(endpoint.port, startup)
  client.socket.end()
  const answer = await nextData(client.socket)
  equal(answer.toString(), 'bye')
  await once(client.socket, 'close')
})

test('a client that does not read slows its node down instead of filling memory', async () => {
  const sent = { bytes: 0, waited: false }
  const server = createServer((socket) => {
    socket.on('error', () => undefined)
    const chunk = Buffer.alloc(64 * 1024)
    const pump = () => {
      while (sent.bytes < 256 * 1024 * 1024) {
        sent.bytes += chunk.length
        if (!socket.write(chunk)) return
      }
    }
    socket.on('drain', pump)
    socket.once('data', pump)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  await using endpoint = await freeEndpoint()
  endpoint.update([nodeView(1, { port: portOf(server) })])
  const client = connect(endpoint.port, '127.0.0.1')
  client.pause()
  client.write(startup)
  // Until two looks in a row see no progress: then everything between is full.
  for (let before = -1; before !== sent.bytes || sent.bytes === 0;) {
    before = sent.bytes
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
  ok(sent.bytes < 64 * 1024 * 1024, `${sent.bytes} bytes were taken`)
  client.destroy()
  server.close()
})

test('a reader’s node hears it before the client’s first byte', async () => {
  await using one = await fakeNode(1)
  await using endpoint = await startWith({ kind: 'reader' })
  endpoint.update([one.route])
  using client = await open(endpoint.port, startup)
  equal(client.answer.toString(), 'n1')
  deepEqual(Buffer.concat(one.received), Buffer.concat([encodePreamble({ kind: 'reader' }), startup]))
})

test('a pinned client waits for a writer, and is cut off when another node becomes it', async () => {
  await using one = await fakeNode(1)
  await using two = await fakeNode(2)
  await using endpoint = await startWith({ kind: 'pinned' })
  endpoint.update([one.route, two.route])
  const opening = open(endpoint.port, startup)
  await until('the client waits', () => endpoint.endpoint.waiting === 1)
  endpoint.update([one.route, two.route], { pin: { epoch: 1, node: 2 } })
  using client = await opening
  equal(client.answer.toString(), 'n2')
  deepEqual(two.received[0]?.subarray(0, 13), Buffer.from(encodePreamble({ kind: 'pinned', epoch: 1 })))
  // The old writer only hangs: nothing says that it is dead.
  endpoint.update([one.route, two.route], { pin: { epoch: 2, node: 1 } })
  await ended(client.socket)
  using next = await open(endpoint.port, startup)
  equal(next.answer.toString(), 'n1')
})

test('in a pause a client waits, and goes on when it is over', async () => {
  await using one = await fakeNode(1)
  await using endpoint = await freeEndpoint()
  endpoint.update([one.route], { paused: true })
  const opening = open(endpoint.port, startup)
  await until('the client waits', () => endpoint.endpoint.waiting === 1)
  deepEqual(one.received, [])
  endpoint.update([one.route])
  using client = await opening
  equal(client.answer.toString(), 'n1')
})

/** Closed by the other side, in whatever way. */
async function ended(socket: Socket): Promise<void> {
  if (!socket.readableEnded && !socket.closed) await Promise.race([once(socket, 'end'), once(socket, 'close')])
}

async function until(what: string, condition: () => boolean): Promise<void> {
  for (let tries = 0; !condition(); tries++) {
    ok(tries < 1000, what)
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
}

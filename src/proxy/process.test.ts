import { deepEqual, equal, notEqual, ok } from 'node:assert/strict'
import { once } from 'node:events'
import { createServer as createHttp, type ServerResponse } from 'node:http'
import { connect, createServer, type Socket } from 'node:net'
import { test } from 'node:test'
import { decodePreamble, preambleBytes } from '../core/preamble.ts'
import { startProxy } from './process.ts'
import type { ClusterView, NodeView, Pin } from './view.ts'

const startup = Buffer.from([0, 0, 0, 9, 0, 3, 0, 0, 0])

/** A cluster without a database: its API, and nodes that answer clients with their name, and agree as the journal lets them. */
async function fakeCluster(count: number) {
  const watchers = new Set<ServerResponse>()
  const sockets = new Set<Socket>()
  let pin: Pin = { epoch: 0, node: 0 }
  const asked: [node: number, epoch: number][] = []
  const nodes: NodeView[] = []
  const closers: (() => void)[] = []
  const listen = async (server: ReturnType<typeof createServer>): Promise<number> => {
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    closers.push(() => server.close())
    const address = server.address()
    return typeof address === 'object' && address ? address.port : 0
  }
  for (let id = 1; id <= count; id++) {
    const http = createHttp((request, response) => {
      request.setEncoding('utf8').once('data', (text: string) => {
        const { epoch }: { epoch: number } = JSON.parse(text)
        asked.push([id, epoch])
        if (pin.epoch === epoch) pin = { epoch: epoch + 1, node: id }
        response.end(JSON.stringify(pin))
      })
    })
    const server = createServer((socket) => {
      sockets.add(socket)
      socket.on('error', () => undefined)
      socket.once('data', (chunk: Buffer) => {
        if (!chunk.toString('latin1').startsWith('POST')) {
          const binding = decodePreamble(chunk.subarray(0, preambleBytes))
          socket.write(`n${id} ${binding?.kind === 'pinned' ? binding.epoch : ''}`)
          return
        }
        socket.pause()
        socket.unshift(chunk)
        http.emit('connection', socket)
        socket.resume()
      })
    })
    const port = await listen(server)
    const state = { state: 'serving', serving: true, alive: true, draining: false, lag: 0, sessions: 0 }
    nodes.push({ id, host: '127.0.0.1', port, ...state })
  }
  const view = (): ClusterView => ({ nodes, pin, paused: false, tls: false })
  const tell = () => watchers.forEach((watcher) => watcher.write(`${JSON.stringify(view())}\n`))
  const api = createHttp((_, response) => {
    watchers.add(response)
    response.once('close', () => watchers.delete(response))
    response.write(`${JSON.stringify(view())}\n`)
  })
  const url = `http://127.0.0.1:${await listen(api)}`
  const timer = setInterval(tell, 100)
  return {
    url,
    asked,
    get pin() {
      return pin
    },
    /** As the cluster reports it, at once. */
    down(id: number) {
      const at = nodes.findIndex((node) => node.id === id)
      const node = nodes[at]
      if (node) nodes[at] = { ...node, state: 'down', serving: false, alive: false }
      tell()
    },
    /** The API ends what it tells; who follows comes again. */
    cutStreams: () => watchers.forEach((watcher) => watcher.destroy()),
    [Symbol.dispose]() {
      clearInterval(timer)
      for (const close of closers) close()
      for (const watcher of watchers) watcher.destroy()
      for (const socket of sockets) socket.destroy()
    },
  }
}

const proxyOf = (api: string) =>
  startProxy({
    host: '127.0.0.1',
    api,
    endpoints: [{ name: 'pinned', kind: 'pinned', port: 0 }],
    log: () => undefined,
  })

async function open(proxy: Awaited<ReturnType<typeof proxyOf>>) {
  const socket = connect(proxy.status().endpoints[0]?.port ?? 0, '127.0.0.1')
  socket.on('error', () => undefined)
  socket.write(startup)
  const [chunk]: Buffer[] = await once(socket, 'data')
  return { socket, where: chunk?.toString() ?? '' }
}

test('proxies that start at once, and that lose their writer at once, come to one writer each time', async () => {
  using cluster = await fakeCluster(3)
  await using one = await proxyOf(cluster.url)
  await using two = await proxyOf(cluster.url)
  const first = await Promise.all([open(one), open(two)])
  equal(first[0].where, first[1].where)
  equal(first[0].where, `n${cluster.pin.node} 1`)
  const lost = cluster.pin.node
  const ends = first.map(({ socket }) => once(socket, 'close'))
  cluster.down(lost)
  await Promise.all(ends)
  const next = await Promise.all([open(one), open(two)])
  equal(next[0].where, next[1].where)
  equal(next[0].where, `n${cluster.pin.node} 2`)
  notEqual(cluster.pin.node, lost)
  // Each proxy asked at most once an epoch, and the second to ask was told who had won.
  ok(cluster.asked.length <= 4)
  deepEqual([one.status().pin, two.status().pin], [cluster.pin, cluster.pin])
  for (const { socket } of next) socket.destroy()
})

test('a stream that ends is taken up again', async () => {
  using cluster = await fakeCluster(2)
  await using proxy = await proxyOf(cluster.url)
  const before = await open(proxy)
  cluster.cutStreams()
  const ended = once(before.socket, 'close')
  cluster.down(cluster.pin.node)
  await ended
  const after = await open(proxy)
  equal(after.where, `n${cluster.pin.node} 2`)
  after.socket.destroy()
})

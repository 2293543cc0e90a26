import { deepEqual, equal, match } from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:net'
import { test } from 'node:test'
import type { AgentStatus } from './ipc.ts'
import { createNodeApi } from './node-api.ts'

const status: AgentStatus = {
  type: 'status',
  state: 'serving',
  position: 5,
  journalPosition: 9,
  postgresPid: 1,
  sessions: 2,
  draining: false,
  serverSilentMs: 0,
  pinned: { epoch: 0, node: 0 },
  counts: [
    { database: 'app', committed: 3, conflicts: [{ table: 'public."odd"', reason: 'certification', count: 4 }] },
  ],
}

/** Hands its connections over as a login does: some bytes read, put back, paused. */
async function serve(take: (epoch: number) => Promise<{ epoch: number; node: number }>) {
  let now = status
  const onHttp = createNodeApi({ name: 'n1', status: () => now, take })
  const server = createServer((socket) => {
    socket.once('data', (chunk: Buffer) => {
      socket.pause()
      socket.unshift(chunk)
      onHttp(socket)
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  const url = `http://127.0.0.1:${typeof address === 'object' && address ? address.port : 0}`
  const ask = (
    path: string,
    init: {
      readonly method?: string
      readonly body?: string
      readonly headers?: Readonly<Record<string, string>>
    } = {},
  ) => fetch(`${url}${path}`, { ...init, headers: { connection: 'close', ...init.headers } })
  return {
    ask,
    is: (more: Partial<AgentStatus>) => (now = { ...status, ...more }),
    [Symbol.asyncDispose]: () => new Promise<void>((resolve) => server.close(() => resolve())),
  }
}

test('a node tells its health by status codes, on a socket that came by another way', async () => {
  await using node = await serve(() => Promise.reject(new Error('nobody asks')))
  const codes = async (...paths: string[]) => Promise.all(paths.map(async (path) => (await node.ask(path)).status))
  deepEqual(await codes('/', '/primary', '/replica', '/replica?lag=4', '/replica?lag=3'), [200, 200, 200, 200, 503])
  deepEqual(await codes('/health', '/liveness', '/readiness', '/nothing'), [200, 200, 200, 404])
  node.is({ draining: true })
  deepEqual(await codes('/primary', '/read-only', '/readiness', '/health', '/liveness'), [503, 503, 503, 200, 200])
  node.is({ state: 'catching_up' })
  deepEqual(await codes('/primary', '/readiness', '/health'), [503, 503, 200])
  equal((await node.ask('/primary', { method: 'OPTIONS' })).status, 503)
  node.is({})
  deepEqual(await (await node.ask('/')).json(), {
    node: 'n1',
    role: 'primary',
    state: 'serving',
    draining: false,
    position: 5,
    lag: 4,
    sessions: 2,
    pinned: { epoch: 0, node: 0 },
  })
  match(
    await (await node.ask('/metrics')).text(),
    /^allwrite_conflicts_total\{node="n1",database="app",table="public\.\\"odd\\"",reason="certification"\} 4$/m,
  )
})

test('a node takes the pinned writer’s place for who may ask', async () => {
  const asked: number[] = []
  await using node = await serve((epoch) => {
    asked.push(epoch)
    return Promise.resolve({ epoch: epoch + 1, node: 1 })
  })
  const headers = { 'content-type': 'application/json' }
  const answer = await node.ask('/pinned', { method: 'POST', headers, body: '{"epoch":6}' })
  deepEqual(await answer.json(), { epoch: 7, node: 1 })
  equal((await node.ask('/pinned', { method: 'POST', body: '{"epoch":7}' })).status, 400)
  for (const body of ['{', '{}', '{"epoch":-1}', '{"epoch":"6"}'])
    equal((await node.ask('/pinned', { method: 'POST', headers, body })).status, 400, body)
  equal((await node.ask('/pinned', { method: 'POST', headers, body: ' '.repeat(10_000) })).status, 400)
  equal((await node.ask('/primary', { method: 'DELETE' })).status, 405)
  deepEqual(asked, [6])
})

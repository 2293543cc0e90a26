/**
 * What idle clients cost a pool: `node bench/pool-idle.mjs [--clients 10000] [--connections 50]`.
 *
 * Starts a pool process in front of a scripted node (no PostgreSQL), lets the clients log in, each run a transaction, and be idle; prints
 * the pool's resident memory before and after as one line of JSON. Needs as many file descriptors in each process as there are clients.
 */
import { spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { fakeCluster, fakePool, loginAtFakes } from '../dist/proxy/pool/fake-node.js'
import { fixedRoutes } from '../dist/proxy/pool/fixed-routes.fixture.js'
import { openPool } from '../dist/proxy/pool/index.js'
import { query } from '../dist/wire/pgwire/messages.js'

const { values } = parseArgs({
  options: {
    clients: { type: 'string', default: '10000' },
    connections: { type: 'string', default: '50' },
    /** The pool's own process, in front of the node at this port. */
    node: { type: 'string' },
  },
})
if (values.node !== undefined) {
  const pool = await openPool({
    routes: fixedRoutes([{ node: 1, host: '127.0.0.1', port: Number(values.node) }]),
    settings: { nodeConnectionsMax: Number(values.connections), MaxIdleConnectionsPercent: 100 },
    log: { warn: (fields, message) => process.stderr.write(`${message} ${JSON.stringify(fields)}\n`) },
    ...fakePool(),
  })
  process.stdout.write(`${JSON.stringify({ port: pool.port })}\n`)
  await once(process, 'SIGTERM')
  process.exit(0)
}
const clientCount = Number(values.clients)

const memoryOf = (pid) => Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'latin1'))?.[1]) / 1024

const fakes = await fakeCluster(1)
const args = [fileURLToPath(import.meta.url), '--connections', values.connections, '--node', String(fakes.node(1).port)]
const pool = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] })
const [line] = await once(pool.stdout, 'data')
const { port } = JSON.parse(line)
const before = memoryOf(pool.pid)

const sockets = []
const open = async () => {
  sockets.push(await loginAtFakes(port))
}
const started = performance.now()
for (let done = 0; done < clientCount; done += 100) {
  await Promise.all(Array.from({ length: Math.min(100, clientCount - done) }, open))
}
const loggedIn = performance.now()
let answered = 0
const nonce = randomBytes(4).toString('hex')
for (let at = 0; at < sockets.length; at += 200) {
  await Promise.all(
    sockets.slice(at, at + 200).map(async (socket, index) => {
      socket.resume()
      socket.write(query(`SELECT ${nonce}${at + index}`))
      const [answer] = await once(socket, 'data')
      if (answer.includes(`${nonce}${at + index}`)) answered++
    }),
  )
}
await new Promise((resolve) => setTimeout(resolve, 3_000))
const after = memoryOf(pool.pid)
process.stdout.write(
  `${JSON.stringify({
    clients: sockets.length,
    answered,
    connectionsAtNode: fakes.node(1).sessions.size - 1,
    residentBeforeMiB: Math.round(before),
    residentIdleMiB: Math.round(after),
    kibPerClient: Number((((after - before) * 1024) / sockets.length).toFixed(1)),
    loginsPerSecond: Math.round((sockets.length / (loggedIn - started)) * 1000),
  })}\n`,
)
for (const socket of sockets) socket.destroy()
pool.kill('SIGTERM')
await once(pool, 'exit')
fakes.node(1).kill()
process.exit(answered === sockets.length ? 0 : 1)

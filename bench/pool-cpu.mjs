#!/usr/bin/env node
/**
 * What a transaction costs the proxy's own process: the pool beside the endpoint that passes bytes on, in turns.
 *
 *   npm run build && node bench/pool-cpu.mjs [--transactions 20000] [--rounds 5] [--clients 8]
 *
 * Both stand in front of a scripted node, no PostgreSQL, that reports as many settings as PostgreSQL does. A transaction is a point read: one Query, or
 * Bind, Describe, Execute and Sync of a prepared statement. Printed: µs of the processor for a transaction, medians; the ratio of each round's pair.
 * The processor's time is what stays comparable on a machine that others use; half of it is the kernel's, for two reads and two writes.
 */
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { cpus, loadavg } from 'node:os'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { startEndpoint } from '../dist/proxy/endpoint.js'
import { fakeCluster, fakePool, loginAtFakes } from '../dist/proxy/pool/fake-node.js'
import { fixedRoutes } from '../dist/proxy/pool/fixed-routes.fixture.js'
import { openPool } from '../dist/proxy/pool/index.js'
import { percentile } from '../dist/testing/chaos/report.js'
import { bindPlain, describe, execute, parse, query, sync } from '../dist/wire/pgwire/messages.js'

const { values } = parseArgs({
  options: {
    transactions: { type: 'string', default: '20000' },
    rounds: { type: 'string', default: '5' },
    clients: { type: 'string', default: '8' },
    /** What the process itself is: for its children. */
    serve: { type: 'string' },
    node: { type: 'string' },
  },
})

/** The process that is measured: tells its port, and at each message the time of the processor that it has used, µs. */
const serve = async (what, port) => {
  const place = { host: '127.0.0.1', port: 0, routes: fixedRoutes([{ node: 1, host: '127.0.0.1', port }]) }
  const log = { warn: (fields, message) => process.stderr.write(`${message} ${JSON.stringify(fields)}\n`) }
  const settings = { MaxIdleConnectionsPercent: 100 }
  const served =
    what === 'pool'
      ? await openPool({ ...place, ...fakePool(), settings, log })
      : await startEndpoint({ ...place, tls: () => false })
  process.on('message', () => {
    const { user, system } = process.cpuUsage()
    process.send({ used: user + system })
  })
  process.once('disconnect', () => process.exit(0))
  process.send({ port: served.port })
}

const requests = {
  simple: query('SELECT 1234567890'),
  prepared: Buffer.concat([bindPlain('', 'p'), describe('P', ''), execute(''), sync]),
}
/** ReadyForQuery up to its status. */
const readyHead = Buffer.from([0x5a, 0, 0, 0, 5])

const login = async (port) => {
  const socket = await loginAtFakes(port)
  socket.resume()
  socket.write(Buffer.concat([parse('p', 'SELECT 1234567890'), sync]))
  await once(socket, 'data')
  return socket
}

/** Starts what is measured, with its clients logged in. */
const start = async (what, nodePort) => {
  const child = fork(fileURLToPath(import.meta.url), ['--serve', what, '--node', String(nodePort)])
  const [{ port }] = await once(child, 'message')
  const sockets = []
  for (let index = 0; index < Number(values.clients); index++) sockets.push(await login(port))
  const used = async () => {
    child.send('used')
    const [answer] = await once(child, 'message')
    return answer.used
  }
  /** Runs transactions, and resolves with what each has used, µs. */
  const run = async (request, count) => {
    const before = await used()
    let left = count
    await Promise.all(
      sockets.map(
        (socket) =>
          new Promise((resolve) => {
            const next = (chunk) => {
              if (chunk !== undefined && !chunk.includes(readyHead)) return
              if (left-- > 0) socket.write(request)
              else resolve(socket.off('data', next))
            }
            socket.on('data', next)
            next()
          }),
      ),
    )
    return ((await used()) - before) / count
  }
  return { run, stop: () => child.disconnect(), sockets }
}

const compare = async () => {
  const count = Number(values.transactions)
  const fakes = await fakeCluster(1)
  const { port } = fakes.node(1)
  const pool = await start('pool', port)
  const relay = await start('relay', port)
  const lines = []
  for (const [protocol, request] of Object.entries(requests)) {
    const results = { pool: [], relay: [] }
    for (const one of [pool, relay]) await one.run(request, count / 2)
    for (let round = 0; round < Number(values.rounds); round++) {
      results.relay.push(await relay.run(request, count))
      results.pool.push(await pool.run(request, count))
    }
    const ratios = results.pool.map((used, round) => used / results.relay[round]).toSorted((a, b) => a - b)
    const median = (all) =>
      percentile(
        all.toSorted((a, b) => a - b),
        0.5,
      )
    const spread = `${ratios[0].toFixed(2)}–${ratios.at(-1).toFixed(2)}`
    const shown = [median(results.relay).toFixed(1), median(results.pool).toFixed(1)]
    lines.push(`| ${protocol} | ${shown.join(' | ')} | ${median(ratios).toFixed(2)} (${spread}) |`)
  }
  for (const one of [pool, relay]) {
    for (const socket of one.sockets) socket.destroy()
    one.stop()
  }
  await fakes[Symbol.asyncDispose]()
  process.stdout.write(
    [
      `${values.clients} clients, ${values.rounds} rounds of ${count} transactions in turns; ${cpus().length} cores, load ${loadavg()[0].toFixed(1)} at the end. Its own CPU for a transaction, µs:`,
      '',
      '| protocol | relay | pool | ratio, least and most |',
      '| --- | --- | --- | --- |',
      ...lines,
      '',
    ].join('\n'),
  )
}

await (values.serve === undefined ? compare() : serve(values.serve, Number(values.node)))

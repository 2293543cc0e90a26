/**
 * What clients make an agent keep in memory: `node bench/memory.mjs [--mb 100] [--prepared 10000]`. One node; each line is one kind of
 * client, measured on the same agent one after the other: resident memory before, at its peak, and ten seconds behind.
 */
import { connect } from 'node:net'
import { readFileSync } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import pg from 'pg'
import { startCluster } from '../dist/testing/cluster.js'

const { values } = parseArgs({
  options: { mb: { type: 'string', default: '100' }, prepared: { type: 'string', default: '10000' } },
})
const statementBytes = Number(values.mb) * 1024 * 1024
const preparedCount = Number(values.prepared)
const halfOpenCount = 1_000
/** Behind a client's end, until the heap has been collected and given back. */
const calmMs = 10_000

const rssMb = (pid) => Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) / 1024

const cluster = await startCluster({ nodes: 1 })
const [node] = await cluster.status()
const pid = node?.agentPid
if (typeof pid !== 'number') throw new Error('the agent does not run')
const url = new URL(cluster.urlOf(1))
const port = Number(url.port)

/** Runs one kind of client, and prints what the agent held. */
const measure = async (name, act) => {
  const before = rssMb(pid)
  let peak = before
  const timer = setInterval(() => (peak = Math.max(peak, rssMb(pid))), 50)
  const note = await act()
  peak = Math.max(peak, rssMb(pid))
  await delay(calmMs)
  clearInterval(timer)
  console.log(`| ${name} | ${before.toFixed(0)} | ${peak.toFixed(0)} | ${rssMb(pid).toFixed(0)} | ${note ?? ''} |`)
}

const open = () =>
  new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1', () => resolve(socket))
    socket.on('error', reject)
  })

/** A start-up packet without a password behind it. */
const startup = (() => {
  const body = Buffer.from('user\0postgres\0database\0postgres\0\0')
  const head = Buffer.alloc(8)
  head.writeInt32BE(8 + body.length)
  head.writeInt32BE(3 << 16, 4)
  return Buffer.concat([head, body])
})()

const withClient = async (use) => {
  const client = new pg.Client({ connectionString: url.href })
  client.on('error', () => undefined)
  await client.connect()
  try {
    return await use(client)
  } finally {
    await client.end().catch(() => undefined)
  }
}

console.log('| client | before, MB | peak, MB | after, MB | |\n| --- | --- | --- | --- | --- |')
await measure(`${halfOpenCount} logins that stop before the password`, async () => {
  const sockets = []
  let closed = 0
  for (let i = 0; i < halfOpenCount; i++) {
    const socket = await open()
    socket.on('error', () => undefined).on('close', () => closed++)
    socket.resume()
    socket.write(startup)
    sockets.push(socket)
  }
  // Somebody else comes in all the same.
  const began = performance.now()
  await withClient((client) => client.query('select 1'))
  const ms = performance.now() - began
  for (const socket of sockets) socket.destroy()
  return `${closed} were closed; a login beside them took ${ms.toFixed(0)} ms`
})
await measure('a client that asks for 1 GB and never reads', async () => {
  await withClient(async (client) => {
    const { stream } = Reflect.get(client, 'connection')
    client.query(`select repeat('x', 10000) from generate_series(1, 100000)`).catch(() => undefined)
    stream.pause()
    await delay(5_000)
    stream.destroy()
  })
})
await measure(`a statement of ${values.mb} MB`, async () => {
  await withClient(async (client) => {
    const { rows } = await client.query(`select length('${'x'.repeat(statementBytes)}') as n`)
    if (rows[0]?.n !== statementBytes) throw new Error('a wrong answer')
  })
})
await measure(`a parameter of ${values.mb} MB`, async () => {
  await withClient(async (client) => {
    const { rows } = await client.query('select length($1) as n', ['x'.repeat(statementBytes)])
    if (rows[0]?.n !== statementBytes) throw new Error('a wrong answer')
  })
})
await measure(`${preparedCount} prepared statements in one session`, () =>
  withClient(async (client) => {
    for (let i = 0; i < preparedCount; i++)
      await client.query({ name: `s${i}`, text: `select ${i} as n, $1::int`, values: [i] })
  }),
)
await cluster[Symbol.asyncDispose]()

import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect, createServer, type AddressInfo, type Socket } from 'node:net'
import { test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { AllwriteError } from '../../core/errors.ts'
import { parseErrorFields } from '../../wire/pgwire/errors.ts'
import type { ClassifiedQuery } from '../session/statement/contract.ts'
import { runReplication, type Replication, type ReplicationOptions } from './relay.ts'

const message = (type: string, body: string | Buffer = ''): Buffer => {
  const bytes = Buffer.from(body)
  const head = Buffer.alloc(5)
  head.write(type, 0)
  head.writeUInt32BE(4 + bytes.length, 1)
  return Buffer.concat([head, bytes])
}
const ask = (sql: string): Buffer => message('Q', `${sql}\0`)
const ready = (status = 'I'): Buffer => message('Z', status)

/** The two ends of a connection. */
const socketPair = async (): Promise<[Socket, Socket]> => {
  const server = createServer()
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const near = connect((server.address() as AddressInfo).port, '127.0.0.1')
  const [[far]] = (await Promise.all([once(server, 'connection'), once(near, 'connect')])) as [[Socket], unknown]
  server.close()
  return [near, far]
}

/** One end, seen from outside: what came, as `type body`. */
class End {
  readonly socket: Socket
  readonly came: string[] = []
  bytes = 0
  #rest: Buffer = Buffer.alloc(0)
  constructor(socket: Socket) {
    this.socket = socket
    socket.on('error', () => undefined)
    socket.on('data', (chunk: Buffer) => {
      this.bytes += chunk.length
      this.#rest = Buffer.concat([this.#rest, chunk])
      while (this.#rest.length >= 5 && this.#rest.length >= 1 + this.#rest.readUInt32BE(1)) {
        const end = 1 + this.#rest.readUInt32BE(1)
        const body = this.#rest.subarray(5, end)
        const type = String.fromCharCode(this.#rest[0] ?? 0)
        const { sqlState, severity } = parseErrorFields(body)
        this.came.push(type === 'E' ? `E ${severity} ${sqlState}` : `${type} ${body.toString().replaceAll('\0', '')}`)
        this.#rest = this.#rest.subarray(end)
      }
    })
  }
  async sees(count: number): Promise<readonly string[]> {
    for (let turn = 0; this.came.length < count && turn < 500; turn++) await delay(10)
    return this.came
  }
}

const classify = (text: string): ClassifiedQuery => ({
  statements: [
    text.startsWith('select')
      ? { kind: 'harmless', text, tag: 'SELECT', offset: 0, copyOut: false, catalogState: 0 }
      : { kind: 'copy_in', text, tag: 'COPY', offset: 0, retryable: false },
  ],
})

interface Bench extends AsyncDisposable {
  readonly client: End
  readonly server: End
  readonly relay: Replication
}

const relayed = async (options: Partial<ReplicationOptions> = {}): Promise<Bench> => {
  const [clientNear, client] = await socketPair()
  const [serverNear, server] = await socketPair()
  for (const socket of [client, server]) socket.pause()
  const relay = runReplication(
    {
      client,
      clientLeftover: Buffer.alloc(0),
      backend: server,
      backendLeftover: Buffer.alloc(0),
      backendPid: 1,
      user: 'reader',
      database: 'postgres',
      parameters: new Map(),
      readOnlyWish: false,
    },
    { classify, pluginOf: () => Promise.resolve('pgoutput'), admitSlot: () => Promise.resolve(), ...options },
  )
  return {
    client: new End(clientNear),
    server: new End(serverNear),
    relay,
    async [Symbol.asyncDispose]() {
      relay.end()
      clientNear.destroy()
      serverNear.destroy()
      await relay.closed
    },
  }
}

test('queries go one by one; a refusal comes in its place, and the server never sees what it was for', async () => {
  await using bench = await relayed()
  const { client, server } = bench
  client.socket.write(
    Buffer.concat([ask('select 1'), ask('copy t from stdin'), ask('BASE_BACKUP'), ask('IDENTIFY_SYSTEM')]),
  )
  assert.deepEqual(await server.sees(1), ['Q select 1'])
  await delay(50)
  assert.equal(client.came.length, 0)
  server.socket.write(Buffer.concat([message('C', 'SELECT 1'), ready()]))
  assert.deepEqual(await client.sees(6), ['C SELECT 1', 'Z I', 'E ERROR 0A000', 'Z I', 'E ERROR 0A000', 'Z I'])
  assert.deepEqual(await server.sees(2), ['Q select 1', 'Q IDENTIFY_SYSTEM'])
})

test('in an open transaction a refusal ends the connection: the server would not know that it has failed', async () => {
  await using bench = await relayed()
  const { client, server, relay } = bench
  client.socket.write(ask('select 1'))
  await server.sees(1)
  server.socket.write(ready('T'))
  await client.sees(1)
  client.socket.write(ask('copy t from stdin'))
  assert.deepEqual(await client.sees(2), ['Z T', 'E FATAL 0A000'])
  client.socket.end()
  await relay.closed
})

test('a stream passes both ways, and a slow client is waited for', async () => {
  await using bench = await relayed()
  const { client, server } = bench
  client.socket.write(ask('START_REPLICATION SLOT s LOGICAL 0/0'))
  await server.sees(1)
  server.socket.write(message('W', 'both'))
  await client.sees(1)
  client.socket.write(message('d', 'r confirmed'))
  assert.equal((await server.sees(2))[1], 'd r confirmed')
  client.socket.pause()
  const change = message(
    'd',
    Buffer.concat([Buffer.from('w'), Buffer.alloc(24), Buffer.from('I'), Buffer.alloc(100_000)]),
  )
  const total = 400
  for (let sent = 0; sent < total; sent++) server.socket.write(change)
  await delay(200)
  // The rest waits at the server's end: sockets hold some megabytes, the relay a chunk.
  assert.ok(server.socket.writableLength > 15_000_000, `${server.socket.writableLength} bytes are left`)
  client.socket.resume()
  for (let turn = 0; client.bytes < total * change.length && turn < 500; turn++) await delay(10)
  assert.ok(client.bytes >= total * change.length)
})

test('the node’s end of it is told as 57P01, either side’s end is the other’s, and bad frames are 08P01', async () => {
  {
    await using bench = await relayed()
    bench.relay.end()
    assert.deepEqual(await bench.client.sees(1), ['E FATAL 57P01'])
  }
  {
    await using bench = await relayed()
    bench.server.socket.end(message('E', 'SFATAL\0VFATAL\0C57P01\0Mbye\0\0'))
    assert.deepEqual(await bench.client.sees(1), ['E FATAL 57P01'])
    await bench.relay.closed
  }
  for (const bytes of [message('P', 'x'), message('~'), Buffer.from([0x51, 0x7f, 0xff, 0xff, 0xff])]) {
    await using bench = await relayed()
    bench.client.socket.write(bytes)
    assert.deepEqual(await bench.client.sees(1), ['E FATAL 08P01'])
    assert.deepEqual(bench.server.came, [])
  }
})

test('a slot beyond the bound is refused before the server makes it', async () => {
  await using bench = await relayed({
    admitSlot: () =>
      Promise.reject(new AllwriteError('unavailable', 'all replication slots are in use', { sqlState: '53400' })),
  })
  bench.client.socket.write(ask('CREATE_REPLICATION_SLOT s LOGICAL pgoutput'))
  assert.deepEqual(await bench.client.sees(2), ['E ERROR 53400', 'Z I'])
  assert.deepEqual(bench.server.came, [])
})

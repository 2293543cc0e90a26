/**
 * The first half of an apply worker's conversation: start-up packet, its few queries, START_REPLICATION. We are a private
 * socket in a closed folder, so no password is asked for; the user name tells whose worker it is.
 *
 * Failure: anything unexpected ends the connection; the worker comes again.
 *
 * @module
 */
import type { Socket } from 'node:net'
import { lsn, type Lsn } from '../../core/ids.ts'
import { createMessageCutter } from '../../wire/pgoutput/copy-stream.ts'

/** Larger than any start-up packet that libpq sends. */
const startupBytesMax = 10_000

const message = (type: string, body: Buffer): Buffer => {
  const head = Buffer.alloc(5)
  head.write(type, 0, 'latin1')
  head.writeUInt32BE(4 + body.length, 1)
  return Buffer.concat([head, body])
}

const text = (value: string): Buffer => Buffer.from(`${value}\0`)

const parameterStatus = (name: string, value: string): Buffer => message('S', Buffer.concat([text(name), text(value)]))

const readyForQuery = message('Z', Buffer.from('I'))

const welcome = Buffer.concat([
  message('R', Buffer.alloc(4)),
  parameterStatus('server_version', '18.0'),
  parameterStatus('server_encoding', 'UTF8'),
  parameterStatus('client_encoding', 'UTF8'),
  parameterStatus('standard_conforming_strings', 'on'),
  parameterStatus('integer_datetimes', 'on'),
  message('K', Buffer.alloc(8)),
  readyForQuery,
])

/** A result of one row of text columns. */
const row = (columns: readonly (readonly [string, string])[], tag: string): Buffer => {
  const count = Buffer.alloc(2)
  count.writeUInt16BE(columns.length)
  const description = columns.map(([name]) => {
    const rest = Buffer.alloc(18)
    rest.writeUInt32BE(25, 6)
    rest.writeInt16BE(-1, 10)
    rest.writeInt32BE(-1, 12)
    return Buffer.concat([text(name), rest])
  })
  const data = columns.map(([, value]) => {
    const length = Buffer.alloc(4)
    length.writeUInt32BE(Buffer.byteLength(value))
    return Buffer.concat([length, Buffer.from(value)])
  })
  return Buffer.concat([
    message('T', Buffer.concat([count, ...description])),
    message('D', Buffer.concat([count, ...data])),
    message('C', text(tag)),
    readyForQuery,
  ])
}

const parseLsn = (value: string): Lsn | undefined => {
  const match = /^([0-9A-F]{1,8})\/([0-9A-F]{1,8})$/i.exec(value)
  if (match === null) return undefined
  return lsn((BigInt(`0x${match[1]}`) << 32n) | BigInt(`0x${match[2]}`))
}

const answer = (socket: Socket, query: string, started: (start: Lsn) => void): void => {
  const start = /^START_REPLICATION SLOT "?\w+"? LOGICAL ([0-9A-F/]+)/i.exec(query)
  const from = start?.[1] === undefined ? undefined : parseLsn(start[1])
  if (from !== undefined) {
    socket.write(message('W', Buffer.alloc(3)))
    return started(from)
  }
  if (/^IDENTIFY_SYSTEM/i.test(query)) {
    const columns = [
      ['systemid', '1'],
      ['timeline', '1'],
      ['xlogpos', '0/0'],
      ['dbname', 'allwrite'],
    ] as const
    socket.write(row(columns, 'IDENTIFY_SYSTEM'))
    return undefined
  }
  if (/set_config/i.test(query)) {
    socket.write(row([['set_config', '']], 'SELECT 1'))
    return undefined
  }
  socket.destroy()
  return undefined
}

/** Answers a worker until it streams; then `started` owns the socket. */
export const greetWorker = (socket: Socket, user: string, started: (start: Lsn) => void): void => {
  let startup = Buffer.alloc(0)
  const begin = (start: Lsn): void => {
    socket.removeListener('data', onQueries)
    started(start)
  }
  const cut = createMessageCutter((type, bytes, at, end) => {
    if (type === 0x51) answer(socket, bytes.toString('utf8', at, end - 1), begin)
    else socket.destroy()
  })
  const onQueries = (chunk: Buffer): void => {
    try {
      cut(chunk)
    } catch {
      socket.destroy()
    }
  }
  const onStartup = (chunk: Buffer): void => {
    startup = Buffer.concat([startup, chunk])
    if (startup.length < 8) return
    const length = startup.readUInt32BE(0)
    if (length > startupBytesMax) return void socket.destroy()
    if (startup.length < length) return
    const fields = startup.toString('utf8', 8, length).split('\0')
    const values = new Map<string, string>()
    for (let i = 0; i + 1 < fields.length; i += 2) values.set(fields[i] as string, fields[i + 1] as string)
    socket.removeListener('data', onStartup)
    if (values.get('user') !== user || values.get('replication') !== 'database') return void socket.destroy()
    socket.on('data', onQueries)
    socket.write(welcome)
    if (startup.length > length) onQueries(startup.subarray(length))
  }
  socket.on('data', onStartup)
}

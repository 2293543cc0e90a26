/**
 * A raw client for the tests of this folder: speaks the login by hand, can stop at any byte, and tells what came back.
 *
 * @module
 */
import { randomBytes } from 'node:crypto'
import { connect } from 'node:net'
import type { Socket } from 'node:net'
import { AllwriteError } from '../../core/errors.ts'
import { parseErrorFields } from '../../wire/pgwire/errors.ts'
import { AuthCode, saslInitialResponse, saslResponse, startupMessage } from '../../wire/pgwire/login-messages.ts'
import { scramClientFinal, scramClientFirst } from '../../wire/pgwire/scram-client.ts'
import { scramMechanism } from '../../wire/pgwire/scram.ts'
import { createByteReader } from '../../login/byte-reader.ts'
import type { ByteReader } from '../../login/byte-reader.ts'
import type { IssueTicket } from './tickets.ts'

export interface RawMessage {
  readonly type: string
  readonly body: Buffer
}

/** One message; errors are thrown as AllwriteError `postgres`, an end as ClosedError. */
export const readRaw = async (reader: ByteReader): Promise<RawMessage> => {
  const head = await reader.read(5)
  const body = await reader.read(head.readUInt32BE(1) - 4)
  const type = String.fromCharCode(head[0] ?? 0)
  if (type === 'E') {
    const { message, sqlState, hint } = parseErrorFields(body)
    throw new AllwriteError('postgres', message, { sqlState, ...(hint === undefined ? {} : { hint }) })
  }
  return { type, body }
}

export const openRaw = async (port: number): Promise<Socket> => {
  const socket = connect({ port, host: '127.0.0.1', noDelay: true })
  await new Promise((resolve, reject) => socket.once('connect', resolve).once('error', reject))
  socket.on('error', () => {})
  return socket
}

export interface RawLogin {
  readonly password: string
  readonly parameters: readonly (readonly [string, string])[]
  /** Bytes to send right behind the last login message. */
  readonly pipelined?: Buffer
  /** Ends the connection after so many bytes of the exchange. */
  readonly cutAfter?: number
}

/** Logs in and returns all messages up to ReadyForQuery, and how many bytes were sent. */
export const rawLogin = async (
  socket: Socket,
  options: RawLogin,
): Promise<{ messages: RawMessage[]; sent: number; reader: ByteReader }> => {
  const reader = createByteReader(socket)
  let sent = 0
  const send = (bytes: Buffer): void => {
    const room = (options.cutAfter ?? Infinity) - sent
    socket.write(room < bytes.length ? bytes.subarray(0, Math.max(0, room)) : bytes)
    sent += bytes.length
    if (room <= bytes.length) socket.end()
  }
  send(startupMessage(options.parameters))
  const client = scramClientFirst(randomBytes(18))
  const messages: RawMessage[] = []
  for (;;) {
    const message = await readRaw(reader)
    messages.push(message)
    if (message.type === 'Z') return { messages, sent, reader }
    const code = message.type === 'R' ? message.body.readInt32BE(0) : -1
    if (code === AuthCode.sasl) send(saslInitialResponse(scramMechanism, client.message))
    if (code === AuthCode.saslContinue) {
      const credentials = { kind: 'password', password: options.password } as const
      const final = scramClientFinal(client.state, message.body.subarray(4), credentials).message
      send(Buffer.concat([saslResponse(final), options.pipelined ?? Buffer.alloc(0)]))
    }
  }
}

/** Waits until `condition` holds; fails after five seconds. */
export const until = async (what: string, condition: () => boolean): Promise<void> => {
  const deadline = Date.now() + 5_000
  while (!condition()) {
    if (Date.now() > deadline) throw new Error(`not within 5 s: ${what}`)
    await new Promise((resolve) => setTimeout(resolve, 2))
  }
}

/** For a server without the agent's login trigger. */
/** What a listener has of a node that nobody drains, and that is no pinned writer. */
export const noEndpoints = {
  drained: () => false,
  enterPinned: () => Promise.reject(new AllwriteError('unavailable', 'n1 is not the pinned writer any more')),
  onHttp: (socket: Socket) => void socket.end('HTTP/1.1 200 OK\r\n\r\n'),
}

export const noTickets: IssueTicket = () => Promise.resolve({ text: '', voided: () => Promise.resolve() })

/**
 * A login at a PostgreSQL server, or at an agent, with SCRAM: by a password, or with the keys that the client's own login revealed.
 * A server that asks for no SCRAM is refused: it could be anybody.
 *
 * @module
 */
import { randomBytes } from 'node:crypto'
import type { Socket } from 'node:net'
import { AllwriteError, assert } from '../core/errors.ts'
import { parseErrorFields } from '../wire/pgwire/errors.ts'
import {
  AuthCode,
  parseParameterStatus,
  parseSaslMechanisms,
  saslInitialResponse,
  saslResponse,
} from '../wire/pgwire/login-messages.ts'
import { scramClientFinal, scramClientFirst, scramClientVerify } from '../wire/pgwire/scram-client.ts'
import type { ScramClientState, ScramCredentials } from '../wire/pgwire/scram-client.ts'
import { nonceBytes, scramMechanism } from '../wire/pgwire/scram.ts'
import type { ByteReader } from './byte-reader.ts'

/** The most bytes of one message during the login: a ParameterStatus may hold a long search_path. */
const messageBytesMax = 1024 * 1024
/** Notices kept for the client during the login (login event triggers may raise some); further ones are dropped. */
const noticeBytesMax = 64 * 1024

/** What the server said of itself. */
export interface ServerLogin {
  readonly pid: number
  readonly secret: Buffer
  /** What the server reported, by name. */
  readonly parameters: Map<string, string>
  /** Whole NoticeResponse messages of the login. */
  readonly notices: Buffer
}

/** One message; an ErrorResponse is thrown. */
const readMessage = async (reader: ByteReader): Promise<{ type: string; body: Buffer; head: Buffer }> => {
  const head = await reader.read(5)
  const length = head.readUInt32BE(1) - 4
  if (length < 0 || length > messageBytesMax)
    throw new AllwriteError('postgres', 'the server sent a message of an impossible length')
  const body = await reader.read(length)
  const type = String.fromCharCode(head[0] ?? 0)
  if (type === 'E') {
    const { message, sqlState, detail, hint } = parseErrorFields(body)
    throw new AllwriteError('postgres', message, {
      sqlState,
      ...(detail === undefined ? {} : { detail }),
      ...(hint === undefined ? {} : { hint }),
    })
  }
  return { type, body, head }
}

/**
 * Logs in, up to the first ReadyForQuery; the StartupMessage was written.
 * @throws AllwriteError `postgres` what the server answers with an error; `configuration` if it asks for anything but SCRAM; ClosedError
 */
export const loginAtServer = async (
  socket: Socket,
  reader: ByteReader,
  credentials: ScramCredentials,
): Promise<ServerLogin> => {
  await authenticate(socket, reader, credentials)
  return readUntilReady(reader)
}

const authenticate = async (socket: Socket, reader: ByteReader, credentials: ScramCredentials): Promise<void> => {
  let client: ScramClientState | undefined
  let serverSignature: Buffer | undefined
  let proven = false
  for (;;) {
    const { type, body } = await readMessage(reader)
    if (type === 'N') continue
    const code = type === 'R' && body.length >= 4 ? body.readInt32BE(0) : -1
    const data = body.subarray(4)
    if (code === AuthCode.sasl && parseSaslMechanisms(data).includes(scramMechanism)) {
      const first = scramClientFirst(randomBytes(nonceBytes))
      client = first.state
      socket.write(saslInitialResponse(scramMechanism, first.message))
    } else if (code === AuthCode.saslContinue && client) {
      const final = scramClientFinal(client, data, credentials)
      serverSignature = final.serverSignature
      socket.write(saslResponse(final.message))
    } else if (code === AuthCode.saslFinal && serverSignature) {
      scramClientVerify(serverSignature, data)
      proven = true
    } else if (code === AuthCode.ok && proven) return
    else
      throw new AllwriteError('configuration', 'the server does not ask for SCRAM-SHA-256 authentication', {
        hint: 'Its pg_hba.conf must name scram-sha-256 for these connections.',
      })
  }
}

const readUntilReady = async (reader: ByteReader): Promise<ServerLogin> => {
  const parameters = new Map<string, string>()
  const notices: Buffer[] = []
  let noticeBytes = 0
  let pid = 0
  let secret: Buffer = Buffer.alloc(0)
  for (;;) {
    const { type, body, head } = await readMessage(reader)
    if (type === 'S') parameters.set(...parseParameterStatus(body))
    else if (type === 'K' && body.length >= 8) {
      pid = body.readInt32BE(0)
      secret = Buffer.from(body.subarray(4))
    } else if (type === 'N') {
      noticeBytes += head.length + body.length
      if (noticeBytes <= noticeBytesMax) notices.push(head, body)
    } else if (type === 'Z') {
      assert(pid !== 0, 'a backend names its process before it is ready')
      return { pid, secret, parameters, notices: Buffer.concat(notices) }
    } else throw new AllwriteError('postgres', `the server sent an unexpected message during login`)
  }
}

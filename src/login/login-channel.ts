/**
 * From an accepted socket to a start-up message: TLS or not, GSSAPI never, a cancel request or a login
 * (src/backend/tcop/backend_startup.c is the model for order and answers).
 *
 * @module
 */
import type { Socket } from 'node:net'
import type { TLSSocket } from 'node:tls'
import { AllwriteError } from '../core/errors.ts'
import { decodePreamble, isPreamble, preambleBytes, type Binding } from '../core/preamble.ts'
import { parseStartPacket, startPacketLength, tlsHandshakeByte } from '../wire/pgwire/startup.ts'
import type { StartPacket, StartupMessage } from '../wire/pgwire/startup.ts'
import { createByteReader } from './byte-reader.ts'
import type { ByteReader } from './byte-reader.ts'
import { alpnName, startTls } from './tls.ts'
import type { ClientCertificate, TlsSource } from './tls.ts'

/** How long a refused client may take to read why, and to close its side. */
const refusalMsMax = 1_000

/** The connection as it is now; the fields change when TLS starts. */
export interface Channel {
  socket: Socket | TLSSocket
  reader: ByteReader
  /** TLS is on. */
  secure: boolean
  /** With TLS on: the hash for channel binding, if the certificate has one. */
  endPointHash: Buffer | undefined
  /** What a proxy has said before the client's first byte. */
  binding: Binding | undefined
  /** With TLS on and a CA for clients. */
  clientCertificate: ClientCertificate
}

export const openChannel = (socket: Socket): Channel => ({
  socket,
  reader: createByteReader(socket),
  secure: false,
  endPointHash: undefined,
  binding: undefined,
  clientCertificate: { state: 'unchecked' },
})

export type Opening =
  | StartupMessage
  | Extract<StartPacket, { kind: 'cancel' }>
  /** Close without a word. */
  | Extract<StartPacket, { kind: 'invalid' }>
  /** Not PostgreSQL's protocol: who asks for the node's health. Nothing of it has been read. */
  | { readonly kind: 'http' }

/** How an HTTP request for a node's health begins; as the length of a start-up packet it would be above all bounds. */
const httpMethods: ReadonlySet<string> = new Set(['GET ', 'HEAD', 'OPTI', 'POST'])

/**
 * Reads until the client says what it wants.
 * @throws AllwriteError what to answer with FATAL; ClosedError when the client left
 */
export const readOpening = async (channel: Channel, tls: TlsSource | undefined): Promise<Opening> => {
  const start = await channel.reader.peek(4)
  if (httpMethods.has(start.toString('latin1'))) return { kind: 'http' }
  if (start.readInt32BE(0) === preambleBytes && isPreamble(await channel.reader.peek(8))) {
    channel.binding = decodePreamble(await channel.reader.read(preambleBytes))
    if (!channel.binding) return { kind: 'invalid', reason: 'unknown kind of endpoint' }
  }
  const first = await channel.reader.peek(1)
  if (first[0] === tlsHandshakeByte) {
    if (!tls) return { kind: 'invalid', reason: 'direct TLS connection, but TLS is off' }
    const early = channel.reader.release()
    channel.socket.unshift(early)
    const secured = await secure(channel, tls)
    if (secured.alpnProtocol !== alpnName)
      return { kind: 'invalid', reason: 'direct TLS connection without ALPN protocol negotiation' }
  }
  let sslAllowed = !channel.secure
  let gssAllowed = !channel.secure
  for (;;) {
    const length = startPacketLength(await channel.reader.read(4))
    if (length === undefined) return { kind: 'invalid', reason: 'invalid length of startup packet' }
    const packet = parseStartPacket(await channel.reader.read(length))
    if (packet.kind === 'ssl' && sslAllowed) {
      sslAllowed = false
      if (tls) {
        gssAllowed = false
        refuseEarlyBytes(channel, 'SSL')
        channel.reader.release()
        channel.socket.write('S')
        await secure(channel, tls)
      } else answerNo(channel, 'SSL')
    } else if (packet.kind === 'gssenc' && gssAllowed) {
      gssAllowed = false
      answerNo(channel, 'GSSAPI encryption')
    } else if (packet.kind === 'ssl' || packet.kind === 'gssenc') {
      const minor = packet.kind === 'ssl' ? 5679 : 5680
      throw new AllwriteError('unsupported', `unsupported frontend protocol 1234.${minor}: server supports 3.0 to 3.2`)
    } else return packet
  }
}

/** Says why, if there is something to say, and closes; a client that does not listen is cut off after a second. */
export const closeChannel = (channel: Channel, message?: Buffer): void => {
  const { socket, reader } = channel
  reader.release()
  socket.on('error', () => {})
  const timer = setTimeout(() => socket.destroy(), refusalMsMax)
  socket.once('close', () => clearTimeout(timer))
  if (socket.destroyed) clearTimeout(timer)
  // Unread input would turn the close into a reset, and the client might lose the message: read it away.
  socket.resume()
  if (message === undefined) socket.destroy()
  else socket.end(message)
}

const answerNo = (channel: Channel, what: string): void => {
  refuseEarlyBytes(channel, what)
  channel.socket.write('N')
}

// Whoever sends on before the answer wants plain bytes to be taken for protected ones (CVE-2021-3935, CVE-2021-23214).
const refuseEarlyBytes = (channel: Channel, what: string): void => {
  if (channel.reader.unread === 0) return
  throw new AllwriteError('protocol', `received unencrypted data after ${what} request`, {
    detail: 'This could be either a client-software bug or evidence of an attempted man-in-the-middle attack.',
  })
}

const secure = async (channel: Channel, tls: TlsSource): Promise<TLSSocket> => {
  const identity = await tls()
  const { secured, clientCertificate } = await startTls(channel.socket, identity)
  channel.socket = secured
  channel.reader = createByteReader(secured)
  channel.secure = true
  channel.endPointHash = identity.endPointHash
  channel.clientCertificate = clientCertificate
  return secured
}

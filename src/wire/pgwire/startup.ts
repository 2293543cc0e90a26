/**
 * What a client sends before its messages have types: SSLRequest, GSSENCRequest, CancelRequest, StartupMessage
 * (PostgreSQL manual, "Message Formats"; src/backend/tcop/backend_startup.c for the order of checks and the words).
 *
 * Contract: {@link startPacketLength} on the first four bytes, then {@link parseStartPacket} on exactly that many more.
 * Failure cases: `invalid` is what PostgreSQL only logs and closes on; an AllwriteError is what it answers with FATAL.
 *
 * @module
 */
import { AllwriteError } from '../../core/errors.ts'

/** PostgreSQL's MAX_STARTUP_PACKET_LENGTH: bytes after the length word, before anyone is known. */
export const startPacketBytesMax = 10_000
/** PostgreSQL's limit for a cancel key of protocol 3.2. */
export const cancelKeyBytesMax = 256
/** Names are cut to this many bytes, as PostgreSQL does (NAMEDATALEN − 1). */
export const nameBytesMax = 63
/** The newest minor version of protocol 3 that is spoken here. */
export const newestMinor = 2
/** The first byte of a TLS handshake record: TLS without an SSLRequest before it. */
export const tlsHandshakeByte = 0x16

export const sslRequestCode = 80_877_103
export const gssRequestCode = 80_877_104
export const cancelRequestCode = 80_877_102

export interface StartupMessage {
  readonly kind: 'startup'
  /** The minor version both sides speak: the smaller of the client's and {@link newestMinor}. */
  readonly minor: number
  /** The client asked for a newer minor version or for options nobody knows: answer NegotiateProtocolVersion. */
  readonly negotiate: boolean
  /** Names of the `_pq_.` options asked for; none is known. */
  readonly unknownOptions: readonly string[]
  readonly user: string
  readonly database: string
  /** The command-line options, unparsed; empty if none. */
  readonly options: string
  readonly replication: string | undefined
  /** All other parameters in the order sent: settings. A name may come twice; the last one counts. */
  readonly settings: readonly (readonly [name: string, value: string])[]
}

export type StartPacket =
  | { readonly kind: 'ssl' }
  | { readonly kind: 'gssenc' }
  | { readonly kind: 'cancel'; readonly pid: number; readonly secret: Buffer }
  /** Not a start-up packet: close without a word. */
  | { readonly kind: 'invalid'; readonly reason: string }
  | StartupMessage

/** How many bytes follow the length word; undefined if it is out of bounds (close without a word). */
export const startPacketLength = (word: Buffer): number | undefined => {
  const length = word.readUInt32BE(0) - 4
  return length >= 4 && length <= startPacketBytesMax ? length : undefined
}

/**
 * Reads a packet's bytes after its length word.
 * @throws AllwriteError for what PostgreSQL answers with FATAL: unknown major version (0A000), bad layout (08P01), text
 *   that is not UTF-8 (22021), no user name (28000)
 */
export const parseStartPacket = (body: Buffer): StartPacket => {
  if (body.length < 4) return { kind: 'invalid', reason: 'invalid length of startup packet' }
  const code = body.readUInt32BE(0)
  if (code === sslRequestCode) return { kind: 'ssl' }
  if (code === gssRequestCode) return { kind: 'gssenc' }
  if (code === cancelRequestCode) return parseCancel(body)
  return parseStartup(code >>> 16, code & 0xffff, body)
}

const parseCancel = (body: Buffer): StartPacket => {
  if (body.length < 9 || body.length - 8 > cancelKeyBytesMax)
    return { kind: 'invalid', reason: 'invalid length of cancel key in cancel request packet' }
  return { kind: 'cancel', pid: body.readInt32BE(4), secret: Buffer.from(body.subarray(8)) }
}

const parseStartup = (major: number, requestedMinor: number, body: Buffer): StartupMessage => {
  if (major !== 3)
    throw new AllwriteError(
      'unsupported',
      `unsupported frontend protocol ${major}.${requestedMinor}: server supports 3.0 to 3.${newestMinor}`,
    )
  const unknownOptions: string[] = []
  const settings: [string, string][] = []
  const fields = new Map<string, string>()
  for (const [name, value] of pairs(body)) {
    if (name === 'user' || name === 'database' || name === 'options' || name === 'replication') fields.set(name, value)
    else if (name.startsWith('_pq_.')) unknownOptions.push(name)
    else settings.push([name, value])
  }
  const user = cutName(fields.get('user') ?? '')
  if (user === '')
    throw new AllwriteError('protocol', 'no PostgreSQL user name specified in startup packet', { sqlState: '28000' })
  return {
    kind: 'startup',
    minor: Math.min(requestedMinor, newestMinor),
    negotiate: requestedMinor > newestMinor || unknownOptions.length > 0,
    unknownOptions,
    user,
    database: cutName(fields.get('database') || user),
    options: fields.get('options') ?? '',
    replication: fields.get('replication'),
    settings,
  }
}

/** The name/value pairs behind the version word; PostgreSQL's rule: the terminator is exactly the last byte. */
const pairs = (body: Buffer): [string, string][] => {
  const found: [string, string][] = []
  let offset = 4
  while (offset < body.length && body[offset] !== 0) {
    const nameEnd = body.indexOf(0, offset)
    const valueEnd = nameEnd < 0 ? -1 : body.indexOf(0, nameEnd + 1)
    if (valueEnd < 0) break
    found.push([utf8(body.subarray(offset, nameEnd)), utf8(body.subarray(nameEnd + 1, valueEnd))])
    offset = valueEnd + 1
  }
  if (offset !== body.length - 1)
    throw new AllwriteError('protocol', 'invalid startup packet layout: expected terminator as last byte')
  return found
}

const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

// Decoding with replacement characters would let two different names become one.
const utf8 = (bytes: Buffer): string => {
  try {
    return decoder.decode(bytes)
  } catch (cause) {
    throw new AllwriteError('protocol', 'invalid byte sequence for encoding "UTF8" in startup packet', {
      sqlState: '22021',
      cause,
    })
  }
}

const cutName = (name: string): string => {
  const bytes = Buffer.from(name, 'utf8')
  if (bytes.length <= nameBytesMax) return name
  let end = nameBytesMax
  while (end > 0 && ((bytes[end] ?? 0) & 0xc0) === 0x80) end--
  return bytes.toString('utf8', 0, end)
}

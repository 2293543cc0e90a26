/**
 * SCRAM-SHA-256 on the server's side, as PostgreSQL does it (src/backend/libpq/auth-scram.c; RFC 5802, RFC 7677), from
 * the verifier that `pg_authid` stores. The client's side is in `scram-client.ts`.
 *
 * Contract:
 * 1. `scramServerFirst` takes the client-first-message and answers with the server-first-message and a state.
 * 2. `scramServerFinal` takes that state and the client-final-message; the proof is right or it is not. A right proof
 *    gives the ClientKey away: with it and the ServerKey the agent logs in elsewhere as the same role, never knowing
 *    the password. Whoever holds both keys *is* the role: never log them, keep them only while they are needed.
 *
 * A role that is unknown or has no usable password goes the same way with {@link mockVerifier}, so that neither the
 * messages nor the time show it; its verifier is `doomed` and every proof is wrong.
 *
 * Failure cases: malformed messages throw AllwriteError with PostgreSQL's SQLSTATE and words.
 *
 * @module
 */
import { createHash, createHmac, timingSafeEqual } from 'node:crypto'
import { AllwriteError } from '../../core/errors.ts'

export const scramMechanism = 'SCRAM-SHA-256'
export const scramPlusMechanism = 'SCRAM-SHA-256-PLUS'
/** PG_MAX_SASL_MESSAGE_LENGTH: the most bytes of a SASL message, before anyone is known. */
export const saslMessageBytesMax = 1024
/** PostgreSQL's default `scram_iterations`; what a mock verifier claims. */
export const defaultIterations = 4096
/** Bytes of every SCRAM-SHA-256 key and hash. */
export const scramKeyBytes = 32
/** Random bytes of a nonce (SCRAM_RAW_NONCE_LEN). */
export const nonceBytes = 18
const mockSaltBytes = 16

/** What pg_authid.rolpassword holds for a role. */
export interface ScramVerifier {
  readonly iterations: number
  readonly salt: Buffer
  readonly storedKey: Buffer
  readonly serverKey: Buffer
  /** No proof is right for it. */
  readonly doomed: boolean
}

/** Enough to log in as the role on a server with the same verifier. A secret. */
export interface ScramKeys {
  readonly clientKey: Buffer
  readonly serverKey: Buffer
}

export interface ScramServerOptions {
  readonly verifier: ScramVerifier
  /** The mechanism the client chose: {@link scramMechanism} or {@link scramPlusMechanism}. */
  readonly mechanism: string
  /** The hash of our certificate (tls-server-end-point, RFC 5929); undefined: channel binding was not on offer. */
  readonly endPointHash: Buffer | undefined
  /** {@link nonceBytes} fresh random bytes. */
  readonly nonce: Buffer
}

export interface ScramServerState {
  readonly verifier: ScramVerifier
  /** The `c=` value that the client's last message must carry. */
  readonly channelBinding: string
  readonly plus: boolean
  readonly clientFirstBare: string
  readonly serverFirst: string
  readonly combinedNonce: string
}

export type ScramResult =
  { readonly ok: true; readonly serverFinal: Buffer; readonly keys: ScramKeys } | { readonly ok: false }

export const hmac = (key: Buffer, data: string | Buffer): Buffer => createHmac('sha256', key).update(data).digest()
export const sha256 = (data: Buffer): Buffer => createHash('sha256').update(data).digest()

export const xor = (left: Buffer, right: Buffer): Buffer => {
  const result = Buffer.allocUnsafe(left.length)
  for (let i = 0; i < left.length; i++) result[i] = (left[i] ?? 0) ^ (right[i] ?? 0)
  return result
}

/** Strict base64, unlike Buffer.from, which skips what it doesn't know; undefined if the text is not canonical. */
export const decodeBase64 = (text: string): Buffer | undefined => {
  const bytes = Buffer.from(text, 'base64')
  return bytes.toString('base64') === text ? bytes : undefined
}

/** Reads `SCRAM-SHA-256$<iterations>:<salt>$<StoredKey>:<ServerKey>`; undefined if it is anything else (md5, damaged). */
export const parseVerifier = (text: string): ScramVerifier | undefined => {
  const match = /^SCRAM-SHA-256\$([1-9]\d{0,9}):([^$:]+)\$([^$:]+):([^$:]+)$/.exec(text)
  const iterations = Number(match?.[1])
  const salt = decodeBase64(match?.[2] ?? '')
  const storedKey = decodeBase64(match?.[3] ?? '')
  const serverKey = decodeBase64(match?.[4] ?? '')
  if (!match || !salt || storedKey?.length !== scramKeyBytes || serverKey?.length !== scramKeyBytes) return undefined
  if (iterations > 0x7fff_ffff) return undefined
  return { iterations, salt, storedKey, serverKey, doomed: false }
}

/**
 * The verifier of a role that has none: its salt is a function of the cluster's secret and the name, so that asking
 * twice, or at another node, shows nothing (PostgreSQL's mock authentication).
 */
export const mockVerifier = (secret: Buffer, user: string): ScramVerifier => ({
  iterations: defaultIterations,
  salt: createHash('sha256').update(secret).update(user, 'utf8').digest().subarray(0, mockSaltBytes),
  storedKey: Buffer.alloc(scramKeyBytes),
  serverKey: Buffer.alloc(scramKeyBytes),
  doomed: true,
})

/**
 * Reads the client-first-message; `message` of the result is the server-first-message.
 * @throws AllwriteError 08P01 malformed, 28000 channel binding talked away, 0A000 unsupported extensions
 */
export const scramServerFirst = (
  options: ScramServerOptions,
  clientFirst: Buffer,
): { readonly message: Buffer; readonly state: ScramServerState } => {
  const text = messageText(clientFirst)
  const plus = options.mechanism === scramPlusMechanism
  const header = readBindingHeader(text, plus, options.endPointHash !== undefined)
  const clientFirstBare = text.slice(header.length)
  if (clientFirstBare.startsWith('m'))
    throw new AllwriteError('unsupported', 'client requires an unsupported SCRAM extension')
  // The user name in the message is ignored, as PostgreSQL does: the start-up packet's counts.
  const [, clientNonce] = readAttributes(clientFirstBare, ['n', 'r'])
  if (!/^[\x21-\x2b\x2d-\x7e]+$/.test(clientNonce ?? ''))
    throw new AllwriteError('protocol', 'non-printable characters in SCRAM nonce')
  const combinedNonce = `${clientNonce}${options.nonce.toString('base64')}`
  const { salt, iterations } = options.verifier
  const serverFirst = `r=${combinedNonce},s=${salt.toString('base64')},i=${iterations}`
  const binding = plus && options.endPointHash ? options.endPointHash : Buffer.alloc(0)
  const channelBinding = Buffer.concat([Buffer.from(header, 'latin1'), binding]).toString('base64')
  const state = { verifier: options.verifier, channelBinding, plus, clientFirstBare, serverFirst, combinedNonce }
  return { message: Buffer.from(serverFirst, 'latin1'), state }
}

/**
 * Checks the client-final-message.
 * @throws AllwriteError 08P01 malformed or another nonce, 28000 another channel
 */
export const scramServerFinal = (state: ScramServerState, clientFinal: Buffer): ScramResult => {
  const text = messageText(clientFinal)
  const proofAt = text.lastIndexOf(',p=')
  if (proofAt < 0) throw malformed('Attribute "p" expected in client-final-message.')
  const withoutProof = text.slice(0, proofAt)
  const [channelBinding, nonce] = readAttributes(withoutProof, ['c', 'r'])
  if (channelBinding !== state.channelBinding) {
    if (state.plus) throw new AllwriteError('protocol', 'SCRAM channel binding check failed', { sqlState: '28000' })
    throw new AllwriteError('protocol', 'unexpected SCRAM channel-binding attribute in client-final-message')
  }
  const proof = decodeBase64(text.slice(proofAt + 3))
  if (proof?.length !== scramKeyBytes) throw malformed('Malformed proof in client-final-message.')
  if (nonce !== state.combinedNonce)
    throw new AllwriteError('protocol', 'invalid SCRAM response', { detail: 'Nonce does not match.' })

  const { storedKey, serverKey, doomed } = state.verifier
  const authMessage = Buffer.from(`${state.clientFirstBare},${state.serverFirst},${withoutProof}`, 'latin1')
  const clientKey = xor(proof, hmac(storedKey, authMessage))
  // Both sides of the "and" are always computed: a doomed exchange takes as long as a wrong password.
  const right = timingSafeEqual(sha256(clientKey), storedKey)
  const signature = hmac(serverKey, authMessage)
  if (!right || doomed) return { ok: false }
  return { ok: true, serverFinal: Buffer.from(`v=${signature.toString('base64')}`), keys: { clientKey, serverKey } }
}

/** Checks the gs2 header against what was offered and returns it: `n,,`, `y,,` or `p=tls-server-end-point,,`. */
const readBindingHeader = (text: string, plus: boolean, offered: boolean): string => {
  const flag = text.charAt(0)
  if (flag === 'n' || flag === 'y') {
    if (plus)
      throw malformed(
        'The client selected SCRAM-SHA-256-PLUS, but the SCRAM message does not include channel binding data.',
      )
    if (flag === 'y' && offered)
      throw new AllwriteError('protocol', 'SCRAM channel binding negotiation error', {
        sqlState: '28000',
        detail:
          'The client supports SCRAM channel binding but thinks the server does not.  However, this server does support channel binding.',
      })
  } else if (flag === 'p') {
    if (!plus)
      throw malformed(
        'The client selected SCRAM-SHA-256 without channel binding, but the SCRAM message includes channel binding data.',
      )
    const type = /^p=([^,]*),/.exec(text)?.[1]
    if (type === undefined) throw malformed('Expected attribute "p" with a channel binding type.')
    if (type !== 'tls-server-end-point')
      throw new AllwriteError('protocol', `unsupported SCRAM channel-binding type "${printable(type)}"`)
  } else throw malformed(`Unexpected channel-binding flag "${printable(flag)}".`)
  const comma = text.indexOf(',')
  if (flag !== 'p' && comma !== 1)
    throw malformed(`Comma expected, but found character "${printable(text.charAt(1))}".`)
  const next = text.charAt(comma + 1)
  if (next === 'a')
    throw new AllwriteError('unsupported', 'client uses authorization identity, but it is not supported')
  if (next !== ',') throw malformed(`Unexpected attribute "${printable(next)}" in client-first-message.`)
  return text.slice(0, comma + 2)
}

/** Reads `x=…,y=…`: the expected attributes first, in their order; any others may follow, as RFC 5802 allows. */
const readAttributes = (text: string, expected: readonly string[]): string[] => {
  const values: string[] = []
  for (const [index, part] of text.split(',').entries()) {
    if (!/^[A-Za-z]=/.test(part))
      throw malformed('Attribute expected, but found an invalid character or end of string.')
    const name = expected[index]
    if (name !== undefined && part[0] !== name)
      throw malformed(`Expected attribute "${name}" but found "${printable(part.charAt(0))}".`)
    values.push(part.slice(2))
  }
  if (values.length < expected.length) throw malformed(`Expected attribute "${expected[values.length]}".`)
  return values
}

// One character per byte, so that the signed text is exactly the bytes that came.
const messageText = (message: Buffer): string => {
  if (message.length === 0) throw malformed('The message is empty.')
  if (message.length > saslMessageBytesMax) throw malformed('The message is too long.')
  if (message.includes(0)) throw malformed('Message length does not match input length.')
  return message.toString('latin1')
}

const printable = (text: string): string => text.replaceAll(/[^\x21-\x7e]/g, '?').slice(0, 30)

const malformed = (detail: string): AllwriteError =>
  new AllwriteError('protocol', 'malformed SCRAM message', { detail })

/**
 * SCRAM-SHA-256 on the client's side (RFC 5802, RFC 7677), with a password or with keys that were recovered from
 * another login against the same verifier. Without channel binding: it is used over the private Unix socket only.
 *
 * Contract: `scramClientFirst` → send its message → `scramClientFinal` with the server's answer → send its message →
 * `scramClientVerify` with the server's last one. The server is known to be the right one only after the third.
 *
 * @module
 */
import { pbkdf2Sync, timingSafeEqual } from 'node:crypto'
import { AllwriteError } from '../../core/errors.ts'
import { decodeBase64, hmac, scramKeyBytes, sha256, xor } from './scram.ts'
import type { ScramKeys } from './scram.ts'

/** Hashing more often than this would stall the event loop for seconds; PostgreSQL's default is 4,096. */
export const clientIterationsMax = 1_000_000

export type ScramCredentials =
  { readonly kind: 'password'; readonly password: string } | ({ readonly kind: 'keys' } & ScramKeys)

export interface ScramClientState {
  readonly nonce: string
  readonly firstBare: string
}

/** `nonce`: fresh random bytes. The user name stays empty, as libpq leaves it: the start-up packet's counts. */
export const scramClientFirst = (nonce: Buffer): { readonly message: Buffer; readonly state: ScramClientState } => {
  const text = nonce.toString('base64')
  return scramClientFirstFor('', text)
}

/** As {@link scramClientFirst} with the nonce's text and a user name: for the RFC's test vectors. */
export const scramClientFirstFor = (
  user: string,
  nonce: string,
): { readonly message: Buffer; readonly state: ScramClientState } => {
  const firstBare = `n=${user},r=${nonce}`
  return { message: Buffer.from(`n,,${firstBare}`, 'latin1'), state: { nonce, firstBare } }
}

/**
 * Answers the server-first-message.
 * @throws AllwriteError 08P01 when it is malformed or does not carry our nonce
 */
export const scramClientFinal = (
  state: ScramClientState,
  serverFirst: Buffer,
  credentials: ScramCredentials,
): { readonly message: Buffer; readonly serverSignature: Buffer } => {
  const text = serverFirst.toString('latin1')
  const match = /^r=([\x21-\x2b\x2d-\x7e]+),s=([^,]+),i=([1-9]\d{0,9})(?:,|$)/.exec(text)
  const [, nonce, saltText, iterationsText] = match ?? []
  const salt = decodeBase64(saltText ?? '')
  const iterations = Number(iterationsText)
  if (!nonce || !salt?.length || iterations > clientIterationsMax)
    throw new AllwriteError('protocol', 'malformed SCRAM message from the server')
  if (!nonce.startsWith(state.nonce) || nonce.length === state.nonce.length)
    throw new AllwriteError('protocol', 'invalid SCRAM response (nonce mismatch)')

  const { clientKey, serverKey } =
    credentials.kind === 'keys' ? credentials : keysOfPassword(credentials.password, salt, iterations)
  const withoutProof = `c=biws,r=${nonce}`
  const authMessage = Buffer.from(`${state.firstBare},${text},${withoutProof}`, 'latin1')
  const proof = xor(clientKey, hmac(sha256(clientKey), authMessage))
  return {
    message: Buffer.from(`${withoutProof},p=${proof.toString('base64')}`, 'latin1'),
    serverSignature: hmac(serverKey, authMessage),
  }
}

/** @throws AllwriteError 08P01 when the server does not know the role's ServerKey */
export const scramClientVerify = (serverSignature: Buffer, serverFinal: Buffer): void => {
  const match = /^v=([^,]+)(?:,|$)/.exec(serverFinal.toString('latin1'))
  const signature = decodeBase64(match?.[1] ?? '')
  if (signature?.length !== scramKeyBytes || !timingSafeEqual(signature, serverSignature))
    throw new AllwriteError('protocol', 'the server could not prove that it knows the role')
}

/** ClientKey and ServerKey of a password (RFC 5802, section 3). Takes about a millisecond per 4,096 iterations. */
export const keysOfPassword = (password: string, salt: Buffer, iterations: number): ScramKeys => {
  const salted = pbkdf2Sync(saslPrepare(password), salt, iterations, scramKeyBytes, 'sha256')
  return { clientKey: hmac(salted, 'Client Key'), serverKey: hmac(salted, 'Server Key') }
}

/** The text that pg_authid stores for a password: so that the plain password never goes into SQL or a server's log. */
export const verifierOfPassword = (password: string, salt: Buffer, iterations: number): string => {
  const { clientKey, serverKey } = keysOfPassword(password, salt, iterations)
  const storedKey = sha256(clientKey)
  return `SCRAM-SHA-256$${iterations}:${salt.toString('base64')}$${storedKey.toString('base64')}:${serverKey.toString('base64')}`
}

/**
 * SASLprep (RFC 4013) as far as PostgreSQL's result depends on it: odd spaces to a space, invisible characters to
 * nothing, NFKC; what is prohibited is taken as it is, as PostgreSQL does. Unassigned code points are not looked up.
 */
export const saslPrepare = (password: string): string => {
  if (/^[\x20-\x7e]*$/.test(password)) return password
  const mapped = password
    .replaceAll(/[\u00a0\u1680\u2000-\u200b\u202f\u205f\u3000]/g, ' ')
    .replaceAll(/\u00ad|\u034f|\u1806|[\u180b-\u180d]|\u200c|\u200d|\u2060|[\ufe00-\ufe0f]|\ufeff/g, '')
    .normalize('NFKC')
  const prohibited = /[\p{Cc}\p{Co}\p{Cs}\u06dd\u070f\u180e\u2028-\u202e\u206a-\u206f\ufff9-\uffff]/u
  return mapped === '' || prohibited.test(mapped) ? password : mapped
}

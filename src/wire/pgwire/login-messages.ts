/**
 * The messages of a login, both directions (PostgreSQL manual, "Message Formats"). Builders return whole messages.
 *
 * @module
 */
import { AllwriteError } from '../../core/errors.ts'
import { cancelRequestCode, newestMinor, sslRequestCode } from './startup.ts'

const typed = (type: string, ...parts: readonly Buffer[]): Buffer => {
  const head = Buffer.allocUnsafe(5)
  head.write(type, 0, 'latin1')
  head.writeUInt32BE(4 + parts.reduce((sum, part) => sum + part.length, 0), 1)
  return Buffer.concat([head, ...parts])
}
const untyped = (...parts: readonly Buffer[]): Buffer => {
  const head = int32(4 + parts.reduce((sum, part) => sum + part.length, 0))
  return Buffer.concat([head, ...parts])
}
const int32 = (value: number): Buffer => {
  const bytes = Buffer.allocUnsafe(4)
  bytes.writeInt32BE(value, 0)
  return bytes
}
const cString = (text: string): Buffer => {
  const bytes = Buffer.from(`${text}\0`, 'utf8')
  if (bytes.indexOf(0) !== bytes.length - 1)
    throw new AllwriteError('protocol', 'a text of the protocol holds a zero byte')
  return bytes
}

/** Codes of the Authentication messages that are used here. */
export const AuthCode = { ok: 0, sasl: 10, saslContinue: 11, saslFinal: 12 } as const

export const authenticationOk = (): Buffer => typed('R', int32(AuthCode.ok))
/** AuthenticationSASL: the mechanisms on offer, the preferred one first. */
export const authenticationSasl = (mechanisms: readonly string[]): Buffer =>
  typed('R', int32(AuthCode.sasl), ...mechanisms.map(cString), Buffer.of(0))
export const authenticationSaslContinue = (data: Buffer): Buffer => typed('R', int32(AuthCode.saslContinue), data)
export const authenticationSaslFinal = (data: Buffer): Buffer => typed('R', int32(AuthCode.saslFinal), data)
export const parameterStatus = (name: string, value: string): Buffer => typed('S', cString(name), cString(value))
export const backendKeyData = (pid: number, secret: Buffer): Buffer => typed('K', int32(pid), secret)
export const readyForQueryIdle = (): Buffer => typed('Z', Buffer.from('I', 'latin1'))

/**
 * NegotiateProtocolVersion. PostgreSQL 18 sends the version agreed on as a whole (3.2 = 196610), not only its minor
 * half, and clients expect that.
 */
export const negotiateProtocolVersion = (minor: number, unknownOptions: readonly string[]): Buffer =>
  typed(
    'v',
    int32((3 << 16) | Math.min(minor, newestMinor)),
    int32(unknownOptions.length),
    ...unknownOptions.map(cString),
  )

/** StartupMessage of protocol 3.0: the local server's keys then have the four bytes that every version understands. */
export const startupMessage = (parameters: readonly (readonly [string, string])[]): Buffer =>
  untyped(int32(3 << 16), ...parameters.flatMap(([name, value]) => [cString(name), cString(value)]), Buffer.of(0))
export const sslRequest = (): Buffer => untyped(int32(sslRequestCode))
export const cancelRequest = (pid: number, secret: Buffer): Buffer =>
  untyped(int32(cancelRequestCode), int32(pid), secret)
export const saslInitialResponse = (mechanism: string, data: Buffer): Buffer =>
  typed('p', cString(mechanism), int32(data.length), data)
export const saslResponse = (data: Buffer): Buffer => typed('p', data)

/**
 * Reads the body of a SASLInitialResponse. `data` is undefined when the client sent none (-1).
 * @throws AllwriteError 08P01 on a bad layout
 */
export const parseSaslInitialResponse = (body: Buffer): { mechanism: string; data: Buffer | undefined } => {
  const end = body.indexOf(0)
  if (end < 0 || body.length < end + 5) throw new AllwriteError('protocol', 'insufficient data left in message')
  const mechanism = body.toString('latin1', 0, end)
  const length = body.readInt32BE(end + 1)
  const data = body.subarray(end + 5)
  if (length === -1 && data.length === 0) return { mechanism, data: undefined }
  if (length !== data.length) throw new AllwriteError('protocol', 'invalid message format')
  return { mechanism, data }
}

/** Reads the body of AuthenticationSASL behind its code: the mechanisms on offer. */
export const parseSaslMechanisms = (body: Buffer): string[] =>
  body
    .toString('latin1')
    .split('\0')
    .filter((name) => name !== '')

/** Reads the body of a ParameterStatus. */
export const parseParameterStatus = (body: Buffer): [name: string, value: string] => {
  const end = body.indexOf(0)
  const valueEnd = end < 0 ? -1 : body.indexOf(0, end + 1)
  if (valueEnd < 0) throw new AllwriteError('protocol', 'malformed ParameterStatus message')
  return [body.toString('utf8', 0, end), body.toString('utf8', end + 1, valueEnd)]
}

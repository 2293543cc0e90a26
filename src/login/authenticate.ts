/**
 * Who is it: SCRAM with the verifier of the role (auth.c, auth-sasl.c, crypt.c). A role that is unknown, has no SCRAM
 * verifier or an expired password goes the same way to the same answer.
 *
 * @module
 */
import { randomBytes } from 'node:crypto'
import { AllwriteError } from '../core/errors.ts'
import {
  authenticationOk,
  authenticationSasl,
  authenticationSaslContinue,
  authenticationSaslFinal,
  parseSaslInitialResponse,
} from '../wire/pgwire/login-messages.ts'
import {
  mockVerifier,
  nonceBytes,
  parseVerifier,
  saslMessageBytesMax,
  scramMechanism,
  scramPlusMechanism,
  scramServerFinal,
  scramServerFirst,
} from '../wire/pgwire/scram.ts'
import type { ScramKeys } from '../wire/pgwire/scram.ts'
import type { Channel } from './login-channel.ts'

/** What pg_authid says of a role. */
export interface RoleRecord {
  /** rolpassword as stored; null: none. */
  readonly verifier: string | null
  readonly canLogin: boolean
  /** rolvaliduntil has passed. */
  readonly expired: boolean
  /** rolconnlimit; -1: none. Enforced by the local server itself, which counts its own backends. */
  readonly connectionLimit: number
  readonly superuser: boolean
  /** Names of the roles that it is a member of, directly or not. */
  readonly memberOf: readonly string[]
}

/** Asks a server for {@link RoleRecord}, as one column of JSON. @param name a parameter or a literal */
export const roleRecordSql = (name: string): string =>
  `SELECT to_json(r)::text AS record FROM allwrite.role_record(${name}) AS r`

/** Its answer; null or undefined: there is no such role. */
export const roleOf = (record: string | null | undefined): RoleRecord | undefined => {
  if (record == null) return undefined
  const row = JSON.parse(record) as RoleRow
  return {
    verifier: row.verifier,
    canLogin: row.can_login,
    expired: row.expired,
    connectionLimit: row.connection_limit,
    superuser: row.superuser,
    memberOf: row.member_of,
  }
}

/** Of `allwrite.role_record()` (node/catalog/sql/proxy-role.ts). */
interface RoleRow {
  readonly verifier: string | null
  readonly can_login: boolean
  readonly expired: boolean
  readonly connection_limit: number
  readonly superuser: boolean
  readonly member_of: readonly string[]
}

/** The role of that exact name; undefined if there is none. Rejects when it can't be told: the client gets 57P03. */
export type LookupRole = (name: string) => Promise<RoleRecord | undefined>

export interface AuthenticationContext {
  /** Undefined: there is none of that name. */
  readonly role: RoleRecord | undefined
  /** A rule asks for a certificate in the role's name, and the client's is another: told as a wrong password is, as PostgreSQL does. */
  readonly wrongCertificate: boolean
  /** The same on all nodes of a cluster: salts of roles that don't exist come from it. */
  readonly mockSecret: Buffer
}

/**
 * The SCRAM exchange, to AuthenticationOk and the check that PostgreSQL makes after it.
 * @throws AllwriteError 28P01, 28000, 08P01; ClosedError when the client left
 */
export const authenticate = async (
  channel: Channel,
  user: string,
  context: AuthenticationContext,
): Promise<ScramKeys> => {
  const { socket, endPointHash } = channel
  const { role } = context
  const verifier =
    (role?.expired === false && role.verifier ? parseVerifier(role.verifier) : undefined) ??
    mockVerifier(context.mockSecret, user)

  const mechanisms = endPointHash ? [scramPlusMechanism, scramMechanism] : [scramMechanism]
  socket.write(authenticationSasl(mechanisms))
  const initial = parseSaslInitialResponse(await readSasl(channel))
  const { mechanism } = initial
  if (!mechanisms.includes(mechanism))
    throw new AllwriteError('protocol', 'client selected an invalid SASL authentication mechanism')
  let clientFirst = initial.data
  if (clientFirst === undefined) {
    socket.write(authenticationSaslContinue(Buffer.alloc(0)))
    clientFirst = await readSasl(channel)
  }
  const first = scramServerFirst({ verifier, mechanism, endPointHash, nonce: randomBytes(nonceBytes) }, clientFirst)
  socket.write(authenticationSaslContinue(first.message))
  const result = scramServerFinal(first.state, await readSasl(channel))
  if (!result.ok || context.wrongCertificate)
    throw new AllwriteError('protocol', `password authentication failed for user "${user}"`, { sqlState: '28P01' })
  socket.write(Buffer.concat([authenticationSaslFinal(result.serverFinal), authenticationOk()]))
  if (!role?.canLogin)
    throw new AllwriteError('protocol', `role "${user}" is not permitted to log in`, { sqlState: '28000' })
  return result.keys
}

const readSasl = async (channel: Channel): Promise<Buffer> => {
  const type = (await channel.reader.read(1))[0]
  if (type !== 0x70) throw new AllwriteError('protocol', `expected SASL response, got message type ${type}`)
  const length = (await channel.reader.read(4)).readUInt32BE(0) - 4
  if (length < 0 || length > saslMessageBytesMax) throw new AllwriteError('protocol', 'invalid message length')
  return channel.reader.read(length)
}

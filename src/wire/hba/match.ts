/**
 * Which rule decides for a connection, and the words of a refusal (hba.c check_hba, auth.c ClientAuthentication).
 *
 * @module
 */
import { AllwriteError } from '../../core/errors.ts'
import { plainAddress } from './address.ts'
import type { LocalAddress } from './address.ts'
import type { HbaRule } from './rules.ts'
import type { Field } from './tokens.ts'

export interface HbaConnection {
  /** The client's, without its port. */
  readonly address: string
  readonly tls: boolean
  readonly user: string
  readonly database: string
  /** Roles that `user` is a member of, directly or not; itself need not be among them. */
  readonly memberOf: ReadonlySet<string>
  /** This machine's addresses. */
  readonly local: () => readonly LocalAddress[]
}

/**
 * The rule that lets a connection try its password.
 * @throws AllwriteError 28000 where a rule rejects it, or none fits
 */
export const ruleFor = (rules: readonly HbaRule[], connection: HbaConnection): HbaRule => {
  const rule = rules.find((candidate) => fits(candidate, connection))
  if (rule !== undefined && rule.method !== 'reject') return rule
  const { address, user, database, tls } = connection
  const who = `host "${plainAddress(address)}", user "${user}", database "${database}", ${tls ? 'SSL encryption' : 'no encryption'}`
  throw new AllwriteError(
    'protocol',
    rule === undefined ? `no pg_hba.conf entry for ${who}` : `pg_hba.conf rejects connection for ${who}`,
    { sqlState: '28000' },
  )
}

const fits = (rule: HbaRule, connection: HbaConnection): boolean => {
  if (rule.connection === 'hostssl' && !connection.tls) return false
  if (rule.connection === 'hostnossl' && connection.tls) return false
  return (
    rule.address(plainAddress(connection.address), connection.local) &&
    databaseFits(rule.databases, connection) &&
    userFits(rule.users, connection)
  )
}

const isMember = ({ user, memberOf }: HbaConnection, role: string): boolean => user === role || memberOf.has(role)

const databaseFits = (databases: Field, connection: HbaConnection): boolean =>
  databases.some(({ text, quoted }) => {
    if (quoted) return text === connection.database
    if (text === 'all') return true
    if (text === 'sameuser') return connection.database === connection.user
    if (text === 'samerole' || text === 'samegroup') return isMember(connection, connection.database)
    // Connections for physical replication, which are refused behind the login.
    return text !== 'replication' && text === connection.database
  })

const userFits = (users: Field, connection: HbaConnection): boolean =>
  users.some(({ text, quoted }) => {
    if (!quoted && text === 'all') return true
    if (!quoted && text.startsWith('+')) return isMember(connection, text.slice(1))
    return text === connection.user
  })

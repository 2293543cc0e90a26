/**
 * Who may come in, by PostgreSQL's own file format: pg_hba.conf (manual, "The pg_hba.conf File"). The first rule that fits a
 * connection decides, and where none fits it is refused.
 *
 * What is read otherwise than PostgreSQL reads it is refused with the reason: files included by others, host names, regular
 * expressions, and methods other than `scram-sha-256` and `reject`. `local` lines are read and fit nobody: clients have no
 * Unix socket. Failure: {@link parseHba} tells of every line that is wrong, and gives no rules then.
 *
 * @module
 */
import { AllwriteError } from '../../core/errors.ts'
import { parseAddress } from './address.ts'
import type { AddressTest } from './address.ts'
import { hbaLines } from './tokens.ts'
import type { Field, HbaLine, Token } from './tokens.ts'

export type HbaMethod = 'scram-sha-256' | 'reject'

/** `verify-ca`: a certificate that our CA signed; `verify-full`: with the role's name as its common name. */
export type ClientCert = 'no' | 'verify-ca' | 'verify-full'

export interface HbaRule {
  /** In the file, from 1. */
  readonly line: number
  readonly connection: 'host' | 'hostssl' | 'hostnossl'
  readonly databases: Field
  readonly users: Field
  readonly address: AddressTest
  readonly method: HbaMethod
  readonly clientCert: ClientCert
}

/** Where no file says otherwise. */
export const defaultRules = (): readonly HbaRule[] => parseHba('host all all all scram-sha-256', 'default')

/**
 * @param path names the file in errors
 * @throws AllwriteError configuration: DETAIL has a line for each line that is wrong
 */
export const parseHba = (text: string, path: string): readonly HbaRule[] => {
  const rules: HbaRule[] = []
  const wrong: string[] = []
  const hints = new Set<string>()
  for (const line of hbaLines(text)) {
    try {
      const rule = parseLine(line)
      if (rule !== undefined) rules.push(rule)
    } catch (error) {
      if (!(error instanceof AllwriteError)) throw error
      wrong.push(`line ${line.line}: ${error.message}`)
      if (error.hint !== undefined) hints.add(error.hint)
    }
  }
  if (wrong.length === 0 && rules.length === 0) wrong.push('configuration file contains no entries')
  if (wrong.length === 0) return rules
  throw new AllwriteError('configuration', `configuration file "${path}" contains errors`, {
    detail: wrong.join('\n'),
    ...(hints.size === 0 ? {} : { hint: [...hints].join('\n') }),
  })
}

const bad = (message: string, hint?: string): AllwriteError =>
  new AllwriteError('configuration', message, hint === undefined ? {} : { hint })

const single = (field: Field | undefined, what: string): string => {
  if (field === undefined) throw bad(`end-of-line before ${what} specification`)
  if (field.length > 1) throw bad(`multiple values specified for ${what}`)
  return field[0]?.text ?? ''
}

const parseLine = ({ line, fields }: HbaLine): HbaRule | undefined => {
  const connection = single(fields[0], 'connection type')
  if (connection.startsWith('include')) throw bad(`"${connection}" is not supported`, 'Write the rules into this file.')
  if (connection === 'hostgssenc')
    throw bad('hostgssenc record cannot match because GSSAPI is not supported', 'Leave the line out.')
  const isHost = connection === 'host' || connection === 'hostssl' || connection === 'hostnossl'
  if (!isHost && connection !== 'hostnogssenc' && connection !== 'local')
    throw bad(`invalid connection type "${connection}"`)
  const databases = checkedNames(fields[1], 'database')
  const users = checkedNames(fields[2], 'role')
  if (connection === 'local') {
    single(fields[3], 'authentication method')
    return undefined
  }
  const address = single(fields[3], 'IP address')
  const { test, usedMask } = parseAddress(fields[3]?.[0] ?? { text: address, quoted: false }, maskOf(fields[4]))
  const rest = fields.slice(usedMask ? 5 : 4)
  const method = parseMethod(single(rest[0], 'authentication method'))
  const clientCert = parseOptions(rest.slice(1).flat(), method, connection)
  return {
    line,
    connection: isHost ? connection : 'host',
    databases,
    users,
    address: test,
    method,
    clientCert,
  }
}

const maskOf = (field: Field | undefined): string | undefined => (field?.length === 1 ? field[0]?.text : undefined)

const checkedNames = (field: Field | undefined, what: string): Field => {
  if (field === undefined) throw bad(`end-of-line before ${what} specification`)
  for (const { text, quoted } of field) {
    if (quoted) continue
    if (text.startsWith('/')) throw bad(`regular expression "${text}" is not supported`, 'Name each, or a role with +.')
    if (text.startsWith('@') && text.length > 1) throw bad(`included file "${text}" is not supported`)
  }
  return field
}

const parseMethod = (method: string): HbaMethod => {
  if (method === 'scram-sha-256' || method === 'reject') return method
  const known = /^(trust|password|md5|gss|sspi|ident|peer|pam|bsd|ldap|radius|cert|oauth)$/.test(method)
  if (!known) throw bad(`invalid authentication method "${method}"`)
  // The agent logs in at its server with what only a SCRAM exchange reveals (ADR 33).
  throw bad(
    `authentication method "${method}" is not supported`,
    method === 'cert'
      ? 'Use "scram-sha-256 clientcert=verify-full": certificate and password.'
      : 'Use scram-sha-256 or reject.',
  )
}

const parseOptions = (options: readonly Token[], method: HbaMethod, connection: string): ClientCert => {
  let clientCert: ClientCert = 'no'
  for (const { text } of options) {
    const at = text.indexOf('=')
    if (at < 0) throw bad(`authentication option not in name=value format: ${text}`)
    const [name, value] = [text.slice(0, at), text.slice(at + 1)]
    if (name === 'clientcert') {
      if (connection !== 'hostssl') throw bad('clientcert can only be configured for "hostssl" rows')
      if (value !== 'verify-ca' && value !== 'verify-full') throw bad(`invalid value for clientcert: "${value}"`)
      clientCert = value
    } else if (name === 'clientname') {
      if (connection !== 'hostssl') throw bad('clientname can only be configured for "hostssl" rows')
      if (value !== 'CN') throw bad(`clientname=${value} is not supported`, 'Use CN.')
    } else if (name === 'map') {
      throw bad(
        'authentication option "map" is only valid for authentication methods ident, peer, gssapi, sspi, cert, and oauth',
      )
    } else throw bad(`unrecognized authentication option name: "${name}"`)
  }
  return method === 'reject' ? 'no' : clientCert
}

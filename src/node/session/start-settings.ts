/**
 * The settings of a start-up packet: what the client asks for, and what its backend is started with. The client's
 * `options` text is taken apart here and never passed on, so that the server can't read it another way than we do.
 *
 * @module
 */
import { AllwriteError } from '../../core/errors.ts'
import { vouchName } from '../../login/vouching.ts'
import type { StartupMessage } from '../../wire/pgwire/startup.ts'
import { physicalRefusal } from '../replication/commands.ts'
import { consistencyName, invalidLevel } from './statement/consistency-level.ts'

export interface StartSettings {
  /** For the backend's start-up packet, in order; without `default_transaction_read_only`. */
  readonly settings: readonly (readonly [name: string, value: string])[]
  /** What the client asked `default_transaction_read_only` to be; off if it did not. */
  readonly readOnlyWish: boolean
  /**
   * The client is a pool: it is told what its sessions' states may depend on, and its transactions are counted under this name, if it is
   * not empty (ADR 28, 29).
   */
  readonly pooled: string | undefined
  /** It wants a WAL sender of its database: the first of `settings` says so. */
  readonly replication: boolean
}

/** How a pool says that it is one. No setting of the server: a session's code can neither read nor change it. */
export const pooledName = 'allwrite.connection'

const readOnlyName = 'default_transaction_read_only'

/** Settings that would let a session's writes past the node, or change what they mean elsewhere; with the reason. */
const refused = new Map<string, string>([
  ['session_replication_role', 'It would switch off the triggers that carry schema changes to the other nodes.'],
  ['event_triggers', 'It would switch off the triggers that carry schema changes to the other nodes.'],
  ['transaction_read_only', 'Use default_transaction_read_only.'],
  ['allow_system_table_mods', 'Changes of system catalogs do not reach the other nodes.'],
])
/** Fields of the start-up packet itself: a setting under such a name would be read as that field. */
const fieldNames: ReadonlySet<string> = new Set(['user', 'database', 'options', 'replication'])

/**
 * Splits what the client asked for.
 * @throws AllwriteError 0A000 what a cluster can't give, 42602 bad names, 42704 unknown names, 22023 bad values
 */
export const startSettings = (startup: StartupMessage): StartSettings => {
  const replication = wantsReplication(startup.replication)
  const settings: (readonly [string, string])[] = replication ? [['replication', 'database']] : []
  let readOnlyWish = false
  let pooled: string | undefined
  // PostgreSQL applies the options first, then the packet's other parameters; the last one wins.
  for (const [name, value] of [...parseOptions(startup.options), ...startup.settings]) {
    const known = checkedName(name)
    if (known === pooledName) pooled = checkedConnection(value)
    else if (known === vouchName) continue
    else if (known === readOnlyName) readOnlyWish = parseBoolean(known, value)
    else {
      refuseUnsafe(known, value)
      settings.push([known, value])
    }
  }
  return { settings, readOnlyWish, pooled, replication }
}

const checkedConnection = (value: string): string => {
  if (/^(?:[0-9a-f]{32})?$/.test(value)) return value
  throw new AllwriteError('protocol', `invalid value for parameter "${pooledName}": "${value}"`, {
    sqlState: '22023',
    hint: 'It is 32 hexadecimal digits, or nothing.',
  })
}

/** PostgreSQL's names of settings don't depend on case (ASCII). */
const checkedName = (name: string): string => {
  const known = name.replaceAll(/[A-Z]/g, (letter) => letter.toLowerCase())
  if (!/^[a-z_][a-z0-9_$]*(\.[a-z_][a-z0-9_$]*)*$/.test(known))
    throw new AllwriteError('protocol', `invalid configuration parameter name "${known}"`, { sqlState: '42602' })
  if (fieldNames.has(known) || known.startsWith('_pq_.'))
    throw new AllwriteError('protocol', `unrecognized configuration parameter "${known}"`, { sqlState: '42704' })
  return known
}

const refuseUnsafe = (name: string, value: string): void => {
  const reason = refused.get(name)
  if (reason !== undefined)
    throw new AllwriteError('unsupported', `parameter "${name}" cannot be set in a cluster`, { detail: reason })
  const level = name === consistencyName ? invalidLevel(value) : undefined
  if (level !== undefined) throw new AllwriteError('protocol', level.message, { sqlState: '22023', hint: level.hint })
}

const wantsReplication = (value: string | undefined): boolean => {
  if (value === undefined) return false
  if (value === 'database') return true
  const wanted = booleanOf(value)
  if (wanted === undefined)
    throw new AllwriteError('protocol', `invalid value for parameter "replication": "${value}"`, {
      sqlState: '22023',
      hint: 'Valid values are: "false", 0, "true", 1, "database".',
    })
  if (!wanted) return false
  throw new AllwriteError(
    'unsupported',
    'physical replication is not supported through a cluster node',
    physicalRefusal,
  )
}

const parseBoolean = (name: string, value: string): boolean => {
  const parsed = booleanOf(value)
  if (parsed === undefined)
    throw new AllwriteError('protocol', `parameter "${name}" requires a Boolean value`, { sqlState: '22023' })
  return parsed
}

/** PostgreSQL's parse_bool: unique prefixes of the words, in any case. */
export const booleanOf = (text: string): boolean | undefined => {
  const value = text.toLowerCase()
  if (value === '1' || value === 'on') return true
  if (value === '0' || value === 'of' || value === 'off') return false
  if (value === '') return undefined
  if ('true'.startsWith(value) || 'yes'.startsWith(value)) return true
  if ('false'.startsWith(value) || 'no'.startsWith(value)) return false
  return undefined
}

/**
 * Takes the `options` text apart as PostgreSQL does (pg_split_opts, process_postgres_switches): words at white space,
 * backslash escapes; `-c name=value`, `-cname=value`, `--name=value`. Its single-letter switches are refused.
 */
export const parseOptions = (options: string): [name: string, value: string][] => {
  const words = splitWords(options)
  const found: [string, string][] = []
  for (let index = 0; index < words.length; index++) {
    const word = words[index] ?? ''
    if (word === '--') break
    if (word.startsWith('--')) found.push(assignment(word, word.slice(2)))
    else if (word === '-c') {
      index++
      found.push(assignment(word, words[index] ?? ''))
    } else if (word.startsWith('-c')) found.push(assignment('-c', word.slice(2)))
    else
      throw new AllwriteError('unsupported', `command-line option "${word}" is not supported in start-up options`, {
        hint: 'Use -c name=value or --name=value.',
      })
  }
  return found
}

const assignment = (option: string, text: string): [string, string] => {
  const at = text.indexOf('=')
  if (at <= 0)
    throw new AllwriteError('protocol', `${option === '-c' ? `-c ${text}` : option} requires a value`, {
      sqlState: '42601',
    })
  return [text.slice(0, at).replaceAll('-', '_'), text.slice(at + 1)]
}

const splitWords = (text: string): string[] => {
  const words: string[] = []
  let word: string | undefined
  for (let index = 0; index < text.length; index++) {
    const char = text.charAt(index)
    if (/[ \t\n\v\f\r]/.test(char)) {
      if (word !== undefined) words.push(word)
      word = undefined
    } else if (char === '\\') {
      index++
      word = (word ?? '') + text.charAt(index)
    } else word = (word ?? '') + char
  }
  if (word !== undefined) words.push(word)
  return words
}

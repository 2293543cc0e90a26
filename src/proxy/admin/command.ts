/**
 * The language of PgBouncer's console: one command, one word behind it at most, or SET. Pure.
 *
 * Source: PgBouncer manual, "Admin console", and the regular expressions of its src/admin.c.
 *
 * @module
 */

export type Command =
  | { readonly kind: 'show'; readonly what: string }
  | { readonly kind: 'set'; readonly name: string; readonly value: string }
  | {
      readonly kind: 'act'
      readonly action: Action
      /** Empty: none was given. */
      readonly argument: string
    }

export type Action =
  | 'disable'
  | 'enable'
  | 'kill'
  | 'kill_client'
  | 'pause'
  | 'reconnect'
  | 'reload'
  | 'resume'
  | 'shutdown'
  | 'suspend'
  | 'wait_close'

const actions: ReadonlySet<string> = new Set<Action>([
  'disable',
  'enable',
  'kill',
  'kill_client',
  'pause',
  'reconnect',
  'reload',
  'resume',
  'shutdown',
  'suspend',
  'wait_close',
])
const isAction = (word: string): word is Action => actions.has(word)

const blank = '[ \\t\\n\\r]'
const word = '("(?:[^"]|"")*"|[0-9a-z_]+)'
const end = `${blank}*(?:;${blank}*)?$`
const plainCommand = new RegExp(`^${blank}*${word}(?:${blank}+${word})?${end}`, 'i')
const setCommand = new RegExp(
  `^${blank}*set${blank}+${word}${blank}*(?:=|to)${blank}*(?:${word}|('(?:[^']|'')*'))${end}`,
  'i',
)

/** Longest command that is looked at, characters: a client's bytes are matched against patterns. */
const commandLengthMax = 1_000

/** Undefined: it is none. */
export function parseCommand(text: string): Command | undefined {
  if (text.length > commandLengthMax) return undefined
  const plain = plainCommand.exec(text)
  if (plain) {
    const name = unquoted(plain[1] ?? '').toLowerCase()
    const argument = unquoted(plain[2] ?? '')
    // PgBouncer has it so, for clients that can't but select.
    if (name === 'show' || name === 'select') return { kind: 'show', what: argument.toLowerCase() }
    return isAction(name) ? { kind: 'act', action: name, argument } : undefined
  }
  const set = setCommand.exec(text)
  if (!set) return undefined
  return { kind: 'set', name: unquoted(set[1] ?? ''), value: unquoted(set[2] ?? set[3] ?? '') }
}

const unquoted = (text: string): string => {
  const quote = text[0]
  return quote === '"' || quote === "'" ? text.slice(1, -1).replaceAll(quote + quote, quote) : text
}

/**
 * The commands of a replication connection (PostgreSQL manual, "Streaming Replication Protocol"; repl_gram.y and repl_scanner.l for
 * the grammar): which of them a client of a node may give.
 *
 * What is passed on is built anew from the tokens that were read here, so that the server can't read another command than we did. A
 * text that does not begin with a replication command is SQL, as for PostgreSQL, and not judged here.
 *
 * Refused: whatever is physical (a copy of the node's files is a copy of its agent's identity), and what names the agent's own slots
 * and publication.
 *
 * @module
 */
import { AllwriteError } from '../../core/errors.ts'

export type ReplicationCommand =
  | { readonly kind: 'sql' }
  | { readonly kind: 'refused'; readonly error: AllwriteError }
  | {
      readonly kind: 'command'
      /** What to send. */
      readonly text: string
      /** A slot that will exist behind it. */
      readonly creates?: string
      /** A slot whose changes it streams. */
      readonly streams?: string
    }

interface Token {
  /** `word`: a bare name or keyword; `name`: a quoted one. */
  readonly kind: 'word' | 'name' | 'string' | 'lsn' | 'number' | 'punctuation'
  /** The content, without quotes; a word in lower case. */
  readonly text: string
}

/** Slots of the agent's: one for each database (database-sessions.ts). Nobody else makes one of such a name. */
export const isReservedSlot = (name: string): boolean => /^allwrite(_\d+)?$/.test(name)

const agentPublication = 'allwrite'

const tokenPattern =
  /\s*(?:([0-9A-Fa-f]{1,8}\/[0-9A-Fa-f]{1,8})|([A-Za-z_\u0080-\uffff][\w$\u0080-\uffff]*)|"((?:[^"]|"")*)"|'((?:[^']|'')*)'|(\d+)|([(),.;]))/y

/** Undefined: not the replication scanner's language. */
const tokensOf = (text: string): readonly Token[] | undefined => {
  const found: Token[] = []
  const source = text.trim()
  tokenPattern.lastIndex = 0
  while (tokenPattern.lastIndex < source.length) {
    const [all, lsn, word, name, string, number, punctuation] = tokenPattern.exec(source) ?? []
    if (all === undefined) return undefined
    if (lsn !== undefined) found.push({ kind: 'lsn', text: lsn })
    else if (word !== undefined) found.push({ kind: 'word', text: word.toLowerCase() })
    else if (name !== undefined) found.push({ kind: 'name', text: name.replaceAll('""', '"') })
    else if (string !== undefined) found.push({ kind: 'string', text: string.replaceAll("''", "'") })
    else if (number !== undefined) found.push({ kind: 'number', text: number })
    else found.push({ kind: 'punctuation', text: punctuation ?? '' })
  }
  while (found.at(-1)?.text === ';' && found.at(-1)?.kind === 'punctuation') found.pop()
  return found
}

const quoteName = (name: string): string => `"${name.replaceAll('"', '""')}"`
const quoteString = (text: string): string => `'${text.replaceAll("'", "''")}'`

const refuse = (feature: string, explanation: { detail?: string; hint?: string }): ReplicationCommand => ({
  kind: 'refused',
  error: new AllwriteError('unsupported', `${feature} is not supported through a cluster node`, explanation),
})

const reserved = (what: string, name: string): ReplicationCommand => ({
  kind: 'refused',
  error: new AllwriteError('unsupported', `${what} "${name}" belongs to the cluster`, {
    sqlState: '42501',
    hint: 'Use one of another name.',
  }),
})

/** Why nothing physical leaves a node; the same words wherever it is asked for. */
export const physicalRefusal = {
  detail: "A physical copy of a node is a copy of its agent's identity, subscription and place in the journal.",
  hint: 'Back up with pg_dump; a stream of changes is had with replication=database and a logical slot.',
} as const

const syntaxError: ReplicationCommand = {
  kind: 'refused',
  error: new AllwriteError('protocol', 'syntax error in a replication command', { sqlState: '42601' }),
}

/** `( name [value], … )`: an option's value is a string, a number or a word. Undefined: it is none. */
const optionsText = (
  tokens: readonly Token[],
): { readonly text: string; readonly values: ReadonlyMap<string, string> } | undefined => {
  if (tokens.length === 0) return { text: '', values: new Map() }
  if (tokens[0]?.text !== '(' || tokens.at(-1)?.text !== ')' || tokens.at(-1)?.kind !== 'punctuation') return undefined
  const values = new Map<string, string>()
  const written: string[] = []
  let rest = tokens.slice(1, -1)
  while (rest.length > 0) {
    const at = rest.findIndex(({ kind, text }) => kind === 'punctuation' && text === ',')
    const [name, value, ...more] = at < 0 ? rest : rest.slice(0, at)
    if (name === undefined || (name.kind !== 'word' && name.kind !== 'name') || more.length > 0) return undefined
    if (value?.kind === 'punctuation' || value?.kind === 'lsn') return undefined
    const shown =
      value === undefined
        ? ''
        : value.kind === 'number'
          ? value.text
          : value.kind === 'string'
            ? quoteString(value.text)
            : quoteName(value.text)
    written.push(`${quoteName(name.text)} ${shown}`.trimEnd())
    values.set(name.text, value?.text ?? '')
    rest = at < 0 ? [] : rest.slice(at + 1)
  }
  return { text: ` (${written.join(', ')})`, values }
}

/** Names in a list as SplitIdentifierString reads it. */
const namesIn = (list: string): readonly string[] =>
  Array.from(list.matchAll(/"((?:[^"]|"")*)"|([^",\s]+)/g), ([, quoted, bare]) =>
    quoted === undefined ? (bare ?? '').toLowerCase() : quoted.replaceAll('""', '"'),
  )

/** Legacy words behind CREATE_REPLICATION_SLOT … LOGICAL plugin. */
const legacyOptions: ReadonlySet<string> = new Set([
  'export_snapshot',
  'noexport_snapshot',
  'use_snapshot',
  'two_phase',
])

type Parser = (rest: readonly Token[]) => ReplicationCommand

const isName = (token: Token | undefined): token is Token => token?.kind === 'word' || token?.kind === 'name'

const createSlot: Parser = ([name, ...rest]) => {
  if (!isName(name)) return syntaxError
  const temporary = rest[0]?.kind === 'word' && rest[0].text === 'temporary'
  const [kind, plugin, ...options] = temporary ? rest.slice(1) : rest
  if (kind?.text === 'physical' && kind.kind === 'word') return refuse('a physical replication slot', physicalRefusal)
  if (kind?.text !== 'logical' || kind.kind !== 'word' || !isName(plugin)) return syntaxError
  if (isReservedSlot(name.text)) return reserved('replication slot', name.text)
  const legacy = options.length > 0 && options.every((word) => word.kind === 'word' && legacyOptions.has(word.text))
  const behind = legacy ? { text: ` ${options.map(({ text }) => text.toUpperCase()).join(' ')}` } : optionsText(options)
  if (behind === undefined) return syntaxError
  return {
    kind: 'command',
    text: `CREATE_REPLICATION_SLOT ${quoteName(name.text)}${temporary ? ' TEMPORARY' : ''} LOGICAL ${quoteName(plugin.text)}${behind.text}`,
    creates: name.text,
  }
}

const start: Parser = ([word, name, kind, at, ...rest]) => {
  const logical = word?.kind === 'word' && word.text === 'slot' && kind?.kind === 'word' && kind.text === 'logical'
  if (!logical) return refuse('physical replication', physicalRefusal)
  const options = optionsText(rest)
  if (!isName(name) || at?.kind !== 'lsn' || options === undefined) return syntaxError
  if (isReservedSlot(name.text)) return reserved('replication slot', name.text)
  if (namesIn(options.values.get('publication_names') ?? '').includes(agentPublication))
    return reserved('publication', agentPublication)
  return {
    kind: 'command',
    text: `START_REPLICATION SLOT ${quoteName(name.text)} LOGICAL ${at.text}${options.text}`,
    streams: name.text,
  }
}

/** A command about a slot that is there. */
const aboutSlot =
  (keyword: string, behind: (rest: readonly Token[]) => string | undefined): Parser =>
  ([name, ...rest]) => {
    const text = behind(rest)
    if (!isName(name) || text === undefined) return syntaxError
    if (isReservedSlot(name.text)) return reserved('replication slot', name.text)
    return { kind: 'command', text: `${keyword} ${quoteName(name.text)}${text}` }
  }

const nothing = (rest: readonly Token[]): string | undefined => (rest.length === 0 ? '' : undefined)

const parsers: Readonly<Record<string, Parser>> = {
  identify_system: (rest) => (rest.length === 0 ? { kind: 'command', text: 'IDENTIFY_SYSTEM' } : syntaxError),
  timeline_history: ([id, ...rest]) =>
    id?.kind === 'number' && rest.length === 0 ? { kind: 'command', text: `TIMELINE_HISTORY ${id.text}` } : syntaxError,
  show: (rest) => {
    const wrong = rest.some((token, i) => (i % 2 === 0 ? !isName(token) : token.text !== '.'))
    if (wrong || rest.length % 2 === 0) return syntaxError
    return {
      kind: 'command',
      text: `SHOW ${rest.map((token) => (isName(token) ? quoteName(token.text) : '.')).join('')}`,
    }
  },
  create_replication_slot: createSlot,
  start_replication: start,
  read_replication_slot: aboutSlot('READ_REPLICATION_SLOT', nothing),
  drop_replication_slot: aboutSlot('DROP_REPLICATION_SLOT', ([wait, ...rest]) =>
    wait === undefined ? '' : wait.kind === 'word' && wait.text === 'wait' && rest.length === 0 ? ' WAIT' : undefined,
  ),
  alter_replication_slot: aboutSlot('ALTER_REPLICATION_SLOT', (rest) => optionsText(rest)?.text),
  base_backup: () => refuse('BASE_BACKUP', physicalRefusal),
  upload_manifest: () => refuse('UPLOAD_MANIFEST', physicalRefusal),
}

/** What the text of a Query message is. */
export const parseReplicationCommand = (text: string): ReplicationCommand => {
  const first = /^\s*([A-Za-z_]+)/.exec(text)?.[1]?.toLowerCase()
  const parser = first === undefined || !Object.hasOwn(parsers, first) ? undefined : parsers[first]
  if (parser === undefined) return { kind: 'sql' }
  const tokens = tokensOf(text)
  return tokens === undefined ? syntaxError : parser(tokens.slice(1))
}

/**
 * What a session is besides its transaction: settings, prepared statements, and why it can't leave its connection. Pure; what was
 * changed is not read from statements but told by the server, after the agent has said that something may have been.
 *
 * @module
 */
import { createHash } from 'node:crypto'
import { excludeVariableSets } from './settings.ts'

/** A prepared statement of the extended protocol. */
export interface Statement {
  /** What it is called on connections: the same for equal statements under equal settings. Empty: the unnamed one. */
  readonly serverName: string
  /** The rest of its Parse message behind the name. */
  readonly body: Buffer
  /** A digest of its description, if the client has seen it. */
  description: string | undefined
}

/** Why a session keeps its connection. */
export type PinReason =
  | 'temporary objects'
  | 'a session-level advisory lock'
  | 'a WITH HOLD cursor'
  | 'LISTEN'
  | 'a statement made by PREPARE'
  | 'SET SESSION AUTHORIZATION'
  | 'a setting made under SET ROLE'
  | 'a setting whose name is not known'

export interface SessionState {
  /** That differ from what the connection began with, by name. */
  settings: Map<string, string>
  statements: Map<string, Statement>
  unnamed: Statement | undefined
  /** Why the session keeps its connection; empty: it does not. */
  pins: ReadonlySet<PinReason>
  /** Settings with a dot in their name, which no view shows. */
  readonly customNames: Set<string>
  /** Some setting was made that can't be followed. */
  lostTrack: boolean
  /** Its connection may hold what sequences gave it. */
  drew: boolean
}

export const freshState = (): SessionState => ({
  settings: new Map(),
  statements: new Map(),
  unnamed: undefined,
  pins: new Set(),
  customNames: new Set(),
  lostTrack: false,
  drew: false,
})

/**
 * Why a session has its connection though no transaction is open. The last reason is the only one without which a session may go on
 * elsewhere: what sequences gave is an error there (55000), and never a wrong value.
 */
export const keptBy = ({ pins, drew }: SessionState, kind: { readonly asksSequences: boolean }): readonly string[] =>
  kind.asksSequences && drew ? [...pins, 'currval() or lastval()'] : [...pins]

/** Before every name that is ours on a connection. */
export const namePrefix = 'allwrite_'

/** @param body a Parse message's rest behind the name */
export function namedStatement(state: SessionState, body: Buffer): Statement {
  const hash = createHash('sha256').update(body)
  // Under other settings the same text may mean another statement: another search_path, another role.
  for (const [name, value] of [...state.settings].sort(([one], [other]) => (one < other ? -1 : 1)))
    hash.update(`\0${name}\0${value}`)
  return { serverName: namePrefix + hash.digest('hex').slice(0, 32), body: Buffer.from(body), description: undefined }
}

/** One look at a text tells that none of the following has to look. */
export const isNotable = (text: string): boolean => /deallocate|set_config|(?:curr|last)val/i.test(text)

/** A text that may drop a prepared statement. */
export const mentionsDeallocate = (text: string): boolean => /deallocate/i.test(text)

/** A text that may set a setting by its name in a string. */
export const mentionsSetConfig = (text: string): boolean => /set_config/i.test(text)

/** A text that may ask for what a sequence gave before. */
export const asksSequences = (text: string): boolean => /\b(?:curr|last)val\b/i.test(text)

/** What the texts of a transaction say of custom settings: their names, and whether one is set whose name is not there. */
export function readTexts(state: SessionState, texts: Iterable<string>): void {
  for (const text of texts) {
    const calls = [...text.matchAll(/set_config\s*\(([^()]*)\)/gi)]
    if (calls.length < [...text.matchAll(/set_config/gi)].length) state.lostTrack = true
    for (const [, args = ''] of calls) {
      // Until the transaction's end only.
      if (/,\s*true\s*$/i.test(args)) continue
      const name = /^\s*'([^'\\]+)'\s*,/.exec(args)?.[1]
      if (name === undefined) state.lostTrack = true
      else if (name.includes('.')) state.customNames.add(name.toLowerCase())
    }
  }
}

/** Asks for settings and for what pins. Outside a transaction: what a transaction holds is gone by then. */
export function stateQuery(customNames: Iterable<string>): string {
  const custom = [...customNames].map((name) => `('${name.replaceAll("'", "''")}')`)
  const customQuery =
    custom.length === 0
      ? ''
      : `UNION ALL SELECT 's', c.name, pg_catalog.current_setting(c.name, true) FROM (VALUES ${custom.join(', ')}) AS c (name)
   WHERE pg_catalog.current_setting(c.name, true) IS NOT NULL `
  return `SELECT 's', s.name, pg_catalog.current_setting(s.name) FROM pg_catalog.pg_settings AS s
   WHERE s.source = 'session' AND s.name NOT IN ('transaction_isolation', 'transaction_read_only', 'transaction_deferrable',
     'default_transaction_read_only')
 ${customQuery}UNION ALL SELECT 'role', pg_catalog.current_setting('role'), session_user::pg_catalog.text
 UNION ALL SELECT 'p', 'temporary objects', NULL WHERE pg_catalog.pg_my_temp_schema() <> 0 AND
   (EXISTS (SELECT FROM pg_catalog.pg_class AS c WHERE c.relnamespace = pg_catalog.pg_my_temp_schema())
    OR EXISTS (SELECT FROM pg_catalog.pg_type AS t WHERE t.typnamespace = pg_catalog.pg_my_temp_schema())
    OR EXISTS (SELECT FROM pg_catalog.pg_proc AS f WHERE f.pronamespace = pg_catalog.pg_my_temp_schema()))
 UNION ALL SELECT 'p', 'a session-level advisory lock', NULL WHERE EXISTS (SELECT FROM pg_catalog.pg_locks AS l
   WHERE l.locktype = 'advisory' AND l.pid = pg_catalog.pg_backend_pid())
 UNION ALL SELECT 'p', 'a WITH HOLD cursor', NULL WHERE EXISTS (SELECT FROM pg_catalog.pg_cursors AS c WHERE c.is_holdable)
 UNION ALL SELECT 'p', 'LISTEN', NULL WHERE EXISTS (SELECT FROM pg_catalog.pg_listening_channels() AS c)
 UNION ALL SELECT 'p', 'a statement made by PREPARE', NULL WHERE EXISTS (SELECT FROM pg_catalog.pg_prepared_statements AS s WHERE s.from_sql)
 UNION ALL SELECT 'hidden', 'a function', NULL WHERE EXISTS (SELECT FROM pg_catalog.pg_proc AS f
   WHERE f.oid >= 16384 AND f.pronamespace <> 'allwrite'::pg_catalog.regnamespace AND f.prosrc ~* '${hiddenSetting}')`
}

/**
 * The body of a function that may make a custom setting for the session. Over-approximated, but for those that last until the
 * transaction's end: they are what row security uses.
 */
const hiddenSetting = String.raw`\mset_config\M(?!\s*\([^;]*,\s*true\s*\))|\mset\s+(session\s+)?"?\w+"?\.`

const pinReasons: ReadonlySet<string> = new Set<PinReason>([
  'temporary objects',
  'a session-level advisory lock',
  'a WITH HOLD cursor',
  'LISTEN',
  'a statement made by PREPARE',
])
const isPinReason = (text: string): text is PinReason => pinReasons.has(text)

/**
 * Takes the answer of {@link stateQuery}.
 * @param user the role that the session logged in as
 * @param readOnly `default_transaction_read_only` as reported, where it is not what the session began with
 */
export function learn(
  state: SessionState,
  rows: readonly (readonly (string | null)[])[],
  context: {
    readonly user: string
    readonly readOnly: string | undefined
    readonly filters: readonly string[]
    /** Code ran that was not in the client's text. */
    readonly code: boolean
  },
): void {
  const settings = new Map<string, string>()
  const pins = new Set<PinReason>()
  for (const [kind, name, value] of rows) {
    if (typeof name !== 'string') continue
    if (kind === 's' && typeof value === 'string') settings.set(name, value)
    else if (kind === 'p' && isPinReason(name)) pins.add(name)
    else if (kind === 'hidden') state.lostTrack ||= context.code
    else if (kind === 'role') {
      if (value !== context.user) pins.add('SET SESSION AUTHORIZATION')
      if (name !== 'none') settings.set('role', name)
    }
  }
  if (context.readOnly !== undefined) settings.set('default_transaction_read_only', context.readOnly)
  if (settings.has('role') && changedBesides(state.settings, settings)) pins.add('a setting made under SET ROLE')
  // Whoever could set it then may not be able to again.
  if (state.pins.has('a setting made under SET ROLE')) pins.add('a setting made under SET ROLE')
  if (state.lostTrack && !context.filters.includes(excludeVariableSets)) pins.add('a setting whose name is not known')
  state.settings = settings
  state.pins = pins
}

/** Other settings than the role differ. */
function changedBesides(before: ReadonlyMap<string, string>, after: ReadonlyMap<string, string>): boolean {
  for (const [name, value] of after) if (name !== 'role' && before.get(name) !== value) return true
  for (const name of before.keys()) if (name !== 'role' && !after.has(name)) return true
  return false
}

/** DISCARD ALL has succeeded: nothing is left. DEALLOCATE ALL: prepared statements are gone. */
export function discard(state: SessionState, tag: string): void {
  state.statements = new Map()
  state.unnamed = undefined
  if (tag !== 'DISCARD ALL') return
  state.settings = new Map()
  state.pins = new Set()
  state.customNames.clear()
  state.lostTrack = false
  state.drew = false
}

/** The statements that give a connection with the settings `has` those that a session `wants`. The role comes last: it may forbid the rest. */
export function settingChanges(has: ReadonlyMap<string, string>, wants: ReadonlyMap<string, string>): string[] {
  const changes: string[] = []
  if (has.has('role') && has.get('role') !== wants.get('role')) changes.push('RESET ROLE')
  for (const name of has.keys()) if (name !== 'role' && !wants.has(name)) changes.push(`RESET ${settingName(name)}`)
  for (const [name, value] of wants) {
    if (name !== 'role' && has.get(name) !== value)
      changes.push(`SET ${settingName(name)} TO ${settingValue(name, value)}`)
  }
  const role = wants.get('role')
  if (role !== undefined && has.get('role') !== role) changes.push(`SET ROLE ${quoted(role)}`)
  return changes
}

const quoted = (name: string): string => `"${name.replaceAll('"', '""')}"`
const settingName = (name: string): string => name.split('.').map(quoted).join('.')

/** Lists of names: what is shown is a list of identifiers already, and as one literal it would be one name. */
const nameLists: ReadonlySet<string> = new Set(['search_path', 'temp_tablespaces'])

function settingValue(name: string, value: string): string {
  if (!nameLists.has(name.toLowerCase())) return `'${value.replaceAll("'", "''")}'`
  const names = splitIdentifiers(value)
  return names.length === 0 ? "''" : names.map(quoted).join(', ')
}

/** As PostgreSQL's SplitIdentifierString (varlena.c): commas, blanks, double quotes; unquoted names in lower case. */
export function splitIdentifiers(text: string): string[] {
  return [...text.matchAll(/\s*(?:"((?:[^"]|"")*)"|([^\s,"]+))\s*(?:,|$)/g)].map(([, inQuotes, plain]) =>
    inQuotes === undefined ? (plain ?? '').toLowerCase() : inQuotes.replaceAll('""', '"'),
  )
}

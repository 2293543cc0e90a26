/**
 * SET, RESET, SHOW and the settings nobody may touch: those that would switch the capture or the guard off, or let a statement
 * mean something else than what was read here.
 *
 * @module
 */
import type { ClassifiedStatement, RefusedStatement, SettingStatement } from './contract.ts'
import { consistencyName, invalidLevel } from './consistency-level.ts'
import { refuse } from './refused.ts'
import { ownRoles } from './targets.ts'
import { modesText, transactionModes } from './transaction.ts'
import { booleanWord, constant, list, text, tree } from './tree.ts'
import type { Tree } from './tree.ts'

const guard = 'default_transaction_read_only'

/** Settings refused whatever the value; the reason is the DETAIL. */
const refusedSettings: Readonly<Record<string, string>> = {
  session_replication_role: 'It decides which triggers fire; the agent uses it for apply.',
  event_triggers: 'DDL is captured by event triggers.',
  allow_system_table_mods: 'Changes of system tables are not replicated.',
  debug_logical_replication_streaming: 'It belongs to the agent’s replication connection.',
  logical_decoding_work_mem: 'It belongs to the agent’s replication connection.',
  wal_consistency_checking: 'The write-ahead log belongs to the agent.',
  wal_compression: 'The write-ahead log belongs to the agent.',
  wal_init_zero: 'The write-ahead log belongs to the agent.',
  wal_recycle: 'The write-ahead log belongs to the agent.',
  wal_skip_threshold: 'The write-ahead log belongs to the agent.',
  wal_sender_timeout: 'It belongs to the agent’s replication connection.',
  commit_siblings: 'Commits are grouped by the agent.',
  commit_delay: 'Commits are grouped by the agent.',
  zero_damaged_pages: 'A damaged node must be rebuilt, not read.',
  ignore_checksum_failure: 'A damaged node must be rebuilt, not read.',
  ignore_system_indexes: 'A damaged node must be rebuilt, not read.',
}

/** Client encodings in which a byte of a character may look like a backslash or a letter (utils/mb, "client only"). */
const unsafeEncoding =
  /^(sjis|mskanji|shiftjis|win932|windows932|shiftjis2004|big5|win950|windows950|gbk|win936|windows936|uhc|win949|windows949|johab|gb18030)$/

/**
 * Why a setting may not have a value: also for SET clauses of functions and roles, and start-up options.
 * `value` undefined: reset or default, which is always allowed unless the name itself is refused.
 */
export function settingRefusal(
  name: string,
  value: string | undefined,
  source: string,
  tag: string,
  offset: number,
): RefusedStatement | undefined {
  const setting = name.toLowerCase()
  const reason = refusedSettings[setting]
  if (reason !== undefined) return refuse(source, tag, offset, `changing parameter "${setting}"`, { detail: reason })
  if (value === undefined) return undefined
  // ALTER ROLE CURRENT_USER would be one of the agent's role then.
  if ((setting === 'role' || setting === 'session_authorization') && ownRoles.has(value))
    return refuse(source, tag, offset, 'acting as the role of the agent')
  const word = value.trim().toLowerCase()
  const level = setting === consistencyName ? invalidLevel(word) : undefined
  if (level !== undefined) return { kind: 'refused', text: source, tag, offset, sqlState: '22023', ...level }
  if (setting === 'standard_conforming_strings' && booleanWord(word) === false)
    return refuse(source, tag, offset, 'standard_conforming_strings = off', {
      detail: 'The agent reads statements with the standard’s string literals.',
      hint: "Write backslash escapes as E'…'.",
    })
  if (setting === 'client_encoding' && unsafeEncoding.test(word.replace(/[^a-z0-9]/g, '')))
    return refuse(source, tag, offset, `client_encoding "${value}"`, { hint: 'Use UTF8.' })
  return undefined
}

/** The refusal of a SET clause inside another statement (CREATE FUNCTION … SET, ALTER ROLE … SET), or undefined. */
export function setClauseRefusal(
  clause: Tree,
  source: string,
  tag: string,
  offset: number,
): RefusedStatement | undefined {
  const name = text(clause['name'])
  if (name === undefined) return undefined
  if (clause['kind'] === 'VAR_SET_MULTI') return undefined
  if (clause['kind'] === 'VAR_SET_CURRENT') {
    return name.toLowerCase() in refusedSettings ? settingRefusal(name, undefined, source, tag, offset) : undefined
  }
  return settingRefusal(name, settingValue(clause), source, tag, offset)
}

function settingValue(body: Tree): string | undefined {
  const values = list(body['args']).map((item) => constant(item) ?? '')
  return values.length === 0 ? undefined : values.join(', ')
}

/** A VariableSetStmt: SET, SET LOCAL, RESET, SET TRANSACTION, SET SESSION CHARACTERISTICS. */
export function classifySet(body: Tree, source: string, offset: number): ClassifiedStatement {
  const name = (text(body['name']) ?? '').toLowerCase()
  const local = body['is_local'] === true
  const kind = text(body['kind'])
  if (kind === 'VAR_RESET_ALL')
    return setting({ text: source, tag: 'RESET', offset, action: 'reset_all', name: 'all', local })
  if (kind === 'VAR_SET_MULTI') return classifyModes(name, body, source, offset)
  const action = kind === 'VAR_RESET' ? 'reset' : 'set'
  const tag = action === 'reset' ? 'RESET' : 'SET'
  const value = settingValue(body)
  // RESET and SET … TO DEFAULT of a refused setting change nothing that could be changed: allowed for pools that reset.
  if (kind === 'VAR_SET_VALUE') {
    const refused = settingRefusal(name, value, source, tag, offset)
    if (refused !== undefined) return refused
  }
  if (name === guard) {
    const readOnly = value === undefined ? undefined : booleanWord(value)
    return {
      kind: 'guard_setting',
      text: '',
      tag,
      offset,
      action: value === undefined ? 'reset' : 'set',
      name: guard,
      local,
      ...(value === undefined ? {} : { value }),
      ...(readOnly === undefined ? {} : { readOnly }),
    }
  }
  const flag = name === 'transaction_read_only' && value !== undefined ? booleanWord(value) : undefined
  return setting({
    text: source,
    tag,
    offset,
    action,
    name,
    local,
    ...(value === undefined ? {} : { value }),
    ...(flag === undefined ? {} : { modes: { readOnly: flag } }),
  })
}

function setting(fields: Omit<SettingStatement, 'kind' | 'scope'>): SettingStatement {
  const transaction =
    fields.local ||
    fields.action === 'transaction' ||
    fields.action === 'constraints' ||
    fields.name.startsWith('transaction_')
  return { kind: 'setting', scope: transaction ? 'transaction' : 'session', ...fields }
}

/** SET TRANSACTION (SNAPSHOT) and SET SESSION CHARACTERISTICS; the latter's READ ONLY | READ WRITE is the guard's. */
function classifyModes(name: string, body: Tree, source: string, offset: number): ClassifiedStatement {
  const modes = transactionModes(body['args'])
  const common = { tag: 'SET', offset, local: false }
  if (name !== 'session characteristics')
    return setting({ ...common, text: source, action: 'transaction', name: 'transaction', modes })
  if (modes.readOnly === undefined)
    return setting({ ...common, text: source, action: 'characteristics', name: 'characteristics', modes })
  const { readOnly, ...others } = modes
  const rest = modesText(others)
  return {
    kind: 'guard_setting',
    ...common,
    text: rest === '' ? '' : `SET SESSION CHARACTERISTICS AS TRANSACTION ${rest}`,
    action: 'set',
    name: guard,
    readOnly,
    value: readOnly ? 'on' : 'off',
  }
}

/** A VariableShowStmt. */
export function classifyShow(body: Tree, source: string, offset: number): ClassifiedStatement {
  const name = (text(body['name']) ?? '').toLowerCase()
  if (name === guard || name === 'transaction_read_only')
    return { kind: 'guard_setting', text: source, tag: 'SHOW', offset, action: 'show', name, local: false }
  return setting({ text: source, tag: 'SHOW', offset, action: 'show', name, local: false })
}

/** SET CONSTRAINTS. */
export function classifyConstraints(source: string, offset: number): ClassifiedStatement {
  return setting({
    text: source,
    tag: 'SET CONSTRAINTS',
    offset,
    action: 'constraints',
    name: 'constraints',
    local: true,
  })
}

/** Any SET clause anywhere below: functions, roles, procedures. */
export function findSetClauses(options: unknown): readonly Tree[] {
  return list(options)
    .map((item) => tree(tree(item)['DefElem']))
    .filter((option) => option['defname'] === 'set')
    .map((option) => tree(tree(option['arg'])['VariableSetStmt']))
}

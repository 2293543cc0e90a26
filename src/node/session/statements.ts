/**
 * What single statements mean for a session, whichever protocol brings them: reading their text, noting what they change,
 * and how errors of theirs are shown.
 *
 * @module
 */
import { isAscii, isUtf8 } from 'node:buffer'
import { AllwriteError } from '../../core/errors.ts'
import { commandComplete, dataRowOfText } from '../../wire/pgwire/messages.ts'
import type { ErrorFields } from '../../wire/pgwire/errors.ts'
import { typeByte } from '../../wire/pgwire/frames.ts'
import { conflictError, errorFrame, shiftPosition } from './answers.ts'
import type { Answer, CycleOptions } from './channel.ts'
import type { Core } from './core.ts'
import { booleanOf } from './start-settings.ts'
import type {
  BeginStatement,
  ClassifiedStatement,
  GuardSettingStatement,
  HarmlessStatement,
  WriteStatement,
} from './statement/contract.ts'
import { guardName } from './wish.ts'

/** Longest statement that can be looked at, bytes: below V8's longest string. */
const statementBytesMax = 256 * 1024 * 1024

/** SQLSTATE of a sequence at the end of its range. */
export const sequenceExhausted = '2200H'

/** A client's text and what it is. */
export interface ReadText {
  readonly text: string
  readonly statements: readonly ClassifiedStatement[]
}

/** Decodes and classifies. What can't be read exactly as the server reads it is refused or left to the server's own error. */
export function readText(core: Core, bytes: Buffer): ReadText {
  if (bytes.length > statementBytesMax) return refusedText('a statement of this length', '54001')
  const ascii = isAscii(bytes)
  if (!ascii && core.unsafeEncoding) return refusedText('text outside ASCII in this client_encoding', '0A000')
  const text = bytes.toString(ascii ? 'latin1' : core.encoding)
  // Bytes that are no UTF-8: the server says so when it is asked to parse them.
  if (!ascii && core.encoding === 'utf8' && !isUtf8(bytes))
    return { text, statements: [{ kind: 'invalid', text, tag: '', offset: 0 }] }
  const facts = { standardConformingStrings: core.standardStrings, temporaryObjects: core.temporaryObjects }
  return { text, statements: core.options.classify(text, facts).statements }
}

function refusedText(what: string, sqlState: '0A000' | '54001'): ReadText {
  const message = `${what} is not supported by this cluster`
  return {
    text: '',
    statements: [
      { kind: 'refused', text: '', tag: '', offset: 0, message, sqlState, hint: 'Use client_encoding UTF8.' },
    ],
  }
}

/** Needs no transaction of ours: can not write, or must run outside one. */
export const isPlain = (statement: ClassifiedStatement | undefined): boolean =>
  statement !== undefined &&
  (statement.kind === 'harmless' ||
    statement.kind === 'setting' ||
    statement.kind === 'local' ||
    statement.kind === 'empty' ||
    statement.kind === 'guard_setting')

/** Runs in a transaction of ours where there is none of the client's. */
export const mustWrap = (statement: ClassifiedStatement | undefined): boolean =>
  !isPlain(statement) &&
  statement?.kind !== 'savepoint' &&
  statement?.kind !== 'release' &&
  statement?.kind !== 'rollback_to'

/** PostgreSQL accepts it only in a transaction block of the client's own, or behind another statement of an implicit one. */
export const needsBlock = (statement: ClassifiedStatement | undefined): statement is WriteStatement =>
  statement?.kind === 'write' &&
  (statement.tag === 'LOCK TABLE' || (statement.tag === 'DECLARE CURSOR' && !/with\s+hold/i.test(statement.text)))

/** Ends or begins a transaction. */
export const isControl = (statement: ClassifiedStatement): boolean =>
  statement.kind === 'begin' || statement.kind === 'commit' || statement.kind === 'rollback'

/** May run again after a rollback without anyone seeing it. */
export const mayRetry = (statement: ClassifiedStatement | undefined): boolean =>
  statement?.kind === 'harmless' ||
  statement?.kind === 'empty' ||
  statement?.kind === 'journaled' ||
  (statement?.kind === 'write' && statement.retryable)

/** Notes what a statement is about to change; `undefined` = unknown code (a prepared statement or cursor made by SQL). */
export function note(core: Core, statement: ClassifiedStatement | undefined): void {
  const { work } = core
  tellPool(core, statement)
  if (statement === undefined) {
    work.unseen = true
    work.mayLock = true
    work.sessionState = true
    core.temporaryObjects = true
    return
  }
  core.consistency.note(statement)
  switch (statement.kind) {
    case 'write':
      noteWrite(core, statement)
      return
    case 'setting':
      if (statement.scope === 'session') work.sessionState = true
      return
    case 'local':
      // ANALYZE and REINDEX run the functions of expression indexes.
      work.unseen = true
      work.sessionState = true
      noteDiscard(core, statement.discard)
      return
    case 'guard_setting':
      work.sessionState = true
      return
    case 'journaled':
      work.unseen = true
      core.schemaChange = true
      return
    case 'harmless':
      noteCode(core, statement)
      return
    case 'copy_in':
      // Of its table no more is known than that it may have triggers.
      work.unseen = true
      work.mayLock = true
      return
    case 'begin':
    case 'commit':
    case 'rollback':
    case 'concurrently':
    case 'savepoint':
    case 'release':
    case 'rollback_to':
    case 'empty':
    case 'invalid':
    case 'refused':
    default:
  }
}

/**
 * A pool gives the session's connection to others between transactions: it hears what may last longer than one. What is proven harmless
 * has no such effect, nor have writes that run no unknown code.
 */
function tellPool(core: Core, statement: ClassifiedStatement | undefined): void {
  if (core.pooled === undefined) return
  switch (statement?.kind) {
    case 'setting':
      if (statement.scope === 'session' && statement.action !== 'show') core.tell(`setting ${statement.name}`)
      return
    case 'guard_setting':
      if (statement.action !== 'show' && !statement.local) core.tell(`setting ${statement.name}`)
      return
    case 'write':
      if (statement.prepare || statement.deallocate || statement.execute) core.tell('prepare')
      else if (statement.opaque || statement.holdCursor || statement.createsTemp) core.tell('code')
      return
    case 'local':
      core.tell(statement.discard === undefined ? 'code' : `discard ${statement.discard}`)
      return
    case undefined:
    case 'copy_in':
    case 'journaled':
    case 'concurrently':
      core.tell('code')
      return
    case 'harmless':
    case 'begin':
    case 'commit':
    case 'rollback':
    case 'savepoint':
    case 'release':
    case 'rollback_to':
    case 'empty':
    case 'invalid':
    case 'refused':
    default:
  }
}

function noteWrite(core: Core, statement: Extract<ClassifiedStatement, { kind: 'write' }>): void {
  const { work } = core
  if (statement.ddl) {
    work.unseen = true
    work.ddl = true
    core.schemaChange = true
  }
  noteCode(core, statement)
  if (statement.opaque || statement.holdCursor) work.sessionState = true
  core.temporaryObjects ||= statement.createsTemp
  const changed = statement.prepare ?? statement.deallocate
  if (!changed) return
  work.sessionState = true
  // Forgotten means unknown code, which is safe whether the statement succeeds or not.
  if (changed.name === undefined) core.names.forgetAll()
  else core.names.forget(Buffer.from(changed.name, core.encoding).toString('latin1'))
}

/** A prepared statement was judged by what the catalog was then: a trigger, a view or a temporary table may have come since. */
function noteCode(core: Core, statement: WriteStatement | HarmlessStatement): void {
  const { options, work } = core
  const isCurrent = statement.catalogState === options.catalogState() && !core.temporaryObjects
  const facts = { standardConformingStrings: core.standardStrings, temporaryObjects: core.temporaryObjects }
  const again = isCurrent ? [] : options.classify(statement.text, facts).statements
  for (const judged of [statement, ...again]) {
    if (judged.kind === 'harmless') continue
    if (judged !== statement && (judged.kind !== 'write' || judged.opaque)) core.tell('code')
    work.unseen ||= judged.kind !== 'write' || judged.opaque
    work.mayLock ||= judged.kind !== 'write' || judged.mayLock
  }
}

function noteDiscard(core: Core, discard: 'all' | 'plans' | 'temp' | 'sequences' | undefined): void {
  if (discard === 'all') core.names.forgetAll()
  if (discard === 'all' || discard === 'temp') core.temporaryObjects = false
}

/**
 * Whether the client's whole text may be sent for its only statement: kinds that are never rewritten, and others where nothing
 * but blanks and semicolons stands around the statement's own text. (A comment could hold what a rewrite has taken out.)
 */
export function sendsWhole(statement: ClassifiedStatement, whole: string): boolean {
  if (statement.text === whole) return true
  if (
    statement.kind !== 'write' &&
    statement.kind !== 'journaled' &&
    statement.kind !== 'begin' &&
    statement.kind !== 'guard_setting'
  )
    return true
  const start = whole.indexOf(statement.text)
  return (
    start >= 0 && /^[\s;]*$/.test(whole.slice(0, start)) && /^[\s;]*$/.test(whole.slice(start + statement.text.length))
  )
}

/** A BEGIN with its mode made explicit by the user's wish. `written`: the client's text, where READ WRITE may be said. */
export function beginText(core: Core, statement: BeginStatement, written: string): string {
  if (!core.wish.value || statement.readOnly || /read\s+write/i.test(written)) return statement.text
  return statement.text.replace('READ WRITE', 'READ ONLY')
}

/** What is sent for SET, RESET, SHOW of the guard: the same tag and the same errors, but the guard stays on. */
export function guardText(statement: GuardSettingStatement): string {
  if (statement.action === 'show' || statement.text !== '') return statement.text
  if (statement.tag === 'RESET') return `RESET ${guardName}`
  return `SET ${statement.local ? 'LOCAL ' : ''}${guardName} = on`
}

/** A value that is no boolean: PostgreSQL's error. */
export function guardRefusal(statement: GuardSettingStatement): AllwriteError | undefined {
  if (statement.action !== 'set' || wanted(statement) !== undefined) return undefined
  return new AllwriteError('protocol', `parameter "${guardName}" requires a Boolean value`, { sqlState: '22023' })
}

const wanted = (statement: GuardSettingStatement): boolean | undefined =>
  statement.readOnly ?? booleanOf(statement.value ?? '')

/** Its success may change the wish, which is reported before ReadyForQuery. */
export const mayChangeWish = (statement: ClassifiedStatement | undefined): boolean =>
  statement?.kind === 'guard_setting' ||
  (statement?.kind === 'setting' && statement.action === 'reset_all') ||
  (statement?.kind === 'local' && statement.discard === 'all')

/** A statement succeeded: what it means for the wish. */
export function changeWish(core: Core, statement: ClassifiedStatement | undefined): void {
  const inTransaction = core.state !== 'idle'
  if (statement?.kind !== 'guard_setting') {
    if (mayChangeWish(statement)) core.wish.set(undefined, false, inTransaction)
    return
  }
  if (statement.action === 'show') return
  core.wish.set(statement.action === 'reset' ? undefined : wanted(statement), statement.local, inTransaction)
}

/** What SHOW answers, where it must not be what the backend says. */
function guardShown(core: Core, statement: ClassifiedStatement | undefined): string | undefined {
  if (statement?.kind !== 'guard_setting' || statement.action !== 'show') return undefined
  if (statement.name === guardName || core.state === 'idle') return core.wish.text
  return undefined
}

const messageType = { row: typeByte('D'), complete: typeByte('C') } as const

/** What the client is shown instead of a message of the backend's: an answer by the wish, a rewritten statement's own tag. */
export function shownInstead(core: Core, statement: ClassifiedStatement | undefined, type: number): Buffer | undefined {
  if (type === messageType.complete && statement?.kind === 'write' && statement.shownTag !== undefined)
    return commandComplete(statement.shownTag)
  const value = type === messageType.row ? guardShown(core, statement) : undefined
  return value === undefined ? undefined : dataRowOfText(value)
}

/** The same as a part of a cycle's options; nothing for what needs it not, since it is asked for each row. */
export const showsInstead = (core: Core, statement: ClassifiedStatement): Pick<CycleOptions, 'track'> =>
  statement.kind === 'guard_setting' || (statement.kind === 'write' && statement.shownTag !== undefined)
    ? { track: (type) => shownInstead(core, statement, type) }
    : {}

/** Shows a statement's errors: at their place in the client's text; the end of a sequence's range only after it was looked at. */
export const errorHook =
  (core: Core, offset: number) =>
  (fields: ErrorFields, frame: Buffer): Buffer | undefined =>
    fields.sqlState === sequenceExhausted && core.state === 'client' ? undefined : shiftPosition(frame, offset)

/** In a client's transaction: asks for a new range, and tells the client to try again if there is one. */
export async function sequenceError(core: Core, fields: ErrorFields, frame: Buffer): Promise<Buffer> {
  if (!(await newRange(core, fields))) return frame
  return errorFrame(
    new AllwriteError('conflict', 'could not serialize access: a sequence had to get a new range of values', {
      detail: fields.message,
      hint: 'Retry the transaction.',
    }),
  )
}

/** What follows a statement that succeeded, in its transaction, for what fires no event trigger; the answer tells if it failed. */
export function afterwards(core: Core, statement: ClassifiedStatement | undefined): Promise<Answer> | undefined {
  const { functions, journalSecret } = core.options
  if (statement?.kind === 'journaled')
    return core.call(functions.journalStatement, [journalSecret, statement.text, '{}'])
  if (statement?.kind === 'write' && statement.truncateRestart) return core.call(functions.truncateRestarted, [])
  return undefined
}

/** Needs {@link afterwards}. */
export const hasAftermath = (statement: ClassifiedStatement | undefined): boolean =>
  statement?.kind === 'journaled' || (statement?.kind === 'write' && statement.truncateRestart)

/** Asks for a new range of the sequence that an error names. False: there is none, the error stands. */
export async function newRange(core: Core, fields: ErrorFields): Promise<boolean> {
  try {
    const { message, detail } = fields
    await core.options.onSequenceExhausted(detail === undefined ? { message } : { message, detail })
    return true
  } catch (thrown) {
    core.options.log.warn({ error: String(thrown) }, 'a sequence got no new range')
    return false
  }
}

/**
 * The client is told of a transaction that it lost between its statements: by the next one, whatever it is, except ROLLBACK.
 * COMMIT fails and ends it. True: told, the unit is over.
 */
export async function tellOwed(core: Core, kind: ClassifiedStatement['kind'] | undefined): Promise<boolean> {
  const failure = core.consistency.takeFailure()
  // What ends a transaction reads nothing.
  if (failure && kind !== 'rollback' && kind !== 'commit') {
    core.out.push(errorFrame(failure))
    await core.failClient()
    return true
  }
  const conflict = core.owed
  if (!conflict || kind === 'rollback') return false
  core.owed = undefined
  core.out.push(errorFrame(conflictError(conflict)))
  // Another abort may come meanwhile: this COMMIT has had its error, and ends the block all the same.
  if (kind === 'commit') core.followStatus(await core.leave(() => core.hidden('ROLLBACK')))
  return true
}

/**
 * One parsed statement to its class. What is not recognised is a write: wrapped, captured, certified.
 *
 * @module
 */
import type {
  ClassifiedStatement,
  HarmlessContext,
  LocalStatement,
  LockedTable,
  SessionFacts,
  WriteStatement,
} from './contract.ts'
import { isHarmlessQuery, isTransparent } from './harmless.ts'
import { classifyNotify, hiddenNotify } from './notify.ts'
import { parse, replaceBytes, some, tokens } from './parser.ts'
import type { Piece } from './parser.ts'
import { classifyCreate, classifyDrop, detachesConcurrently, withoutConcurrently } from './concurrent.ts'
import { schemaTables } from './ddl-tables.ts'
import {
  alterDatabaseRefusal,
  classifyCreateDatabase,
  classifyDropDatabase,
  classifyRenameDatabase,
} from './databases.ts'
import { classifyEventTrigger } from './event-triggers.ts'
import { refusal, refuse } from './refused.ts'
import { withoutPlaintext } from './roles.ts'
import type { RandomBytes } from './roles.ts'
import { databaseSettingRefusal } from './database-settings.ts'
import { classifyConstraints, classifySet, classifyShow, findSetClauses, setClauseRefusal } from './settings.ts'
import { commandTag } from './tags.ts'
import { namesOwnRole, targetsOf, writesSystemTable } from './targets.ts'
import { classifyTransaction } from './transaction.ts'
import { isTree, list, names, optionOn, text, tree, unwrap } from './tree.ts'
import type { Tree } from './tree.ts'

export interface ClassifyDeps {
  readonly harmless: HarmlessContext
  /** Which state of the catalog that is. */
  readonly catalogState: number
  readonly facts: SessionFacts
  readonly randomBytes: RandomBytes
}

const holdOption = 0x20

/** Built-in or contrib functions whose effect outlives a rollback, so running the statement again would show. */
const outsideTransaction =
  /^(dblink.*|lo_export|lo_import|pg_logical_emit_message|pg_(try_)?advisory_(un)?lock(_shared|_all)?|pg_file_.*|pg_rotate_logfile|setval|setseed|pg_.*_replication_slot|pg_logical_slot_.*|pg_replication_slot_advance)$/

/** Classifies one statement. Its text is the piece's source unless a rewrite is needed. */
export function classifyPiece(piece: Piece, deps: ClassifyDeps): ClassifiedStatement {
  const { type, body, source, offset } = piece
  const tag = commandTag(type, body)
  const refused = refusal(type, body, source, tag, offset)
  if (refused !== undefined) return refused
  if (writesSystemTable(piece.node, deps.harmless))
    return refuse(source, tag, offset, 'writing to a system table', { detail: 'It would change this node only.' })
  if (/Role|^RenameStmt$|Owned/.test(type) && namesOwnRole(piece.node))
    return refuse(source, tag, offset, 'changing the role of the agent')
  const eventTrigger = classifyEventTrigger(piece, tag)
  if (eventTrigger !== undefined) return eventTrigger
  switch (type) {
    case 'NotifyStmt':
      return classifyNotify(piece, deps.catalogState)
    case 'TransactionStmt':
      return classifyTransaction(body, source, offset)
    case 'VariableSetStmt':
      return classifySet(body, source, offset)
    case 'VariableShowStmt':
      return classifyShow(body, source, offset)
    case 'ConstraintsSetStmt':
      return classifyConstraints(source, offset)
    case 'SelectStmt':
    case 'ExplainStmt':
    case 'CopyStmt':
      return classifyRead(piece, tag, deps)
    case 'VacuumStmt':
    case 'CheckPointStmt':
    case 'ReindexStmt':
    case 'ClusterStmt':
    case 'ListenStmt':
    case 'UnlistenStmt':
    case 'LoadStmt':
      return { kind: 'local', text: source, tag, offset }
    case 'IndexStmt':
      return body['concurrent'] === true ? classifyIndex(piece, deps) : classifyWrite(piece, tag, deps)
    case 'AlterTableStmt':
      return detachesConcurrently(body) ? classifyDetach(piece, deps) : classifyWrite(piece, tag, deps)
    case 'DropStmt':
      return body['concurrent'] === true ? classifyDrop(piece) : classifyWrite(piece, tag, deps)
    case 'DiscardStmt':
      return { kind: 'local', text: source, tag, offset, discard: discardTarget(body) }
    case 'CreateRoleStmt':
    case 'AlterRoleStmt':
    case 'AlterRoleSetStmt':
    case 'DropRoleStmt':
    case 'GrantRoleStmt':
    case 'ReassignOwnedStmt':
      return classifyRole(piece, tag, deps)
    case 'RenameStmt':
      if (body['renameType'] === 'OBJECT_DATABASE') return classifyRenameDatabase(piece, tag)
      return body['renameType'] === 'OBJECT_ROLE' ? journaled(piece, tag) : classifyWrite(piece, tag, deps)
    case 'AlterOwnerStmt':
      return body['objectType'] === 'OBJECT_DATABASE' ? journaled(piece, tag) : classifyWrite(piece, tag, deps)
    case 'CreatedbStmt':
      return classifyCreateDatabase(piece, tag)
    case 'DropdbStmt':
      return classifyDropDatabase(piece, tag)
    case 'AlterDatabaseStmt':
      return alterDatabaseRefusal(piece, tag) ?? journaled(piece, tag)
    case 'AlterDatabaseSetStmt':
      return databaseSettingRefusal(tree(body['setstmt']), source, tag, offset) ?? journaled(piece, tag)
    case 'SecLabelStmt':
    case 'CommentStmt':
      return body['objtype'] === 'OBJECT_ROLE' || body['objtype'] === 'OBJECT_DATABASE'
        ? journaled(piece, tag)
        : classifyWrite(piece, tag, deps)
    case 'GrantStmt':
      return body['objtype'] === 'OBJECT_DATABASE' || body['objtype'] === 'OBJECT_PARAMETER_ACL'
        ? journaled(piece, tag)
        : classifyWrite(piece, tag, deps)
    default:
      return classifyWrite(piece, tag, deps)
  }
}

function journaled(piece: Piece, tag: string): ClassifiedStatement {
  return { kind: 'journaled', text: piece.source, tag, offset: piece.offset }
}

function discardTarget(body: Tree): NonNullable<LocalStatement['discard']> {
  switch (text(body['target']) ?? '') {
    case 'DISCARD_PLANS':
      return 'plans'
    case 'DISCARD_TEMP':
      return 'temp'
    case 'DISCARD_SEQUENCES':
      return 'sequences'
    default:
      return 'all'
  }
}

/**
 * A unique index decides which rows may be, and gives certification keys: it can only come at one position everywhere. So it is built
 * like any other, while nobody writes the table.
 */
function classifyIndex(piece: Piece, deps: ClassifyDeps): ClassifiedStatement {
  if (piece.body['unique'] !== true) return classifyCreate(piece)
  const plain = withoutConcurrently(piece)
  return plain === undefined || plain.body['concurrent'] === true
    ? refuse(piece.source, 'CREATE INDEX', piece.offset, 'this form of CREATE UNIQUE INDEX CONCURRENTLY')
    : withNotice(
        classifyWrite(plain, 'CREATE INDEX', deps),
        'CONCURRENTLY is ignored: a unique index comes into force at all nodes at once',
      )
}

/** Two transactions, of which the second waits for whoever uses the partition still: of each node. One does it, at one position. */
function classifyDetach(piece: Piece, deps: ClassifyDeps): ClassifiedStatement {
  const plain = withoutConcurrently(piece)
  return plain === undefined || detachesConcurrently(plain.body)
    ? refuse(piece.source, 'ALTER TABLE', piece.offset, 'this form of DETACH PARTITION CONCURRENTLY')
    : withNotice(
        classifyWrite(plain, 'ALTER TABLE', deps),
        'CONCURRENTLY is ignored: the partition is detached at all nodes at once, and gets no constraint',
      )
}

const withNotice = (statement: ClassifiedStatement, notice: string): ClassifiedStatement =>
  statement.kind === 'write' ? { ...statement, notice } : statement

function classifyRole(piece: Piece, tag: string, deps: ClassifyDeps): ClassifiedStatement {
  const { body, source, offset } = piece
  const refused = setClauseRefusal(tree(body['setstmt']), source, tag, offset)
  if (refused !== undefined) return refused
  const rewritten = withoutPlaintext(body, source, deps.randomBytes)
  if (rewritten === undefined)
    return refuse(source, tag, offset, 'this form of PASSWORD', {
      hint: "Write the password as a plain literal: PASSWORD '…'.",
    })
  return { kind: 'journaled', text: rewritten, tag, offset }
}

/** SELECT, EXPLAIN and COPY: harmless if proven, else writes of their kind. */
function classifyRead(piece: Piece, tag: string, deps: ClassifyDeps): ClassifiedStatement {
  const { type, body, node, source, offset } = piece
  const { catalogState } = deps
  const harmless = (query: unknown): boolean => isHarmlessQuery(query, deps.harmless, deps.facts.temporaryObjects)
  if (type === 'SelectStmt') {
    return harmless(node)
      ? { kind: 'harmless', text: source, tag, offset, copyOut: false, catalogState }
      : classifyWrite(piece, tag, deps)
  }
  if (type === 'ExplainStmt') {
    if (!optionOn(body['options'], 'analyze') && harmless(body['query']))
      return { kind: 'harmless', text: source, tag, offset, copyOut: false, catalogState }
    return classifyWrite(piece, tag, deps)
  }
  const toServer = body['filename'] !== undefined || body['is_program'] === true
  if (body['is_from'] === true) {
    return toServer ? classifyWrite(piece, tag, deps) : { kind: 'copy_in', text: source, tag, offset, retryable: false }
  }
  if (!toServer && (body['query'] === undefined ? plainTable(body, deps) : harmless(body['query'])))
    return { kind: 'harmless', text: source, tag, offset, copyOut: true, catalogState }
  return classifyWrite(piece, tag, deps)
}

function plainTable(body: Tree, deps: ClassifyDeps): boolean {
  const { harmless, facts } = deps
  if (harmless.hasUserCasts || harmless.hasUserOperators) return false
  const relation = tree(body['relation'])
  const schema = text(relation['schemaname'])
  if (relation['catalogname'] !== undefined || (schema === undefined && facts.temporaryObjects)) return false
  return harmless.isPlainRelation(schema, text(relation['relname']) ?? '')
}

const queryTypes = new Set(['SelectStmt', 'InsertStmt', 'UpdateStmt', 'DeleteStmt', 'MergeStmt'])
/** Utility statements that change no catalog. */
const plainUtilities = new Set(
  `ExplainStmt CopyStmt TruncateStmt LockStmt DeclareCursorStmt FetchStmt ClosePortalStmt PrepareStmt ExecuteStmt DeallocateStmt DoStmt
   CallStmt`.split(/\s+/),
)
/** Their queries run something that was not read here. */
const alwaysOpaque = new Set(['DoStmt', 'CallStmt', 'ExecuteStmt', 'FetchStmt', 'ClosePortalStmt'])
/** What they leave or show outside the transaction cannot be taken back and shown again. */
const neverRetried = new Set([
  'CopyStmt',
  'DeclareCursorStmt',
  'FetchStmt',
  'ClosePortalStmt',
  'PrepareStmt',
  'DeallocateStmt',
  'LockStmt',
])
const createsNames = new Set(
  `ViewStmt CreateDomainStmt CompositeTypeStmt CreateEnumStmt CreateRangeStmt DefineStmt CreateExtensionStmt CreateSchemaStmt DoStmt
   CallStmt RuleStmt`.split(/\s+/),
)

function classifyWrite(piece: Piece, tag: string, deps: ClassifyDeps): ClassifiedStatement {
  const { type, body, source, offset } = piece
  const logged = withoutUnlogged(piece)
  if (logged === undefined)
    return refuse(source, tag, offset, 'UNLOGGED inside another statement', {
      hint: 'Leave UNLOGGED out: the table would be logged anyway.',
    })
  const inside = innerRefusal(piece, deps) ?? hiddenNotify(piece, tag)
  if (inside !== undefined) return inside
  const isQuery = queryTypes.has(type)
  const selectInto = type === 'SelectStmt' && isTree(body['intoClause'])
  const opaque = isOpaque(piece, deps)
  const hold = type === 'DeclareCursorStmt' && (Number(body['options'] ?? 0) & holdOption) !== 0
  // What is temporary is looked at when the transaction ends (allwrite.capture).
  if (hold && !isHarmlessQuery(body['query'], deps.harmless, false))
    return refuse(source, tag, offset, 'DECLARE … WITH HOLD of a query that may write or lock', {
      detail: 'It would run inside COMMIT, after the transaction’s writes were collected.',
      hint: 'Use a cursor without WITH HOLD inside a transaction.',
    })
  const notice =
    logged === source ? undefined : 'UNLOGGED is ignored: the table is created logged, so that every node has its rows'
  const tables = schemaTables(type, body)
  return {
    kind: 'write',
    text: logged,
    tag,
    offset,
    retryable: !neverRetried.has(type) && !actsOutside(piece, opaque, deps),
    ddl: selectInto || (!isQuery && !plainUtilities.has(type)),
    opaque,
    mayLock: mayLock(piece, opaque),
    locksOnly:
      type === 'LockStmt' ||
      (type === 'SelectStmt' && !opaque && locksRows(piece.node) && targetsOf(piece.node).length === 0),
    catalogState: deps.catalogState,
    returnsRows: returnsRows(type, body, selectInto),
    copyOut:
      type === 'CopyStmt' && body['is_from'] !== true && body['filename'] === undefined && body['is_program'] !== true,
    truncateRestart: type === 'TruncateStmt' && body['restart_seqs'] === true,
    createsTemp: createsNames.has(type) || some(piece.node, (node) => node['relpersistence'] === 't'),
    lockTable: type === 'LockStmt' ? lockedTables(body) : [],
    holdCursor: hold,
    ...(tables === undefined ? {} : { schemaTables: tables }),
    ...sqlLevelPrepare(piece, deps),
    ...(notice === undefined ? {} : { notice }),
  }
}

function isOpaque(piece: Piece, deps: ClassifyDeps): boolean {
  const { type, body, node } = piece
  const transparent = (query: unknown): boolean => isTransparent(query, deps.harmless, deps.facts.temporaryObjects)
  if (type !== 'PrepareStmt' && wakesCode(node, deps)) return true
  if (queryTypes.has(type)) return !transparent(node)
  if (alwaysOpaque.has(type)) return true
  // TRUNCATE … CASCADE reaches tables that it does not name, and their triggers.
  if (type === 'CopyStmt' || type === 'TruncateStmt') return true
  const query = body['query']
  return isTree(query) && type !== 'PrepareStmt' && !transparent(query)
}

/** True if a table that it writes to may run code that the text does not show: a trigger, a policy, a function in a default or CHECK. */
function wakesCode(node: Tree, deps: ClassifyDeps): boolean {
  return targetsOf(node).some((target) => {
    const schema = text(target['schemaname'])
    if (target['catalogname'] !== undefined || (schema === undefined && deps.facts.temporaryObjects)) return true
    return !deps.harmless.isPlainTarget(schema, text(target['relname']) ?? '')
  })
}

const locksRows = (node: Tree): boolean => some(node, (inner) => list(inner['lockingClause']).length > 0)

/** They lock nothing by themselves; the cursor's query, the prepared statement when it runs, were or will be judged. */
const locksNothing = new Set(['FetchStmt', 'ClosePortalStmt', 'PrepareStmt', 'DeallocateStmt'])

/** True if rows may be locked that the statement does not write. */
function mayLock(piece: Piece, opaque: boolean): boolean {
  const { type, node } = piece
  if (locksNothing.has(type)) return false
  if (opaque || (!queryTypes.has(type) && type !== 'DeclareCursorStmt')) return true
  return locksRows(node)
}

/** True if running it a second time might show: decided for the worse where unknown code may reach outside the database. */
function actsOutside(piece: Piece, opaque: boolean, deps: ClassifyDeps): boolean {
  if (opaque && deps.harmless.hasExternalEffects) return true
  return some(
    piece.node,
    (node) => isTree(node['FuncCall']) && outsideTransaction.test(names(node['FuncCall']['funcname']).at(-1) ?? ''),
  )
}

function returnsRows(type: string, body: Tree, selectInto: boolean): boolean {
  switch (type) {
    case 'SelectStmt':
      return !selectInto
    case 'InsertStmt':
    case 'UpdateStmt':
    case 'DeleteStmt':
    case 'MergeStmt':
      return isTree(body['returningClause']) || list(body['returningList']).length > 0
    case 'ExplainStmt':
    case 'CallStmt':
    case 'ExecuteStmt':
      return true
    case 'FetchStmt':
      return body['ismove'] !== true
    default:
      return false
  }
}

function lockedTables(body: Tree): LockedTable[] {
  const mode = Number(body['mode'] ?? 0)
  return list(body['relations']).map((item) => {
    const relation = tree(tree(item)['RangeVar'])
    const schema = text(relation['schemaname'])
    return { ...(schema === undefined ? {} : { schema }), name: text(relation['relname']) ?? '', mode }
  })
}

/** The fields `prepare`, `execute`, `deallocate`. */
function sqlLevelPrepare(piece: Piece, deps: ClassifyDeps): Pick<WriteStatement, 'prepare' | 'execute' | 'deallocate'> {
  const { type, body, source, offset } = piece
  const name = text(body['name'])
  if (type === 'PrepareStmt') {
    const node = tree(body['query'])
    return { prepare: { name: name ?? '', inner: classifyPiece({ ...unwrap(node), node, source, offset }, deps) } }
  }
  if (type === 'ExecuteStmt') return { execute: { name: name ?? '' } }
  if (type === 'DeallocateStmt') return { deallocate: name === undefined ? {} : { name } }
  return {}
}

/** A refusal that holds for a part: EXPLAIN ANALYZE of a refused one, CREATE SCHEMA's elements, SET clauses of functions. */
function innerRefusal(piece: Piece, deps: ClassifyDeps): ClassifiedStatement | undefined {
  const { type, body, source, offset } = piece
  const tag = commandTag(type, body)
  const parts = type === 'ExplainStmt' ? [body['query']] : type === 'CreateSchemaStmt' ? list(body['schemaElts']) : []
  for (const part of parts) {
    const node = tree(part)
    const inner = classifyPiece({ ...unwrap(node), node, source, offset }, deps)
    if (inner.kind === 'refused') return inner
  }
  for (const clause of findSetClauses(body['options'] ?? body['actions'])) {
    const refused = setClauseRefusal(clause, source, tag, offset)
    if (refused !== undefined) return refused
  }
  return undefined
}

/** The text with UNLOGGED blanked (positions stay); undefined if it sits where it cannot be taken out and proven gone. */
function withoutUnlogged(piece: Piece): string | undefined {
  const unlogged = (value: unknown): boolean => some(value, (node) => node['relpersistence'] === 'u')
  if (!unlogged(piece.node)) return piece.source
  if (!['CreateStmt', 'CreateTableAsStmt', 'CreateSeqStmt', 'SelectStmt'].includes(piece.type)) return undefined
  const all = tokens(piece.source)
  const index = all.findIndex(
    (token, i) =>
      token.text.toLowerCase() === 'unlogged' && ['create', 'into'].includes(all[i - 1]?.text.toLowerCase() ?? ''),
  )
  const word = all[index]
  if (word === undefined) return undefined
  const rewritten = replaceBytes(piece.source, word.start, word.end, ' '.repeat(word.end - word.start))
  const again = parse(rewritten)
  if (again.kind !== 'statements' || again.pieces.length !== 1) return undefined
  const [only] = again.pieces
  return only !== undefined && only.type === piece.type && !unlogged(only.node) ? rewritten : undefined
}

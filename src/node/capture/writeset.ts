/**
 * Turns a captured transaction into a writeset: its changes as the journal carries them, and its certification keys. Small
 * ones in one pass in memory; large ones slice by slice from the spool file, appended as chunks while keys are
 * gathered.
 *
 * Rows of `allwrite.ddl` become statement messages: the table stays local, the statement travels. Rows of
 * `allwrite.notification` travel as they are, and have no keys: a notification conflicts with nothing (ADR 20).
 *
 * @module
 */
import { AllwriteError } from '../../core/errors.ts'
import { databaseId, position, type Position } from '../../core/ids.ts'
import type { ChunkedChanges, InlineChanges, Statement } from '../../core/writeset.ts'
import {
  MessageType,
  parseRowChange,
  parseTruncate,
  type Relation,
  type RowChange,
} from '../../wire/pgoutput/messages.ts'
import type { QualifiedName } from '../catalog/relations.ts'
import { feedDependencies, holdsLocks, type Dependencies } from './dependencies.ts'
import {
  isConcurrentTable,
  isDatabaseTable,
  isNotificationTable,
  isStatementTable,
  type StreamedTransaction,
} from './decoder.ts'
import { createHoistFinder, type Hoists } from './hoist.ts'
import type { RecordKeys } from './keys.ts'

/** Writesets up to this travel inside their group; larger ones as chunks. */
const inlineBytesMax = 256 * 1024
/** Size of one chunk: well below the journal's limit, large enough that a 500 MB writeset is 500 appends. */
const chunkBytes = 1024 * 1024
/** A buffer of changes doubles up to this much at a time: a row of 1 GB needs no second one. */
const growBytesMax = 64 * 1024 * 1024
/** Largest writeset at all: beyond it the transaction is refused (54000) rather than endangering everyone's disks. */
export const writesetBytesMax = 4 * 1024 * 1024 * 1024

export interface Writeset {
  readonly changes: InlineChanges | ChunkedChanges
  readonly keys: Uint8Array
  readonly schemaChange: boolean
  /** Notifications are in it. */
  readonly notifies?: boolean
  /** Nothing is left of it: what was written was rolled back to a savepoint, or does not travel. */
  readonly empty: boolean
}

export interface WritesetOptions {
  readonly keys: RecordKeys
  readonly dependencies: Dependencies
  /** The statement and tables in a captured row of `allwrite.ddl`. */
  readonly statementOf: (
    relation: Relation,
    change: RowChange,
  ) => { readonly statement: Statement; readonly tables: readonly QualifiedName[]; readonly kind: string }
  /** Appends one chunk; awaited, so that a slow journal slows only this transaction. */
  readonly appendChunk: (transaction: number, index: number, bytes: Uint8Array) => Promise<Position>
  readonly transactionNumber: () => number
  /** Lets others run between slices of a large one. */
  readonly pause: () => Promise<void>
}

/**
 * May one of `tables`, written in the same record, have been given another name by the command? Others know its rows by the other one. Such
 * a command names the table, once with the old and once with the new name; what renames or moves a schema need not.
 */
export const mayRename = (command: string, tables: Iterable<string>): boolean => {
  const text = command.toLowerCase()
  if (!/\brename\b|\bset\s+schema\b/.test(text)) return false
  if (/\bschema\b|""|\bu&"/.test(text)) return true
  for (const table of tables) if (text.includes(table.toLowerCase())) return true
  return false
}

/** A growing run of `u32 length` + message, taken off at its front. */
class Payload {
  #buffer: Buffer
  #start = 0
  #at = 0

  constructor(bytes: number) {
    this.#buffer = Buffer.allocUnsafe(bytes)
  }

  get byteLength(): number {
    return this.#at - this.#start
  }

  add(message: Uint8Array): void {
    const added = 4 + message.length
    if (this.#at + added > this.#buffer.length) this.#makeRoom(added)
    this.#buffer.writeUInt32BE(message.length, this.#at)
    this.#buffer.set(message, this.#at + 4)
    this.#at += added
  }

  /** A new buffer where the old one is too small, else what is left moves to its front. */
  #makeRoom(added: number): void {
    const needed = this.byteLength + added
    const buffer =
      needed > this.#buffer.length
        ? Buffer.allocUnsafe(Math.max(needed, Math.min(this.#buffer.length * 2, needed + growBytesMax)))
        : this.#buffer
    this.#buffer.copy(buffer, 0, this.#start, this.#at)
    this.#at -= this.#start
    this.#start = 0
    this.#buffer = buffer
  }

  /** The first `length` bytes, a copy. */
  cut(length: number): Uint8Array {
    const head = new Uint8Array(this.#buffer.subarray(this.#start, this.#start + length))
    this.#start += length
    return head
  }

  get bytes(): Uint8Array {
    return this.#buffer.subarray(this.#start, this.#at)
  }
}

const statementMessage = (statement: Statement): Buffer =>
  Buffer.concat([Buffer.from([MessageType.statement]), Buffer.from(JSON.stringify(statement))])

const searchPathMessage = (schemas: readonly string[]): Buffer =>
  Buffer.concat([Buffer.from([MessageType.searchPath]), Buffer.from(JSON.stringify(schemas))])

/** Follows the messages of one transaction: keys from rows, statements from the DDL table, everything else passes. */
const createTranslator = (transaction: StreamedTransaction, options: WritesetOptions, out: Payload, hoists: Hoists) => {
  const relations = transaction.announced
  let schemaChange = false
  let empty = true
  let statements = 0
  const commands: string[] = []
  /** Names of tables whose rows are in it. */
  const written = new Set<string>()
  let notifies = false
  /** Something is in it that others may conflict with. */
  let keyed = false

  const relationAt = (local: number): Relation => {
    const relation = relations[local]
    if (relation === undefined) throw new AllwriteError('internal', 'a change of a relation that was not announced')
    return relation
  }

  /** Its row is deleted at once; what is told travels. */
  const notification = (message: Buffer): void => {
    if (message[0] !== MessageType.insert) return
    empty = false
    notifies = true
    out.add(message)
  }

  const databaseCommand = (relation: Relation, change: RowChange): void => {
    schemaChange = true
    if (change.kind !== 'insert') return
    const value = (name: string): string =>
      Buffer.from(change.new[relation.columns.findIndex((column) => column.name === name)] ?? []).toString('utf8')
    options.keys.databases(value('kind') === 'drop' ? databaseId(Number(value('target'))) : undefined)
  }

  const row = (message: Buffer): void => {
    const relation = relationAt(message.readUInt32BE(1))
    if (isNotificationTable(relation)) return notification(message)
    const change = parseRowChange(message)
    keyed = true
    if (!isStatementTable(relation)) {
      empty = false
      schemaChange ||= isConcurrentTable(relation)
      if (isDatabaseTable(relation)) databaseCommand(relation, change)
      // The cluster's own tables keep their names.
      if (relation.schema !== 'allwrite') written.add(relation.name)
      options.keys.row(relation, change)
      return out.add(message)
    }
    // Old rows are swept away locally; only what is new travels.
    if (change.kind !== 'insert') return undefined
    const { statement, tables } = options.statementOf(relation, change)
    schemaChange = true
    empty = false
    commands.push(statement.text)
    // Whoever wrote to these tables meanwhile may have made the statement fail, or mean something else.
    for (const table of tables) options.keys.truncate(table)
    if (!hoists.moved.has(statements)) out.add(statementMessage(statement))
    statements += 1
    return undefined
  }

  if (transaction.searchPath !== undefined) out.add(searchPathMessage(transaction.searchPath))

  return {
    message(message: Buffer): void {
      if (message[0] === MessageType.relation) {
        const local = message.readUInt32BE(1)
        const first = hoists.before.get(local)
        if (first !== undefined) out.add(statementMessage(first))
        out.add(message)
      } else if (message[0] === MessageType.truncate) {
        empty = false
        keyed = true
        for (const local of parseTruncate(message).relations) options.keys.truncate(relationAt(local))
        out.add(message)
      } else row(message)
    },
    /** Call once, behind the last message. */
    pack(): Uint8Array {
      if (written.size > 0 && commands.some((command) => mayRename(command, written))) options.keys.everyTable()
      if (notifies && !keyed && !holdsLocks(options.dependencies) && options.dependencies.reads.length === 0)
        return new Uint8Array(0)
      feedDependencies(options.dependencies, options.keys)
      return options.keys.pack()
    },
    get schemaChange() {
      return schemaChange
    },
    get notifies() {
      return notifies
    },
    get empty() {
      return empty
    },
  }
}

/** A pass of its own over a transaction with statements: which of them have to move. */
const hoistReader = (
  relations: readonly Relation[],
  options: WritesetOptions,
): { message(message: Buffer): void; readonly found: Hoists } => {
  const finder = createHoistFinder()
  return {
    message(message) {
      if (message[0] === MessageType.relation) {
        const local = message.readUInt32BE(1)
        const relation = relations[local]
        if (relation !== undefined) finder.relation(local, relation)
      } else if (message[0] === MessageType.insert) {
        const relation = relations[message.readUInt32BE(1)]
        if (relation === undefined || !isStatementTable(relation)) return
        const { statement, kind } = options.statementOf(relation, parseRowChange(message))
        finder.statement(statement, kind)
      }
    },
    found: finder.found,
  }
}

const buildInline = (transaction: StreamedTransaction, options: WritesetOptions): Writeset => {
  const out = new Payload(transaction.log.byteLength)
  const hoists = hoistReader(transaction.announced, options)
  if (transaction.statements) transaction.log.forEach((message) => hoists.message(message))
  const translator = createTranslator(transaction, options, out, hoists.found)
  transaction.log.forEach((message) => translator.message(message))
  return {
    changes: { kind: 'inline', bytes: out.bytes },
    keys: translator.pack(),
    schemaChange: translator.schemaChange,
    notifies: translator.notifies,
    empty: translator.empty,
  }
}

const buildChunked = async (transaction: StreamedTransaction, options: WritesetOptions): Promise<Writeset> => {
  const out = new Payload(2 * chunkBytes)
  const hoists = hoistReader(transaction.announced, options)
  if (transaction.statements) {
    await transaction.log.forEachSlice((message) => hoists.message(message), options.pause)
  }
  const translator = createTranslator(transaction, options, out, hoists.found)
  const number = options.transactionNumber()
  let chunks = 0
  let first = position(0)
  let last = position(0)
  let byteLength = 0
  const append = async (length: number): Promise<void> => {
    byteLength += length
    last = await options.appendChunk(number, chunks, out.cut(length))
    if (chunks === 0) first = last
    chunks += 1
  }
  await transaction.log.forEachSlice(
    (message) => translator.message(message),
    async () => {
      while (out.byteLength >= chunkBytes) await append(chunkBytes)
      await options.pause()
    },
  )
  if (out.byteLength > 0) await append(out.byteLength)
  return {
    changes: { kind: 'chunked', transaction: number, chunks, first, last, byteLength },
    keys: translator.pack(),
    schemaChange: translator.schemaChange,
    notifies: translator.notifies,
    empty: translator.empty,
  }
}

/** The writeset of a transaction that changed nothing: it stands in the order for what it locked. */
export const buildUnwritten = (keys: RecordKeys, dependencies: Dependencies): Writeset => {
  feedDependencies(dependencies, keys)
  return {
    changes: { kind: 'inline', bytes: new Uint8Array(0) },
    keys: keys.pack(),
    schemaChange: false,
    empty: true,
  }
}

/**
 * Builds the writeset; the change log is used up, not disposed.
 * @throws AllwriteError too_large | unavailable (the change log could not be kept)
 */
export const buildWriteset = async (transaction: StreamedTransaction, options: WritesetOptions): Promise<Writeset> => {
  const { byteLength, spooled, failure } = transaction.log
  if (failure !== undefined) throw failure
  if (byteLength > writesetBytesMax) {
    throw new AllwriteError('too_large', 'the transaction changes more than a cluster accepts at once', {
      detail: `Its writeset has ${byteLength} bytes; the limit is ${writesetBytesMax}.`,
      hint: 'Split it into several transactions.',
    })
  }
  if (!spooled && byteLength <= inlineBytesMax) return buildInline(transaction, options)
  return buildChunked(transaction, options)
}

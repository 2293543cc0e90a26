/**
 * Sorts the decoding stream of a walsender by transaction. Input: pgoutput messages in streaming form, as they come
 * when `debug_logical_replication_streaming = immediate`: every change of a *running* transaction, right after its WAL
 * was flushed. Output: the change log of a transaction at the moment its capture message (a nonce) passes.
 *
 * Tripwires (RULES 5): a change of a transaction behind its capture message, and a commit of row changes that nobody
 * captured, are reported: something wrote around the agent.
 *
 * @module
 */
import { AllwriteError } from '../../core/errors.ts'
import { MessageType, parseRelation, type Relation } from '../../wire/pgoutput/messages.ts'
import { ChangeLog } from './change-log.ts'

/** Prefix of the capture message; anyone may emit it, only the nonce proves that it is ours. */
export const capturePrefix = 'allwrite'

/** A running transaction's changes so far; after the capture message: all of them. */
export interface StreamedTransaction {
  /** 32-bit id of the top transaction. */
  readonly xid: number
  readonly log: ChangeLog
  /** Row and TRUNCATE messages, those of rolled back savepoints included. */
  rows: number
  sealed: boolean
  /** Rolled back at this server. */
  aborted: boolean
  /**
   * Told when a sealed transaction is rolled back. Its locks are free from then on, so it must not share a group with who
   * takes them next; and the stream shows the rollback before anything that the next holder writes.
   */
  onAborted: (() => void) | undefined
  /** Rows of the statement table were written: it holds DDL (or did, before a rollback to a savepoint). */
  statements: boolean
  /** Schemas of the search_path at its end, in order; undefined: public alone. */
  searchPath: readonly string[] | undefined
  /** Server relation id → the relation as the record numbers it. */
  readonly relations: Map<number, { readonly local: number; readonly relation: Relation; readonly body: Buffer }>
  relationCount: number
  /** The relations by the record's numbers: one object for as long as its definition lives, so plans are found by it. */
  readonly announced: Relation[]
}

export interface DecoderEvents {
  /**
   * A capture message passed. `transaction` is undefined when no change of it was streamed; `reads`: the tables that it
   * read, in JSON; undefined unless it is SERIALIZABLE. `searchPath`: the schemas in its search_path, as JSON in hexadecimal;
   * undefined for public alone.
   */
  onCapture(
    nonce: string,
    xid: bigint,
    reads: string | undefined,
    transaction: StreamedTransaction | undefined,
    searchPath: string | undefined,
  ): void
  /** The transaction committed at this server. */
  onCommit(transaction: StreamedTransaction): void
  /** Rows were written that certification has not seen, or can't see any more. */
  onTripwire(what: string, xid: number): void
}

export interface Decoder {
  /** Takes one pgoutput message: the bytes from `start` to `end`. */
  message(bytes: Buffer, start: number, end: number): void
  /** Forgets all that is open; after the replication connection was made anew. */
  reset(): void
  readonly openTransactions: number
}

/** Journaled statements pass through this table's rows, in order with the rows around them. */
export const isStatementTable = (relation: Relation): boolean =>
  relation.schema === 'allwrite' && relation.name === 'ddl'

/** Notifications pass through this table's rows (catalog/sql/notify.ts). */
export const isNotificationTable = (relation: Relation): boolean =>
  relation.schema === 'allwrite' && relation.name === 'notification'

/**
 * A row of it makes its record a barrier, by SQL, as a schema change is. Without a schema change's keys: the index that is begun
 * there neither reads nor changes a row, so nobody's concurrent transaction loses to it.
 */
export const isConcurrentTable = (relation: Relation): boolean =>
  relation.schema === 'allwrite' && relation.name === 'concurrent'

/** A row of it makes its record a barrier as well, with the keys of what it does (catalog/sql/databases.ts). */
export const isDatabaseTable = (relation: Relation): boolean =>
  relation.schema === 'allwrite' && relation.name === 'database_command'

/** Nonce, 64-bit transaction id, search_path in hexadecimal, and for SERIALIZABLE transactions the tables they read, as JSON. */
const captureContent = /^(\S+) (\d{1,20})(?: x([0-9a-f]+))?(?: (\[.*\]))?$/

interface CachedRelation {
  readonly body: Buffer
  readonly relation: Relation
}

/** @param spoolPath names the spool file for a transaction id */
export const createDecoder = (events: DecoderEvents, spoolPath: (xid: number) => string): Decoder => {
  const open = new Map<number, StreamedTransaction>()
  const relations = new Map<number, CachedRelation>()
  let current: StreamedTransaction | undefined
  // A transaction that came whole at its commit: not streamed, so never captured.
  let plainXid: number | undefined
  let plainRows = 0

  const transactionOf = (xid: number): StreamedTransaction => {
    let transaction = open.get(xid)
    if (transaction === undefined) {
      transaction = {
        xid,
        log: new ChangeLog(spoolPath(xid)),
        rows: 0,
        sealed: false,
        aborted: false,
        onAborted: undefined,
        statements: false,
        searchPath: undefined,
        relations: new Map(),
        relationCount: 0,
        announced: [],
      }
      open.set(xid, transaction)
    }
    return transaction
  }

  const forget = (transaction: StreamedTransaction): void => {
    open.delete(transaction.xid)
    if (!transaction.sealed) transaction.log.dispose()
  }

  const rememberRelation = (relationId: number, body: Buffer): void => {
    const known = relations.get(relationId)
    if (known !== undefined && known.body.equals(body)) return
    const own = Buffer.from(body)
    relations.set(relationId, { body: own, relation: parseRelation(own) })
  }

  /** The record's number for a relation; writes its definition into the log when it is new or has changed. */
  const localRelation = (transaction: StreamedTransaction, relationId: number): number => {
    const known = relations.get(relationId)
    if (known === undefined) throw new AllwriteError('protocol', `change of an unannounced relation ${relationId}`)
    const named = transaction.relations.get(relationId)
    if (named !== undefined && named.body === known.body) return named.local
    const local = transaction.relationCount
    transaction.relationCount += 1
    transaction.announced[local] = known.relation
    transaction.relations.set(relationId, { local, relation: known.relation, body: known.body })
    if (isStatementTable(known.relation)) transaction.statements = true
    const frame = transaction.log.reserve(0, 5 + known.body.length)
    frame[0] = MessageType.relation
    frame.writeUInt32BE(local, 1)
    known.body.copy(frame, 5)
    return local
  }

  const rowChange = (transaction: StreamedTransaction, bytes: Buffer, start: number, end: number): void => {
    if (transaction.sealed) return events.onTripwire('a row was written behind the capture message', transaction.xid)
    const subxid = bytes.readUInt32BE(start + 1)
    const local = localRelation(transaction, bytes.readUInt32BE(start + 5))
    const frame = transaction.log.reserve(subxid, end - start - 4)
    frame[0] = bytes[start] as number
    frame.writeUInt32BE(local, 1)
    bytes.copy(frame, 5, start + 9, end)
    transaction.rows += 1
  }

  const truncate = (transaction: StreamedTransaction, bytes: Buffer, start: number, end: number): void => {
    if (transaction.sealed)
      return events.onTripwire('a table was truncated behind the capture message', transaction.xid)
    const subxid = bytes.readUInt32BE(start + 1)
    const count = bytes.readUInt32BE(start + 5)
    const locals = Array.from({ length: count }, (_, i) =>
      localRelation(transaction, bytes.readUInt32BE(start + 10 + 4 * i)),
    )
    const frame = transaction.log.reserve(subxid, end - start - 4)
    frame[0] = MessageType.truncate
    bytes.copy(frame, 1, start + 5, start + 10)
    for (const [i, local] of locals.entries()) frame.writeUInt32BE(local, 6 + 4 * i)
    transaction.rows += 1
  }

  const emitted = (bytes: Buffer, start: number, end: number): void => {
    // Non-transactional messages come outside streamed blocks: flags, LSN, prefix, length, content.
    const at = current === undefined ? start + 1 : start + 5
    if ((bytes.readUInt8(at) & 1) === 1) return
    const zero = bytes.indexOf(0, at + 9)
    if (zero < 0 || zero >= end || bytes.toString('latin1', at + 9, zero) !== capturePrefix) return
    const found = captureContent.exec(bytes.toString('utf8', zero + 5, end))
    if (found === null) return
    const [, nonce = '', fullXid = '', searchPath, reads] = found
    const xid = BigInt(fullXid)
    events.onCapture(nonce, xid, reads, open.get(Number(xid & 0xffff_ffffn)), searchPath)
  }

  const aborted = (bytes: Buffer, start: number): void => {
    const transaction = open.get(bytes.readUInt32BE(start + 1))
    const subxid = bytes.readUInt32BE(start + 5)
    if (transaction === undefined) return
    if (subxid === transaction.xid) {
      transaction.aborted = true
      transaction.onAborted?.()
      return forget(transaction)
    }
    if (!transaction.sealed) transaction.log.abortSubtransaction(subxid)
  }

  const committed = (bytes: Buffer, start: number): void => {
    const transaction = open.get(bytes.readUInt32BE(start + 1))
    if (transaction === undefined) return
    events.onCommit(transaction)
    forget(transaction)
  }

  const streamed = (transaction: StreamedTransaction, bytes: Buffer, start: number, end: number): void => {
    switch (bytes[start]) {
      case MessageType.relation:
        return rememberRelation(bytes.readUInt32BE(start + 5), bytes.subarray(start + 9, end))
      case MessageType.insert:
      case MessageType.update:
      case MessageType.delete:
        return rowChange(transaction, bytes, start, end)
      case MessageType.truncate:
        return truncate(transaction, bytes, start, end)
      default:
      // Types and origins say nothing that an apply worker here needs.
    }
  }

  const outside = (bytes: Buffer, start: number, end: number): void => {
    switch (bytes[start]) {
      case MessageType.begin:
        plainXid = bytes.readUInt32BE(start + 17)
        plainRows = 0
        return
      case MessageType.relation:
        return rememberRelation(bytes.readUInt32BE(start + 1), bytes.subarray(start + 5, end))
      case MessageType.insert:
      case MessageType.update:
      case MessageType.delete:
      case MessageType.truncate:
        plainRows += 1
        return
      case MessageType.commit:
        if (plainXid !== undefined && plainRows > 0) {
          events.onTripwire('a transaction with row changes committed uncaptured', plainXid)
        }
        plainXid = undefined
        return
      default:
    }
  }

  return {
    message(bytes, start, end) {
      switch (bytes[start]) {
        case MessageType.streamStart:
          current = transactionOf(bytes.readUInt32BE(start + 1))
          return
        case MessageType.streamStop:
          current = undefined
          return
        case MessageType.streamCommit:
          return committed(bytes, start)
        case MessageType.streamAbort:
          return aborted(bytes, start)
        case MessageType.message:
          return emitted(bytes, start, end)
        default:
          return current === undefined ? outside(bytes, start, end) : streamed(current, bytes, start, end)
      }
    },
    reset() {
      for (const transaction of open.values()) if (!transaction.sealed) transaction.log.dispose()
      open.clear()
      relations.clear()
      current = undefined
      plainXid = undefined
    },
    get openTransactions() {
      return open.size
    },
  }
}

/**
 * The logical replication messages of PostgreSQL's `pgoutput` plugin, protocol version 4: what we read from a walsender
 * (capture) and what we write to an apply worker. No sockets here.
 *
 * Inside a streamed block each change carries its transaction id behind the type byte; outside it does not. Writesets
 * keep changes in the second form, with relation ids that are local to the record.
 *
 * Source: PostgreSQL documentation, "Logical Replication Message Formats" and "Streaming Replication Protocol".
 *
 * @module
 */
import { AllwriteError } from '../../core/errors.ts'

/** Message types, by their byte. `statement` is ours: a journaled DDL statement inside a writeset. */
export const MessageType = {
  begin: 0x42, // B
  commit: 0x43, // C
  origin: 0x4f, // O
  relation: 0x52, // R
  type: 0x59, // Y
  insert: 0x49, // I
  update: 0x55, // U
  delete: 0x44, // D
  truncate: 0x54, // T
  message: 0x4d, // M
  streamStart: 0x53, // S
  streamStop: 0x45, // E
  streamCommit: 0x63, // c
  streamAbort: 0x41, // A
  statement: 0x51, // Q
  searchPath: 0x48, // H
} as const

/** Tuple markers inside insert, update and delete. */
export const TupleMark = { key: 0x4b, old: 0x4f, new: 0x4e } as const

/** Kinds of a column value: null, unchanged TOAST, text. (Binary is never asked for.) */
export const ValueKind = { null: 0x6e, unchanged: 0x75, text: 0x74, binary: 0x62 } as const

export interface RelationColumn {
  readonly name: string
  /** Part of the replica identity. */
  readonly key: boolean
  readonly typeOid: number
  readonly typeModifier: number
}

export interface Relation {
  readonly schema: string
  readonly name: string
  /** `d` default, `n` nothing, `f` full, `i` index. */
  readonly identity: string
  readonly columns: readonly RelationColumn[]
}

/** One column of a tuple: `null`, `undefined` for an unchanged TOAST value that was not sent, or its text, a view. */
export type Value = Uint8Array | null | undefined

export type RowChange =
  | { readonly kind: 'insert'; readonly old: undefined; readonly oldIsKey: false; readonly new: readonly Value[] }
  | {
      readonly kind: 'update'
      readonly old: readonly Value[] | undefined
      readonly oldIsKey: boolean
      readonly new: readonly Value[]
    }
  | { readonly kind: 'delete'; readonly old: readonly Value[]; readonly oldIsKey: boolean; readonly new: undefined }

const broken = (what: string): AllwriteError => new AllwriteError('protocol', `malformed replication message: ${what}`)

const zeroTerminated = (bytes: Buffer, start: number): { text: string; next: number } => {
  const end = bytes.indexOf(0, start)
  if (end < 0) throw broken('unterminated string')
  return { text: bytes.toString('utf8', start, end), next: end + 1 }
}

/**
 * Reads a relation's definition.
 * @param body the message behind its relation id: namespace, name, identity, columns
 */
export const parseRelation = (body: Buffer): Relation => {
  const schema = zeroTerminated(body, 0)
  const name = zeroTerminated(body, schema.next)
  let at = name.next
  const identity = String.fromCharCode(body.readUInt8(at))
  const count = body.readUInt16BE(at + 1)
  at += 3
  const columns: RelationColumn[] = []
  for (let i = 0; i < count; i++) {
    const key = (body.readUInt8(at) & 1) === 1
    const column = zeroTerminated(body, at + 1)
    at = column.next
    columns.push({
      name: column.text,
      key,
      typeOid: body.readUInt32BE(at),
      typeModifier: body.readInt32BE(at + 4),
    })
    at += 8
  }
  if (at !== body.length) throw broken('relation length')
  // An empty namespace is how pgoutput writes pg_catalog.
  return { schema: schema.text === '' ? 'pg_catalog' : schema.text, name: name.text, identity, columns }
}

const parseTuple = (bytes: Buffer, start: number): { values: Value[]; next: number } => {
  if (start + 2 > bytes.length) throw broken('tuple length')
  const count = bytes.readUInt16BE(start)
  let at = start + 2
  const values: Value[] = Array.from({ length: count })
  for (let i = 0; i < count; i++) {
    const kind = bytes[at]
    at += 1
    if (kind === ValueKind.text) {
      if (at + 4 > bytes.length) throw broken('value length')
      const length = bytes.readUInt32BE(at)
      at += 4
      if (at + length > bytes.length) throw broken('value length')
      values[i] = bytes.subarray(at, at + length)
      at += length
    } else if (kind === ValueKind.null) values[i] = null
    else if (kind !== ValueKind.unchanged) throw broken('value kind')
  }
  return { values, next: at }
}

/** The tuple that ends a message. */
const parseLastTuple = (bytes: Buffer, start: number): Value[] => {
  const { values, next } = parseTuple(bytes, start)
  if (next !== bytes.length) throw broken('bytes behind the last tuple')
  return values
}

/**
 * Reads an insert, update or delete.
 * @param message type byte, 4-byte relation id, tuples (the form without a streaming transaction id)
 */
export const parseRowChange = (message: Buffer): RowChange => {
  const type = message[0]
  const mark = message[5]
  if (type === MessageType.insert) {
    if (mark !== TupleMark.new) throw broken('insert without a new tuple')
    return { kind: 'insert', old: undefined, oldIsKey: false, new: parseLastTuple(message, 6) }
  }
  if (type === MessageType.delete) {
    if (mark !== TupleMark.old && mark !== TupleMark.key) throw broken('delete without an old tuple')
    return { kind: 'delete', old: parseLastTuple(message, 6), oldIsKey: mark === TupleMark.key, new: undefined }
  }
  if (type !== MessageType.update) throw broken('not a row change')
  if (mark === TupleMark.new) {
    return { kind: 'update', old: undefined, oldIsKey: false, new: parseLastTuple(message, 6) }
  }
  if (mark !== TupleMark.old && mark !== TupleMark.key) throw broken('update without a tuple')
  const old = parseTuple(message, 6)
  if (message[old.next] !== TupleMark.new) throw broken('update without a new tuple')
  return {
    kind: 'update',
    old: old.values,
    oldIsKey: mark === TupleMark.key,
    new: parseLastTuple(message, old.next + 1),
  }
}

export interface Truncate {
  readonly relations: readonly number[]
  readonly cascade: boolean
  readonly restartIdentity: boolean
}

/** Reads a truncate in the form without a streaming transaction id. */
export const parseTruncate = (message: Buffer): Truncate => {
  if (message.length < 6) throw broken('truncate length')
  const count = message.readUInt32BE(1)
  const options = message.readUInt8(5)
  if (message.length !== 6 + 4 * count) throw broken('truncate length')
  const relations = Array.from({ length: count }, (_, i) => message.readUInt32BE(6 + 4 * i))
  return { relations, cascade: (options & 1) === 1, restartIdentity: (options & 2) === 2 }
}

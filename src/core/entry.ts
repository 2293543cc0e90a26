/**
 * The bytes of a journal entry, big-endian. The journal stores the {@link AppendId} beside them, so they don't repeat it.
 *
 * ```text
 * u8 version = 1, u8 kind: 1 fence | 2 chunk | 3 group | 4 hold | 5 group of another database than the first
 * chunk:  u32 transaction, u32 index, u32 length, bytes
 * group of another database: u32 its OID, not 0; then as
 * group:  u32 records, then for each
 *   u64 xid, u48 early, u48 late, u8 flags: 1 schemaChange | 2 chunked, u32 keys, 9 bytes per key, then
 *   inline:  u32 length, bytes
 *   chunked: u32 transaction, u32 chunks, u48 first, u48 last, u48 byteLength
 * hold:   u8 scope: 0 none | 1 all | 2 tables: u32 tables, 8 bytes per hash
 * ```
 *
 * Decoding trusts nothing: each length is checked against what is left, each number against its range, and anything unknown,
 * missing or left over is `journal_corrupt`. It copies nothing: keys and changes are views of the payload.
 *
 * @module
 */
import { AllwriteError, assert } from './errors.ts'
import { databaseId, firstDatabase, position, xid } from './ids.ts'
import type { DatabaseId, Position } from './ids.ts'
import { hashBytes, keyBytes } from './writeset.ts'
import type { AppendId, ChunkedChanges, Entry, HoldScope, InlineChanges, WritesetRecord } from './writeset.ts'

/** First byte of every payload. A reader of another version must not guess. */
export const entryVersion = 1

const kinds = { fence: 1, chunk: 2, group: 3, hold: 4, groupElsewhere: 5 } as const
const scopes = { none: 0, all: 1, tables: 2 } as const
const schemaChangeFlag = 1
const chunkedFlag = 2
const notifiesFlag = 4
const recordHeadBytes = 8 + 6 + 6 + 1 + 4
const chunkedBytes = 4 + 4 + 6 + 6 + 6
/** The smallest record: no keys, no changes. Bounds the record count before anything is allocated. */
const recordBytesMin = recordHeadBytes + 4
const u32Max = 0xffff_ffff
const u48Max = 0xffff_ffff_ffff
/** Mode and the known flags of a packed key's last byte. */
const keyTagMask = 0x0f

/**
 * Bytes that {@link encodeEntry} would return for a record within a group, so that a group can be closed before it
 * outgrows one append.
 */
export const recordByteLength = (record: WritesetRecord): number =>
  recordHeadBytes +
  record.keys.length +
  (record.changes.kind === 'inline' ? 4 + record.changes.bytes.length : chunkedBytes)

/** The database that an entry's records belong to. */
export const databaseOf = (entry: Entry): DatabaseId =>
  (entry.kind === 'group' ? entry.database : undefined) ?? firstDatabase

/** The payload of an entry. A malformed entry is a bug of the caller's (asserted): it must never become durable. */
export const encodeEntry = (entry: Entry): Uint8Array => {
  const bytes = new Uint8Array(entryByteLength(entry))
  const out: Cursor = { bytes, view: new DataView(bytes.buffer), at: 2 }
  bytes[0] = entryVersion
  const database = databaseOf(entry)
  bytes[1] = database === firstDatabase ? kinds[entry.kind] : kinds.groupElsewhere
  if (entry.kind === 'chunk') {
    putU32(out, entry.transaction)
    putU32(out, entry.index)
    putBlock(out, entry.bytes)
  } else if (entry.kind === 'group') {
    assert(entry.records.length > 0, 'a group holds at least one record')
    if (database !== firstDatabase) putU32(out, database)
    putU32(out, entry.records.length)
    assert(entry.records.filter(({ notifies }) => notifies).length <= 1, 'one record of a group notifies at most')
    for (const record of entry.records) {
      assert(!record.schemaChange || entry.records.length === 1, 'a schema change is alone in its group')
      putRecord(out, record)
    }
  } else if (entry.kind === 'hold') putScope(out, entry.scope)
  assert(out.at === bytes.length, 'an entry is as long as computed')
  return bytes
}

/**
 * The entry in a payload.
 * @throws AllwriteError journal_corrupt, naming the append
 */
export const decodeEntry = (id: AppendId, payload: Uint8Array): Entry => {
  const { node, incarnation, number } = id
  const view = new DataView(payload.buffer, payload.byteOffset, payload.byteLength)
  const input: Input = { bytes: payload, view, at: 0, id }
  const version = takeU8(input)
  if (version !== entryVersion)
    throw corrupt(input, `its format is version ${version}, this agent reads ${entryVersion}`)
  const kind = takeU8(input)
  const entry = ((): Entry => {
    switch (kind) {
      case kinds.fence:
        return { kind: 'fence', node, incarnation, number }
      case kinds.chunk: {
        const transaction = takeU32(input)
        const index = takeU32(input)
        return { kind: 'chunk', node, incarnation, number, transaction, index, bytes: takeBytes(input, takeU32(input)) }
      }
      case kinds.group:
        return { kind: 'group', node, incarnation, number, records: takeRecords(input) }
      case kinds.groupElsewhere: {
        const database = takeU32(input)
        if (database === firstDatabase) throw corrupt(input, 'it names no other database')
        return { kind: 'group', node, incarnation, number, database: databaseId(database), records: takeRecords(input) }
      }
      case kinds.hold:
        return { kind: 'hold', node, incarnation, number, scope: takeScope(input) }
      default:
        throw corrupt(input, `its kind is ${kind}`)
    }
  })()
  if (input.at !== payload.length) throw corrupt(input, `${payload.length - input.at} bytes are left over`)
  return entry
}

const entryByteLength = (entry: Entry): number => {
  if (entry.kind === 'fence') return 2
  if (entry.kind === 'chunk') return 2 + 4 + 4 + 4 + entry.bytes.length
  if (entry.kind === 'hold') return 2 + 1 + (typeof entry.scope === 'string' ? 0 : 4 + entry.scope.length)
  const head = databaseOf(entry) === firstDatabase ? 2 + 4 : 2 + 4 + 4
  return entry.records.reduce((sum, record) => sum + recordByteLength(record), head)
}

interface Cursor {
  readonly bytes: Uint8Array
  readonly view: DataView
  at: number
}

const putU32 = (out: Cursor, value: number): void => {
  assert(Number.isInteger(value) && value >= 0 && value <= u32Max, 'a u32 field holds a u32')
  out.view.setUint32(out.at, value)
  out.at += 4
}

const putU48 = (out: Cursor, value: number): void => {
  assert(Number.isInteger(value) && value >= 0 && value <= u48Max, 'a u48 field holds a u48')
  out.view.setUint16(out.at, Math.floor(value / 2 ** 32))
  out.view.setUint32(out.at + 2, value % 2 ** 32)
  out.at += 6
}

const putBlock = (out: Cursor, block: Uint8Array): void => {
  putU32(out, block.length)
  out.bytes.set(block, out.at)
  out.at += block.length
}

const putScope = (out: Cursor, scope: HoldScope): void => {
  out.bytes[out.at++] = typeof scope === 'string' ? scopes[scope] : scopes.tables
  if (typeof scope === 'string') return
  assert(scope.length > 0 && scope.length % hashBytes === 0, 'a hold names its tables by whole hashes')
  putU32(out, scope.length / hashBytes)
  out.bytes.set(scope, out.at)
  out.at += scope.length
}

const putRecord = (out: Cursor, record: WritesetRecord): void => {
  const { xid, early, late, keys, changes } = record
  assert(xid >= 0n && xid < 1n << 64n, 'an xid holds 64 bits')
  assert(early <= late, 'a transaction locked its first row before it locked its last')
  assert(keys.length % keyBytes === 0, 'keys are packed whole')
  for (let at = keyBytes - 1; at < keys.length; at += keyBytes) assert(keys[at]! <= keyTagMask, 'a key has known flags')
  out.view.setBigUint64(out.at, xid)
  out.at += 8
  putU48(out, early)
  putU48(out, late)
  out.bytes[out.at++] =
    (record.schemaChange ? schemaChangeFlag : 0) |
    (changes.kind === 'chunked' ? chunkedFlag : 0) |
    (record.notifies ? notifiesFlag : 0)
  putU32(out, keys.length / keyBytes)
  out.bytes.set(keys, out.at)
  out.at += keys.length
  if (changes.kind === 'inline') return putBlock(out, changes.bytes)
  assert(!chunksDoNotFit(changes), 'the chunks of a writeset fit between its first and last position')
  putU32(out, changes.transaction)
  putU32(out, changes.chunks)
  putU48(out, changes.first)
  putU48(out, changes.last)
  putU48(out, changes.byteLength)
}

interface Input extends Cursor {
  readonly id: AppendId
}

const corrupt = (input: Input, what: string): AllwriteError => {
  const { node, incarnation, number } = input.id
  return new AllwriteError('journal_corrupt', `journal entry n${node}/${incarnation}/${number} can't be read`, {
    detail: `At byte ${input.at} of ${input.bytes.length}: ${what}.`,
  })
}

/** Steps over `length` bytes, which must exist. Answers where they start. */
const step = (input: Input, length: number): number => {
  const at = input.at
  if (length > input.bytes.length - at)
    throw corrupt(input, `${length} bytes are expected, ${input.bytes.length - at} are left`)
  input.at = at + length
  return at
}

const takeU8 = (input: Input): number => input.view.getUint8(step(input, 1))
const takeU32 = (input: Input): number => input.view.getUint32(step(input, 4))
const takeU48 = (input: Input): number => {
  const at = step(input, 6)
  return input.view.getUint16(at) * 2 ** 32 + input.view.getUint32(at + 2)
}
const takePosition = (input: Input): Position => position(takeU48(input))
const takeBytes = (input: Input, length: number): Uint8Array => {
  const at = step(input, length)
  return input.bytes.subarray(at, at + length)
}

const takeScope = (input: Input): HoldScope => {
  const scope = takeU8(input)
  if (scope === scopes.none) return 'none'
  if (scope === scopes.all) return 'all'
  if (scope !== scopes.tables) throw corrupt(input, `its scope is ${scope}`)
  const tables = takeU32(input)
  if (tables === 0) throw corrupt(input, 'it names no table')
  return takeBytes(input, tables * hashBytes)
}

const takeRecords = (input: Input): WritesetRecord[] => {
  const count = takeU32(input)
  if (count === 0) throw corrupt(input, 'its group is empty')
  if (count * recordBytesMin > input.bytes.length - input.at) throw corrupt(input, `${count} records can't fit`)
  const records: WritesetRecord[] = []
  let notifying = 0
  for (let index = 0; index < count; index++) {
    const record = takeRecord(input)
    if (record.schemaChange && count > 1) throw corrupt(input, 'a schema change is not alone in its group')
    if (record.notifies) notifying += 1
    if (notifying > 1) throw corrupt(input, 'two records of its group notify')
    records.push(record)
  }
  return records
}

const takeRecord = (input: Input): WritesetRecord => {
  const id = xid(input.view.getBigUint64(step(input, 8)))
  const early = takePosition(input)
  const late = takePosition(input)
  if (early > late) throw corrupt(input, `its early position ${early} is above its late one, ${late}`)
  const flags = takeU8(input)
  if ((flags & ~(schemaChangeFlag | chunkedFlag | notifiesFlag)) !== 0) throw corrupt(input, `its flags are ${flags}`)
  const keys = takeBytes(input, takeU32(input) * keyBytes)
  for (let at = keyBytes - 1; at < keys.length; at += keyBytes) {
    if (keys[at]! > keyTagMask) throw corrupt(input, `a key has flags ${keys[at]}`)
  }
  const changes = (flags & chunkedFlag) === 0 ? takeInline(input) : takeChunked(input)
  const notifies = (flags & notifiesFlag) === 0 ? {} : { notifies: true as const }
  return { xid: id, early, late, schemaChange: (flags & schemaChangeFlag) !== 0, ...notifies, keys, changes }
}

const takeInline = (input: Input): InlineChanges => ({ kind: 'inline', bytes: takeBytes(input, takeU32(input)) })

const takeChunked = (input: Input): ChunkedChanges => {
  const transaction = takeU32(input)
  const chunks = takeU32(input)
  const first = takePosition(input)
  const last = takePosition(input)
  const changes: ChunkedChanges = { kind: 'chunked', transaction, chunks, first, last, byteLength: takeU48(input) }
  if (chunksDoNotFit(changes)) throw corrupt(input, `${chunks} chunks can't stand at positions ${first} to ${last}`)
  return changes
}

const chunksDoNotFit = ({ chunks, first, last }: ChunkedChanges): boolean =>
  chunks === 0 || first === 0 || last - first + 1 < chunks

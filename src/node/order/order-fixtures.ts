/**
 * Shared by the tests of this folder: records, pending transactions, and entries in few words.
 *
 * @module
 */
import { deferred } from '../../core/deferred.ts'
import { hash64, hashWords } from '../../core/hash.ts'
import { incarnation, nodeId, position, xid } from '../../core/ids.ts'
import {
  keyBytes,
  KeyFlag,
  LockMode,
  type AppendId,
  type ChunkEntry,
  type FenceEntry,
  type GroupEntry,
  type HoldEntry,
  type HoldScope,
  type InlineChanges,
  type ChunkedChanges,
  type WritesetRecord,
} from '../../core/writeset.ts'
import type { Participant } from '../session/contract.ts'
import type { Pending } from './pending.ts'

/** Packs a name as a key. */
export const packKey = (name: string, mode: LockMode = LockMode.noKeyUpdate, flags = 0): Uint8Array => {
  const words = hashWords()
  const bytes = Buffer.from(name)
  hash64(bytes, 0, bytes.length, 0, 0, words)
  const packed = Buffer.alloc(keyBytes)
  packed.writeUInt32BE(words[0] ?? 0, 0)
  packed.writeUInt32BE(words[1] ?? 0, 4)
  packed[8] = mode | flags
  return packed
}

/** Checked, not entered: each row record meets DDL this way. */
export const rowSchemaKey = packKey('schema', LockMode.keyShare, KeyFlag.checkOnly)
export const ddlSchemaKey = packKey('schema', LockMode.update)

export interface RecordSpec {
  readonly xid?: number | bigint
  readonly early?: number
  readonly late?: number
  readonly keys?: readonly Uint8Array[]
  readonly changes?: InlineChanges | ChunkedChanges
  readonly schemaChange?: boolean
  readonly notifies?: true
}

export const makeRecord = (spec: RecordSpec = {}): WritesetRecord => ({
  xid: xid(BigInt(spec.xid ?? 1)),
  early: position(spec.early ?? spec.late ?? 0),
  late: position(spec.late ?? 0),
  schemaChange: spec.schemaChange ?? false,
  ...(spec.notifies === undefined ? {} : { notifies: spec.notifies }),
  keys: Uint8Array.from(Buffer.concat([...(spec.keys ?? [])])),
  changes: spec.changes ?? { kind: 'inline', bytes: new Uint8Array(1) },
})

/** A participant that answers `commit()` with true. */
export const willing: Participant = {
  backendPid: 1,
  commit: () => Promise.resolve(true),
  abort: () => Promise.resolve(),
}

export const makePending = (record: WritesetRecord, participant = willing): Pending => ({
  participant,
  record,
  outcome: deferred(),
  alone: record.schemaChange,
  describeKey: (keyIndex) => ({ table: 'public.t', key: `Key ${keyIndex}` }),
  appended: false,
})

export const appendId = (node: number, generation: number, number: number): AppendId => ({
  node: nodeId(node),
  incarnation: incarnation(generation),
  number,
})

export const fenceOf = (id: AppendId): FenceEntry => ({ kind: 'fence', ...id })
export const groupOf = (id: AppendId, records: readonly WritesetRecord[]): GroupEntry => ({
  kind: 'group',
  ...id,
  records,
})
export const chunkOf = (id: AppendId, transaction: number, index: number, bytes = new Uint8Array(1)): ChunkEntry => ({
  kind: 'chunk',
  ...id,
  transaction,
  index,
  bytes,
})

export const holdOf = (id: AppendId, scope: HoldScope): HoldEntry => ({ kind: 'hold', ...id, scope })

/** Lets everything that is ready run: microtasks, and immediates queued so far. */
export const settleTasks = async (rounds = 4): Promise<void> => {
  for (let i = 0; i < rounds; i++) await new Promise((resolve) => setImmediate(resolve))
}

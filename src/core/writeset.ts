/**
 * What a journal entry holds: the shapes only. The codec is in `entry.ts`, the judge in `certifier.ts`.
 *
 * An **entry** is one append: the unit of idempotency, durability and visibility; it has one {@link Position}. A group
 * entry holds the **records** (writesets) of transactions that were ready together at one node.
 *
 * @module
 */
import type { DatabaseId, Incarnation, NodeId, Position, Xid } from './ids.ts'

/** Who appended an entry, and which of its appends this is (RULES 1). `number` counts from 0, the fence, without gaps. */
export interface AppendId {
  readonly node: NodeId
  readonly incarnation: Incarnation
  readonly number: number
}

/** An agent's first append of an incarnation: from here on every entry of the node's older incarnations is void. */
export interface FenceEntry extends AppendId {
  readonly kind: 'fence'
}

/** A slice of the changes of a writeset too large for one entry; means nothing until a record refers to it. */
export interface ChunkEntry extends AppendId {
  readonly kind: 'chunk'
  /** Numbers the chunked writesets of this incarnation. */
  readonly transaction: number
  /** 0, 1, … */
  readonly index: number
  readonly bytes: Uint8Array
}

export interface GroupEntry extends AppendId {
  readonly kind: 'group'
  /**
   * Whose transactions these are: all of one database, since others apply them in one transaction, and its commit says that they have
   * the whole entry. Absent: the first database's.
   */
  readonly database?: DatabaseId
  readonly records: readonly WritesetRecord[]
}

/**
 * Advice, never a matter of correctness: the node asks for a turn for its schema change, so others hold back what would make it
 * lose (ADR 18). Certification ignores it.
 */
export interface HoldEntry extends AppendId {
  readonly kind: 'hold'
  readonly scope: HoldScope
}

/** What is held back; packed: the hashes of the tables' keys, {@link hashBytes} each. `none` gives the turn back. */
export type HoldScope = 'none' | 'all' | Uint8Array

export type Entry = FenceEntry | ChunkEntry | GroupEntry | HoldEntry

/** One transaction's writeset. */
export interface WritesetRecord {
  /** The transaction at its home node, for recovery (`pg_xact_status`). */
  readonly xid: Xid
  /**
   * Lower bound of the position applied at home when the transaction first locked a row; where its first statement only locks rows,
   * the position applied when it was seen to hold the first of them (ADR 13, "Waiters").
   */
  readonly early: Position
  /** Contiguous position applied at home, sampled before the capture message whose answer proved the locks. */
  readonly late: Position
  /** Holds DDL: a barrier, alone in its group. */
  readonly schemaChange: boolean
  /** Holds notifications: at most one such record in a group, and in an apply transaction (ADR 20). Absent: no. */
  readonly notifies?: true
  /** Packed certification keys, {@link keyBytes} bytes each. */
  readonly keys: Uint8Array
  readonly changes: InlineChanges | ChunkedChanges
}

/**
 * Changes in order, each `u32 length` + a message in pgoutput's format without the streaming xid: `R` (relation; its id
 * is local to this record), `I`, `U`, `D`, `T`; and our `Q`: UTF-8 JSON of {@link Statement}.
 */
export interface InlineChanges {
  readonly kind: 'inline'
  readonly bytes: Uint8Array
}

/** The same byte stream, cut into chunk entries of the same node and incarnation. */
export interface ChunkedChanges {
  readonly kind: 'chunked'
  readonly transaction: number
  readonly chunks: number
  /** Where the first and last chunk stand; others' entries may lie between. */
  readonly first: Position
  readonly last: Position
  readonly byteLength: number
}

/** A statement that travels as text, with all of the session that its meaning depends on. */
export interface Statement {
  readonly text: string
  readonly role: string
  /** Setting name → value, `search_path` among them, set with SET LOCAL before it runs. */
  readonly settings: Readonly<Record<string, string>>
}

/** PostgreSQL's four row-lock strengths, weakest first; the numbers are on disk. */
export const LockMode = { keyShare: 0, share: 1, noKeyUpdate: 2, update: 3 } as const
export type LockMode = (typeof LockMode)[keyof typeof LockMode]

/** Bytes of a key's hash, with which a packed key begins. */
export const hashBytes = 8

/** Bytes of one packed key: u32 hash high, u32 hash low, u8 = mode | flags (big-endian). */
export const keyBytes = 9

/** Flags beside the mode (bits 0–1) in a packed key's last byte. */
export const KeyFlag = {
  /** Compared with the record's early position, not its late one: nothing local held others off (row hashes, locks only). */
  early: 0x04,
  /** Judged, but not entered into the index: the schema key of a record that only writes rows. */
  checkOnly: 0x08,
} as const

/** A key before packing. `high`/`low` are unsigned 32-bit halves of the hash. */
export interface Key {
  readonly high: number
  readonly low: number
  readonly mode: LockMode
  readonly flags: number
}

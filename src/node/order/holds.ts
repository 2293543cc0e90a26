/**
 * Whose schema change has its turn, as the journal tells it: what it would lose to waits at its own node until then (ADR 18).
 *
 * Advice only. No verdict depends on it: a hold that is missed, or over too early, costs the schema change another attempt. So it may
 * look at a clock, which certification may not.
 *
 * Contract
 * - One turn at a time, in the order of the journal, and one per node: a node that asks again replaces what it asked for.
 * - A turn ends with its owner's committed schema change, its release or its fence; else `holdMsMax` after it began or was last
 *   asked for, by this node's clock.
 * - The owner's own records never wait: its schema change waits for their locks.
 * - What is read before the node serves (`listening`) is history.
 *
 * @module
 */
import type { NodeId, Position } from '../../core/ids.ts'
import type { HoldScope, WritesetRecord } from '../../core/writeset.ts'
import { hashBytes, keyBytes, KeyFlag } from '../../core/writeset.ts'
import type { Judged } from './judge.ts'

/** A turn lasts no longer than this unless it is asked for again, ms: what the death of its owner costs the others. */
export const holdMsMax = 2_000

export interface HoldsOptions {
  readonly node: NodeId
  /** Does this node serve? */
  readonly listening: () => boolean
  /** Calls back once, after `ms`; the answer takes it back. */
  readonly after: (ms: number, run: () => void) => () => void
  /** The turn went to another node, or to none; also when its owner asks for less or more. `at`: the last entry seen. */
  readonly onChange: (owner: NodeId | undefined, at: Position) => void
}

export interface Holds {
  /** Sees each judged entry, in order. */
  see(judged: Judged): void
  /** Has this record of the own node to wait? */
  isHeld(record: WritesetRecord): boolean
  /** Whose turn it is. */
  readonly owner: NodeId | undefined
  close(): void
}

interface Hold {
  readonly node: NodeId
  /** Hashes of the tables' keys as text; undefined: every table. */
  tables: ReadonlySet<string> | undefined
}

export const createHolds = (options: HoldsOptions): Holds => {
  // At most one per node.
  let queue: Hold[] = []
  let stopClock = (): void => undefined
  let seen = 0 as Position

  const begin = (): void => {
    stopClock()
    const front = queue[0]
    if (front !== undefined) stopClock = options.after(holdMsMax, () => end(front.node))
    options.onChange(front?.node, seen)
  }

  const end = (node: NodeId): void => {
    const at = queue.findIndex((hold) => hold.node === node)
    if (at < 0) return
    queue = queue.filter((hold) => hold.node !== node)
    if (at === 0) begin()
  }

  const ask = (node: NodeId, scope: Exclude<HoldScope, 'none'>): void => {
    const tables = scope === 'all' ? undefined : hashesOf(scope)
    const known = queue.find((hold) => hold.node === node)
    if (known === undefined) queue.push({ node, tables })
    else known.tables = tables
    if (queue[0]?.node === node) begin()
  }

  return {
    see({ position, entry, committed }) {
      seen = position
      switch (entry.kind) {
        case 'hold':
          if (entry.scope === 'none') end(entry.node)
          else if (options.listening()) ask(entry.node, entry.scope)
          return
        case 'fence':
          return end(entry.node)
        case 'group':
          if (committed.length > 0 && entry.records[0]?.schemaChange === true) end(entry.node)
          return
        case 'chunk':
      }
    },
    isHeld(record) {
      const front = queue[0]
      if (front === undefined || front.node === options.node) return false
      // Of two concurrent schema changes the second in the journal loses, whatever their tables.
      return record.schemaChange || front.tables === undefined || names(record.keys, front.tables)
    },
    get owner() {
      return queue[0]?.node
    },
    close() {
      stopClock()
      queue = []
    },
  }
}

const hashAt = (bytes: Uint8Array, at: number): string =>
  Buffer.from(bytes.buffer, bytes.byteOffset + at, hashBytes).toString('latin1')

const hashesOf = (packed: Uint8Array): ReadonlySet<string> => {
  const hashes = new Set<string>()
  for (let at = 0; at < packed.length; at += hashBytes) hashes.add(hashAt(packed, at))
  return hashes
}

/** A record enters the key of each table that it writes or locks rows of (capture/keys.ts, 6). */
const names = (keys: Uint8Array, tables: ReadonlySet<string>): boolean => {
  for (let at = 0; at < keys.length; at += keyBytes) {
    const entered = ((keys[at + hashBytes] ?? 0) & KeyFlag.checkOnly) === 0
    if (entered && tables.has(hashAt(keys, at))) return true
  }
  return false
}

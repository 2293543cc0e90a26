/**
 * The journal: a durable, totally ordered list of entries. What a driver (memory, file, etcd) promises is this file and
 * its compliance suite, `compliance.ts`, which each driver's test runs.
 *
 * Guarantees
 * 1. Positions are dense: the first entry ever has position 1, each next one the next number; never reused.
 * 2. An entry is durable before any reader sees it and before its append is answered.
 * 3. Appends are idempotent: the same (node, incarnation, number) is stored once; a repeat is answered with the position
 *    of the first. Numbers of one incarnation are stored in order 0, 1, 2 … without gaps.
 * 4. An append of an incarnation older than the newest stored one of that node is refused (`stale_incarnation`). The driver
 *    may miss a race; certification voids such entries anyway (RULES 1).
 * 5. Readers see the same bytes in the same order, from any position not yet trimmed, and never a gap: a trimmed
 *    start is refused with `position_trimmed`, a damaged entry with `journal_corrupt`, both naming the position.
 * 6. A slow or dead reader slows nobody and costs no unbounded memory.
 * 7. Trim removes entries only at positions ≤ the given floor, and keeps at least what its retention asks for.
 *
 * @module
 */
import type { AppendId } from '../core/writeset.ts'
import type { Incarnation, NodeId, Position } from '../core/ids.ts'

/** An entry as the journal knows it: its id, and bytes that only agents understand. */
export interface StoredEntry {
  readonly position: Position
  readonly id: AppendId
  /** The encoded entry (core/entry.ts). A view: valid until the consumer asks for the next batch. */
  readonly payload: Uint8Array
}

/** Largest payload of one append; larger writesets are chunked. */
export const payloadBytesMax = 4 * 1024 * 1024

export interface Journal extends AsyncDisposable {
  /**
   * Appends one entry. Callers may have several appends of consecutive numbers in flight; the driver batches them.
   * A lost connection is retried inside, with the same id, until `signal` aborts: resolving means durable.
   * @throws AllwriteError stale_incarnation | too_large | journal_full | cancelled
   */
  append(id: AppendId, payload: Uint8Array, signal?: AbortSignal): Promise<Position>

  /**
   * Entries from `from` (inclusive) on, in batches, for ever (or up to `options.to`, inclusive, then ends); waits for new
   * ones. Reconnects by itself, without gap or repeat. Back-pressure: the next batch is fetched when asked for, with
   * bounded read-ahead.
   * @throws AllwriteError position_trimmed | journal_corrupt | cancelled
   */
  read(from: Position, options?: { to?: Position; signal?: AbortSignal }): AsyncIterable<readonly StoredEntry[]>

  /** What the journal holds now; linearizable: every append answered before the call is counted. */
  tail(signal?: AbortSignal): Promise<JournalTail>

  /**
   * Tells where this node stands: entries at or below `safe` are not needed by it any more. The floor of retention is the
   * lowest of the live reporters'; a reporter that has not spoken for `liveMsMax` counts as dead.
   */
  report(node: NodeId, safe: Position): void
}

export interface JournalTail {
  /** First position still stored; last position + 1 where all is trimmed or nothing was ever written. */
  readonly first: Position
  /** Last durable position; 0 where nothing was ever written. */
  readonly last: Position
  /** Per node that ever appended: its newest incarnation and that one's last number. */
  readonly nodes: ReadonlyMap<NodeId, { readonly incarnation: Incarnation; readonly number: number }>
}

/** A reporter silent for longer than this is dead for retention, ms. Agents report every second. */
export const liveMsMax = 10_000

/**
 * Which segments may go: pure rules over sizes and reports.
 *
 * @module
 */
import type { NodeId, Position } from '../../core/ids.ts'
import { liveMsMax } from '../contract.ts'

/** Kept although nobody needs it, bytes: what a node that was away for a while can still read. */
export const retainBytesDefault = 4 * 1024 ** 3

/** Never more than this, bytes, whoever still needs it: a stuck node must not fill the disk of all. */
export const capBytesDefault = 16 * 1024 ** 3

export interface RetentionLimits {
  readonly retainBytes: number
  readonly capBytes: number
}

/** How many of the oldest segments to delete, and how many of those somebody live still needed. */
export interface TrimPlan {
  readonly segments: number
  readonly needed: number
}

/** Plans a trim. `segments`: oldest first; the last one is in use and never goes. `floor`: no entry above it may go. */
export const planTrim = (
  segments: readonly { readonly last: number; readonly bytes: number }[],
  floor: number,
  limits: RetentionLimits,
): TrimPlan => {
  let total = segments.reduce((sum, { bytes }) => sum + bytes, 0)
  let count = 0
  let needed = 0
  for (const { last, bytes } of segments.slice(0, -1)) {
    const free = total - bytes >= limits.retainBytes && last <= floor
    if (!free && total <= limits.capBytes) break
    if (last > floor) needed++
    total -= bytes
    count++
  }
  return { segments: count, needed }
}

/** Where the nodes stand. */
export class Reporters {
  readonly #reports = new Map<NodeId, { safe: Position; atMs: number }>()
  readonly #startMs: number

  /** `nowMs`: monotonic clock. */
  constructor(nowMs: number) {
    this.#startMs = nowMs
  }

  report(node: NodeId, safe: Position, nowMs: number): void {
    this.#reports.set(node, { safe, atMs: nowMs })
  }

  /**
   * The position up to which no live node needs anything. 0 while that is not known: shortly after a start, when nodes
   * have not had the time to report, and when nobody is alive, for then the journal is all that is left of the cluster.
   */
  floor(nowMs: number): number {
    if (nowMs - this.#startMs < liveMsMax) return 0
    let floor = Infinity
    for (const { safe, atMs } of this.#reports.values()) if (nowMs - atMs <= liveMsMax) floor = Math.min(floor, safe)
    return floor === Infinity ? 0 : floor
  }
}

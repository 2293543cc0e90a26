/**
 * Which transactions a list-append load runs. Pure, so that the checker's own tests draw from the same source.
 *
 * About ten keys live at a time, the first ones drawn far more often: conflicts need hot keys, and cold ones let transactions
 * overlap without any. A key that was appended to often enough retires and a new one takes its place, so that lists stay short.
 *
 * @module
 */
import type { Key, Operation } from '../checker/history.ts'
import type { Random } from '../random.ts'

export interface AppendPlanOptions {
  readonly liveKeys?: number
  /** Appends to one key before it retires. */
  readonly appendsMax?: number
  /** Operations of one transaction, at most. */
  readonly operationsMax?: number
}

export interface AppendPlan {
  /** The next transaction's operations; no (key, value) is appended twice. */
  next(random: Random): readonly Operation[]
  /** All keys so far. */
  keys(): readonly Key[]
}

export const createAppendPlan = ({
  liveKeys = 10,
  appendsMax = 64,
  operationsMax = 4,
}: AppendPlanOptions = {}): AppendPlan => {
  const live = Array.from({ length: liveKeys }, (_, key) => ({ key, appends: 0 }))
  let keyCount = liveKeys
  const append = (slot: number): Operation => {
    const { key, appends } = live[slot]!
    const value = appends + 1
    live[slot] = value < appendsMax ? { key, appends: value } : { key: keyCount++, appends: 0 }
    return ['append', key, value]
  }
  return {
    next: (random) =>
      Array.from({ length: 1 + random.int(operationsMax) }, (): Operation => {
        // The square of a uniform number: the first of ten slots gets a third of all operations.
        const slot = Math.floor(random.next() ** 2 * liveKeys)
        return random.chance(0.5) ? append(slot) : ['r', live[slot]!.key, null]
      }),
    keys: () => Array.from({ length: keyCount }, (_, key) => key),
  }
}

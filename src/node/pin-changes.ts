/**
 * When the writer of pinned endpoints changed (ADR 26), as the journal says it: at once when the entry is judged, so before anything
 * that is applied behind it.
 *
 * @module
 */
import { assert } from '../core/errors.ts'
import { position, type Position } from '../core/ids.ts'
import { hashBytes, keyBytes, KeyFlag, LockMode } from '../core/writeset.ts'
import type { Judged } from './order/judge.ts'

/** The table whose only row, in the first database, says who the writer is (catalog/sql/tables.ts). */
export const pinnedTable = 'allwrite.pinned'

export interface PinChanges {
  /** Makes a record depend on the table as one that has read it would: whoever changed it since the record began, voids it. */
  readonly key: Uint8Array
  /** Sees each judged entry, in order. */
  see(judged: Judged): void
  /** Where the newest committed change stands; 0: none since this agent started to judge. */
  readonly at: Position
  /** Sets who is told of a change, in the same tick. */
  onChange(listener: () => void): void
}

/** @param tableHash the hash of {@link pinnedTable}'s certification key */
export const createPinChanges = (tableHash: Uint8Array | undefined): PinChanges => {
  assert(tableHash !== undefined, 'the table was just made')
  let at = position(0)
  let tell = (): void => undefined
  const key = new Uint8Array(keyBytes)
  key.set(tableHash)
  key[hashBytes] = LockMode.update | KeyFlag.early | KeyFlag.checkOnly
  return {
    key,
    see({ entry, committed, position: here }) {
      if (entry.kind !== 'group') return
      if (!committed.some((index) => names(entry.records[index]?.keys, tableHash))) return
      at = here
      tell()
    },
    get at() {
      return at
    },
    onChange(listener) {
      tell = listener
    },
  }
}

/** Keys of tables stand last but one; a record of few tables is soon seen through from its end. */
const names = (keys: Uint8Array | undefined, hash: Uint8Array): boolean => {
  if (keys === undefined) return false
  for (let start = keys.length - keyBytes; start >= 0; start -= keyBytes) {
    // Sessions bound to the writer name it too, to be judged by it; only who changes it enters it.
    if ((keys[start + hashBytes]! & KeyFlag.checkOnly) === 0 && same(keys, start, hash)) return true
  }
  return false
}

const same = (keys: Uint8Array, start: number, hash: Uint8Array): boolean => {
  for (let i = 0; i < hashBytes; i++) if (keys[start + i] !== hash[i]) return false
  return true
}

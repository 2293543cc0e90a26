/**
 * A submitted transaction on its way: captured, not yet settled.
 *
 * @module
 */
import type { Deferred } from '../../core/deferred.ts'
import type { DatabaseId } from '../../core/ids.ts'
import type { WritesetRecord } from '../../core/writeset.ts'
import type { Outcome, Participant } from '../session/contract.ts'

export interface Pending {
  /** Absent: the first. */
  readonly database?: DatabaseId
  readonly participant: Participant
  readonly record: WritesetRecord
  readonly outcome: Deferred<Outcome>
  /** Names table and key of the record's n-th packed key, for the DETAIL line; undefined where it can't be told. */
  readonly describeKey: (keyIndex: number) => { table: string; key: string | undefined } | undefined
  /** Has a group for itself: a schema change (RULES 7), a SERIALIZABLE transaction (RULES 15). */
  readonly alone: boolean
  appended: boolean
}

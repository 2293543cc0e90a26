/**
 * What is told to a transaction that had to go for a remote writeset.
 *
 * @module
 */
import type { Relation } from '../../wire/pgoutput/messages.ts'
import type { Judged } from '../order/judge.ts'
import type { Conflict } from '../session/contract.ts'
import { onlyRow } from './only-row.ts'
import type { WaitedFor } from './waiting-for.ts'

/**
 * @param applying what the worker applies in one transaction
 * @param waited the row that it waits for, as far as the server tells
 */
export const bruteForced = (
  applying: readonly Judged[],
  waited: WaitedFor | undefined,
  keyNamesOf: (relation: Relation) => ReadonlySet<string> | undefined,
): Conflict => {
  // Of several entries in one apply transaction it isn't known which one waits: then none is named.
  const only = applying.length === 1 ? applying[0] : undefined
  const records = only?.entry.kind === 'group' ? only.entry.records : []
  const certified = records.filter((_, i) => only?.committed.includes(i))
  const row = waited?.key === undefined ? onlyRow(certified, keyNamesOf) : undefined
  return {
    table: row?.table ?? waited?.table ?? '',
    key: row?.key ?? waited?.key,
    winner: only?.entry.node,
    position: only?.position,
    reason: 'brute_force',
  }
}

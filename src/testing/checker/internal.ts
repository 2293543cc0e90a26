/**
 * Internal consistency: within a transaction, a read shows what the transaction itself has read and appended before.
 *
 * @module
 */
import { shorten } from './explain.ts'
import type { Findings } from './findings.ts'
import { report } from './findings.ts'
import type { Key, Operation, Transaction } from './history.ts'

interface Known {
  /** What was read first, undefined while the key has only been appended to. */
  base: readonly number[] | undefined
  readonly appended: number[]
}

const endsWith = (list: readonly number[], end: readonly number[]): boolean =>
  end.length <= list.length && end.every((value, i) => value === list[list.length - end.length + i])

const agrees = ({ base, appended }: Known, list: readonly number[]): boolean => {
  if (!endsWith(list, appended)) return false
  if (base === undefined) return true
  return list.length === base.length + appended.length && base.every((value, i) => value === list[i])
}

/** The first read that contradicts what came before it in the same transaction. */
const contradiction = (operations: readonly Operation[]): { key: Key; list: readonly number[] } | undefined => {
  const known = new Map<Key, Known>()
  for (const [kind, key, seen] of operations) {
    let state = known.get(key)
    if (state === undefined) known.set(key, (state = { base: undefined, appended: [] }))
    if (kind === 'append') {
      state.appended.push(seen)
    } else if (seen !== null) {
      if (!agrees(state, seen)) return { key, list: seen }
      state.base ??= state.appended.length === 0 ? seen : seen.slice(0, -state.appended.length)
    }
  }
  return undefined
}

export const judgeInternal = (transactions: readonly Transaction[], findings: Findings): void => {
  for (const [index, { outcome, operations }] of transactions.entries()) {
    if (outcome !== 'ok' || operations.length < 2) continue
    const found = contradiction(operations)
    if (found === undefined) continue
    const tell = (): string => `reads ${shorten(found.list)} in key ${found.key}, against what it did before`
    report(findings, 'internal', 1, () => `T${index} ${tell()}: ${JSON.stringify(operations)}`)
  }
}

/**
 * What clients did and saw: the checker's only input.
 *
 * Contract for whoever records a history
 * 1. Events stand in the order of one clock: an `invoke` is recorded before its transaction is sent, a completion after its
 *    answer has come. The order of the list is the real-time order; `time` is for people.
 * 2. A process has one transaction at a time. After `info` it is used no more: the transaction may still be under way.
 * 3. `fail` is a promise that the transaction did not and will not happen. Whoever is not certain says `info`.
 * 4. A value is appended to a key at most once in a history; a completion's operations are its invocation's, reads filled in.
 *
 * Failure cases: a history that breaks 2 throws; one that breaks 4 is reported as `duplicate`.
 *
 * @module
 */

export type Key = number

/** What a read saw; null where it is not known, as in every `invoke`. */
export type ReadOperation = readonly [kind: 'r', key: Key, list: readonly number[] | null]
export type AppendOperation = readonly [kind: 'append', key: Key, value: number]
export type Operation = ReadOperation | AppendOperation

export interface HistoryEvent {
  readonly process: number
  /** Node the process is connected to, 1 …. */
  readonly node: number
  readonly type: 'invoke' | 'ok' | 'fail' | 'info'
  readonly value: readonly Operation[]
  /** Milliseconds of the recorder's clock. */
  readonly time: number
}

export interface Transaction {
  readonly process: number
  readonly node: number
  readonly operations: readonly Operation[]
  /** Index of the invoking event. */
  readonly invoked: number
  outcome: 'ok' | 'fail' | 'info'
  /** Index of the completing event; Infinity for `info`, which may take effect at any time after its invocation. */
  completed: number
}

/** Joins each invocation with its completion, in the order of invocations. An invocation without one is `info`. */
export const transactionsOf = (history: Iterable<HistoryEvent>): readonly Transaction[] => {
  const transactions: Transaction[] = []
  const open = new Map<number, number>()
  let index = -1
  for (const event of history) {
    index += 1
    const { process, node, type, value } = event
    const at = open.get(process)
    if (type === 'invoke') {
      if (at !== undefined) throw new Error(`event ${index}: process ${process} invokes again before it has completed`)
      open.set(process, transactions.length)
      transactions.push({ process, node, operations: value, invoked: index, outcome: 'info', completed: Infinity })
      continue
    }
    const invocation = at === undefined ? undefined : transactions[at]
    if (at === undefined || invocation === undefined) {
      throw new Error(`event ${index}: process ${process} completes what it has not invoked, or after info`)
    }
    if (type === 'info') {
      open.set(process, -1) // never invokes again
    } else {
      open.delete(process)
      transactions[at] = { ...invocation, operations: value, outcome: type, completed: index }
    }
  }
  return transactions
}

/** One line of a history's file. */
export const formatEvent = (event: HistoryEvent): string => JSON.stringify(event)

/** The events of a history's file, one JSON object per line. */
export const parseHistory = (text: string): readonly HistoryEvent[] =>
  text
    .split('\n')
    .filter((line) => line.trim() !== '')
    .map((line) => JSON.parse(line) as HistoryEvent)

/**
 * The order of each key's appends, as the reads reveal it, and what is wrong with single reads.
 *
 * A list only grows, so the longest list read of a key is its history and every other read must be a prefix of it.
 *
 * @module
 */
import type { Findings } from './findings.ts'
import { report } from './findings.ts'
import type { Key, Transaction } from './history.ts'
import { describeTransaction, shorten } from './explain.ts'

export interface KeyOrder {
  /** The longest list that was read: the appends in their order. */
  values: readonly number[]
  /** Who read it, for witnesses. */
  source: string
  /** Appended value → transaction that appended it, failed ones included. */
  readonly writers: Map<number, number>
}

export type Orders = ReadonlyMap<Key, KeyOrder>

/** What one node answered for every key after quiescence: nothing is under way, so what is not there is lost. */
export interface FinalRead {
  readonly node: number
  readonly lists: ReadonlyMap<Key, readonly number[]>
}

/** Per key: who appended what, and the longest read. */
export const ordersOf = (
  transactions: readonly Transaction[],
  finals: readonly FinalRead[],
  findings: Findings,
): Orders => {
  const orders = new Map<Key, KeyOrder>()
  const orderOf = (key: Key): KeyOrder => {
    const known = orders.get(key)
    if (known !== undefined) return known
    const order: KeyOrder = { values: [], source: 'nobody', writers: new Map() }
    orders.set(key, order)
    return order
  }
  for (const [index, transaction] of transactions.entries()) {
    for (const [kind, key, seen] of transaction.operations) {
      const order = orderOf(key)
      if (kind === 'append') {
        const other = order.writers.get(seen)
        if (other === undefined) order.writers.set(seen, index)
        else report(findings, 'duplicate', 2, () => `${seen} is appended to key ${key} by T${other} and T${index}`)
      } else if (transaction.outcome === 'ok' && seen !== null && seen.length > order.values.length) {
        order.values = seen
        order.source = `T${index}`
      }
    }
  }
  for (const { node, lists } of finals) {
    for (const [key, list] of lists) {
      const order = orderOf(key)
      if (list.length <= order.values.length) continue
      order.values = list
      order.source = `the final read at n${node}`
    }
  }
  return orders
}

const isPrefix = (list: readonly number[], of: readonly number[]): boolean => {
  if (list === of) return true
  if (list.length > of.length) return false
  for (let i = 0; i < list.length; i++) if (list[i] !== of[i]) return false
  return true
}

/** G1a, garbage and duplicates of one list. Prefixes of a list that was judged need no judgement of their own. */
const judgeList = (
  transactions: readonly Transaction[],
  findings: Findings,
  key: Key,
  { writers }: KeyOrder,
  list: readonly number[],
  source: string,
): void => {
  const seen = new Set<number>()
  for (const value of list) {
    if (seen.has(value)) {
      report(findings, 'duplicate', 1, () => `${source} reads ${value} twice in key ${key}: ${shorten(list)}`)
    }
    seen.add(value)
    const writer = writers.get(value)
    if (writer === undefined) {
      report(findings, 'garbage', 1, () => `${source} reads ${value} in key ${key}, which nobody appended`)
    } else if (transactions[writer]!.outcome === 'fail') {
      const tell = (): string => describeTransaction(transactions, writer)
      report(findings, 'G1a', 2, () => `${source} reads ${value} in key ${key}, appended by the aborted ${tell()}`)
    }
  }
}

/** Whether the writer appended to the same key again after `value`. */
const isIntermediate = (writer: Transaction, key: Key, value: number): boolean => {
  let found = false
  for (const [kind, of, appended] of writer.operations) {
    if (kind !== 'append' || of !== key) continue
    if (found) return true
    found = appended === value
  }
  return false
}

/** Judges every read by its key's order: G1a, G1b, garbage, duplicates, incompatible orders. */
export const judgeReads = (transactions: readonly Transaction[], orders: Orders, findings: Findings): void => {
  for (const [key, order] of orders) judgeList(transactions, findings, key, order, order.values, order.source)
  for (const [index, { outcome, operations }] of transactions.entries()) {
    if (outcome !== 'ok') continue
    for (const [kind, key, list] of operations) {
      if (kind !== 'r' || list === null) continue
      const order = orders.get(key)!
      if (!isPrefix(list, order.values)) {
        const tell = (): string => `T${index} reads ${shorten(list)}, ${order.source} ${shorten(order.values)}`
        report(findings, 'incompatible-order', 2, () => `key ${key}: ${tell()}`)
        judgeList(transactions, findings, key, order, list, `T${index}`)
      }
      const last = list.at(-1)
      const writer = last === undefined ? undefined : order.writers.get(last)
      if (last === undefined || writer === undefined || writer === index) continue
      if (!isIntermediate(transactions[writer]!, key, last)) continue
      const tell = (): string => describeTransaction(transactions, writer)
      report(
        findings,
        'G1b',
        2,
        () => `T${index} reads ${last} as the last of key ${key}, an intermediate of ${tell()}`,
      )
    }
  }
}

/** After quiescence: acknowledged appends are on every node, and all nodes agree. */
export const judgeFinals = (
  transactions: readonly Transaction[],
  orders: Orders,
  finals: readonly FinalRead[],
  findings: Findings,
): void => {
  for (const [key, order] of orders) {
    for (const { node, lists } of finals) {
      const list = lists.get(key) ?? []
      const other = finals[0]!.lists.get(key) ?? []
      const present = new Set(list)
      for (const [value, writer] of order.writers) {
        if (transactions[writer]!.outcome !== 'ok' || present.has(value)) continue
        const tell = (): string => describeTransaction(transactions, writer)
        report(findings, 'lost', 1, () => `n${node} has not ${value} in key ${key}, acknowledged by ${tell()}`)
      }
      if (list.length === other.length && isPrefix(list, other)) continue
      const first = finals[0]!.node
      report(findings, 'divergent', 1, () => `key ${key}: n${node} ${shorten(list)}, n${first} ${shorten(other)}`)
    }
  }
}

/**
 * Telling people: transactions and lists in one line, long ones shortened.
 *
 * @module
 */
import { Edge } from './graph.ts'
import type { Operation, Transaction } from './history.ts'
import type { KeyOrder, Orders } from './orders.ts'

/** A list's end says more than its beginning, which all reads share. */
const valuesMax = 12

export const shorten = (list: readonly number[]): string =>
  list.length <= valuesMax ? `[${list.join(' ')}]` : `[… ${list.length} values … ${list.slice(-valuesMax).join(' ')}]`

const describeOperation = ([kind, key, seen]: Operation): string => {
  if (kind === 'append') return `append ${key} ${seen}`
  return `r ${key} ${seen === null ? '?' : shorten(seen)}`
}

/** `T12 (process 3, n2, ok: r 5 [1 2], append 5 3)`. */
export const describeTransaction = (transactions: readonly Transaction[], index: number): string => {
  const { process, node, outcome, operations } = transactions[index]!
  return `T${index} (process ${process}, n${node}, ${outcome}: ${operations.map(describeOperation).join(', ')})`
}

const kindNames: Readonly<Record<number, string>> = {
  [Edge.ww]: 'ww',
  [Edge.wr]: 'wr',
  [Edge.rw]: 'rw',
  [Edge.process]: 'process',
  [Edge.realtime]: 'real time',
}

/** What of two transactions' operations makes the edge between them. */
const reasonOf = (
  transactions: readonly Transaction[],
  orders: Orders,
  from: number,
  to: number,
  kind: number,
): string => {
  const nextWriter = ({ values, writers }: KeyOrder, length: number): number | undefined =>
    length < values.length ? writers.get(values[length]!) : undefined
  for (const [what, key, seen] of transactions[kind === Edge.wr ? to : from]!.operations) {
    const order = orders.get(key)!
    if (kind === Edge.ww && what === 'append') {
      const at = order.values.indexOf(seen)
      const next = nextWriter(order, at + 1)
      if (at !== -1 && next === to) return `key ${key}: ${order.values[at + 1]} follows ${seen}`
      if (at === order.values.length - 1 && isUnread(order, to)) return `key ${key}: after ${seen}, read by nobody`
    }
    if (what === 'append' || seen === null) continue
    const last = seen.at(-1)
    if (kind === Edge.wr && last !== undefined && order.writers.get(last) === from) return `key ${key}: reads ${last}`
    if (kind !== Edge.rw) continue
    const next = seen.length < order.values.length ? order.values[seen.length]! : undefined
    if (next !== undefined && order.writers.get(next) === to) return `key ${key}: reads without ${next}`
    if (next === undefined && isUnread(order, to)) return `key ${key}: reads without what nobody read`
  }
  return ''
}

const isUnread = ({ values, writers }: KeyOrder, writer: number): boolean => {
  const read = new Set(values)
  return [...writers].some(([value, by]) => by === writer && !read.has(value))
}

/** One line per transaction of a cycle, with the edge to the next. */
export const describeCycle = (
  transactions: readonly Transaction[],
  orders: Orders,
  cycle: readonly number[],
  kinds: readonly number[],
): string =>
  cycle
    .map((from, i) => {
      const to = cycle[(i + 1) % cycle.length]!
      const kind = kinds[i]!
      const reason = reasonOf(transactions, orders, from, to, kind)
      const why = reason === '' ? '' : ` (${reason})`
      return `${describeTransaction(transactions, from)}\n  ${kindNames[kind]}${why} → T${to}`
    })
    .join('\n')

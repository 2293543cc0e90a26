/**
 * The order that every correct execution must respect: dependencies between transactions, as edges of a graph.
 *
 * Vertices 0 … n-1 are transactions, later ones auxiliary: they keep the number of edges linear in the size of the history.
 *
 * - Real time: a chain of moments. A transaction points to the moment of its completion, a moment to the next one and to the
 *   transactions invoked after it. That is the transitive reduction without its quadratic worst case.
 * - Appends that nobody read come after all that was read, in unknown order. Whoever read the key's last version has an
 *   anti-dependency on each, except on itself: it points into two chains, of those before and of those behind itself.
 *
 * @module
 */
import { createEdgeList, Edge } from './graph.ts'
import type { EdgeList } from './graph.ts'
import type { Key, Transaction } from './history.ts'
import type { KeyOrder, Orders } from './orders.ts'

export interface Dependencies {
  readonly edges: EdgeList
  readonly vertices: number
}

/** Entries into the chains over a key's unread appends. */
interface UnreadChains {
  /** Transaction → its place among the unread ones. */
  readonly places: ReadonlyMap<number, number>
  /** `before[i]` leads to the places 0 … i. */
  readonly before: readonly number[]
  /** `behind[i]` leads to the places i …. */
  readonly behind: readonly number[]
}

export const dependenciesOf = (transactions: readonly Transaction[], orders: Orders): Dependencies => {
  const edges = createEdgeList()
  let vertices = transactions.length
  const auxiliary = (): number => vertices++
  const unread = new Map<Key, UnreadChains>()
  for (const [key, order] of orders) {
    addVersions(edges, order)
    const chains = addUnread(edges, transactions, order, auxiliary)
    if (chains !== undefined) unread.set(key, chains)
  }
  addReads(edges, transactions, orders, unread)
  addProcesses(edges, transactions)
  addRealTime(edges, transactions, auxiliary)
  return { edges, vertices }
}

const addEdge = (edges: EdgeList, from: number, to: number | undefined, kind: number): void => {
  if (to !== undefined && from !== to) edges.add(from, to, kind)
}

const addVersions = (edges: EdgeList, { values, writers }: KeyOrder): void => {
  let before: number | undefined
  for (const value of values) {
    const writer = writers.get(value)
    if (before !== undefined) addEdge(edges, before, writer, Edge.ww)
    before = writer
  }
}

const addUnread = (
  edges: EdgeList,
  transactions: readonly Transaction[],
  { values, writers }: KeyOrder,
  auxiliary: () => number,
): UnreadChains | undefined => {
  const read = new Set(values)
  const missing = new Set<number>()
  for (const [value, writer] of writers) {
    if (!read.has(value) && transactions[writer]!.outcome === 'ok') missing.add(writer)
  }
  if (missing.size === 0) return undefined
  const last = values.length === 0 ? undefined : writers.get(values.at(-1)!)
  if (last !== undefined) for (const writer of missing) addEdge(edges, last, writer, Edge.ww)

  const writersUnread = [...missing]
  const chain = (order: readonly number[]): number[] => {
    let rest: number | undefined
    return order.map((writer) => {
      const entry = auxiliary()
      edges.add(entry, writer, Edge.link)
      if (rest !== undefined) edges.add(entry, rest, Edge.link)
      rest = entry
      return entry
    })
  }
  return {
    places: new Map(writersUnread.map((writer, place) => [writer, place])),
    before: chain(writersUnread),
    behind: chain(writersUnread.toReversed()).toReversed(),
  }
}

/** wr and rw edges, from each transaction's first read of a key before it appends to that key itself. */
const addReads = (
  edges: EdgeList,
  transactions: readonly Transaction[],
  orders: Orders,
  unread: ReadonlyMap<Key, UnreadChains>,
): void => {
  const touched = new Set<Key>()
  for (const [index, { outcome, operations }] of transactions.entries()) {
    if (outcome !== 'ok') continue
    touched.clear()
    for (const [kind, key, list] of operations) {
      if (touched.has(key)) continue
      touched.add(key)
      if (kind !== 'r' || list === null) continue
      const { values, writers } = orders.get(key)!
      const last = list.at(-1)
      if (last !== undefined) {
        const writer = writers.get(last)
        if (writer !== undefined) addEdge(edges, writer, index, Edge.wr)
        // A list that is no prefix is reported as such; what follows it is not known.
        if (values[list.length - 1] !== last) continue
      }
      if (list.length < values.length) addEdge(edges, index, writers.get(values[list.length]!), Edge.rw)
      else addUnreadSuccessors(edges, index, unread.get(key))
    }
  }
}

const addUnreadSuccessors = (edges: EdgeList, reader: number, chains: UnreadChains | undefined): void => {
  if (chains === undefined) return
  const own = chains.places.get(reader)
  if (own === undefined) {
    addEdge(edges, reader, chains.behind[0], Edge.rw)
    return
  }
  addEdge(edges, reader, chains.before[own - 1], Edge.rw)
  addEdge(edges, reader, chains.behind[own + 1], Edge.rw)
}

const addProcesses = (edges: EdgeList, transactions: readonly Transaction[]): void => {
  const latest = new Map<number, number>()
  for (const [index, { process, outcome }] of transactions.entries()) {
    if (outcome === 'fail') continue
    const before = latest.get(process)
    if (before !== undefined) edges.add(before, index, Edge.process)
    latest.set(process, index)
  }
}

const addRealTime = (edges: EdgeList, transactions: readonly Transaction[], auxiliary: () => number): void => {
  const completions: number[] = []
  for (const [index, { outcome }] of transactions.entries()) if (outcome === 'ok') completions.push(index)
  completions.sort((a, b) => transactions[a]!.completed - transactions[b]!.completed)
  let moment: number | undefined
  let next = 0
  // Transactions stand in the order of their invocations.
  for (const [index, { outcome, invoked }] of transactions.entries()) {
    if (outcome === 'fail') continue
    let fresh: number | undefined
    for (; next < completions.length && transactions[completions[next]!]!.completed < invoked; next++) {
      fresh ??= auxiliary()
      edges.add(completions[next]!, fresh, Edge.realtime)
    }
    if (fresh !== undefined) {
      if (moment !== undefined) edges.add(moment, fresh, Edge.realtime)
      moment = fresh
    }
    if (moment !== undefined) edges.add(moment, index, Edge.realtime)
  }
}

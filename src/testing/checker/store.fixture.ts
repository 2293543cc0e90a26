/**
 * A simulated cluster for the checker's tests: one order of commits, nodes that show prefixes of it, sessions that stay at their
 * node. It keeps snapshot isolation (or serializability), or breaks one rule on purpose.
 *
 * @module
 */
import { createRandom } from '../random.ts'
import { createAppendPlan } from '../workloads/append-plan.ts'
import type { HistoryEvent, Key, Operation } from './history.ts'
import type { FinalRead } from './orders.ts'

/** What the store does wrong. */
export type Fault =
  | 'lost update' // no first-committer-wins: the later commit overwrites
  | 'stale session' // a transaction may begin before its session's last commit
  | 'long fork' // two nodes see the commits to even and odd keys in opposite orders
  | 'read skew' // each read has a snapshot of its own
  | 'dirty read' // open transactions are read
  | 'acknowledged, not done'
  | 'aborted, but done'
  | 'done twice'
  | 'other order' // one node swaps neighbouring values

export interface StoreOptions {
  readonly seed: number
  readonly transactions: number
  readonly processes?: number
  readonly isolation?: 'serial' | 'snapshot' | 'serializable'
  /** How far a node may be behind, commits. */
  readonly lagMax?: number
  readonly fault?: Fault
  /** Share of commits whose answer is lost. */
  readonly unknown?: number
}

interface Version {
  readonly position: number
  readonly list: readonly number[]
}

interface Running {
  readonly operations: readonly Operation[]
  readonly done: Operation[]
  readonly snapshot: number
  readonly own: Map<Key, number[]>
}

interface Process {
  id: number
  readonly node: number
  running: Running | undefined
}

const nodeCount = 4
/** A fault strikes now and then: a store that is always wrong would be easy to catch. */
const faultShare = 0.05

export const simulateStore = (options: StoreOptions): { history: HistoryEvent[]; finals: FinalRead[] } => {
  const { seed, transactions, processes: count = 12, isolation = 'snapshot', lagMax = 3, fault, unknown = 0 } = options
  const random = createRandom(seed)
  const plan = createAppendPlan()
  const versions = new Map<Key, Version[]>()
  const applied = Array.from({ length: nodeCount + 1 }, () => 0)
  const history: HistoryEvent[] = []
  const processes = Array.from({ length: count }, (_, id): Process => ({ id, node: 1 + (id % nodeCount), running: undefined })) // prettier-ignore
  let head = 0
  let begun = 0
  let nextProcess = count

  const strikes = (name: Fault, share = faultShare): boolean => fault === name && random.chance(share)
  const record = (process: Process, type: HistoryEvent['type'], value: readonly Operation[]): void => {
    history.push({ process: process.id, node: process.node, type, value, time: history.length })
  }
  const listAt = (key: Key, position: number): readonly number[] => {
    const all = versions.get(key) ?? []
    for (let i = all.length - 1; i >= 0; i--) if (all[i]!.position <= position) return all[i]!.list
    return []
  }
  const begin = (process: Process): void => {
    const operations = plan.next(random)
    record(process, 'invoke', operations)
    begun += 1
    applied[process.node] = Math.max(applied[process.node]!, head - random.int(lagMax + 1))
    const lag = strikes('stale session') ? 20 : 0
    const snapshot = isolation === 'serial' ? head : Math.max(0, applied[process.node]! - lag)
    process.running = { operations, done: [], snapshot, own: new Map() }
  }
  const read = (process: Process, { snapshot, own }: Running, key: Key): readonly number[] => {
    let position = snapshot
    if (fault === 'read skew') position = head
    if (fault === 'long fork' && (key + process.node) % 2 === 0) position = Math.max(0, snapshot - 3)
    const list = listAt(key, position)
    const dirty = strikes('dirty read', 0.3) ? openAppends(processes, process, key) : []
    const seen = [...list, ...dirty, ...(own.get(key) ?? [])]
    return strikes('other order') ? swapLast(seen) : seen
  }
  const step = (process: Process, running: Running): void => {
    const operation = running.operations[running.done.length]!
    const [kind, key, value] = operation
    if (kind === 'append') {
      running.own.set(key, [...(running.own.get(key) ?? []), value])
      running.done.push(operation)
    } else running.done.push(['r', key, read(process, running, key)])
  }
  const conflicts = ({ operations, snapshot, own }: Running): boolean => {
    const guarded = isolation === 'snapshot' ? [...own.keys()] : operations.map(([, key]) => key)
    return guarded.some((key) => (versions.get(key)?.at(-1)?.position ?? 0) > snapshot)
  }
  const write = (process: Process, { snapshot, own }: Running): void => {
    if (own.size === 0) return
    head += 1
    for (const [key, values] of own) {
      const base = fault === 'lost update' ? listAt(key, snapshot) : listAt(key, head)
      const twice = strikes('done twice') ? values : []
      const all = versions.get(key) ?? []
      all.push({ position: head, list: [...base, ...values, ...twice] })
      versions.set(key, all)
    }
    applied[process.node] = head
  }
  const commit = (process: Process, running: Running): void => {
    process.running = undefined
    if (random.chance(unknown)) {
      if (random.chance(0.5) && !conflicts(running)) write(process, running)
      record(process, 'info', running.operations)
      process.id = nextProcess++
      return
    }
    const overwrites = strikes('lost update')
    if (!overwrites && isolation !== 'serial' && conflicts(running)) {
      if (strikes('aborted, but done')) write(process, running)
      return record(process, 'fail', running.operations)
    }
    if (!strikes('acknowledged, not done')) write(process, running)
    record(process, 'ok', running.done)
  }
  const advance = (process: Process): void => {
    if (process.running === undefined) begin(process)
    else if (process.running.done.length < process.running.operations.length) step(process, process.running)
    else commit(process, process.running)
  }

  while (begun < transactions || processes.some(({ running }) => running !== undefined)) {
    const open = processes.filter(({ running }) => running !== undefined || begun < transactions)
    const process = random.pick(isolation === 'serial' ? serialTurn(open) : open)
    advance(process)
  }
  const lists = new Map(plan.keys().map((key) => [key, listAt(key, head)]))
  const finals = Array.from({ length: nodeCount }, (_, index) => ({ node: index + 1, lists }))
  return { history, finals }
}

/** Who has begun goes on to the end; else anybody. */
const serialTurn = (open: readonly Process[]): readonly Process[] => {
  const running = open.filter((process) => process.running !== undefined)
  return running.length > 0 ? running : open
}

const openAppends = (processes: readonly Process[], reader: Process, key: Key): number[] => {
  const writer = processes.find((process) => process !== reader && process.running?.own.has(key))
  return writer?.running?.own.get(key) ?? []
}

const swapLast = (list: readonly number[]): number[] => {
  if (list.length < 2) return [...list]
  return [...list.slice(0, -2), list.at(-1)!, list.at(-2)!]
}

/**
 * A stand-in for one PostgreSQL server: rows, row locks held by open transactions, commits in order (a crash may take the
 * newest away, as with synchronous_commit=off), and a decoding stream that shows captures and rollbacks in WAL order.
 *
 * @module
 */
import { assert } from '../../../core/errors.ts'
import type { StreamedTransaction } from '../../capture/decoder.ts'

export interface Transaction {
  readonly xid: bigint
  /** Row → its new value, read under the lock and counted up by one. */
  readonly writes: Map<string, number>
  state: 'open' | 'committed' | 'rolled back'
  /** What the capture stream would hold; only the fields that submissions look at. */
  readonly changes: StreamedTransaction
}

/** Who applies, each with a replication origin of its own. */
export type Origin = 'worker' | 'sql'

export interface Commit {
  /** A local transaction. */
  readonly xid?: bigint
  /** A remote one: its origin's new position. */
  readonly position?: number
  readonly origin?: Origin
  readonly writes: ReadonlyMap<string, number>
}

export interface SimServer {
  readonly commits: readonly Commit[]
  read(row: string): number
  begin(): Transaction
  /** True when the row's lock is held now. */
  lock(transaction: Transaction, row: string): boolean
  commit(transaction: Transaction): void
  rollback(transaction: Transaction): void
  /** The stream shows what was captured, once its turn comes. */
  capture(transaction: Transaction, shown: () => void): void
  /** Shows the next event of the stream. */
  show(): void
  readonly unseen: number
  /** Who holds any of the rows. */
  blockerOf(rows: Iterable<string>): Transaction | undefined
  applyRemote(origin: Origin, position: number, writes: ReadonlyMap<string, number>): void
  committed(xid: bigint): boolean
  /** The larger of both origins' positions. */
  readonly origin: number
  readonly open: readonly Transaction[]
  /** All backends end. @param lost how many of the newest commits never reached the disk */
  crash(lost: number): void
  state(): string
}

const changesOf = (xid: bigint): StreamedTransaction =>
  ({
    xid: Number(xid),
    aborted: false,
    onAborted: undefined,
    log: { dispose: () => undefined },
  }) as unknown as StreamedTransaction

export const createSimServer = (): SimServer => {
  let commits: Commit[] = []
  let rows = new Map<string, number>()
  let committed = new Set<bigint>()
  let origins = { worker: 0, sql: 0 }
  let nextXid = 100n
  const locks = new Map<string, Transaction>()
  const open = new Set<Transaction>()
  let stream: (() => void)[] = []

  const record = (commit: Commit): void => {
    commits.push(commit)
    for (const [row, value] of commit.writes) rows.set(row, value)
    if (commit.xid !== undefined) committed.add(commit.xid)
    if (commit.position !== undefined && commit.origin !== undefined) {
      assert(commit.position > origins[commit.origin], 'the origin moves forward')
      origins[commit.origin] = commit.position
    }
  }

  const end = (transaction: Transaction, state: 'committed' | 'rolled back'): void => {
    assert(transaction.state === 'open', 'a transaction ends once')
    transaction.state = state
    open.delete(transaction)
    for (const [row, holder] of locks) if (holder === transaction) locks.delete(row)
  }

  return {
    get commits() {
      return commits
    },
    read: (row) => rows.get(row) ?? 0,
    begin() {
      const xid = nextXid
      nextXid += 1n
      const transaction: Transaction = { xid, writes: new Map(), state: 'open', changes: changesOf(xid) }
      open.add(transaction)
      return transaction
    },
    lock(transaction, row) {
      const holder = locks.get(row)
      if (holder === undefined) locks.set(row, transaction)
      return holder === undefined || holder === transaction
    },
    commit(transaction) {
      end(transaction, 'committed')
      record({ xid: transaction.xid, writes: transaction.writes })
    },
    rollback(transaction) {
      if (transaction.state !== 'open') return
      end(transaction, 'rolled back')
      stream.push(() => {
        const { changes } = transaction
        changes.aborted = true
        changes.onAborted?.()
      })
    },
    capture(_transaction, shown) {
      stream.push(shown)
    },
    show() {
      stream.shift()?.()
    },
    get unseen() {
      return stream.length
    },
    blockerOf(wanted) {
      for (const row of wanted) {
        const holder = locks.get(row)
        if (holder !== undefined) return holder
      }
      return undefined
    },
    applyRemote(origin, position, writes) {
      record({ origin, position, writes })
    },
    committed: (xid) => committed.has(xid),
    get origin() {
      return Math.max(origins.worker, origins.sql)
    },
    get open() {
      return [...open]
    },
    crash(lost) {
      for (const transaction of open) end(transaction, 'rolled back')
      stream = []
      const kept = commits.slice(0, Math.max(0, commits.length - lost))
      commits = []
      rows = new Map()
      committed = new Set()
      origins = { worker: 0, sql: 0 }
      for (const commit of kept) record(commit)
    },
    state: () => JSON.stringify([...rows].toSorted(([a], [b]) => (a < b ? -1 : 1))),
  }
}

/**
 * Questions to the local server that the fast path never asks: who blocks an apply, did a transaction commit, is it still
 * open, what do the conflict counters say. One connection of its own, so that none of them waits behind DDL.
 *
 * @module
 */
import { waitedFor, type WaitedFor } from './apply/waiting-for.ts'
import { transactionCommitted, type Query } from './recovery/progress.ts'
import type { Xid } from '../core/ids.ts'

export interface Inspector {
  blockersOf(pids: readonly number[]): Promise<readonly number[]>
  waitedFor(pids: readonly number[]): Promise<WaitedFor | undefined>
  /** The backend of a database's apply worker. @param oid the database's */
  workerPid(oid: number): Promise<number | undefined>
  /** Processes of the server that are connected to a database, clients' and the agent's; not autovacuum's. */
  connected(oid: number): Promise<readonly number[]>
  committed(xid: Xid): Promise<boolean>
  /** Is this backend still in that transaction, its locks held? */
  stillOpen(backendPid: number, xid: bigint): Promise<boolean>
  cancel(pid: number): Promise<void>
  terminate(pid: number): Promise<void>
  /** Sum of the apply worker's conflict counters; any rise means that the node differs from the journal. */
  applyConflicts(): Promise<number>
}

const conflictColumns = [
  'confl_insert_exists',
  'confl_update_origin_differs',
  'confl_update_exists',
  'confl_update_missing',
  'confl_delete_origin_differs',
  'confl_delete_missing',
  'confl_multiple_unique_conflicts',
]

/**
 * Nobody blocks what waits for a transaction to end (CREATE INDEX CONCURRENTLY, once its index is in the catalog): it holds no
 * apply up.
 */
const blockersSql = `SELECT DISTINCT unnest(pg_blocking_pids(p))::text AS pid FROM unnest($1::int4[]) p
  WHERE NOT EXISTS (SELECT FROM pg_stat_get_activity(p) a WHERE a.wait_event = 'virtualxid')`

export const createInspector = async (query: Query): Promise<Inspector> => {
  const existing = await query(
    `SELECT attname FROM pg_attribute WHERE attrelid = 'pg_stat_subscription_stats'::regclass AND attname = ANY ($1)`,
    [conflictColumns],
  )
  // PostgreSQL 17 has none of them: there, only the server's log tells.
  const sum = existing.map((row) => `coalesce(sum(${row['attname']}), 0)`).join(' + ') || '0'
  return {
    async blockersOf(pids) {
      const rows = await query(blockersSql, [[...pids]])
      return rows.map((row) => Number(row['pid'])).filter((pid) => pid > 0)
    },
    async waitedFor(pids) {
      for (const pid of pids) {
        const waited = await waitedFor(query, pid)
        if (waited !== undefined) return waited
      }
      return undefined
    },
    async workerPid(oid) {
      const rows = await query(
        `SELECT pid::text AS pid FROM pg_stat_activity
          WHERE backend_type = 'logical replication apply worker' AND datid = $1 LIMIT 1`,
        [oid],
      )
      return rows[0]?.['pid'] == null ? undefined : Number(rows[0]['pid'])
    },
    async connected(oid) {
      const rows = await query(
        `SELECT pid::text AS pid FROM pg_stat_activity
          WHERE datid = $1 AND backend_type NOT IN ('autovacuum worker', 'parallel worker')`,
        [oid],
      )
      return rows.map((row) => Number(row['pid']))
    },
    committed: (xid) => transactionCommitted(query, xid),
    async stillOpen(backendPid, xid) {
      const rows = await query(
        `SELECT 1 AS open FROM pg_stat_activity WHERE pid = $1 AND backend_xid = ($2::numeric % 4294967296)::text::xid`,
        [backendPid, xid.toString()],
      )
      return rows.length > 0
    },
    async cancel(pid) {
      await query('SELECT pg_cancel_backend($1)', [pid])
    },
    async terminate(pid) {
      await query('SELECT pg_terminate_backend($1)', [pid])
    },
    async applyConflicts() {
      const rows = await query(`SELECT (${sum})::text AS conflicts FROM pg_stat_subscription_stats`)
      return Number(rows[0]?.['conflicts'] ?? 0)
    },
  }
}

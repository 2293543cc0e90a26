/**
 * Lineage: which incarnation of which node used which transaction ids of this data folder (RULES 3). A copy holds its donor's
 * transactions under the donor's xids, and then counts on with its own; a restored copy of a node holds fewer of that node's
 * than the journal. `pg_xact_status(905)` is an answer about the journal's 905 only where this folder's 905 was the same.
 *
 * The table allwrite.lineage lies in the folder itself, so whoever copies the folder copies its lineage: rows (node, incarnation,
 * xid_from, xid_to), half-open, the last one open. Each start of an agent closes the open row and adds its own, at the next xid that
 * the recovered server would have given out. So:
 *
 * 1. A record (node, incarnation, xid) may have committed here under its own xid exactly if a row of that node and incarnation
 *    holds the xid. All else can be here only by apply, which the replication origin tells.
 * 2. The row is flushed before any record of its incarnation is in the journal: the capture message of each flushes the log.
 *
 * @module
 */
import type { Incarnation, NodeId, Position, Xid } from '../../core/ids.ts'
import { assert } from '../../core/errors.ts'
import type { RememberedFence } from '../order/verdict-log.ts'
import type { Query } from './progress.ts'

/** Stands for the time between a copy's first start and its node's first incarnation on it: nothing is journaled then. */
export const beforeFirstIncarnation = 0

export interface Lineage {
  /** Did that incarnation run on this folder, or on one that it is a copy of? */
  knows(node: NodeId, incarnation: Incarnation): boolean
  /** May that transaction have committed in this folder under its own xid? */
  holds(node: NodeId, incarnation: Incarnation, xid: Xid): boolean
}

interface Row {
  readonly from: bigint
  /** Exclusive. */
  readonly to: bigint
}

/**
 * The first xid that nobody has used. Of the checkpoint that ended recovery, or of the shutdown before: exact, where a current
 * snapshot may already be behind something of autovacuum's.
 */
const nextXidSql = `least(
  (split_part(next_xid, ':', 1)::numeric * 4294967296 + split_part(next_xid, ':', 2)::numeric)::text::xid8,
  pg_snapshot_xmax(pg_current_snapshot())) FROM pg_control_checkpoint()`

/**
 * Adds the incarnation that begins now, and reads the whole. Before the first transaction of it, before capture begins.
 * @param fences at or below `held`: what they void can't be met again, so its rows are forgotten
 */
export const continueLineage = async (
  query: Query,
  self: { readonly node: NodeId; readonly incarnation: number },
  fences: ReadonlyMap<NodeId, readonly RememberedFence[]>,
  held: Position,
): Promise<Lineage> => {
  for (const [node, known] of fences) {
    const newest = known.findLast((fence) => fence.position <= held)
    if (newest === undefined) continue
    await query('DELETE FROM allwrite.lineage WHERE node = $1 AND incarnation < $2 AND xid_to IS NOT NULL', [
      node,
      newest.incarnation,
    ])
  }
  await query(
    `WITH next AS (SELECT ${nextXidSql}),
          closed AS (UPDATE allwrite.lineage SET xid_to = (SELECT least FROM next) WHERE xid_to IS NULL)
     INSERT INTO allwrite.lineage (node, incarnation, xid_from) SELECT $1, $2, least FROM next`,
    [self.node, self.incarnation],
  )
  const rows = new Map<string, Row[]>()
  for (const row of await query(
    'SELECT node::text, incarnation::text, xid_from::text, xid_to::text FROM allwrite.lineage',
  )) {
    const key = `${row['node']}/${row['incarnation']}`
    const to = row['xid_to'] == null ? undefined : BigInt(row['xid_to'])
    assert(to !== undefined || key === `${self.node}/${self.incarnation}`, 'only the newest row is open')
    rows.set(key, [...(rows.get(key) ?? []), { from: BigInt(row['xid_from'] ?? 0), to: to ?? 2n ** 64n }])
  }
  return {
    knows: (node, incarnation) => rows.has(`${node}/${incarnation}`),
    holds: (node, incarnation, xid) =>
      rows.get(`${node}/${incarnation}`)?.some(({ from, to }) => xid >= from && xid < to) ?? false,
  }
}

/**
 * What a server can prove about itself after a restart: how far remote writesets are applied (replication origins, moved
 * in the same commits), and whether one of its own transactions committed (`pg_xact_status`; its xid stands in the
 * journal). Nothing was written for this on the fast path (ARCHITECTURE, Crash recovery).
 *
 * @module
 */
import type { Lsn, Position, Xid } from '../../core/ids.ts'
import { lsn, position, positionOfLsn } from '../../core/ids.ts'
import { AllwriteError } from '../../core/errors.ts'

/** The origin under which the first database's rows that come by SQL are recorded; others' with their OID behind it. */
export const sqlOriginName = 'allwrite_sql'
/** Every database has one of this name. */
const subscriptionName = 'allwrite'

/** Runs one query; rows as objects of texts. */
export type Query = (
  sql: string,
  values?: readonly unknown[],
) => Promise<readonly Readonly<Record<string, string | null>>[]>

const parseLsn = (text: string): Lsn => {
  const [high = '0', low = '0'] = text.split('/')
  return lsn((BigInt(`0x${high}`) << 32n) | BigInt(`0x${low}`))
}

/**
 * The largest position that the agent's appliers have committed, of any database: everything up to it is applied here, since none of them
 * begins before what another one was given is committed (ADR 30).
 */
export const originPosition = async (query: Query): Promise<Position> => {
  const rows = await query(
    `SELECT s.remote_lsn::text AS lsn FROM pg_replication_origin_status s
     JOIN pg_replication_origin o ON o.roident = s.local_id
    WHERE o.roname ~ $1 OR o.roname IN (SELECT 'pg_' || oid FROM pg_subscription WHERE subname = $2)`,
    [`^${sqlOriginName}(_\\d+)?$`, subscriptionName],
  )
  return rows.reduce((max, row) => {
    const at = positionOfLsn(parseLsn(row['lsn'] ?? '0/0'))
    return at > max ? at : max
  }, position(0))
}

/**
 * Did this transaction commit at this server? Only for transactions of this data directory's lineage (RULES 3), and only
 * while no predecessor's backend lives: "in progress" is never "not committed" (RULES 1).
 * @throws AllwriteError postgres when the server can't tell
 */
export const transactionCommitted = async (query: Query, id: Xid): Promise<boolean> => {
  const rows = await query('SELECT pg_xact_status($1::xid8) AS status', [id.toString()])
  const status = rows[0]?.['status']
  if (status === 'committed') return true
  if (status === 'aborted') return false
  throw new AllwriteError(
    'postgres',
    `the server can't tell whether its transaction ${id} committed (${status ?? 'too old'})`,
  )
}

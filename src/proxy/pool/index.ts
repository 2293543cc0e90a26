/**
 * Transaction pooling in front of nodes: clients keep their connections, whatever becomes of the nodes' (ADR 28, 29). A connection to
 * a node is borrowed for a transaction; the session's state goes along, and what can't go along pins the session, for a reason that
 * is shown.
 *
 * Contract: see pool.ts (clients and logins), session.ts (one client), failover.ts (a lost connection).
 *
 * @module
 */
export { openPool, type ClientInfo, type Pool, type PoolOptions } from './pool.ts'
export type { FailoverCounts } from './session-context.ts'
export { checkedSettings, settingFromText, type PoolSettings } from './settings.ts'

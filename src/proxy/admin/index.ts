/**
 * PgBouncer's admin database, in front of a pool: what watches a PgBouncer or pauses it finds here what it knows (ADR 39).
 *
 * Contract: a client of the database {@link adminName} that is a superuser is given a {@link Console}; the pool answers for itself by
 * {@link Controls}.
 *
 * @module
 */
export { consoleParameters } from './answers.ts'
export { Console } from './console.ts'
export {
  noTotals,
  type ClientEntry,
  type Controls,
  type PoolEntry,
  type ServerEntry,
  type SettingEntry,
  type Snapshot,
  type Totals,
} from './snapshot.ts'
export { adminName } from './tables.ts'

/**
 * Specs of PostgreSQL's own that come out otherwise through an agent, all sessions at one node, and why.
 *
 * @module
 */

const waiters =
  'Who waits for a lock and does not write loses to the one before (40001), unless it is a SELECT … FOR UPDATE that begins a READ COMMITTED ' +
  'transaction (docs/GUARANTEES.md, locks between nodes).'

/** Spec's name → the reason. */
export const differences: Readonly<Record<string, string>> = {
  'deadlock-hard': waiters,
  'deadlock-soft-2': waiters,
}

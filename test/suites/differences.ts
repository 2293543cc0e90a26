/**
 * What suites of the world show to be otherwise than in PostgreSQL, and why it stays so for now. docs/COMPATIBILITY.md tells it to users.
 *
 * @module
 */
import type { Known } from './suite.ts'

const largeObjects = 'Large objects are refused (0A000, docs/GUARANTEES.md): logical decoding does not show them.'
const literals =
  'SET standard_conforming_strings = off is refused (0A000): the agent reads statements with the standard’s literals.'
const processId =
  'The process id that a client is given at login is the agent’s: it says which node and session a CancelRequest is for. The server’s ' +
  'own, which pg_terminate_backend() takes, is what SELECT pg_backend_pid() answers.'
const rowTypes =
  'A transaction can’t make a row type and write rows that hold its values (0A000): the walsender, which opens the type to print a value, ' +
  'would wait for the transaction, and the transaction for the walsender. Dumps with composite types are loaded without -1.'
const replication = 'A node’s server replicates: it has replication slots and connections, a bare server has none.'
const plpgsql =
  'PL/pgSQL is loaded in every session of a node, whose login trigger is in it; pg_settings shows its settings.'

export const differences: readonly Known[] = [
  { suite: 'pgx', test: 'TestLargeObjects*', reason: largeObjects },
  { suite: 'pgx', test: 'TestConnSimpleProtocolRefusesNonStandardConformingStrings', reason: literals },
  { suite: 'pgx', test: 'TestFatalRxError', reason: processId },
  { suite: 'pgx', test: 'TestFatalTxError', reason: processId },
  { suite: 'dumps', test: 'psql loads it in one transaction*', reason: rowTypes },
  { suite: 'dumps', test: 'pg_restore in one transaction*', reason: rowTypes },
  { suite: 'programs', test: 'exporter: pg_replication_slots_*', reason: replication },
  { suite: 'programs', test: 'exporter: pg_stat_replication_*', reason: replication },
  { suite: 'programs', test: 'exporter: pg_settings_plpgsql_*', reason: plpgsql },
  { suite: 'jdbc', test: 'large objects', reason: largeObjects },
]

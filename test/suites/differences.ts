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

export const differences: readonly Known[] = [
  { suite: 'pgx', test: 'TestLargeObjects*', reason: largeObjects },
  { suite: 'pgx', test: 'TestConnSimpleProtocolRefusesNonStandardConformingStrings', reason: literals },
  { suite: 'pgx', test: 'TestFatalRxError', reason: processId },
  { suite: 'pgx', test: 'TestFatalTxError', reason: processId },
  { suite: 'jdbc', test: 'large objects', reason: largeObjects },
]

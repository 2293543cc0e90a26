/**
 * What a statement is, before it runs: the guard's first half (RULES 4). A client's text is split into single statements, and each is
 * sorted by what the session must do with it: run it as it is in a read-only backend, wrap it as a write, journal its text,
 * keep it on this node, or refuse it.
 *
 * Contract:
 * 1. `harmless` is a proof, by white list and catalog: no write, no row lock, no user code. Everything unknown is `write`.
 * 2. The pieces are exactly the statements PostgreSQL's parser sees. Each must be sent by Parse (the server refuses two in
 *    one), so that a difference of lexers can never run something that was not judged.
 * 3. A verdict depends on the text, the catalog ({@link HarmlessContext}; `setContext` after every change of it) and
 *    {@link SessionFacts}, nothing else.
 * 4. No plaintext password leaves in a `journaled` text.
 *
 * Failure cases: a syntax error is `invalid` (the server words it); what exhausts the parser is `refused` with 54001; nothing
 * throws. What no text shows is not judged here: serializable by `set_config` or ALTER DATABASE (look at `transaction_isolation`
 * before the append), domain-typed parameters, writes of triggers and functions (the writeset shows them, RULES 5).
 *
 * @module
 */
export type {
  BeginStatement,
  ClassifiedQuery,
  ClassifiedStatement,
  CopyInStatement,
  EmptyStatement,
  EndStatement,
  GuardSettingStatement,
  HarmlessContext,
  HarmlessStatement,
  InvalidStatement,
  Isolation,
  JournaledStatement,
  LocalStatement,
  LockedTable,
  RefusedStatement,
  SavepointStatement,
  SessionFacts,
  SettingStatement,
  TransactionModes,
  WriteStatement,
} from './contract.ts'
export { createStatementClassifier, freshSession } from './classifier.ts'
export type { ClassifierOptions, StatementClassifier } from './classifier.ts'
export { loadHarmlessContext, nothingHarmless } from './context.ts'
export type { ContextQuery } from './context.ts'
export { loadParser } from './parser.ts'
export type { RandomBytes } from './roles.ts'
export { settingRefusal } from './settings.ts'
export { splitStatements } from './split.ts'

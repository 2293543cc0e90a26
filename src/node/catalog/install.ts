/**
 * The SQL side of Allwrite: schema `allwrite` in every server, the same on all nodes.
 *
 * Contract: run {@link installSchema} on the agent's connection (superuser `allwrite`) in the template, before the first
 * client and before any copy is made of it; again after an update of Allwrite, before the node serves. After each start
 * of a server, before anything is applied, run `SELECT allwrite.forget_node(), allwrite.settle()` with
 * `session_replication_role = replica`: ranges of sequences that a crash or a copy forgot are voided there. When the agent
 * has applied its own fence, before the first client: `SELECT allwrite.set_node(node, nodes)` (sql/sequences.ts, Shares).
 * Failure: all or nothing (one transaction); errors are PostgreSQL's.
 *
 * @module
 */
import { createHash } from 'node:crypto'
import { applySql } from './sql/apply.ts'
import { builtinsSql } from './sql/builtins.ts'
import { captureSql } from './sql/capture.ts'
import { concurrentSql } from './sql/concurrent.ts'
import { databasesSql } from './sql/databases.ts'
import { ddlTextSql } from './sql/ddl-text.ts'
import { ddlSql } from './sql/ddl.ts'
import { loginSql } from './sql/login.ts'
import { materializedViewsSql } from './sql/materialized-views.ts'
import { notifySql } from './sql/notify.ts'
import { outcomeSql } from './sql/outcome.ts'
import { proxyRoleSql } from './sql/proxy-role.ts'
import { publicationsSql } from './sql/publications.ts'
import { rowLocksSql } from './sql/row-locks.ts'
import { sequencesSql } from './sql/sequences.ts'
import { sessionStateSql } from './sql/session-state.ts'
import { settleSql } from './sql/settle.ts'
import { tablesSql } from './sql/tables.ts'
import { sequenceCatalogSql, sequenceViewsSql, sessionsViewSql } from './sql/views.ts'
import { turnTablesSql } from './sql/turn-tables.ts'

/** As much of `pg.Client` as this folder needs. Queries may hold several statements when they have no result to read. */
export interface SqlClient {
  query(sql: string): Promise<{ readonly rows: readonly Readonly<Record<string, unknown>>[] }>
}

/** Raised whenever the SQL changes; a server that has it already is left alone. */
export const schemaVersion = 14

export interface InstallOptions {
  /** What callers of `allwrite.journal_statement` must show; only its SHA-256 is stored. */
  readonly agentSecret: string
}

/** Installs or updates schema `allwrite` in the connected database. Idempotent; one transaction. */
export const installSchema = async (client: SqlClient, options: InstallOptions): Promise<void> => {
  const digest = createHash('sha256').update(options.agentSecret, 'utf8').digest('hex')
  const steps = [
    'BEGIN',
    // Our own event triggers must not judge us, and "$user" would be schema allwrite.
    'SET LOCAL session_replication_role = replica; SET LOCAL search_path = pg_catalog; SET LOCAL client_min_messages = warning',
    tablesSql,
    sequenceCatalogSql,
    builtinsSql,
    notifySql,
    sequencesSql,
    sequenceViewsSql,
    sessionsViewSql,
    settleSql,
    ddlTextSql,
    materializedViewsSql,
    publicationsSql,
    applySql,
    ddlSql,
    captureSql,
    sessionStateSql,
    turnTablesSql,
    concurrentSql,
    databasesSql,
    rowLocksSql,
    outcomeSql,
    proxyRoleSql(options.agentSecret),
    loginSql,
    `INSERT INTO allwrite.secret VALUES ('\\x${digest}') ON CONFLICT DO NOTHING`,
    `DELETE FROM allwrite.secret WHERE sha256 <> '\\x${digest}'`,
    `DELETE FROM allwrite.installed; INSERT INTO allwrite.installed VALUES (${schemaVersion})`,
    'COMMIT',
  ]
  try {
    for (const step of steps) await client.query(step)
  } catch (thrown) {
    await client.query('ROLLBACK')
    throw thrown
  }
}

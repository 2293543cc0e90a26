/**
 * A database is a copy of a template, and has what its schema `allwrite` needs only when its agent has opened it. So the templates get the
 * login trigger (ADR 32): from its first moment on, nobody but the agent logs in at a new database.
 *
 * Contract: before anything of the journal is executed. Idempotent; done once in the life of a data folder and its copies.
 *
 * @module
 */
import { loginSql } from './catalog/sql/login.ts'
import type { Query } from './recovery/progress.ts'
import type { LocalServer } from './server.ts'

/** Those without it, and one that was left open when the agent ended in here. */
const dueSql = `SELECT datname::text AS name FROM pg_database
  WHERE datname IN ('template0', 'template1') AND NOT dathasloginevt OR datname = 'template0' AND datallowconn`

/** @param query asks the first database, where it may write */
export const guardTemplates = async (server: LocalServer, query: Query): Promise<void> => {
  for (const row of await query(dueSql)) {
    const name = row['name'] ?? ''
    await query(`ALTER DATABASE ${name} ALLOW_CONNECTIONS true`)
    const client = await server.connectSpare('templates', name)
    try {
      await client.query('SET default_transaction_read_only = off; SET session_replication_role = replica')
      await client.query(`CREATE SCHEMA IF NOT EXISTS allwrite AUTHORIZATION allwrite; ${loginSql}`)
    } finally {
      await client.end()
    }
    if (name === 'template0') await query(`ALTER DATABASE ${name} ALLOW_CONNECTIONS false`)
  }
}

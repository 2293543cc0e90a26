/**
 * The node's own PostgreSQL server: started, its `allwrite` schema installed, its publication and its subscription to our
 * publisher made. Everything here is node-local and idempotent: a fresh data folder and an old one end in the same state.
 *
 * Failure: any error ends the agent; its supervisor starts it anew.
 *
 * @module
 */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import pg from 'pg'
import { AllwriteError } from '../core/errors.ts'
import { copyDataDir, endLeftover, locateBinaries, startPostgres, type PostgresServer } from '../postgres/index.ts'
import { databasesMax } from './catalog/sql/databases.ts'
import type { Query } from './recovery/progress.ts'
import { userSlotsMax } from './replication/slots.ts'

/** The agent's superuser role, its schema, publication, slot and subscription all bear this name. */
export const agentRole = 'allwrite'
/** Names the server's socket in its private folder. */
const socketPort = 5432
/** Server connections beyond client sessions: control, watch, indexes, donors, autovacuum's needs; and per database: */
const spareConnections = 20
/** Control, applier, leases, ranges; the capture's is a WAL sender. */
const connectionsPerDatabase = 4
/** Names the first database's publisher's socket, in libpq's way; the others' are above it. */
export const publisherPortMin = 5433

export interface ServerOptions {
  readonly pgBin: string | undefined
  readonly dataDir: string
  readonly templateDir: string
  /** Private folder for sockets. */
  readonly socketDir: string
  readonly logFile: string
  readonly fsync: boolean
  readonly sessionsMax: number
  readonly database: string
  readonly agentPassword: string
  /** Beyond what every node's server has. */
  readonly settings?: Readonly<Record<string, string>>
  readonly onExit: () => void
}

export interface LocalServer {
  readonly postgres: PostgresServer
  readonly socketPath: string
  /**
   * A new connection as the agent's role, to the first database if none is named; a lost one is fatal for the agent, or what `onLost`
   * makes of it.
   */
  connect(name: string, database?: string, onLost?: () => void): Promise<pg.Client>
  /** One that may be lost: its queries fail then. */
  connectSpare(name: string, database?: string): Promise<pg.Client>
}

const settingsOf = (options: ServerOptions): Record<string, string> => ({
  listen_addresses: '',
  wal_level: 'logical',
  fsync: options.fsync ? 'on' : 'off',
  // A page torn by a crash of the machine can't be told from a good one without it; without fsync nothing can.
  full_page_writes: options.fsync ? 'on' : 'off',
  // The capture message's flush makes a transaction durable here; the journal makes it durable at all.
  synchronous_commit: 'off',
  max_connections: String(options.sessionsMax + spareConnections + connectionsPerDatabase * databasesMax),
  max_wal_senders: String(databasesMax + 8 + userSlotsMax),
  // Twice: by a function there may be more of them for a moment (replication/slots.ts).
  max_replication_slots: String(databasesMax + 8 + 2 * userSlotsMax),
  // A subscription's and the SQL applier's for each.
  max_active_replication_origins: String(2 * databasesMax + 8),
  max_logical_replication_workers: String(databasesMax + 4),
  max_worker_processes: String(databasesMax + 16),
  // Prepared transactions commit by name, from anywhere: around the agent (RULES 4).
  max_prepared_transactions: '0',
  wal_retrieve_retry_interval: '100ms',
  // The agent ends with its server and starts both anew: a recovery of the server's own would only be cut short.
  restart_after_crash: 'off',
  // Of the apply worker's, whose publisher's death is seen by its socket: this one would go by a clock that may jump.
  wal_receiver_timeout: '0',
  password_encryption: 'scram-sha-256',
})

const parameters = { datestyle: 'ISO, MDY', intervalstyle: 'postgres', timezone: 'UTC', extra_float_digits: '3' }

/** Start-up settings of the replication connection: values in the stream look the same on every node (TRAPS, Capture). */
export const captureSettings: readonly (readonly [string, string])[] = [
  ['replication', 'database'],
  ...Object.entries(parameters),
]

/** The server's socket in its private folder. */
export const socketPathIn = (socketDir: string): string => join(socketDir, `.s.PGSQL.${socketPort}`)

export interface AgentConnectionOptions {
  readonly socketDir: string
  readonly database: string
  readonly agentPassword: string
  /** Shown in pg_stat_activity. */
  readonly name: string
  readonly onLost: () => void
  /** Bound of the login, and of each answer, ms; without it they are waited for as long as the server lives. */
  readonly answerMsMax?: number
}

/** A new connection to a server as the agent's role. */
export const connectAsAgent = async (options: AgentConnectionOptions): Promise<pg.Client> => {
  const client = new pg.Client({
    host: options.socketDir,
    port: socketPort,
    user: agentRole,
    password: options.agentPassword,
    database: options.database,
    application_name: `allwrite ${options.name}`,
    ...(options.answerMsMax === undefined
      ? {}
      : { connectionTimeoutMillis: options.answerMsMax, query_timeout: options.answerMsMax }),
    options: Object.entries(parameters)
      .map(([key, value]) => `-c ${key}=${value.replaceAll(' ', '\\ ')}`)
      .join(' '),
  })
  // Lost connections are noticed by their next query; without a listener the event would end the process.
  client.on('error', options.onLost)
  await client.connect()
  return client
}

export const startServer = async (options: ServerOptions): Promise<LocalServer> => {
  const binaries = await locateBinaries(options.pgBin)
  // A predecessor's backends may hold an append's transaction: they end before anything is asked (RULES 1).
  await endLeftover(options.dataDir)
  if (!existsSync(join(options.dataDir, 'PG_VERSION')))
    await copyDataDir(options.templateDir, options.dataDir, { fsync: options.fsync })
  const postgres = await startPostgres({
    binaries,
    dataDir: options.dataDir,
    socketDir: options.socketDir,
    port: socketPort,
    settings: { ...settingsOf(options), ...options.settings },
    logFile: options.logFile,
    onExit: options.onExit,
  })
  const connect = (name: string, database = options.database, onLost = options.onExit): Promise<pg.Client> =>
    connectAsAgent({ ...options, database, name, onLost })
  const connectSpare = (name: string, database?: string): Promise<pg.Client> => connect(name, database, () => undefined)
  return { postgres, socketPath: socketPathIn(options.socketDir), connect, connectSpare }
}

/** Makes the application's role where it is absent. */
export const appRoleSql = (name: string, verifier: string): string =>
  `DO $$ BEGIN IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '${name}') THEN
     CREATE ROLE "${name}" SUPERUSER CREATEDB CREATEROLE REPLICATION BYPASSRLS LOGIN PASSWORD '${verifier}'; END IF; END $$`

/** All values as texts: what is asked here is compared and printed, not computed with. */
const asText: pg.CustomTypesConfig = { getTypeParser: () => (value: string) => value }

/** A query function over a connection; callers that come together wait for each other. */
export const queryOf = (client: pg.Client): Query => {
  let last: Promise<unknown> = Promise.resolve()
  return (sql, values = []) => {
    const rows = last.then(async () => {
      const result = await client.query<Record<string, string | null>>({
        text: sql,
        values: [...values],
        types: asText,
      })
      return result.rows
    })
    last = rows.catch(() => undefined)
    return rows
  }
}

export interface SubscriptionOptions {
  readonly publisherDir: string
  readonly publisherPort: number
  readonly publisherUser: string
}

/** The worker's settings are pinned: ALTER DATABASE or ALTER ROLE must not stop apply (RULES 8). */
const pinned = {
  lock_timeout: '0',
  statement_timeout: '0',
  transaction_timeout: '0',
  idle_in_transaction_session_timeout: '0',
  // As SERIALIZABLE it could fail for what local sessions have read.
  default_transaction_isolation: `'read committed'`,
  // How its statements are understood, and how it reads values.
  search_path: '"$user", public',
  datestyle: 'ISO, MDY',
  intervalstyle: 'postgres',
  timezone: `'UTC'`,
  bytea_output: 'hex',
  extra_float_digits: '1',
  // Statements of others may hold passwords (CREATE USER MAPPING).
  log_statement: 'none',
  log_min_duration_statement: '-1',
}

/** Makes or repoints the database's subscription, disabled: it is enabled when the publisher listens. */
export const prepareSubscription = async (client: pg.Client, options: SubscriptionOptions): Promise<void> => {
  const { rows } = await client.query<{ database: string }>('SELECT current_database() AS database')
  const database = rows[0]?.database
  if (database === undefined) throw new AllwriteError('postgres', 'the server does not name its database')
  for (const [setting, value] of Object.entries(pinned)) {
    await client.query(`ALTER ROLE ${agentRole} IN DATABASE ${pg.escapeIdentifier(database)} SET ${setting} = ${value}`)
  }
  const connection = `host=${options.publisherDir} port=${options.publisherPort} user=${options.publisherUser} dbname=allwrite`
  const existing = await client.query(
    `SELECT FROM pg_subscription s JOIN pg_database d ON d.oid = s.subdbid WHERE s.subname = 'allwrite' AND d.datname = $1`,
    [database],
  )
  if (existing.rowCount === 0) {
    // A template's, which came with its copy.
    await client.query(
      'DELETE FROM pg_subscription_rel r WHERE NOT EXISTS (SELECT FROM pg_subscription s WHERE s.oid = r.srsubid AND s.subdbid = (SELECT oid FROM pg_database WHERE datname = current_database()))',
    )
    await client.query(
      `CREATE SUBSCRIPTION allwrite CONNECTION ${pg.escapeLiteral(connection)} PUBLICATION allwrite WITH (
         connect = false, enabled = false, create_slot = false, slot_name = 'allwrite', origin = 'none',
         streaming = off, synchronous_commit = off, run_as_owner = true)`,
    )
  } else {
    await client.query(`ALTER SUBSCRIPTION allwrite DISABLE`)
    await client.query(`ALTER SUBSCRIPTION allwrite CONNECTION ${pg.escapeLiteral(connection)}`)
  }
  await preparePublication(client)
}

/**
 * Stored generated columns are in it: PostgreSQL refuses to UPDATE and DELETE where the replica identity is not published as a
 * whole (CheckCmdReplicaIdentity), and FULL takes all columns in.
 */
const preparePublication = async (client: pg.Client): Promise<void> => {
  const { rows } = await client.query<{ generated: string }>(
    `SELECT pubgencols AS generated FROM pg_publication WHERE pubname = 'allwrite'`,
  )
  const options = 'publish_generated_columns = stored'
  if (rows[0] === undefined) await client.query(`CREATE PUBLICATION allwrite FOR ALL TABLES WITH (${options})`)
  else if (rows[0].generated !== 's') await client.query(`ALTER PUBLICATION allwrite SET (${options})`)
}

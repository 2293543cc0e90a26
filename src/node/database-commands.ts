/**
 * CREATE and DROP DATABASE, ALTER DATABASE … RENAME at a node (ADR 30).
 *
 * A row of `allwrite.database_command` comes to every node at one position of the journal, in the database where the command was given.
 * Before anything behind that position, each node runs the command itself, as the role that gave it; then its row is removed. All
 * nodes hold the same there, so it comes out the same at all: an error is the client's, and the node goes on.
 *
 * - What fails for want of something (a full disk, a lost connection) ends the agent; the row is there when it comes back.
 * - Done again after a crash, each command ends as it would have: a database that is there is opened, one that is not is no error.
 *   A CREATE that was cut short leaves a folder that no catalog knows: it is removed first.
 * - Whoever is connected to a database that is dropped, renamed or copied has to go: the agent leaves it, clients of this node are
 *   ended (57P01). At home nobody was there a moment ago, or FORCE was written.
 *
 * @module
 */
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import pg from 'pg'
import { deferred, type Deferred } from '../core/deferred.ts'
import { AllwriteError } from '../core/errors.ts'
import { databaseId, type Position } from '../core/ids.ts'
import { isAboutData } from './apply/sql-applier.ts'
import type { Database, DatabaseIdentity } from './database.ts'
import type { Inspector } from './inspector.ts'
import { sqlOriginName } from './recovery/progress.ts'
import type { LocalServer } from './server.ts'
import type { BuildResult } from './session/session-options.ts'
import type { NodeLog } from './told.ts'

/** Between two looks whether a database is left, ms. */
const leftEveryMs = 20
/** A backend that does not end when it is told to is stopped, or waits for its disk: the agent begins anew, and its server, ms. */
const leftMsMax = 60_000
/** Until a template, or what is dropped, is free: autovacuum may be in it, ms. */
const againMs = 100

export interface DatabaseCommandsOptions {
  readonly server: LocalServer
  readonly dataDir: string
  readonly inspector: Inspector
  readonly applied: () => Position
  /** The open database of this OID. */
  readonly find: (oid: number) => Database | undefined
  readonly open: (identity: Omit<DatabaseIdentity, 'port'>) => Promise<void>
  /** Nobody is let in from here on, until it is opened again or forgotten; clients that ask for it wait. */
  readonly shut: (database: Database) => Promise<void>
  readonly forget: (database: Pick<DatabaseIdentity, 'id'>) => void
  readonly log: NodeLog
}

export interface DatabaseCommands {
  /** Carries out what has come into this database by its last schema change, or was left undone when the agent ended. */
  carryOut(database: Database): Promise<void>
  /** How the command of this id comes out; ask before it is journaled. */
  result(id: string): Promise<BuildResult>
}

interface Row {
  readonly id: string
  readonly kind: string
  readonly target: number
  readonly name: string
  readonly newName: string | undefined
  readonly template: number
  readonly role: string
  readonly statement: string
}

const rowsSql = `SELECT id::text, kind, target::text, name, new_name, template::text, role, statement FROM allwrite.database_command ORDER BY id`

const errorOf = (error: pg.DatabaseError): AllwriteError =>
  new AllwriteError('postgres', error.message, {
    sqlState: error.code ?? '58000',
    ...(error.detail === undefined ? {} : { detail: error.detail }),
    ...(error.hint === undefined ? {} : { hint: error.hint }),
  })

/** Somebody is connected: a server of its own accord, or a backend that is ending. */
const isBusy = (error: unknown): boolean => error instanceof pg.DatabaseError && error.code === '55006'

export const createDatabaseCommands = (options: DatabaseCommandsOptions): DatabaseCommands => {
  const { server, inspector, log } = options
  const asked = new Map<string, Deferred<BuildResult>>()

  /** With a connection of its own to a database; the first, where none is named. */
  const inDatabase = async <T>(name: string | undefined, work: (client: pg.Client) => Promise<T>): Promise<T> => {
    const client = await server.connectSpare('databases', name)
    try {
      await client.query(
        `SET default_transaction_read_only = off; SET session_replication_role = replica; SET search_path = pg_catalog`,
      )
      return await work(client)
    } finally {
      await client.end().catch(() => undefined)
    }
  }

  /** As the role that gave it. Undefined: done; else its error. @throws what says nothing about the command */
  const run = async (row: Row, statement: string): Promise<pg.DatabaseError | undefined> => {
    for (const until = performance.now() + leftMsMax; ;) {
      try {
        await inDatabase(undefined, async (client) => {
          await client.query(`SET ROLE ${pg.escapeIdentifier(row.role)}`)
          // Extended: the server itself refuses a second statement.
          const text: pg.QueryConfig & { readonly queryMode: string } = { text: statement, queryMode: 'extended' }
          await client.query(text)
        })
        return undefined
      } catch (error) {
        if (isBusy(error) && performance.now() < until) await delay(againMs)
        else if (error instanceof pg.DatabaseError && isAboutData(error)) return error
        else throw error
      }
    }
  }

  /** Ends all that is connected to it. */
  const vacate = async (database: Database): Promise<void> => {
    await options.shut(database)
    for (const until = performance.now() + leftMsMax; ;) {
      const left = await inspector.connected(database.oid)
      if (left.length === 0) return
      for (const pid of left) await inspector.terminate(pid)
      if (performance.now() > until)
        throw new AllwriteError('unavailable', `database "${database.name}" is not left by all that use it`)
      await delay(leftEveryMs)
    }
  }

  const exists = async (first: Database['query'], oid: number): Promise<boolean> =>
    (await first('SELECT 1 AS found FROM pg_database WHERE oid = $1', [oid])).length > 0

  const create = async (row: Row, query: Database['query']): Promise<pg.DatabaseError | undefined> => {
    const identity = { id: databaseId(row.target), oid: row.target, name: row.name }
    if (!(await exists(query, row.target))) {
      rmSync(join(options.dataDir, 'base', String(row.target)), { recursive: true, force: true })
      const template = options.find(row.template)
      if (template !== undefined) await vacate(template)
      // Behind the options, on a line of its own: a comment may end the statement.
      const error = await run(row, `${row.statement}\n OID = ${row.target}`)
      if (template !== undefined) await options.open(template)
      if (error !== undefined) return error
    }
    if (options.find(row.target) === undefined) await options.open(identity)
    return undefined
  }

  /** What the database's apply has under other names than its own. */
  const dropSubscription = (name: string): Promise<unknown> =>
    inDatabase(name, async (client) => {
      const { rowCount } = await client.query(
        `SELECT FROM pg_subscription s JOIN pg_database d ON d.oid = s.subdbid WHERE s.subname = 'allwrite' AND d.datname = $1`,
        [name],
      )
      if (rowCount === 0) return
      await client.query('ALTER SUBSCRIPTION allwrite DISABLE')
      await client.query('ALTER SUBSCRIPTION allwrite SET (slot_name = NONE)')
      await client.query('DROP SUBSCRIPTION allwrite')
    })

  const drop = async (row: Row, issuer: Database): Promise<pg.DatabaseError | undefined> => {
    const { query } = issuer
    const database = options.find(row.target)
    const [found] = await query(
      'SELECT datname::text AS name, (datconnlimit = -2)::text AS invalid FROM pg_database WHERE oid = $1',
      [row.target],
    )
    const name = found?.['name']
    if (name != null) {
      if (database !== undefined) await vacate(database)
      // How far this node is may be known by this database's origins alone, which go with it.
      if (options.applied() > 0) await issuer.applier.advance(options.applied())
      if (found?.['invalid'] !== 'true') await dropSubscription(name)
      const error = await run(row, `DROP DATABASE ${pg.escapeIdentifier(name)}`)
      if (error !== undefined) {
        if (database !== undefined) await options.open(database)
        return error
      }
    }
    await query(`SELECT pg_replication_origin_drop(roname) FROM pg_replication_origin WHERE roname = $1`, [
      `${sqlOriginName}_${row.target}`,
    ])
    options.forget({ id: databaseId(row.target) })
    return undefined
  }

  const rename = async (row: Row): Promise<pg.DatabaseError | undefined> => {
    const database = options.find(row.target)
    if (database === undefined || database.name === row.newName || row.newName === undefined) return undefined
    await vacate(database)
    const error = await run(row, row.statement)
    await options.open(error === undefined ? { ...identityOf(database), name: row.newName } : database)
    return error
  }

  const identityOf = ({ id, oid }: Database): Pick<DatabaseIdentity, 'id' | 'oid'> => ({ id, oid })

  return {
    async carryOut(issuer) {
      for (const found of await issuer.query(rowsSql)) {
        const row: Row = {
          id: found['id'] ?? '',
          kind: found['kind'] ?? '',
          target: Number(found['target']),
          name: found['name'] ?? '',
          newName: found['new_name'] ?? undefined,
          template: Number(found['template'] ?? 0),
          role: found['role'] ?? '',
          statement: found['statement'] ?? '',
        }
        const begun = performance.now()
        const error = await (row.kind === 'create'
          ? create(row, issuer.query)
          : row.kind === 'drop'
            ? drop(row, issuer)
            : rename(row))
        await issuer.applier.local(async (client) => {
          await client.query('DELETE FROM allwrite.database_command WHERE id = $1', [row.id])
        })
        const ms = Math.round(performance.now() - begun)
        const what = `${row.kind} of database "${row.name}"`
        if (error === undefined) log.info({ database: row.target, ms }, what)
        else log.info({ database: row.target, err: error }, `${what}: refused by the server`)
        asked.get(row.id)?.resolve({ notices: [], ...(error === undefined ? {} : { error: errorOf(error) }) })
        asked.delete(row.id)
      }
    },
    result(id) {
      const waiting = deferred<BuildResult>()
      asked.set(id, waiting)
      return waiting.promise
    },
  }
}

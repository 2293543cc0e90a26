/**
 * The databases of the node's server: those that are there when it starts, and those that commands make later, each as an object
 * (database.ts). Names are looked up here by clients, ids by the journal's entries.
 *
 * @module
 */
import { deferred, type Deferred } from '../core/deferred.ts'
import { AllwriteError } from '../core/errors.ts'
import { databaseId, firstDatabase, type DatabaseId } from '../core/ids.ts'
import type { WaitedFor } from './apply/waiting-for.ts'
import { openDatabase, type Database, type DatabaseContext, type DatabaseIdentity } from './database.ts'
import type { SessionServices } from './database-sessions.ts'
import { createDatabaseCommands, type DatabaseCommands } from './database-commands.ts'
import type { ApplyTarget } from './order/executor.ts'
import { publisherPortMin } from './server.ts'

export interface Databases {
  readonly first: Database
  /** Those that are open. */
  readonly all: readonly Database[]
  /** Where the journal's records of a database go; undefined where this node has none, which the others have. */
  targetOf(database: DatabaseId): ApplyTarget | undefined
  /** Rolls a session back, of whatever database; undefined where the pid is none of ours. */
  abort(pid: number, waited: WaitedFor | undefined): Promise<void> | undefined
  /** Does what was left undone when the agent ended: before anything of the journal is executed. */
  resume(): Promise<void>
  /** The node has caught up with its own fence. */
  live(): Promise<void>
  /**
   * A database that a client asks for, ready for its session; undefined where there was none of this name anywhere when it was asked for.
   * Waits while it is shut.
   * @throws AllwriteError unavailable: it is shut again
   */
  enter(name: string): Promise<Entered | undefined>
  /** The one that a client has entered, if it is still there. */
  entered(name: string): Entered | undefined
  result: DatabaseCommands['result']
  /** Ends what runs in this process; the server's stop does the rest. */
  end(): Promise<void>
}

export interface Entered {
  readonly database: Database
  readonly sessions: SessionServices
}

/** How long a client waits for a database that this node does not know, ms. */
const catchUpMsMax = 10_000

/** Those of PostgreSQL's own that nobody connects to, and those whose DROP was cut short. */
const listSql = `SELECT oid::text, datname::text AS name FROM pg_database
  WHERE datallowconn AND datconnlimit <> -2 AND datname NOT IN ('template0', 'template1', $1) ORDER BY oid`

export const openDatabases = async (
  base: Omit<DatabaseContext, 'onCommands'>,
  first: { readonly name: string; readonly dataDir: string },
): Promise<Databases> => {
  const open = new Map<DatabaseId, Database>()
  /** Who asks for a database that is shut waits for this. */
  const shut = new Map<DatabaseId, { readonly name: string; readonly over: Deferred<void> }>()
  let ports = publisherPortMin
  let live = false

  const add = async (identity: Omit<DatabaseIdentity, 'port'>): Promise<Database> => {
    // One that nobody used in this agent's life: a worker that still knows an older connection finds nobody.
    const { id, oid, name } = identity
    const database = await openDatabase(context, { id, oid, name, port: ports })
    ports += 1
    if (live) await database.live()
    open.set(id, database)
    shut.get(id)?.over.resolve()
    shut.delete(id)
    return database
  }

  const commands = createDatabaseCommands({
    server: base.server,
    dataDir: first.dataDir,
    inspector: base.inspector,
    applied: base.applied,
    find: (oid) => open.get(databaseId(oid)),
    async open(identity) {
      await add(identity)
    },
    async shut(database) {
      shut.set(database.id, { name: database.name, over: deferred() })
      open.delete(database.id)
      await database.close()
    },
    forget({ id }) {
      shut.get(id)?.over.resolve()
      shut.delete(id)
    },
    log: base.log,
  })
  const context: DatabaseContext = { ...base, onCommands: (database) => commands.carryOut(database) }

  const [found] = await base.query('SELECT oid::text FROM pg_database WHERE datname = $1', [first.name])
  const firstOpen = await add({ id: firstDatabase, oid: Number(found?.['oid']), name: first.name })
  for (const row of await firstOpen.query(listSql, [first.name])) {
    const oid = Number(row['oid'])
    await add({ id: databaseId(oid), oid, name: row['name'] ?? '' })
  }

  const named = (name: string): Database | undefined => {
    for (const database of open.values()) if (database.name === name) return database
    return undefined
  }

  return {
    first: firstOpen,
    get all() {
      return [...open.values()]
    },
    targetOf: (id) => open.get(id)?.target,
    abort(pid, waited) {
      for (const database of open.values()) {
        const aborted = database.abort(pid, waited)
        if (aborted !== undefined) return aborted
      }
      return undefined
    },
    async resume() {
      // As they are now: commands make and close some.
      const before = [...open.values()]
      for (const database of before) {
        if (open.get(database.id) !== database) continue
        await database.builds.begin(true)
        await commands.carryOut(database)
      }
    },
    async live() {
      live = true
      for (const database of open.values()) await database.live()
    },
    async enter(name) {
      for (const waiting of shut.values()) if (waiting.name === name) await waiting.over.promise
      // One that was made at another node a moment ago may not be here yet.
      if (named(name) === undefined) await base.gate().catchUp(AbortSignal.timeout(catchUpMsMax))
      const database = named(name)
      if (database === undefined) return undefined
      const sessions = await (await database.sessions()).serve()
      if (open.get(database.id) !== database)
        throw new AllwriteError('unavailable', `database "${name}" is being changed`, { hint: 'Try again.' })
      return { database, sessions }
    },
    entered(name) {
      const database = named(name)
      const sessions = database?.openSessions?.services
      return database === undefined || sessions === undefined ? undefined : { database, sessions }
    },
    result: (id) => commands.result(id),
    async end() {
      await Promise.all([...open.values()].map((database) => database.end()))
    },
  }
}

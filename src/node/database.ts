/**
 * One database of the node's server, with all that the agent has for it alone: how the journal's entries come into it, what is known
 * of its schema, the builds of its indexes, and, once a client has asked for it, what its sessions need (database-sessions.ts).
 *
 * Life: opened when the agent starts, or at the position of its CREATE DATABASE; closed when it is dropped, or changed in a way that
 * nobody may be connected for (database-commands.ts), and then opened anew. Its apply worker runs from the first record on that it is
 * sent; the first database's from the start, since heartbeats go through it.
 *
 * Failure: what breaks here breaks the node (node.ts).
 *
 * @module
 */
import { join } from 'node:path'
import { AllwriteError } from '../core/errors.ts'
import { firstDatabase, nodeName, type DatabaseId, type Position } from '../core/ids.ts'
import type { WritesetRecord } from '../core/writeset.ts'
import { ensureOwned, serverIdentity } from '../postgres/index.ts'
import { bruteForced } from './apply/brute-forced.ts'
import type { ReadChunks } from './apply/batch.ts'
import { createPublisher, type ApplyBatch, type Publisher } from './apply/publisher.ts'
import { createSqlApplier, isAboutData, type SqlApplier } from './apply/sql-applier.ts'
import type { WaitedFor } from './apply/waiting-for.ts'
import { statementsFor } from './catalog/ddl.ts'
import { createIndexBuilds, type IndexBuilds } from './index-builds.ts'
import { openDatabaseSessions, type DatabaseSessions, type SessionsContext } from './database-sessions.ts'
import type { ApplyTarget, Executor } from './order/executor.ts'
import { prepareDatabase } from './prepare-database.ts'
import { sqlOriginName, type Query } from './recovery/progress.ts'
import { createSchemaCache, type SchemaCache } from './schema-cache.ts'
import { queryOf } from './server.ts'
import { createStatementClassifier, nothingHarmless, type StatementClassifier } from './session/statement/index.ts'

/** Between two questions for the apply worker's pid, ms. */
const findWorkerMs = 50
/** Verdicts of statements, by text. */
const classifierBytesMax = 16 * 1024 * 1024

/** What databases share: their node's. */
export interface DatabaseContext extends SessionsContext {
  readonly nodes: number
  /** Asks the first database. */
  readonly query: Query
  /** Folder of the publishers' sockets. */
  readonly publisherDir: string
  readonly readChunks: ReadChunks
  readonly executor: () => Executor
  /** The position that the server holds. */
  readonly applied: () => Position
  readonly onBusy: (busy: boolean) => void
  /** A schema change of this database is committed here: what it asks of the node's databases. */
  readonly onCommands: (database: Database) => Promise<void>
  readonly inconsistent: (what: string, fields: object, position?: Position) => void
  readonly closing: AbortSignal
}

export interface DatabaseIdentity {
  readonly id: DatabaseId
  /** In pg_database; but for the first one its id. */
  readonly oid: number
  readonly name: string
  /** Names the publisher's socket, in libpq's way. */
  readonly port: number
}

export interface Database extends DatabaseIdentity {
  readonly target: ApplyTarget
  readonly schema: SchemaCache
  readonly classifier: StatementClassifier
  readonly builds: IndexBuilds
  readonly applier: SqlApplier
  readonly query: Query
  /** Undefined where it has none yet. */
  readonly workerPid: number | undefined
  /** False where its worker should be there and is not. */
  readonly connected: boolean
  /** Backends of this node's that a lock may hold up. */
  readonly applyingPids: readonly number[]
  /** Removes journaled statements that nobody will read again. */
  sweep(): Promise<void>
  ping(): Promise<void>
  /** Begins to apply. */
  enable(): Promise<void>
  /** From here on shares of sequences are this node's (catalog/sql/sequences.ts). */
  live(): Promise<void>
  /** What its sessions need; made when it is asked for first, which may have to wait for transactions that write. */
  sessions(): Promise<DatabaseSessions>
  /** The same where it is there. */
  readonly openSessions: DatabaseSessions | undefined
  /** Rolls a session of this database back; undefined where the pid is none of its. */
  abort(pid: number, waited: WaitedFor | undefined): Promise<void> | undefined
  /** The agent leaves it. Its backends may live for a moment longer, and sessions that are being opened may come: end them. */
  close(): Promise<void>
  /** As the agent ends: its server is about to stop. */
  end(): Promise<void>
}

export const openDatabase = async (context: DatabaseContext, identity: DatabaseIdentity): Promise<Database> => {
  const { node, server, inspector, log, onFatal } = context
  const { id, oid, name, port } = identity
  const isFirst = id === firstDatabase
  const user = isFirst ? nodeName(node) : `${nodeName(node)}_${oid}`
  let closed = false
  const onLost = (error?: Error): void => {
    if (!closed) onFatal(error ?? new AllwriteError('unavailable', `a connection to database "${name}" was lost`))
  }
  const onClientLost = (): void => onLost()
  const admin = await server.connect('control', name, onClientLost)
  const query = queryOf(admin)
  await prepareDatabase(admin, {
    node,
    agentSecret: context.agentSecret,
    subscription: { publisherDir: context.publisherDir, publisherPort: port, publisherUser: user },
  })
  const classifier = createStatementClassifier({ harmless: nothingHarmless, cacheBytesMax: classifierBytesMax })
  const schema = await createSchemaCache(query, classifier, id)
  let workerPid: number | undefined
  let applierRuns = false
  let enabling: Promise<void> | undefined
  let making: Promise<DatabaseSessions> | undefined
  let sessions: DatabaseSessions | undefined

  const applierClient = await server.connect('applier', name, onClientLost)
  const applier = await createSqlApplier({
    client: applierClient,
    origin: isFirst ? sqlOriginName : `${sqlOriginName}_${oid}`,
    backendPid: Number((await queryOf(applierClient)('SELECT pg_backend_pid()::text AS pid'))[0]?.['pid']),
    readChunks: context.readChunks,
    statementsFor,
    settleSql: 'SELECT allwrite.settle()',
    keyNamesOf: schema.keyNamesOf,
    onRetry: (position, error) => log.warn({ err: error, position }, 'applied by SQL without what may refuse a row'),
  })
  const builds = createIndexBuilds({
    query,
    applier,
    connect: () => server.connectSpare('indexes', name),
    onBusy: context.onBusy,
    log,
  })

  const applyBySql = async (position: Position, records: readonly WritesetRecord[]): Promise<void> => {
    applierRuns = true
    try {
      await builds.ready(records)
      await applier.apply(position, records)
      builds.mend()
    } catch (error) {
      if (!isAboutData(error)) onFatal(AllwriteError.from(error, 'postgres'))
      else {
        const what = `position ${position} can't be applied: ${(error as Error).message}`
        context.inconsistent(what, { err: error }, position)
      }
      // The order stands still here for good: nothing behind it may be applied.
      await new Promise(() => undefined)
    } finally {
      applierRuns = false
    }
  }

  const onPoison = (batch: ApplyBatch): void => {
    log.warn({ position: batch.position }, 'the apply worker failed repeatedly: applying by SQL')
    void applyBySql(batch.position, batch.records).then(() => publisher.skip(batch.position))
  }

  /** Without the worker's pid nobody who blocks it could be found: asked again until it is known. */
  const findWorker = (): void => {
    inspector.workerPid(oid).then((pid) => {
      workerPid = pid
      if (pid === undefined && !closed && !context.closing.aborted) setTimeout(findWorker, findWorkerMs)
    }, onFatal)
  }

  const socketPath = join(context.publisherDir, `.s.PGSQL.${port}`)
  const publisher: Publisher = await createPublisher({
    socketPath,
    user,
    start: context.applied(),
    wallClock: context.wallClock,
    generatedOf: schema.generatedOf,
    onApplied: (position) => context.executor().applied(position),
    onConnected: findWorker,
    onPoison,
    onError: (error) => log.warn({ err: error, database: name }, 'the apply worker went away'),
  })
  ensureOwned(socketPath, serverIdentity())

  const enable = (): Promise<void> => {
    enabling ??= admin.query('ALTER SUBSCRIPTION allwrite ENABLE').then(() => undefined)
    return enabling
  }

  const target: ApplyTarget = {
    publisher: {
      send(batch) {
        publisher.send(batch)
        if (enabling === undefined) enable().catch(onFatal)
      },
      get applied() {
        return publisher.applied
      },
      get outstanding() {
        return publisher.outstanding
      },
      idle: () => publisher.idle(),
      forgetRelations: () => publisher.forgetRelations(),
    },
    applyBySql,
    async onSchemaChange() {
      await builds.begin()
      await context.onCommands(database)
      await schema.reload()
    },
  }

  const openSessions = async (): Promise<DatabaseSessions> => {
    const opened = await openDatabaseSessions(context, { id, oid, name, schema, onLost })
    if (closed) {
      opened.end()
      throw new AllwriteError('unavailable', `database "${name}" is being changed`)
    }
    sessions = opened
    return opened
  }

  const database: Database = {
    ...identity,
    target,
    schema,
    classifier,
    builds,
    applier,
    query,
    get workerPid() {
      return publisher.connected ? workerPid : undefined
    },
    get connected() {
      return enabling === undefined || publisher.connected
    },
    get applyingPids() {
      return [builds.beginningPid ?? (applierRuns ? applier.backendPid : workerPid) ?? []].flat()
    },
    async sweep() {
      await applier.sweep().catch((error: unknown) => {
        if (!closed) throw error
      })
    },
    ping: () => publisher.ping(),
    enable,
    async live() {
      await query('SELECT allwrite.set_node($1, $2)', [node, context.nodes])
    },
    sessions() {
      making ??= openSessions().catch((error: unknown) => {
        making = undefined
        throw error
      })
      return making
    },
    get openSessions() {
      return sessions
    },
    abort(pid, waited) {
      const { applying } = context.executor()
      return sessions?.submissions.abort(pid, bruteForced(applying, waited, schema.keyNamesOf))
    },
    async end() {
      closed = true
      builds.close()
      sessions?.end()
      await publisher[Symbol.asyncDispose]()
    },
    async close() {
      closed = true
      builds.close()
      sessions?.end()
      if (enabling !== undefined) await admin.query('ALTER SUBSCRIPTION allwrite DISABLE')
      await publisher[Symbol.asyncDispose]()
      await Promise.all([admin.end(), applierClient.end()])
    },
  }
  return database
}

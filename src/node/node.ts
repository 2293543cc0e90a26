/**
 * A node: one PostgreSQL server and everything that makes it part of the cluster. This file only wires; what each part
 * promises stands in its own.
 *
 * Life: start the server → what does it hold? (origins) → fence the journal → read the journal from one certification window
 * before that position: restore, then judge and execute → caught up with the own fence: serving.
 *
 * Crash-only: whatever breaks the node's certainty (server gone, capture lost, append refused, a broken invariant) ends the
 * process through `onFatal`; the start above is the only recovery. What shows the *data* to be wrong (a tripwire) makes the
 * node `inconsistent`: it stops serving at once, and its next start replaces the data (join/provide.ts).
 *
 * @module
 */
import { mkdirSync, readdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { windowDefault } from '../core/certifier.ts'
import { decodeEntry } from '../core/entry.ts'
import { AllwriteError, assert } from '../core/errors.ts'
import {
  incarnation as toIncarnation,
  nodeName,
  position as toPosition,
  type NodeId,
  type Position,
} from '../core/ids.ts'
import type { WritesetRecord } from '../core/writeset.ts'
import type { Journal } from '../journal/contract.ts'
import { createBlockerWatch } from './apply/blockers.ts'
import { bruteForced } from './apply/brute-forced.ts'
import { heartbeatBatch } from './apply/heartbeat.ts'
import { createPublisher, type ApplyBatch } from './apply/publisher.ts'
import { createSqlApplier, isAboutData, sqlOriginName } from './apply/sql-applier.ts'
import { startCapture, type Capture } from './capture/capture.ts'
import { buildUnwritten, buildWriteset } from './capture/writeset.ts'
import { statementOf } from './capture/statement-row.ts'
import { statementsFor } from './catalog/ddl.ts'
import { ensureOwned, serverIdentity } from '../postgres/index.ts'
import { startHousekeeping } from './housekeeping.ts'
import { createIndexBuilds, type IndexBuilds } from './index-builds.ts'
import { createInspector } from './inspector.ts'
import { adoptCopy } from './join/adopt.ts'
import { createVoucher, verdictsFile, type Peer } from './join/donor.ts'
import { markForRebuild } from './join/provide.ts'
import { rememberTrip } from './join/trips.ts'
import { createExecutor } from './order/executor.ts'
import { createChunkTracker, readChunksOf } from './order/chunk-tracker.ts'
import { createGroupBuilder } from './order/group-builder.ts'
import { runJudge } from './order/judge.ts'
import { createOrderTracker } from './order/order-tracker.ts'
import { createGate, type Gate } from './gate.ts'
import type { NodeLog, NodeStatus } from './told.ts'
import { openVerdictLog } from './order/verdict-log.ts'
import { discontinuity } from './recovery/continuation.ts'
import { continueLineage } from './recovery/lineage.ts'
import { originPosition, subscriptionOrigin } from './recovery/progress.ts'
import { createRecordsHere } from './recovery/records-here.ts'
import { createSchemaCache, type SchemaCache } from './schema-cache.ts'
import { agentRole, captureSettings, queryOf, startServer, type LocalServer, type ServerOptions } from './server.ts'
import { connectBackend } from './session/backend.ts'
import {
  createStatementClassifier,
  loadParser,
  nothingHarmless,
  type StatementClassifier,
} from './session/statement/index.ts'
import { prepareDatabase } from './prepare-database.ts'
import { createServerProbes } from './server-probes.ts'
import { createSubmissions } from './submissions.ts'
import { callLater, createTurnTaking } from './turns.ts'

/** Names the publisher's socket, in libpq's way. */
const publisherPort = 5433
/** How long a transaction waits for the schema change that it has met, ms. Reading the catalog takes some 20. */
const schemaSettledMsMax = 500
/** Between two questions for the apply worker's pid, ms. */
const findWorkerMs = 50
/** An inconsistent node shows that it is one for this long before it ends, to be made anew, ms. */
const inconsistentMs = 2_000
/** Entries: a start that has more of them to apply is a joining, which nobody waits for. Some ten seconds' worth. */
const farBehind = windowDefault
/** Verdicts of statements, by text. */
const classifierBytesMax = 16 * 1024 * 1024

export interface NodeOptions {
  readonly node: NodeId
  /** The highest number of a node: new sequences leave a block for each up to it. */
  readonly nodes: number
  readonly nodeDir: string
  /** Folder of the server's socket, short and closed; beside it, with a p, the publisher's. */
  readonly runtimeDir: string
  readonly server: Omit<ServerOptions, 'socketDir' | 'logFile' | 'onExit' | 'agentPassword'>
  readonly agentSecret: string
  /** Verifier of the application's role, the same on all nodes; the role is made if it is absent. */
  readonly appRole: { readonly name: string; readonly verifier: string }
  readonly journal: Journal
  /** The other nodes, now: who can give this one a copy of its data. */
  readonly peers: () => readonly Peer[]
  /** What a donor may be asked for, bytes a second. */
  readonly copyRate: number
  readonly log: NodeLog
  readonly onFatal: (error: Error) => void
  /** @param joining the start takes as long as the data, or the journal, are large */
  readonly onProgress: (text: string, joining?: boolean) => void
  /** Monotonic, ms. */
  readonly now: () => number
  /** Unix time, ms: for what is shown, nothing is decided by it. */
  readonly wallClock: () => number
}

export interface RunningNode {
  readonly gate: Gate
  readonly server: LocalServer
  readonly classifier: StatementClassifier
  readonly schema: SchemaCache
  readonly builds: IndexBuilds
  readonly inspector: Awaited<ReturnType<typeof createInspector>>
  readonly status: () => NodeStatus
  /** Serves from now on: what must be there before the first session is. */
  open(): void
  stop(): Promise<void>
}

/**
 * Brings a node with data, or of a young cluster, up to its own fence. Resolves when it could serve.
 * @param begun gets the server, for whoever has to stop it where this fails
 * @throws AllwriteError position_trimmed: the node's data must be replaced
 */
export const bringUp = async (options: NodeOptions, begun: { server?: LocalServer }): Promise<RunningNode> => {
  const { node, journal, log, runtimeDir, nodeDir } = options
  const name = nodeName(node)
  const closing = new AbortController()
  let state: NodeStatus['state'] = 'starting'
  let note: string | undefined
  const voucher = createVoucher()
  let journalPosition = toPosition(0)

  const fatal = (error: Error): void => {
    if (state === 'stopping') return
    log.error({ err: error }, 'the node ends: it starts anew from the journal')
    if (error instanceof AllwriteError && error.code === 'position_trimmed')
      markForRebuild(nodeDir, 'too_old', error.message)
    options.onFatal(error)
  }
  const inconsistent = (what: string, fields: object, position?: Position): void => {
    if (state === 'inconsistent' || state === 'stopping') return
    state = 'inconsistent'
    note = what
    log.error(fields, `node ${name} is inconsistent: ${what}`)
    voucher.end()
    // A node alone has nobody to be copied from: it waits for the human who looks.
    if (options.peers().length === 0) return
    const stays = rememberTrip(node, nodeDir, { position: position ?? tracker.applied, at: options.wallClock() })
    if (stays !== undefined) {
      note = `${what}. ${stays}`
      log.error({}, stays)
      return
    }
    markForRebuild(nodeDir, 'diverged', what)
    setTimeout(
      () => fatal(new AllwriteError('unavailable', `the node was inconsistent: ${what}`)),
      inconsistentMs,
    ).unref()
  }

  options.onProgress('starting PostgreSQL')
  const spoolDir = join(nodeDir, 'spool')
  mkdirSync(spoolDir, { recursive: true, mode: 0o700 })
  // Spool files of a predecessor belong to transactions that died with it.
  for (const file of readdirSync(spoolDir)) rmSync(join(spoolDir, file))
  const publisherDir = `${runtimeDir}p`
  const subscription = { publisherDir, publisherPort, publisherUser: name }
  const serverOptions = {
    ...options.server,
    agentPassword: options.agentSecret,
    socketDir: runtimeDir,
    logFile: join(nodeDir, 'postgres.log'),
  }
  await adoptCopy({ node, server: serverOptions, subscription, onProgress: options.onProgress })
  const server = await startServer({
    ...serverOptions,
    onExit: () => fatal(new AllwriteError('unavailable', 'PostgreSQL ended')),
  })
  begun.server = server

  const admin = await server.connect('control')
  const adminQuery = queryOf(admin)
  await prepareDatabase(admin, { ...options, subscription })

  // What this server holds. From here on its xids and origins are ours alone: no backend of a predecessor lives.
  const origin = await subscriptionOrigin(adminQuery, 'allwrite')
  assert(origin !== undefined, 'the subscription was just made')
  const start = await originPosition(adminQuery, [origin, sqlOriginName])
  const tail = await journal.tail(closing.signal)
  const refusal = discontinuity(name, start, tail)
  if (refusal !== undefined) {
    // The server is stopped then, as it should be.
    state = 'stopping'
    throw refusal
  }
  const incarnation = toIncarnation((tail.nodes.get(node)?.incarnation ?? 0) + 1)
  const tracker = createOrderTracker(start, () => undefined)
  const verdicts = openVerdictLog(
    join(nodeDir, verdictsFile),
    () => toPosition(Math.max(0, tracker.applied - 2 * windowDefault)),
    options.server.fsync,
  )
  const lineage = await continueLineage(adminQuery, { node, incarnation }, verdicts.remembered.fences, start)
  log.info({ position: start, journal: tail.last, incarnation }, 'server is up')

  await loadParser()
  const classifier = createStatementClassifier({ harmless: nothingHarmless, cacheBytesMax: classifierBytesMax })
  const schema = await createSchemaCache(adminQuery, classifier)
  const inspectorClient = await server.connect('inspector')
  const inspector = await createInspector(queryOf(inspectorClient))

  const captureBackend = await connectBackend({
    socketPath: server.socketPath,
    user: agentRole,
    database: options.server.database,
    credentials: { kind: 'password', password: options.agentSecret },
    settings: captureSettings,
  })
  const capture: Capture = await startCapture({
    socket: captureBackend.socket,
    slot: 'allwrite',
    publication: 'allwrite',
    spoolDir,
    wallClock: options.wallClock,
    onLost: fatal,
    onTripwire: (what, xid) => inconsistent(what, { xid }),
    onCommit: (transaction) => {
      if (!transaction.sealed && transaction.rows > 0) {
        inconsistent('a transaction with row changes committed uncaptured', { xid: transaction.xid })
      }
    },
  })

  const groups = createGroupBuilder({
    journal,
    node,
    incarnation,
    signal: closing.signal,
    onFatal: fatal,
    isHeld: (record) => turns.isHeld(record),
  })
  const turns = createTurnTaking({
    node,
    listening: () => state === 'serving',
    append: (scope) => groups.hold(scope),
    resume: () => groups.resume(),
    whenApplied: (position, signal) => tracker.whenApplied(position, signal),
    tableHash: (table) => schema.tableHash(table),
    now: options.now,
    after: callLater,
    onReleased: (tables, ms) => log.info({ tables, ms: Math.round(ms) }, 'a schema change had its turn'),
  })
  const chunks = createChunkTracker()
  const here = createRecordsHere({ node, incarnation, lineage, committed: (xid) => inspector.committed(xid) })
  const readChunks = (record: WritesetRecord) => {
    const home = here.homeOf(record)
    assert(home !== undefined, 'a large record was seen by the judge')
    const decode: Parameters<typeof readChunksOf>[3] = ({ id, payload }) => decodeEntry(id, payload.slice())
    return readChunksOf(journal, home, record, decode, closing.signal)
  }
  let workerPid: number | undefined
  let applierRuns = false
  const blockers = createBlockerWatch({
    applyingPids: () => [builds.beginningPid ?? (applierRuns ? applier.backendPid : workerPid) ?? []].flat(),
    blockersOf: (pids) => inspector.blockersOf(pids),
    abortSession: (pid, waited) => submissions.abort(pid, bruteForced(executor.applying, waited, schema.keyNamesOf)),
    waitedFor: (pids) => inspector.waitedFor(pids),
    cancel: (pid) => inspector.cancel(pid),
    terminate: (pid) => inspector.terminate(pid),
    now: options.now,
    onError: (error) => log.warn({ err: error }, 'could not look for blockers'),
  })

  const onBusy = (busy: boolean): void => (busy ? blockers.begin() : blockers.end())

  const applierClient = await server.connect('applier')
  const applier = await createSqlApplier({
    client: applierClient,
    backendPid: Number((await queryOf(applierClient)('SELECT pg_backend_pid()::text AS pid'))[0]?.['pid']),
    readChunks,
    statementsFor,
    settleSql: 'SELECT allwrite.settle()',
    keyNamesOf: schema.keyNamesOf,
    onRetry: (position, error) => log.warn({ err: error, position }, 'applied by SQL without what may refuse a row'),
  })
  const builds = createIndexBuilds({
    query: adminQuery,
    applier,
    connect: () => server.connectSpare('indexes'),
    onBusy,
    log,
  })

  const applyBySql = async (position: Position, records: readonly WritesetRecord[]): Promise<void> => {
    applierRuns = true
    try {
      await builds.ready(records)
      await applier.apply(position, records)
      builds.mend()
    } catch (error) {
      if (!isAboutData(error)) fatal(AllwriteError.from(error, 'postgres'))
      else inconsistent(`position ${position} can't be applied: ${(error as Error).message}`, { err: error }, position)
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
    inspector.workerPid().then(
      (pid) => {
        workerPid = pid
        if (pid === undefined && !closing.signal.aborted) setTimeout(findWorker, findWorkerMs)
      },
      (error: Error) => fatal(error),
    )
  }

  const publisherSocket = join(publisherDir, `.s.PGSQL.${publisherPort}`)
  const publisher = await createPublisher({
    socketPath: publisherSocket,
    user: name,
    start,
    wallClock: options.wallClock,
    generatedOf: schema.generatedOf,
    onApplied: (position) => executor.applied(position),
    onConnected: findWorker,
    onPoison,
    onError: (error) => log.warn({ err: error }, 'the apply worker went away'),
  })
  ensureOwned(publisherSocket, serverIdentity())
  const executor = createExecutor({
    tracker,
    publisher,
    readChunks,
    applyBySql,
    committedBefore: (record) => here.committedBefore(record),
    isOwnNode: ({ entry }) => here.isOurs(entry),
    onSchemaChange: () => builds.begin().then(() => schema.reload()),
    heartbeatBatch: (position) => heartbeatBatch(node, position),
    onBusy,
  })

  let largeTransactions = 0
  const submissions = createSubmissions({
    capture,
    groups,
    applied: () => tracker.applied,
    build: (transaction, dependencies) =>
      buildWriteset(transaction, {
        dependencies,
        keys: schema.keys.begin({ schemaChange: transaction.statements }),
        statementOf,
        appendChunk: (number, index, bytes) => groups.chunk(number, index, bytes),
        transactionNumber: () => (largeTransactions += 1),
        pause: () => new Promise((resolve) => setImmediate(resolve)),
      }),
    buildUnwritten: (dependencies) => buildUnwritten(schema.keys.begin({ schemaChange: false }), dependencies),
    describeKey: (record, dependencies, keyIndex) => schema.describe(record, dependencies, keyIndex),
    schemaSettled: () =>
      tracker
        .whenApplied(toPosition(tracker.applied + 1), AbortSignal.timeout(schemaSettledMsMax))
        .catch(() => undefined),
    stillOpen: (pid, xid) => inspector.stillOpen(pid, xid),
  })

  const housekeeping = await startHousekeeping({
    node,
    journal,
    origin: () => originPosition(adminQuery, [origin, sqlOriginName]),
    tracker,
    chunks,
    executor,
    inspector,
    publisher,
    now: options.now,
    onWorkerAway: () => fatal(new AllwriteError('postgres', 'the server does not start its apply worker again')),
    sweep: () => applier.sweep(),
    onConflicts: (conflicts) => inconsistent('the apply worker met rows that differ', { conflicts }),
    log,
  })

  const guarded = (work: Promise<void>): void => {
    work.catch((error: unknown) => {
      if (!closing.signal.aborted) fatal(error as Error)
    })
  }

  state = 'catching_up'
  const behind = tail.last - start
  const read = behind > farBehind ? `reading ${behind} entries of the journal` : 'reading the journal'
  options.onProgress(read, behind > farBehind)
  const fenced = groups.fence()
  guarded(
    runJudge({
      journal,
      node,
      incarnation,
      applied: start,
      first: tail.first,
      verdicts,
      groups,
      push: (judged) => {
        turns.see(judged)
        return executor.push(judged)
      },
      onEntry: (at, entry) => {
        journalPosition = at
        chunks.see(at, entry)
        if (entry.kind === 'fence' && entry.node === node && entry.incarnation > incarnation) {
          throw new AllwriteError('unavailable', `another agent runs as node ${name}`, {
            detail: `Its incarnation ${entry.incarnation} fenced this one, ${incarnation}, at position ${at}.`,
          })
        }
        here.see(entry)
      },
      signal: closing.signal,
    }),
  )
  await builds.begin(true)
  guarded(executor.run())
  await admin.query('ALTER SUBSCRIPTION allwrite ENABLE')
  const fence = await fenced
  await tracker.whenApplied(fence, closing.signal)
  await admin.query('SELECT allwrite.set_node($1, $2)', [node, options.nodes])
  await voucher.begin(adminQuery)
  log.info({ position: fence }, 'caught up')

  const gate = createGate({
    tracker,
    executor,
    capture,
    submissions,
    turns,
    journal,
    isServing: () => state === 'serving',
    probes: await createServerProbes({
      server,
      dataDir: options.server.dataDir,
      capture,
      capturePid: captureBackend.pid,
      publisher,
      workerPid: () => workerPid,
      onFolderGone: () => fatal(new AllwriteError('unavailable', 'the data folder was removed')),
    }),
    closing: closing.signal,
    log,
  })
  const { serverWatch } = gate

  return {
    gate,
    server,
    classifier,
    schema,
    builds,
    inspector,
    status: () => ({
      state: state === 'serving' && gate.paused ? 'catching_up' : state,
      position: tracker.applied,
      journalPosition,
      postgresPid: server.postgres.pid,
      serverSilentMs: Math.round(serverWatch.silentMs),
      note: note ?? (serverWatch.silentPart && `PostgreSQL does not answer (${serverWatch.silentPart})`),
    }),
    open() {
      if (state === 'catching_up') state = 'serving'
    },
    async stop() {
      state = 'stopping'
      housekeeping.close()
      builds.close()
      gate.close()
      blockers.close()
      turns.close()
      closing.abort()
      executor.close()
      capture.close()
      await publisher[Symbol.asyncDispose]()
      verdicts.close()
      await server.postgres.stop('fast')
    },
  }
}

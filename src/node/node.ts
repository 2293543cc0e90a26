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
import { heartbeatBatch } from './apply/heartbeat.ts'
import { ensureOwned, serverIdentity } from '../postgres/index.ts'
import { startHousekeeping } from './housekeeping.ts'
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
import { parseNameForTurns } from './database-sessions.ts'
import { openDatabases, type Databases } from './databases.ts'
import { createGate, type Gate } from './gate.ts'
import type { NodeLog, NodeStatus } from './told.ts'
import { openVerdictLog } from './order/verdict-log.ts'
import { discontinuity } from './recovery/continuation.ts'
import { continueLineage } from './recovery/lineage.ts'
import { createRecordsHere } from './recovery/records-here.ts'
import { createPinChanges, type PinChanges } from './pin-changes.ts'
import { createServerProbes } from './server-probes.ts'
import { createSlotWatch, type SlotWatch } from './replication/slots.ts'
import { appRoleSql, publisherPortMin, queryOf, startServer, type LocalServer, type ServerOptions } from './server.ts'
import { loadParser } from './session/statement/index.ts'
import { originPosition } from './recovery/progress.ts'
import { guardTemplates } from './templates.ts'
import { callLater, createTurnTaking } from './turns.ts'

/** An inconsistent node shows that it is one for this long before it ends, to be made anew, ms. */
const inconsistentMs = 2_000
/** Entries: a start that has more of them to apply is a joining, which nobody waits for. Some ten seconds' worth. */
const farBehind = windowDefault
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
  /** WAL that a slot of the node's users may keep, bytes. */
  readonly slotWalBytesMax: number
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
  readonly databases: Databases
  readonly inspector: Awaited<ReturnType<typeof createInspector>>
  readonly pinChanges: PinChanges
  readonly slots: SlotWatch
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
  mkdirSync(publisherDir, { recursive: true, mode: 0o700 })
  // The server's user is who connects, and nobody else.
  ensureOwned(publisherDir, serverIdentity())
  const subscription = { publisherDir, publisherPort: publisherPortMin, publisherUser: name }
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
  await admin.query('SET default_transaction_read_only = off; SET session_replication_role = replica')
  await admin.query(appRoleSql(options.appRole.name, options.appRole.verifier))
  await guardTemplates(server, adminQuery)

  // What this server holds. From here on its xids and origins are ours alone: no backend of a predecessor lives.
  const start = await originPosition(adminQuery)
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
  log.info({ position: start, journal: tail.last, incarnation }, 'server is up')

  await loadParser()
  const inspectorClient = await server.connect('inspector')
  const inspector = await createInspector(queryOf(inspectorClient))

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
    tableHash(named) {
      const { database, table } = parseNameForTurns(named)
      return databases.all.find(({ id }) => id === database)?.schema.tableHash(table)
    },
    now: options.now,
    after: callLater,
    onReleased: (tables, ms) =>
      log.info(
        { tables: tables.map((table) => parseNameForTurns(table).table), ms: Math.round(ms) },
        'a schema change had its turn',
      ),
  })
  const chunks = createChunkTracker()
  const readChunks = (record: WritesetRecord) => {
    const home = here.homeOf(record)
    assert(home !== undefined, 'a large record was seen by the judge')
    const decode: Parameters<typeof readChunksOf>[3] = ({ id, payload }) => decodeEntry(id, payload.slice())
    return readChunksOf(journal, home, record, decode, closing.signal)
  }
  const blockers = createBlockerWatch({
    applyingPids: () => databases.all.flatMap(({ applyingPids }) => applyingPids),
    blockersOf: (pids) => inspector.blockersOf(pids),
    abortSession: (pid, waited) => databases.abort(pid, waited),
    waitedFor: (pids) => inspector.waitedFor(pids),
    cancel: (pid) => inspector.cancel(pid),
    terminate: (pid) => inspector.terminate(pid),
    now: options.now,
    onError: (error) => log.warn({ err: error }, 'could not look for blockers'),
  })
  const onBusy = (busy: boolean): void => (busy ? blockers.begin() : blockers.end())

  let largeTransactions = 0
  const databases = await openDatabases(
    {
      node,
      nodes: options.nodes,
      agentSecret: options.agentSecret,
      server,
      query: adminQuery,
      publisherDir,
      spoolDir,
      inspector,
      groups,
      tracker,
      turns,
      transactionNumber: () => (largeTransactions += 1),
      readChunks,
      executor: () => executor,
      gate: () => gate,
      applied: () => tracker.applied,
      onBusy,
      inconsistent,
      onFatal: fatal,
      closing: closing.signal,
      now: options.now,
      wallClock: options.wallClock,
      log,
    },
    { name: options.server.database, dataDir: options.server.dataDir },
  )
  const lineage = await continueLineage(adminQuery, { node, incarnation }, verdicts.remembered.fences, start)
  await databases.first.sessions()
  const pinChanges = createPinChanges(databases.first.schema.tableHash('allwrite.pinned'))
  const here = createRecordsHere({ node, incarnation, lineage, committed: (xid) => inspector.committed(xid) })
  const executor = createExecutor({
    tracker,
    targetOf(database) {
      const target = databases.targetOf(database)
      if (target !== undefined) return target
      // Its CREATE failed here alone: a copy of another node has it.
      const what = `database ${database} of the journal is not at this node`
      inconsistent(what, {})
      throw new AllwriteError('internal', what)
    },
    readChunks,
    committedBefore: (record) => here.committedBefore(record),
    isOwnNode: ({ entry }) => here.isOurs(entry),
    heartbeatBatch: (position) => heartbeatBatch(node, position),
    onBusy,
  })

  const slots = createSlotWatch({ query: adminQuery, walBytesMax: options.slotWalBytesMax, log })
  const housekeeping = await startHousekeeping({
    node,
    journal,
    origin: () => originPosition(adminQuery),
    tracker,
    chunks,
    executor,
    inspector,
    connected: () => databases.all.every(({ connected }) => connected),
    now: options.now,
    onWorkerAway: () => fatal(new AllwriteError('postgres', 'the server does not start its apply worker again')),
    async sweep() {
      for (const database of databases.all) await database.sweep()
    },
    slots: () => slots.enforce(),
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
        pinChanges.see(judged)
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
  await databases.resume()
  guarded(executor.run())
  await databases.first.enable()
  const fence = await fenced
  await tracker.whenApplied(fence, closing.signal)
  await databases.live()
  await voucher.begin(adminQuery)
  log.info({ position: fence }, 'caught up')

  const gate: Gate = createGate({
    tracker,
    executor,
    journal,
    isServing: () => state === 'serving',
    probes: await createServerProbes({
      server,
      dataDir: options.server.dataDir,
      databases: () => databases.all,
      onFolderGone: () => fatal(new AllwriteError('unavailable', 'the data folder was removed')),
    }),
    closing: closing.signal,
    log,
  })
  const { serverWatch } = gate

  return {
    gate,
    server,
    databases,
    inspector,
    pinChanges,
    slots,
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
      gate.close()
      blockers.close()
      turns.close()
      closing.abort()
      executor.close()
      await databases.end()
      verdicts.close()
      await server.postgres.stop('fast')
    },
  }
}

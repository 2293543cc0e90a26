/**
 * The node's client sessions: listener, login and session put together with the node's services.
 *
 * @module
 */
import type { Socket } from 'node:net'
import type { NodeId } from '../core/ids.ts'
import { xid as toXid } from '../core/ids.ts'
import { AllwriteError, assert } from '../core/errors.ts'
import { exhaustedSequence } from './catalog/sequences.ts'
import { createClientList } from './client-list.ts'
import { createPinned, type Pinned } from './pinned.ts'
import { createInternalTransactions } from './internal-transaction.ts'
import type { Query } from './recovery/progress.ts'
import type { RunningNode } from './node.ts'
import type { NodeLog } from './told.ts'
import { agentRole, queryOf } from './server.ts'
import { roleOf, roleRecordSql, type RoleRecord } from '../login/authenticate.ts'
import { createCancelRegistry, passCancel } from './session/cancel.ts'
import { openHbaSource } from '../login/hba-source.ts'
import { listen, type Listener } from './session/listener.ts'
import type { SessionStart } from './session/login.ts'
import { forReader, readerRestriction } from './session/reader.ts'
import { runSession, type Session } from './session/session.ts'
import { createTickets } from './session/tickets.ts'
import { createThrottle } from '../login/throttle.ts'
import { openTlsSource, type TlsFiles } from '../login/tls.ts'
import { proxyKeys } from '../login/vouching.ts'
import { runReplication, type Replication, type ReplicationOptions } from './replication/relay.ts'
import { userSlotsMax } from './replication/slots.ts'
import type { Counts } from './submissions.ts'

export interface SessionsOptions {
  readonly node: NodeId
  readonly running: RunningNode
  readonly host: string
  readonly port: number
  readonly database: string
  readonly sessionsMax: number
  readonly agentSecret: string
  readonly tls: TlsFiles | undefined
  /** The cluster's pg_hba.conf; it may be absent. */
  readonly hbaFile: string
  readonly log: NodeLog
  readonly now: () => number
  /** Takes a connection that speaks HTTP. */
  readonly onHttp: (socket: Socket) => void
  /** A connection of the node's own was lost. */
  readonly onFatal: (error: Error) => void
}

export interface Sessions {
  readonly count: number
  readonly pinned: Pick<Pinned, 'current' | 'take'>
  /** Of each database that has had a client. */
  readonly counts: readonly ({ readonly database: string } & Counts)[]
  /**
   * Ends each session as soon as it is in no transaction (57P01), and new ones at once: the endpoints choose this node no more, who
   * comes has not been told yet. Resolves when none is left, or after `withinMs`.
   */
  drain(withinMs: number): Promise<void>
  /** As {@link drain}, for as long as wanted: who comes later is refused (57P03). */
  setDraining(wanted: boolean): void
  readonly draining: boolean
  /**
   * Reads pg_hba.conf again, for the logins from now on.
   * @throws AllwriteError configuration: it can't be used, and the rules are what they were
   */
  reload(): Promise<void>
  /** Stops accepting, ends sessions after their running transaction's end, waits a bounded time. */
  close(): Promise<void>
}

/** So long the endpoints may take to hear that this node is drained, ms: who was sent here meanwhile is let in. */
const drainMsMin = 250
/** How long sessions may take to end at a stop, ms; then the server's own fast shutdown ends them. */
const closeMsMax = 2_000

export const openSessions = async (options: SessionsOptions): Promise<Sessions> => {
  const { running, log } = options
  const roles = queryOf(await running.server.connect('login'))
  const lookupRole = async (name: string): Promise<RoleRecord | undefined> => {
    const [row] = await roles(roleRecordSql('$1'), [name])
    return roleOf(row?.['record'])
  }

  // Before the first client could meet what a crash made void.
  const first = await running.databases.enter(options.database)
  assert(first !== undefined, 'the first database is never dropped')
  const pinClient = await running.server.connect('pinned')
  await pinClient.query('SET default_transaction_read_only = off')
  await pinClient.query(`SET lock_timeout = '2s'`)
  const pinPid = Number((await queryOf(pinClient)('SELECT pg_backend_pid()::text AS pid'))[0]?.['pid'])
  const pinned = await createPinned({
    node: options.node,
    query: roles,
    internal: createInternalTransactions(pinClient, pinPid, first.sessions.gate),
    changes: running.pinChanges,
    gate: running.gate,
    onFatal: options.onFatal,
  })

  const sessions = new Map<Session, Socket>()
  const replications = new Set<Replication>()
  const clients = createClientList(log)
  /** Shows where a session's client is, until it has gone. */
  const list = (start: SessionStart, query: Query): void => {
    const { client, backendPid: pid } = start
    if (client.remoteAddress === undefined) return
    client.once('close', clients.opened(pid, client.remoteAddress, client.remotePort ?? 0, query))
  }
  const replicate = (start: SessionStart, classify: ReplicationOptions['classify']): void => {
    const { slots } = running
    const replication = runReplication(start, {
      classify,
      pluginOf: (slot) => slots.pluginOf(slot),
      admitSlot: () => slots.admit(),
    })
    replications.add(replication)
    void replication.closed.then(() => replications.delete(replication))
    start.stay?.onOver(() => replication.end())
    if (draining) replication.end()
  }
  const endReplications = (): void => {
    for (const replication of replications) replication.end()
  }
  let draining = false
  /** The endpoints have had the time to hear of it. */
  let refusing = false
  let refuseLater: NodeJS.Timeout | undefined
  /** Told when the last session ends. */
  let onEmpty: () => void = () => undefined
  const onSession = (start: SessionStart): void => {
    const entered = running.databases.entered(start.database)
    if (entered === undefined) {
      // Shut behind the login: its backend is ended with all others.
      for (const socket of [start.client, start.backend]) socket.on('error', () => undefined).destroy()
      return
    }
    const { database, sessions: services } = entered
    const restriction = start.reader ? readerRestriction : start.stay?.restriction
    const classify = database.classifier.classify.bind(database.classifier)
    list(start, database.query)
    if (start.replication) return replicate(start, classify)
    const session = runSession(
      { ...start, consistencyUnknown: true },
      {
        gate: services.gate,
        ...(restriction === undefined ? {} : { restriction }),
        classify: start.reader ? (text, facts) => forReader(classify(text, facts), text) : classify,
        catalogState: () => database.classifier.state,
        functions: services.functions,
        journalSecret: options.agentSecret,
        hasDeferrable: () => database.schema.hasDeferrable,
        // Not by the cancel protocol: a request that waits for a busy postmaster can't be called back, and none says when it is over.
        cancelBackend: () => running.inspector.cancel(start.backendPid),
        passCancel: () => passCancel(running.server.socketPath, start.backendPid, start.backendSecret),
        terminateBackend: () => running.inspector.terminate(start.backendPid),
        committed: (xid) => running.inspector.committed(toXid(BigInt(xid))),
        onSequenceExhausted: async ({ message }) => {
          const sequence = exhaustedSequence(message)
          if (sequence === undefined) throw new AllwriteError('postgres', message, { sqlState: '2200H' })
          await services.exhausted(sequence)
        },
        buildResult: (id) => database.builds.result(id),
        databaseResult: (id) => running.databases.result(id),
        log,
      },
    )
    start.setCancel(() => session.cancel())
    sessions.set(session, start.client)
    void session.closed.then(() => {
      sessions.delete(session)
      if (sessions.size === 0) onEmpty()
    })
    start.stay?.onOver(() => session.end())
    if (draining) session.leave()
  }
  // As if they had left: what is submitted goes its way, everything else is rolled back when the server goes on.
  running.gate.onHung(() => {
    for (const client of sessions.values()) client.destroy()
    endReplications()
  })

  const { mockSecret, vouchKey } = proxyKeys(options.agentSecret)
  const hba = await openHbaSource(options.hbaFile)
  const listener: Listener = await listen({
    host: options.host,
    port: options.port,
    sessionsMax: options.sessionsMax,
    replicationsMax: userSlotsMax,
    gate: running.gate,
    drained: () => refusing,
    lookupRole,
    socketPath: running.server.socketPath,
    enterDatabase: async (name) => (await running.databases.enter(name)) !== undefined,
    reservedRoles: new Set([agentRole]),
    mockSecret,
    vouchKey,
    rules: () => hba.rules(),
    throttle: createThrottle(),
    now: options.now,
    cancels: createCancelRegistry(options.node),
    enterPinned: (binding) => pinned.enter(binding),
    onHttp: options.onHttp,
    issueTicket: createTickets(queryOf(await running.server.connect('tickets'))),
    ...(options.tls === undefined
      ? {}
      : {
          tls: await openTlsSource(options.tls, (error) => log.warn({ err: error }, 'TLS files could not be reloaded')),
        }),
    onRefused: ({ error, user, clientAddress }) =>
      log.info({ user, clientAddress, sqlState: error.sqlState }, `client refused: ${error.message}`),
    onSession,
  })

  return {
    get count() {
      return sessions.size
    },
    pinned,
    get counts() {
      return running.databases.all.flatMap(({ name, openSessions: opened }) =>
        opened === undefined ? [] : [{ database: name, ...opened.submissions.counts }],
      )
    },
    get draining() {
      return draining
    },
    setDraining(wanted) {
      clearTimeout(refuseLater)
      draining = wanted
      refusing = false
      if (!wanted) return
      for (const session of sessions.keys()) session.leave()
      endReplications()
      refuseLater = setTimeout(() => (refusing = true), drainMsMin)
    },
    reload: () => hba.reload(),
    async drain(withinMs) {
      draining = true
      for (const session of sessions.keys()) session.leave()
      endReplications()
      await new Promise((resolve) => setTimeout(resolve, Math.min(drainMsMin, withinMs)))
      if (sessions.size === 0) return
      await new Promise<void>((resolve) => {
        onEmpty = resolve
        setTimeout(resolve, withinMs - drainMsMin).unref()
      })
    },
    async close() {
      clearTimeout(refuseLater)
      clients.close()
      await listener.close()
      for (const session of sessions.keys()) session.end()
      endReplications()
      const all = Promise.all([...sessions.keys(), ...replications].map(({ closed }) => closed))
      await Promise.race([all, new Promise((resolve) => setTimeout(resolve, closeMsMax).unref())])
    },
  }
}

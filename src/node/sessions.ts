/**
 * The node's client sessions: listener, login and session put together with the node's services.
 *
 * @module
 */
import { createHash } from 'node:crypto'
import type { Socket } from 'node:net'
import type pg from 'pg'
import type { NodeId } from '../core/ids.ts'
import { xid as toXid } from '../core/ids.ts'
import { AllwriteError } from '../core/errors.ts'
import { exhaustedSequence, pollIntervalMs, createSequenceLeaser } from './catalog/sequences.ts'
import { createInternalTransactions } from './internal-transaction.ts'
import type { RunningNode } from './node.ts'
import type { NodeLog } from './told.ts'
import { agentRole, queryOf } from './server.ts'
import type { RoleRecord } from '../login/authenticate.ts'
import { createCancelRegistry, passCancel } from './session/cancel.ts'
import { listen, type Listener } from './session/listener.ts'
import type { SessionStart } from './session/login.ts'
import { runSession, type Session, type SessionFunctions } from './session/session.ts'
import { openTlsSource } from '../login/tls.ts'

export interface SessionsOptions {
  readonly node: NodeId
  readonly running: RunningNode
  readonly host: string
  readonly port: number
  readonly database: string
  readonly sessionsMax: number
  readonly agentSecret: string
  readonly tls: { readonly certFile: string; readonly keyFile: string } | undefined
  readonly log: NodeLog
  readonly now: () => number
  /** A connection of the node's own was lost. */
  readonly onFatal: (error: Error) => void
}

export interface Sessions {
  readonly count: number
  /**
   * Ends each session as soon as it is in no transaction (57P01), and new ones at once: the endpoints choose this node no more, who
   * comes has not been told yet. Resolves when none is left, or after `withinMs`.
   */
  drain(withinMs: number): Promise<void>
  /** Stops accepting, ends sessions after their running transaction's end, waits a bounded time. */
  close(): Promise<void>
}

/** So long the endpoints may take to hear that this node is drained, ms: who was sent here meanwhile is let in. */
const drainMsMin = 250
/** How long sessions may take to end at a stop, ms; then the server's own fast shutdown ends them. */
const closeMsMax = 2_000

const functionsOf = async (client: pg.Client): Promise<SessionFunctions> => {
  const oid = async (signature: string): Promise<number> => {
    const { rows } = await client.query<{ oid: string }>('SELECT $1::regprocedure::oid::text AS oid', [signature])
    return Number(rows[0]?.oid)
  }
  return {
    capture: await oid('allwrite.capture(text)'),
    captureLocking: await oid('allwrite.capture_locking(text, text, pg_lsn)'),
    unseenWrites: await oid('allwrite.unseen_writes()'),
    sessionState: await oid('allwrite.session_state()'),
    currentSetting: await oid('pg_catalog.current_setting(text, boolean)'),
    truncateRestarted: await oid('allwrite.truncate_restarted()'),
    journalStatement: await oid('allwrite.journal_statement(text, text, text[])'),
    countTransaction: await oid('allwrite.count_transaction(text)'),
    journalConcurrently: await oid('allwrite.journal_concurrently(text, text, text)'),
  }
}

const roleSql = `SELECT rolpassword, rolcanlogin::text, rolvaliduntil::text, rolconnlimit::text, rolsuper::text
  FROM pg_authid WHERE rolname = $1`

export const openSessions = async (options: SessionsOptions): Promise<Sessions> => {
  const { running, log } = options
  const roles = queryOf(await running.server.connect('login'))
  const lookupRole = async (name: string): Promise<RoleRecord | undefined> => {
    const [row] = await roles(roleSql, [name])
    if (row === undefined) return undefined
    const until = row['rolvaliduntil']
    return {
      verifier: row['rolpassword'] ?? null,
      canLogin: row['rolcanlogin'] === 'true',
      validUntil: until == null || until.endsWith('infinity') ? null : new Date(`${until.replace(' ', 'T')}:00`),
      connectionLimit: Number(row['rolconnlimit']),
      superuser: row['rolsuper'] === 'true',
    }
  }

  const leaseClient = await running.server.connect('leases')
  await leaseClient.query('SET default_transaction_read_only = off')
  // A client's open DDL holds the row of its sequence: the other sequences' leases don't wait for it longer than this.
  await leaseClient.query(`SET lock_timeout = '2s'`)
  const leasePid = Number((await queryOf(leaseClient)('SELECT pg_backend_pid()::text AS pid'))[0]?.['pid'])
  const internal = createInternalTransactions(leaseClient, leasePid, running.gate)
  const grantClient = await running.server.connect('ranges')
  await grantClient.query(`SET lock_timeout = '1s'`)
  const leaser = createSequenceLeaser({
    leaseTransaction: (sql) => internal.run(sql),
    control: grantClient,
    now: options.now,
  })
  let polling: Promise<void> | undefined
  const poll = (): Promise<void> => {
    polling ??= leaser
      .poll()
      .catch((error: unknown) => log.warn({ err: error }, 'could not lease sequence values ahead'))
      .finally(() => {
        polling = undefined
      })
    return polling
  }
  // What a crash made void is leased before the first client could meet it.
  await poll()
  const pollTimer = setInterval(() => {
    if (running.gate.serving) void poll()
  }, pollIntervalMs)

  const functions = await functionsOf(grantClient)
  const sessions = new Map<Session, Socket>()
  let draining = false
  /** Told when the last session ends. */
  let onEmpty: () => void = () => undefined
  const onSession = (start: SessionStart): void => {
    const session = runSession(
      { ...start, consistencyUnknown: true },
      {
        gate: running.gate,
        classify: (text, facts) => running.classifier.classify(text, facts),
        catalogState: () => running.classifier.state,
        functions,
        journalSecret: options.agentSecret,
        hasDeferrable: () => running.schema.hasDeferrable,
        // Not by the cancel protocol: a request that waits for a busy postmaster can't be called back, and none says when it is over.
        cancelBackend: () => running.inspector.cancel(start.backendPid),
        passCancel: () => passCancel(running.server.socketPath, start.backendPid, start.backendSecret),
        terminateBackend: () => running.inspector.terminate(start.backendPid),
        committed: (xid) => running.inspector.committed(toXid(BigInt(xid))),
        onSequenceExhausted: async ({ message }) => {
          const sequence = exhaustedSequence(message)
          if (sequence === undefined) throw new AllwriteError('postgres', message, { sqlState: '2200H' })
          await leaser.exhausted(sequence)
          // Where one has run out, the statement's or the load's others are not far.
          void poll()
        },
        buildResult: (id) => running.builds.result(id),
        log,
      },
    )
    start.setCancel(() => session.cancel())
    sessions.set(session, start.client)
    void session.closed.then(() => {
      sessions.delete(session)
      if (sessions.size === 0) onEmpty()
    })
    if (draining) session.leave()
  }
  // As if they had left: what is submitted goes its way, everything else is rolled back when the server goes on.
  running.gate.onHung(() => {
    for (const client of sessions.values()) client.destroy()
  })

  const listener: Listener = await listen({
    host: options.host,
    port: options.port,
    sessionsMax: options.sessionsMax,
    gate: running.gate,
    lookupRole,
    socketPath: running.server.socketPath,
    database: options.database,
    reservedRoles: new Set([agentRole]),
    mockSecret: createHash('sha256').update(`mock ${options.agentSecret}`).digest(),
    cancels: createCancelRegistry(options.node),
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
    async drain(withinMs) {
      draining = true
      for (const session of sessions.keys()) session.leave()
      await new Promise((resolve) => setTimeout(resolve, Math.min(drainMsMin, withinMs)))
      if (sessions.size === 0) return
      await new Promise<void>((resolve) => {
        onEmpty = resolve
        setTimeout(resolve, withinMs - drainMsMin).unref()
      })
    },
    async close() {
      clearInterval(pollTimer)
      await listener.close()
      for (const session of sessions.keys()) session.end()
      const all = Promise.all([...sessions.keys()].map((session) => session.closed))
      await Promise.race([all, new Promise((resolve) => setTimeout(resolve, closeMsMax).unref())])
    },
  }
}

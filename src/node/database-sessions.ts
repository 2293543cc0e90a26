/**
 * What the clients of one database need at its node: the capture stream, the way into the journal, leases of sequence values, and the
 * agent's functions there. Costs a WAL sender and three connections, so it is made when a client comes first.
 *
 * @module
 */
import type pg from 'pg'
import type { DatabaseId, NodeId, Position } from '../core/ids.ts'
import { firstDatabase, position as toPosition } from '../core/ids.ts'
import { startCapture, type Capture } from './capture/capture.ts'
import { buildUnwritten, buildWriteset } from './capture/writeset.ts'
import { statementOf } from './capture/statement-row.ts'
import { createSequenceLeaser, pollIntervalMs, type SequenceLeaser } from './catalog/sequences.ts'
import type { Gate } from './gate.ts'
import type { Inspector } from './inspector.ts'
import { createInternalTransactions } from './internal-transaction.ts'
import type { GroupBuilder } from './order/group-builder.ts'
import type { OrderTracker } from './order/order-tracker.ts'
import type { SchemaCache } from './schema-cache.ts'
import { agentRole, captureSettings, queryOf, type LocalServer } from './server.ts'
import { connectBackend } from './session/backend.ts'
import type { NodeGate, Turn } from './session/contract.ts'
import type { SessionFunctions } from './session/session-options.ts'
import { createSubmissions, type Submissions } from './submissions.ts'
import type { NodeLog } from './told.ts'
import type { TurnTaking } from './turns.ts'

/** How long a transaction waits for the schema change that it has met, ms. Reading the catalog takes some 20. */
const schemaSettledMsMax = 500

export interface SessionsContext {
  readonly node: NodeId
  readonly server: LocalServer
  readonly agentSecret: string
  readonly spoolDir: string
  readonly inspector: Inspector
  readonly groups: GroupBuilder
  readonly tracker: OrderTracker
  readonly turns: TurnTaking
  /** Numbers the large transactions of this incarnation. */
  readonly transactionNumber: () => number
  /** Of the node, once it has caught up. */
  readonly gate: () => Gate
  /** Unix time, ms. */
  readonly wallClock: () => number
  /** Monotonic, ms. */
  readonly now: () => number
  readonly inconsistent: (what: string, fields: object) => void
  readonly onFatal: (error: Error) => void
  readonly log: NodeLog
}

export interface DatabaseSessions {
  readonly capture: Capture
  /** The process that streams to `capture`. */
  readonly capturePid: number
  readonly submissions: Submissions
  /** The rest, for a node that has caught up. Done once. */
  serve(): Promise<SessionServices>
  /** The same where it is done. */
  readonly services: SessionServices | undefined
  /** Ends its connections, without waiting for what they do. */
  end(): void
}

export interface SessionServices {
  readonly gate: NodeGate
  readonly functions: SessionFunctions
  /** @throws as {@link SequenceLeaser.exhausted} */
  readonly exhausted: SequenceLeaser['exhausted']
}

interface Owner {
  readonly id: DatabaseId
  readonly oid: number
  readonly name: string
  readonly schema: SchemaCache
  /** A connection to it was lost. */
  readonly onLost: (error?: Error) => void
}

/** Turns are the node's, names of tables a database's. */
export const nameForTurns = (database: DatabaseId, table: string): string => `${database} ${table}`

/** As {@link nameForTurns} made it. */
export const parseNameForTurns = (name: string): { readonly database: number; readonly table: string } => ({
  database: Number(name.slice(0, name.indexOf(' '))),
  table: name.slice(name.indexOf(' ') + 1),
})

const functionsOf = async (client: pg.Client): Promise<SessionFunctions> => {
  const oid = async (signature: string): Promise<number> => {
    const { rows } = await client.query<{ oid: string }>('SELECT $1::regprocedure::oid::text AS oid', [signature])
    return Number(rows[0]?.oid)
  }
  return {
    capture: await oid('allwrite.capture(text)'),
    captureLocking: await oid('allwrite.capture_locking(text, text, pg_lsn)'),
    turnTables: await oid('allwrite.turn_tables(text, boolean)'),
    unseenWrites: await oid('allwrite.unseen_writes()'),
    sessionState: await oid('allwrite.session_state()'),
    currentSetting: await oid('pg_catalog.current_setting(text, boolean)'),
    truncateRestarted: await oid('allwrite.truncate_restarted()'),
    journalStatement: await oid('allwrite.journal_statement(text, text, text[])'),
    countTransaction: await oid('allwrite.count_transaction(text)'),
    journalConcurrently: await oid('allwrite.journal_concurrently(text, text, text)'),
    journalDatabase: await oid('allwrite.journal_database(text, text, text)'),
  }
}

const gateOf = (context: SessionsContext, { id }: Owner, capture: Capture, submissions: Submissions): NodeGate => {
  const { gate, turns } = context
  const named = (tables: ReadonlySet<string>): ReadonlySet<string> =>
    new Set([...tables].map((table) => nameForTurns(id, table)))
  const turnOf = (turn: Turn): Turn => ({
    get over() {
      return turn.over
    },
    get spent() {
      return turn.spent
    },
    widen: (tables) => turn.widen(named(tables)),
    release: () => turn.release(),
  })
  return {
    applied: () => gate().applied(),
    committing: () => gate().committing(),
    whenApplied: (position, signal) => gate().whenApplied(position, signal),
    catchUp: (signal) => gate().catchUp(signal),
    get paused() {
      return gate().paused
    },
    get serving() {
      return gate().serving
    },
    walPassed: () => capture.passed,
    captureNonce: () => capture.nonce(),
    discardNonce: (nonce) => capture.discard(nonce),
    submit: (submission) => submissions.submit(submission),
    register: (participant) => submissions.register(participant),
    takeTurn: (tables, signal) => turns.take(named(tables), signal).then((turn) => turn && turnOf(turn)),
  }
}

const openSubmissions = (context: SessionsContext, { id, schema }: Owner, capture: Capture): Submissions => {
  const { groups, tracker, inspector } = context
  const applied = (): Position => tracker.applied
  return createSubmissions({
    ...(id === firstDatabase ? {} : { database: id }),
    capture,
    groups,
    applied,
    build: (transaction, dependencies) =>
      buildWriteset(transaction, {
        dependencies,
        keys: schema.keys.begin({ schemaChange: transaction.statements }),
        statementOf,
        appendChunk: (number, index, bytes) => groups.chunk(number, index, bytes),
        transactionNumber: context.transactionNumber,
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
}

export const openDatabaseSessions = async (context: SessionsContext, owner: Owner): Promise<DatabaseSessions> => {
  const { server, log, inconsistent } = context
  const { id, oid, name } = owner
  const backend = await connectBackend({
    socketPath: server.socketPath,
    user: agentRole,
    database: name,
    credentials: { kind: 'password', password: context.agentSecret },
    settings: captureSettings,
  })
  const capture = await startCapture({
    socket: backend.socket,
    slot: id === firstDatabase ? 'allwrite' : `allwrite_${oid}`,
    publication: 'allwrite',
    spoolDir: context.spoolDir,
    wallClock: context.wallClock,
    onLost: owner.onLost,
    onTripwire: (what, xid) => inconsistent(what, { xid }),
    onCommit: (transaction) => {
      if (!transaction.sealed && transaction.rows > 0) {
        inconsistent('a transaction with row changes committed uncaptured', { xid: transaction.xid })
      }
    },
  })
  const submissions = openSubmissions(context, owner, capture)
  const gate = gateOf(context, owner, capture, submissions)
  const clients: pg.Client[] = []
  let pollTimer: NodeJS.Timeout | undefined
  let ended = false
  let serving: Promise<SessionServices> | undefined
  let services: SessionServices | undefined

  const connect = async (purpose: string, setup: string): Promise<pg.Client> => {
    const client = await server.connect(purpose, name, () => owner.onLost())
    clients.push(client)
    if (ended) await client.end()
    await client.query(setup)
    return client
  }

  const startServing = async (): Promise<SessionServices> => {
    // A client's open DDL holds the row of its sequence: the other sequences' leases don't wait for it longer than this.
    const leaseClient = await connect('leases', `SET default_transaction_read_only = off; SET lock_timeout = '2s'`)
    const leasePid = Number((await queryOf(leaseClient)('SELECT pg_backend_pid()::text AS pid'))[0]?.['pid'])
    const internal = createInternalTransactions(leaseClient, leasePid, gate)
    const grantClient = await connect('ranges', `SET lock_timeout = '1s'`)
    const leaser = createSequenceLeaser({
      leaseTransaction: (sql) => internal.run(sql),
      control: grantClient,
      now: context.now,
    })
    let polling: Promise<void> | undefined
    const poll = (): Promise<void> => {
      polling ??= leaser
        .poll()
        .catch((error: unknown) => {
          if (!ended) log.warn({ err: error, database: name }, 'could not lease sequence values ahead')
        })
        .finally(() => {
          polling = undefined
        })
      return polling
    }
    // What a crash made void is leased before the first client could meet it.
    await poll()
    pollTimer = setInterval(() => {
      if (ended) clearInterval(pollTimer)
      else if (gate.serving) void poll()
    }, pollIntervalMs)
    services = {
      gate,
      functions: await functionsOf(grantClient),
      async exhausted(sequence) {
        await leaser.exhausted(sequence)
        // Where one has run out, the statement's or the load's others are not far.
        void poll()
      },
    }
    return services
  }

  return {
    capture,
    capturePid: backend.pid,
    submissions,
    get services() {
      return services
    },
    serve() {
      serving ??= startServing()
      return serving
    },
    end() {
      ended = true
      clearInterval(pollTimer)
      capture.close()
      // One that asks something is cut off: its answer may lie behind what ends it.
      for (const client of clients) void client.end()
    },
  }
}

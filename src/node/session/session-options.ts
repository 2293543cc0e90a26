/**
 * What a session is given: its two sockets after login, and the services of its node.
 *
 * @module
 */
import type { Socket } from 'node:net'
import type { AllwriteError } from '../../core/errors.ts'
import type { NodeGate, Restriction } from './contract.ts'
import type { ClassifiedQuery, SessionFacts } from './statement/contract.ts'

/** Two logged-in connections; the client has had its first ReadyForQuery. Sockets are paused and have no listeners. */
export interface Handover {
  readonly client: Socket
  /** Bytes that the client sent behind its login. */
  readonly clientLeftover: Buffer
  readonly backend: Socket
  /** Bytes that the backend sent behind its first ReadyForQuery. */
  readonly backendLeftover: Buffer
  readonly backendPid: number
  readonly user: string
  readonly database: string
  /** What the backend reported at login, by name. */
  readonly parameters: ReadonlyMap<string, string>
  /** What the client asked `default_transaction_read_only` to be at login. */
  readonly readOnlyWish: boolean
  /** The client is a pool; its transactions are counted under this name, if it is not empty. @default undefined */
  readonly pooled?: string | undefined
  /** `allwrite.consistency` may have come with the role, the database or the connection. @default false */
  readonly consistencyUnknown?: boolean
}

/** The catalog's functions that a session calls by FunctionCall: their OIDs in this database. */
export interface SessionFunctions {
  /** `allwrite.capture(nonce text) → text`: emits the capture message; the xid, or NULL if nothing was written. */
  readonly capture: number
  /** `allwrite.capture_locking(secret text, nonce text, since pg_lsn) → text`: besides, behind a blank, the locks held; behind another `rc` at READ COMMITTED. */
  readonly captureLocking: number
  /** `allwrite.unseen_writes() → text`: names a write that the stream does not show, else NULL. */
  readonly unseenWrites: number
  /** `allwrite.session_state() → text`: a digest of what a rollback would take from the session; NULL: not known. */
  readonly sessionState: number
  /** `allwrite.turn_tables(names text, drops boolean) → text`: the isolation level, then a line for each table (`schema.name`). */
  readonly turnTables: number
  /** `current_setting(name text, missing_ok boolean) → text`, PostgreSQL's own. */
  readonly currentSetting: number
  /** `allwrite.truncate_restarted() → void`: makes the restarts of TRUNCATE ... RESTART IDENTITY those of the cluster. */
  readonly truncateRestarted: number
  /** `allwrite.journal_statement(secret text, statement text, context text)`. */
  readonly journalStatement: number
  /** `allwrite.count_transaction(id text) → text`: counts the open transaction if it has written: how many those are; else NULL. */
  readonly countTransaction: number
  /** `allwrite.journal_concurrently(secret text, id text, request text) → text`: not NULL, why nothing is to be done. */
  readonly journalConcurrently: number
  /** `allwrite.journal_database(secret text, id text, request text) → text`: as above. */
  readonly journalDatabase: number
}

/** An index change, or a database's, came to its end at this node. */
export interface BuildResult {
  readonly notices: readonly { readonly message: string; readonly sqlState: string }[]
  readonly error?: AllwriteError
  /** A failed build has left this index behind, invalid; its name, quoted. */
  readonly left?: string
}

/** The few lines a session logs; pino's logger fits. */
export interface SessionLog {
  warn(fields: object, message: string): void
  error(fields: object, message: string): void
}

export interface SessionOptions {
  readonly gate: NodeGate
  /** What the session may not do, by the endpoint that it came by. */
  readonly restriction?: Restriction
  /** Pure and cached: asked once per statement. */
  readonly classify: (text: string, facts: SessionFacts) => ClassifiedQuery
  /** Which state of the catalog `classify` judges by: rises with each. */
  readonly catalogState: () => number
  readonly functions: SessionFunctions
  /** Proof for journal_statement that the caller is the agent; never part of a query's text. */
  readonly journalSecret: string
  /** The database has deferrable constraints: they are checked before the capture. Asked at each transaction's end. */
  readonly hasDeferrable: () => boolean
  /**
   * Cancels what the backend does (pg_cancel_backend). Resolves when the signal has been sent, not before, however long that takes:
   * the backend sees it before anything that is sent to it afterwards.
   */
  readonly cancelBackend: () => Promise<void>
  /** Passes the client's own cancel on. Resolves when the server has taken it, or after some seconds. Never rejects. */
  readonly passCancel: () => Promise<void>
  /** Ends the backend (pg_terminate_backend). */
  readonly terminateBackend: () => Promise<void>
  /**
   * What became of a transaction whose COMMIT was sent and never answered: resolves when the server knows (never while the
   * transaction is in progress). May reject while the server can't be asked: it is asked again.
   */
  readonly committed: (xid: string) => Promise<boolean>
  /** A sequence's leased range is used up (2200H): resolves when a new range is there. @throws if there can't be one */
  readonly onSequenceExhausted: (error: { readonly message: string; readonly detail?: string }) => Promise<void>
  /** How the index change of this id, journaled after this call, comes out at this node. */
  readonly buildResult: (id: string) => Promise<BuildResult>
  /** The same of a command that makes, changes or drops a database. */
  readonly databaseResult: (id: string) => Promise<BuildResult>
  readonly log: SessionLog
  /** 0 ≤ x < 1; default Math.random. */
  readonly random?: () => number
}

/** A running session. */
export interface Session {
  /** Resolves when both connections are closed and the participant is forgotten. Never rejects. */
  readonly closed: Promise<void>
  /** What the client's CancelRequest does. Resolves when the server has taken it. */
  cancel(): Promise<void>
  /** Ends the session with 57P01 as soon as it is in no transaction. */
  leave(): void
  /** Ends the session with 57P01 as soon as no transaction waits for its outcome; an open one is rolled back. */
  end(): void
}

/**
 * Where a client session and its node meet. The session owns one backend and follows one client's protocol; the node
 * owns the order. Neither knows the other's insides.
 *
 * A write transaction's end, as the session drives it:
 * 1. `late = node.applied()`, then the capture call on the backend with a fresh ticket's nonce. NULL back: nothing was
 *    written, plain COMMIT. An error back: the transaction failed, as with any statement.
 * 2. `node.submit({...})`. The node waits until the capture stream has shown the nonce, computes keys, appends.
 * 3. When the order reaches it, the node calls `participant.commit()`; the session sends COMMIT to its backend.
 * 4. The outcome resolves: only now the client may be answered, and only with what the outcome says (RULES 2).
 *
 * At any time before 3 the node may call `participant.abort(reason)`: a remote writeset needs the row (RULES 13).
 *
 * @module
 */
import type { Binding } from '../../core/preamble.ts'
import type { AllwriteError } from '../../core/errors.ts'
import type { NodeId, Position } from '../../core/ids.ts'

/** Why a transaction lost. Key and table are what the DETAIL line names; absent where a coarse key decided. */
export interface Conflict {
  /** `public.accounts` as shown to the user; `schema` for a conflict with DDL. */
  readonly table: string
  /** `Key (id)=(42)` as PostgreSQL prints it. */
  readonly key: string | undefined
  readonly winner: NodeId | undefined
  readonly position: Position | undefined
  /** `certification`: lost to an earlier entry; `brute_force`: aborted for apply; `too_old`: read position left the window. */
  readonly reason: 'certification' | 'brute_force' | 'too_old'
}

export type Outcome =
  /** Certified; applied at this node. `local`: by the backend's own COMMIT; else from the journal, its session state lost. */
  | { readonly kind: 'committed'; readonly position: Position; readonly local: boolean }
  /** Not certified, everywhere. The backend's transaction is still open (unless it was aborted): the session rolls it back. */
  | { readonly kind: 'aborted'; readonly conflict: Conflict }
  /** Refused before the append (too large, unsupported …). The session rolls back and shows the error. */
  | { readonly kind: 'refused'; readonly error: Error }

/** One transaction, from its first statement to its outcome. Implemented by the session. */
export interface Participant {
  /** The backend's process id: what pg_blocking_pids names. */
  readonly backendPid: number
  /**
   * Sends COMMIT to the backend. True when the backend reported success; false when it is certain that it did not
   * commit *and* that its locks are gone (rolled back or backend ended). Never rejects.
   */
  commit(): Promise<boolean>
  /**
   * Rolls the running transaction back, whatever it is doing: cancels, drains, at last terminates the backend (abort.ts).
   * Resolves when the locks are gone. Idempotent; resolves at once if nothing runs; a statement outside a transaction block is
   * left a grace. A transaction that was
   * already submitted stays submitted: `commit()` then answers false and the node applies its record.
   */
  abort(conflict: Conflict): Promise<void>
}

export interface Submission {
  /** The nonce given to the capture call that returned this transaction's xid. */
  readonly nonce: string
  readonly early: Position
  readonly late: Position
  /** What `allwrite.locks_held()` answered, where the transaction may have locked what it did not write. */
  readonly locks?: string
  readonly participant: Participant
  readonly restriction?: Restriction
}

/** What a session is bound to at its endpoint (core/preamble.ts), as far as its commits go. */
export interface Restriction {
  readonly kind: Binding['kind']
  /** Keys that its records have besides their own, packed, each of them check-only. */
  readonly keys: Uint8Array
  /** Why nothing that changes or locks anything may be appended; asked in the same tick as it would be. Undefined: it may. */
  refusal(): AllwriteError | undefined
}

/** Other nodes hold back what this node's schema change would lose to (ADR 18). Nothing depends on it. */
export interface Turn {
  readonly over: boolean
  /** It had all the time that a turn may have: the schema change takes too long, another one would not help. */
  readonly spent: boolean
  /** Other tables are in the way as well. */
  widen(tables: ReadonlySet<string>): void
  /** Idempotent. */
  release(): void
}

/** The node as sessions see it. */
export interface NodeGate {
  /** Contiguous position applied locally, now. */
  applied(): Position
  /**
   * The newest own position whose COMMITs are on their way: their row locks may be free already, although the position does
   * not count as applied yet. A transaction that got such a lock read at that position (RULES 11).
   */
  committing(): Position
  /** Resolves when `applied() >= position`. */
  whenApplied(position: Position, signal?: AbortSignal): Promise<void>
  /**
   * Resolves when everything that was committed anywhere before this call is applied here.
   * @throws AllwriteError cancelled when the signal aborts first
   */
  catchUp(signal: AbortSignal): Promise<void>
  /** This node was paused and has not caught up since: what it holds is too old to be read. */
  readonly paused: boolean
  /** A place in the WAL before anything that a transaction writes which begins after this call. */
  walPassed(): bigint
  /** A random token for one capture call; the capture stream starts to watch for it. */
  captureNonce(): string
  /** Gives a watched nonce up: the capture call failed or found nothing written. */
  discardNonce(nonce: string): void
  submit(submission: Submission): Promise<Outcome>
  /**
   * Asks for a turn for a schema change that keeps losing to writers of these tables (as {@link Conflict} names them; none: all).
   * Resolves when it has begun, or with undefined when it did not come in time or the signal aborts; the caller releases it.
   */
  takeTurn(tables: ReadonlySet<string>, signal: AbortSignal): Promise<Turn | undefined>
  /** Makes the participant known under its backend pid for as long as the backend lives; call the result to forget it. */
  register(participant: Participant): () => void
  /** Serving: caught up and consistent. New sessions are refused with 57P03 while false. */
  readonly serving: boolean
}

/**
 * Where a session's transaction stands, as a total table: state × event → state; `undefined` = can't happen, a bug of ours
 * or a server that does something else than what its statement was read as. Both end the session, never go on.
 *
 * @module
 */
import { Status } from '../../wire/pgwire/messages.ts'
import type { Position } from '../../core/ids.ts'

/**
 * - `idle`: none.
 * - `wrap`: ours, around statements that the client sent outside a transaction.
 * - `client`: the client's, in order. `failed`: the client's, only ROLLBACK helps.
 * - `submitted`: handed to the node; only the journal decides (RULES 2).
 */
export type TransactionState = 'idle' | 'wrap' | 'client' | 'failed' | 'submitted'

/**
 * What moves it: ReadyForQuery's status after a statement of the client, or a step of ours that succeeded. `adopted`: the
 * client's BEGIN made our wrap its own transaction.
 */
export type TransactionEvent = 'I' | 'T' | 'E' | 'wrapped' | 'adopted' | 'submitted' | 'ended'

const table: Readonly<Record<TransactionState, Readonly<Record<TransactionEvent, TransactionState | undefined>>>> = {
  idle: {
    I: 'idle',
    T: 'client',
    E: 'failed',
    wrapped: 'wrap',
    adopted: undefined,
    submitted: undefined,
    ended: 'idle',
  },
  wrap: {
    I: undefined,
    T: 'wrap',
    E: 'wrap',
    wrapped: undefined,
    adopted: 'client',
    submitted: 'submitted',
    ended: 'idle',
  },
  client: {
    I: 'idle',
    T: 'client',
    E: 'failed',
    wrapped: undefined,
    adopted: undefined,
    submitted: 'submitted',
    ended: 'idle',
  },
  failed: {
    I: 'idle',
    T: 'client',
    E: 'failed',
    wrapped: undefined,
    adopted: undefined,
    submitted: undefined,
    ended: 'idle',
  },
  submitted: {
    I: undefined,
    T: undefined,
    E: undefined,
    wrapped: undefined,
    adopted: undefined,
    submitted: undefined,
    ended: 'idle',
  },
}

/** The next state; undefined where the event can't happen. */
export const nextState = (state: TransactionState, event: TransactionEvent): TransactionState | undefined =>
  table[state][event]

/** ReadyForQuery's status as an event. */
export const eventOfStatus = (status: number): TransactionEvent =>
  status === Status.idle ? 'I' : status === Status.open ? 'T' : 'E'

/** What a client sees as its status. */
export const statusOfState = (state: TransactionState): number =>
  state === 'client' ? Status.open : state === 'failed' ? Status.failed : Status.idle

/** What the open transaction has done so far, as far as its end depends on it. */
export interface Work {
  /** Applied position before its first statement; undefined: no statement yet. */
  early: Position | undefined
  /**
   * Applied position when the first row of its first statement was seen, where that only locks rows (ADR 13, "Waiters"). The later
   * statements run at it or behind it.
   */
  held: Position | undefined
  /** A place in the WAL before its first record; with `early`. */
  since: bigint
  /** Code ran whose writes the stream may not show. */
  unseen: boolean
  /** Rows or tables may be locked that are not written. */
  mayLock: boolean
  /** It changed the schema. */
  ddl: boolean
  /** It changed the session (SET, temporary tables, cursors …): lost where it is committed from the journal. */
  sessionState: boolean
  /** How the client began it; opens the failed transaction after a conflict. */
  begin: string
}

export const freshWork = (begin: string): Work => ({
  early: undefined,
  held: undefined,
  since: 0n,
  unseen: false,
  mayLock: false,
  ddl: false,
  sessionState: false,
  begin,
})

/** The node aborted the transaction under the statement that runs; `Core.aborted` tells why. */
export class TransactionAborted extends Error {
  constructor() {
    super('the transaction was aborted by the node')
    this.name = 'TransactionAborted'
  }
}

/**
 * What all sessions of a pool are given.
 *
 * @module
 */
import type { EndpointRoutes } from '../contract.ts'
import type { Connections } from './connections.ts'
import type { ServerConnection } from './server-connection.ts'
import type { PoolSettings } from './settings.ts'

export interface SessionContext {
  /** Sessions count as load where they are at home. */
  readonly routes: Pick<EndpointRoutes, 'opened'>
  readonly connections: Connections
  readonly settings: PoolSettings
  /**
   * How many transactions of the connection, which is lost, have written and are committed; after this call none can be any more.
   * Undefined: nobody could tell in time (ADR 29).
   */
  readonly outcome: (connection: ServerConnection) => Promise<number | undefined>
  readonly counts: FailoverCounts
  readonly log: { warn(fields: object, message: string): void }
}

/** Since the pool began. */
export interface FailoverCounts {
  /** Connections that were lost under a session. */
  lost: number
  /** Transactions that went on at another connection, their clients unaware. */
  replayed: number
  /** Those that did not give the same results, were too large or lost too many connections: 40001. */
  differed: number
  /** Lost answers of transactions that were found to be committed. */
  committed: number
  /** Conflicts that a client did not hear of: its transaction ran again. */
  masked: number
  /** Those of which nobody could tell in time: 08007. */
  unknown: number
}

/** The session ends with these words, or without any. */
export class SessionEnd extends Error {
  readonly words: Buffer | undefined

  constructor(words: Buffer | undefined) {
    super('the session ends')
    this.name = 'SessionEnd'
    this.words = words
  }
}

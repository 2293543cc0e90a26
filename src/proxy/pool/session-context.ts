/**
 * What all sessions of a pool are given.
 *
 * @module
 */
import type { Connections } from './connections.ts'
import type { ServerConnection } from './server-connection.ts'
import type { PoolSettings } from './settings.ts'

export interface SessionContext {
  readonly connections: Connections
  readonly settings: PoolSettings
  /**
   * How many transactions of the connection, which is lost, have written and are committed; after this call none can be any more.
   * Undefined: nobody could tell in time (ADR 29).
   */
  readonly outcome: (connection: ServerConnection) => Promise<number | undefined>
  readonly log: { warn(fields: object, message: string): void }
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

/**
 * What shows the node's own server that a login comes from the agent: see catalog/sql/login.ts and ADR 32.
 *
 * @module
 */
import { createHash, randomBytes } from 'node:crypto'

/** The start-up setting that carries a ticket. */
export const ticketSetting = 'allwrite.ticket'

export interface Ticket {
  /** For the start-up packet. */
  readonly text: string
  /** Resolves when no login is let in with it any more. */
  voided(): Promise<void>
}

/** A ticket for one login. Rejects when the server can't be asked. */
export type IssueTicket = () => Promise<Ticket>

/**
 * @param query on a connection of the agent's role, which holds the locks: its end makes all tickets void
 */
export const createTickets =
  (query: (sql: string, values: readonly string[]) => Promise<unknown>): IssueTicket =>
  async () => {
    const text = randomBytes(24).toString('base64url')
    const key = createHash('sha256').update(text, 'utf8').digest().readBigInt64BE(0).toString()
    await query('SELECT pg_catalog.pg_advisory_lock($1::bigint)::text', [key])
    return {
      text,
      voided: async () => {
        await query('SELECT pg_catalog.pg_advisory_unlock($1::bigint)::text', [key])
      },
    }
  }

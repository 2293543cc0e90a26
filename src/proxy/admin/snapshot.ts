/**
 * What the admin console is told of a pool, and what it may have it do. The pool answers; the console only words it.
 *
 * @module
 */

/** Sums since the pool began. */
export interface Totals {
  readonly transactions: number
  readonly queries: number
  /** From clients, bytes of messages. */
  readonly received: number
  /** To clients, bytes of messages. */
  readonly sent: number
  /** From a transaction's first message to its end, µs. */
  readonly transactionUs: number
  /** From a request's first message to its ReadyForQuery, µs. */
  readonly queryUs: number
  /** Clients' waiting for a connection, µs. */
  readonly waitUs: number
}

export const noTotals: Totals = {
  transactions: 0,
  queries: 0,
  received: 0,
  sent: 0,
  transactionUs: 0,
  queryUs: 0,
  waitUs: 0,
}

export const addTotals = (one: Totals, other: Totals): Totals => ({
  transactions: one.transactions + other.transactions,
  queries: one.queries + other.queries,
  received: one.received + other.received,
  sent: one.sent + other.sent,
  transactionUs: one.transactionUs + other.transactionUs,
  queryUs: one.queryUs + other.queryUs,
  waitUs: one.waitUs + other.waitUs,
})

/** A role at a database. */
export interface PoolEntry {
  readonly database: string
  readonly user: string
  readonly totals: Totals
  /** As they were `sinceMs` ago: what averages are taken from. */
  readonly before: Totals
  readonly sinceMs: number
  /** Connections that are being opened. */
  readonly opening: number
}

interface SocketEntry {
  /** Of the pool's own numbers, which clients and connections share. */
  readonly id: number
  readonly user: string
  readonly database: string
  readonly address: string
  readonly port: number
  readonly localAddress: string
  readonly localPort: number
  /** ms since 1970. */
  readonly connectedAt: number
  /** Of the last request; ms since 1970. */
  readonly requestedAt: number
  /** The id of the connection that a client has, or of the client that has a connection. */
  readonly link: number | undefined
  /** Version of TLS; empty: none. */
  readonly tls: string
  readonly applicationName: string
  readonly preparedStatements: number
  /** Bytes that were read and not dealt with, and written and not sent. */
  readonly unread: number
  readonly unsent: number
}

export interface ClientEntry extends SocketEntry {
  /** How long it has waited for a connection, µs; undefined: it does not wait. */
  readonly waitUs: number | undefined
  /** Number of the node of its connection. */
  readonly node: number | undefined
  /** Why it keeps its connection; empty: it does not. */
  readonly pins: readonly string[]
}

export interface ServerEntry extends SocketEntry {
  readonly node: number
  readonly pid: number
  /** A client has it. */
  readonly used: boolean
}

export interface SettingEntry {
  readonly name: string
  readonly value: string
  readonly standard: string
  /** SET works on it. */
  readonly changeable: boolean
}

export interface Snapshot {
  /** ms since 1970. */
  readonly now: number
  /** The endpoint's. */
  readonly port: number
  readonly paused: boolean
  readonly pausedDatabases: ReadonlySet<string>
  readonly disabledDatabases: ReadonlySet<string>
  readonly pools: readonly PoolEntry[]
  /** Those of the console included. */
  readonly clients: readonly ClientEntry[]
  readonly servers: readonly ServerEntry[]
  /** How many are of the console itself. */
  readonly consoles: number
  /** Clients whose login is under way. */
  readonly logins: number
  readonly settings: readonly SettingEntry[]
  /** Connections to one node at most. */
  readonly connectionsMax: number
  /** The process's, bytes. */
  readonly memory: Readonly<Record<'heapTotal' | 'heapUsed' | 'external' | 'rss', number>>
}

/** Database: undefined is all of them. */
export interface Controls {
  snapshot(): Snapshot
  /** New transactions wait. Resolves when no connection is open any more; not before a transaction has ended that is open. */
  pause(database: string | undefined, signal: AbortSignal): Promise<void>
  /** False: it was not paused. */
  resume(database: string | undefined): boolean
  /** Ends all its clients and connections at once; it is paused behind it. */
  kill(database: string | undefined): void
  /** Ends a client at once. False: there is none of that number. */
  killClient(id: number): boolean
  /** Connections are replaced when they are given back. */
  reconnect(database: string | undefined): void
  /** Resolves when none is left that `reconnect` has spoken of. */
  reconnected(database: string | undefined, signal: AbortSignal): Promise<void>
  /** New clients are refused. */
  disable(database: string): void
  enable(database: string): void
  /** Reads pg_hba.conf again. @throws AllwriteError configuration: the rules are what they were */
  reload(): Promise<void>
  /** @throws AllwriteError configuration */
  set(name: string, value: string): void
}

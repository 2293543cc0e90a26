/**
 * Clients of a workload: sessions at every endpoint, each with a transaction at a time and an honest answer about its outcome.
 *
 * - `ok`: the server acknowledged the commit.
 * - `fail`: certainly not done. Either COMMIT was never sent, or the server named an error that means "rolled back".
 * - `info`: not known. The answer to COMMIT (or to a statement that commits itself) did not come, or named an error that does
 *   not say what became of the transaction.
 *
 * A session ends with its connection and after `info`; its place is taken by a new one with a new process number. So
 * what a database promises "to a session" can be demanded of every process.
 *
 * @module
 */
import { setTimeout as delay } from 'node:timers/promises'
import pg from 'pg'
import { fieldsOf } from '../errors.ts'
import type { Random } from '../random.ts'
import type { RunContext } from './contract.ts'

export type Outcome<T> = { readonly kind: 'ok'; readonly value: T } | Refusal<'fail'> | Refusal<'info'>

interface Refusal<Kind> {
  readonly kind: Kind
  /** SQLSTATE, else the message. */
  readonly code: string
  readonly message: string
}

/** Runs one statement. Errors of the server and the connection end the transaction; the workload does not catch them. */
export type Query = <R extends pg.QueryResultRow>(
  statement: pg.QueryConfig | string,
  values?: unknown[],
) => Promise<R[]>

export interface Session {
  readonly process: number
  /** 1 …: the endpoint's number. */
  readonly node: number
  /** Runs `work` between `begin` and COMMIT. */
  transaction<T>(begin: string, work: (query: Query) => Promise<T>): Promise<Outcome<T>>
  /** Runs one statement that commits itself. */
  statement<R extends pg.QueryResultRow>(statement: pg.QueryConfig | string, values?: unknown[]): Promise<Outcome<R[]>>
}

export const repeatableRead = 'begin isolation level repeatable read'
export const readCommitted = 'begin isolation level read committed'

/** A node that answers nothing for this long is taken for lost, ms: many times the slowest commit seen. */
const queryMsMax = 15_000
const connectMsMax = 3_000
/** Locks that take longer are most often deadlocks, which the server looks for only after a second, ms. */
const lockMsMax = 100
/** Pause before a lost session's place is taken again, ms. */
const reconnectMs = 50

/** What a server says only of a transaction that it has rolled back (PostgreSQL, Appendix A). */
const certainAborts = /^(?:40001|40P01|22\w{3}|23\w{3}|42\w{3}|0A000|55P03|25P02|54\w{3})$/

class QueryError extends Error {
  readonly code: string

  constructor(cause: unknown) {
    const { code, message } = fieldsOf(cause)
    super(message, { cause })
    this.code = code === '' ? message : code
  }
}

/** The error, if it is one of the database; a mistake of the workload itself goes on. */
const asQueryError = (thrown: unknown): QueryError => {
  if (thrown instanceof QueryError) return thrown
  throw thrown
}

interface OpenSession extends Session {
  /** No more transactions: lost, or its last outcome is not known. */
  isOver(): boolean
  end(): Promise<void>
}

const openSession = async (url: string, process: number, node: number): Promise<OpenSession> => {
  const client = await connectTo(url)
  let over = false
  client.on('end', () => (over = true))
  const query: Query = async (statement, values) => {
    try {
      const result = typeof statement === 'string' ? client.query(statement, values) : client.query(statement)
      return (await result).rows
    } catch (error) {
      throw new QueryError(error)
    }
  }
  const unlessCertain = (error: QueryError): Outcome<never> => {
    const { code, message } = error
    if (certainAborts.test(code)) return { kind: 'fail', code, message }
    over = true
    return { kind: 'info', code, message }
  }
  const commit = async (): Promise<Outcome<undefined>> => {
    try {
      const { command } = await client.query('commit').catch((error: unknown) => {
        throw new QueryError(error)
      })
      // COMMIT of a failed transaction is answered with ROLLBACK.
      return command === 'COMMIT' ? { kind: 'ok', value: undefined } : { kind: 'fail', code: command, message: command }
    } catch (error) {
      return unlessCertain(asQueryError(error))
    }
  }
  const rollBack = async (): Promise<void> => {
    try {
      await query('rollback')
    } catch (error) {
      asQueryError(error)
      over = true
    }
  }
  return {
    process,
    node,
    isOver: () => over,
    end: () => client.end(),
    transaction: async (begin, work) => {
      let value
      try {
        await query(begin)
        value = await work(query)
      } catch (error) {
        await rollBack()
        const { code, message } = asQueryError(error)
        return { kind: 'fail', code, message }
      }
      const committed = await commit()
      return committed.kind === 'ok' ? { kind: 'ok', value } : committed
    },
    statement: async (statement, values) => {
      try {
        return { kind: 'ok', value: await query(statement, values) }
      } catch (error) {
        return unlessCertain(asQueryError(error))
      }
    },
  }
}

/** Name → value, without spaces. */
export type Settings = Readonly<Record<string, string>>

/** A URL whose connections begin with the settings. */
export const withSettings = (url: string, settings: Settings): string => {
  const options = Object.entries(settings).map(([name, value]) => `-c ${name}=${value}`)
  if (options.length === 0) return url
  const changed = new URL(url)
  changed.searchParams.set('options', options.join(' '))
  // A plus is no space in libpq's URLs.
  return changed.href.replaceAll('+', '%20')
}

/** A connected client; the caller ends it. */
export const connectTo = async (url: string): Promise<pg.Client> => {
  const client = new pg.Client({
    connectionString: url,
    connectionTimeoutMillis: connectMsMax,
    query_timeout: queryMsMax,
  })
  client.on('error', () => undefined) // the query under way reports it
  await client.connect()
  await client.query(`set lock_timeout = ${lockMsMax}`)
  return client
}

/** Sessions per node unless the workload says otherwise. */
const perNodeDefault = 3

/**
 * Keeps `perNode` sessions at every endpoint busy with one `turn` after the other until the signal.
 * Each place draws from a random source of its own.
 */
export const runSessions = async (
  { urls, random, signal }: RunContext,
  turn: (session: Session, random: Random) => Promise<void>,
  perNode = perNodeDefault,
): Promise<void> => {
  let processes = 0
  const occupy = async (url: string, node: number, own: Random): Promise<void> => {
    let session: OpenSession | undefined
    try {
      while (!signal.aborted) {
        session ??= await openSession(url, processes++, node).catch(() => undefined)
        if (session === undefined) {
          await delay(reconnectMs)
          continue
        }
        await turn(session, own)
        if (!session.isOver()) continue
        await session.end()
        session = undefined
      }
    } finally {
      await session?.end()
    }
  }
  await Promise.all(
    urls.flatMap((url, index) => Array.from({ length: perNode }, () => occupy(url, index + 1, random.fork()))),
  )
}

/** Asks every endpoint in turn. */
export const atEveryNode = async (
  urls: readonly string[],
  ask: (client: pg.Client, node: number) => Promise<void>,
): Promise<void> => {
  for (const [index, url] of urls.entries()) {
    const client = await connectTo(url)
    try {
      await ask(client, index + 1)
    } finally {
      await client.end()
    }
  }
}

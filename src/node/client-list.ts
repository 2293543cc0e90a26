/**
 * Where the clients of sessions are, for `allwrite.sessions` (catalog/sql/views.ts): to the server each session's client is the agent.
 *
 * Rows are written behind the login, several at once and one statement at a time, so that a login waits for none and a burst of them costs a
 * few. What can't be written (a full disk) is not shown; nothing else depends on it.
 *
 * @module
 */
import type { Query } from './recovery/progress.ts'

/** Between two statements, ms: how far the list is behind, and how often many short sessions write. */
const everyMs = 100

export interface ClientList {
  /**
   * Shows a session's client until the function that is returned is called.
   * @param address as Node.js tells it
   * @param query asks the session's database
   */
  opened(pid: number, address: string, port: number, query: Query): () => void
  close(): void
}

interface Change {
  readonly query: Query
  /** Undefined: the session has ended. */
  readonly client: { readonly address: string; readonly port: number } | undefined
}

/** By pids and addresses of the same length. Who has ended meanwhile is left out; a row of an earlier bearer of the pid makes way. */
const openSql = `INSERT INTO allwrite.session_client (pid, backend_start, client_addr, client_port)
  SELECT a.pid, a.backend_start, c.address::inet, c.port FROM unnest($1::int[], $2::text[], $3::int[]) c (pid, address, port),
         LATERAL pg_stat_get_activity(c.pid) a
  ON CONFLICT (pid) DO UPDATE SET backend_start = excluded.backend_start, client_addr = excluded.client_addr, client_port = excluded.client_port`
const closeSql = `DELETE FROM allwrite.session_client WHERE pid = ANY ($1::int[])`

export const createClientList = (log: { warn(fields: object, message: string): void }): ClientList => {
  /** By pid; one that comes and goes between two statements is not written. */
  let changes = new Map<number, Change>()
  /** The newest bearer of a pid. */
  const bearers = new Map<number, symbol>()
  let timer: NodeJS.Timeout | undefined
  let writing = false
  let closed = false

  const write = async (): Promise<void> => {
    const due = changes
    changes = new Map()
    for (const query of new Set(Array.from(due.values(), (change) => change.query))) {
      const own = [...due].filter(([, change]) => change.query === query)
      const ended = own.filter(([, { client }]) => client === undefined).map(([pid]) => pid)
      if (ended.length > 0) await query(closeSql, [ended])
      const begun = own.flatMap(([pid, { client }]) => (client === undefined ? [] : [{ pid, ...client }]))
      if (begun.length > 0)
        await query(openSql, [
          begun.map(({ pid }) => pid),
          begun.map(({ address }) => address),
          begun.map(({ port }) => port),
        ])
    }
  }

  const later = (): void => {
    if (closed || writing) return
    timer ??= setTimeout(() => {
      timer = undefined
      writing = true
      write()
        .catch((error: unknown) => {
          if (!closed) log.warn({ err: error }, 'the list of sessions could not be written')
        })
        .finally(() => {
          writing = false
          if (changes.size > 0) later()
        })
    }, everyMs)
  }

  return {
    opened(pid, address, port, query) {
      changes.set(pid, {
        query,
        client: { address: address.replace(/^::ffff:(?=\d+\.)/, '').replace(/%.*$/, ''), port },
      })
      const bearer = Symbol('session')
      bearers.set(pid, bearer)
      later()
      return () => {
        if (bearers.get(pid) !== bearer) return
        bearers.delete(pid)
        changes.set(pid, { query, client: undefined })
        later()
      }
    },
    close() {
      closed = true
      clearTimeout(timer)
    },
  }
}

/**
 * CREATE and DROP INDEX CONCURRENTLY at a node (docs/adr/0021).
 *
 * A row of `allwrite.concurrent` comes to every node at one position of the journal, and is carried out in two parts:
 * - *begin*, at the position, before anything behind it: the index is in the catalog, not valid yet; or, to be dropped, it has lost its
 *   name. So the names that schema changes meet are the same at all nodes, and the same errors come.
 * - the rest, whenever the node gets to it: the build, by PostgreSQL's own CREATE INDEX CONCURRENTLY.
 *
 * What a build leaves unfinished (a crash, or a schema change that needed its lock) shows in the catalog: an index that is not valid, or
 * one with a name of ours. *Mending* takes it up: REINDEX or DROP INDEX CONCURRENTLY, until there is none.
 *
 * Contract: `begin(true)` before anything is applied; `begin()` behind each barrier. Only their errors are fatal.
 * Failure: what an index can't be built for (its rows) is logged and not tried again until the agent starts anew.
 *
 * @module
 */
import { setTimeout as delay } from 'node:timers/promises'
import pg from 'pg'
import { AllwriteError } from '../core/errors.ts'
import { deferred, type Deferred } from '../core/deferred.ts'
import type { WritesetRecord } from '../core/writeset.ts'
import { isAboutData, type SqlApplier } from './apply/sql-applier.ts'
import type { NodeLog } from './told.ts'
import type { Query } from './recovery/progress.ts'
import type { BuildResult } from './session/session-options.ts'

/** Between two looks whether an index is in the catalog, ms. */
const seenEveryMs = 3
/** Between two rounds of mending while there is something to mend, and without a reason, ms. */
const mendEveryMs = 500
const mendIdleMs = 30_000
/** A build looks for deadlocks long before a client does (PostgreSQL's default is 1 s): who looks first is who loses. */
const deadlockMs = 10
/** Before what was interrupted at its position is begun again, ms. */
const againMs = 20

export interface IndexBuilds {
  /** Begins what the rows of this position ask for. @param resumed they may have been begun before */
  begin(resumed?: boolean): Promise<void>
  /** How the change of this id comes out; ask before it is journaled. */
  result(id: string): Promise<BuildResult>
  /** Waits until all is built, where these records ask whether an index is valid: at their home it was. */
  ready(records: readonly WritesetRecord[]): Promise<void>
  /** There may be something to mend. */
  mend(): void
  /** The backend that `begin` waits for. */
  readonly beginningPid: number | undefined
  close(): void
}

export interface IndexBuildsOptions {
  readonly query: Query
  readonly applier: Pick<SqlApplier, 'local' | 'backendPid'>
  /** A connection that may be lost. */
  readonly connect: () => Promise<pg.Client>
  /** What is begun may wait for a lock: blockers are looked for in between. */
  readonly onBusy: (busy: boolean) => void
  readonly log: NodeLog
}

interface Row {
  readonly id: string
  readonly kind: string
  readonly statement: string
  readonly schema: string
  readonly table: string
  readonly index: string
  readonly role: string
  readonly settings: Readonly<Record<string, string>>
}

/** A statement that runs in a connection of its own. */
interface Build {
  readonly pid: number
  readonly notices: { readonly message: string; readonly sqlState: string }[]
  /** Its error, or undefined. */
  readonly done: Promise<Error | undefined>
}

const rowsSql = `SELECT id::text, kind, statement, schema_name, table_name, index_name, role, settings::text FROM allwrite.concurrent ORDER BY id`

const stateSql = `SELECT i.indisvalid::text AS valid, c.oid::text AS oid FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
   JOIN pg_catalog.pg_index i ON i.indexrelid = c.oid WHERE n.nspname = $1 AND c.relname = $2`

/** Of what a schema change, a constraint or a parent index hangs on: dropped at once, like any. */
const dropSql = `SELECT i.indisunique OR i.indisexclusion OR c.relispartition OR EXISTS (
     SELECT FROM pg_catalog.pg_depend d WHERE d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.objid = c.oid AND d.deptype IN ('i', 'P', 'S', 'e')) AS plain
   FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace JOIN pg_catalog.pg_index i ON i.indexrelid = c.oid
  WHERE n.nspname = $1 AND c.relname = $2 AND c.relkind = 'i'`

/** What is left to do, except on tables where somebody is at it. */
const todoSql = `SELECT i.indexrelid::text AS oid, pg_catalog.format('%I.%I', n.nspname, c.relname) AS name, x.ends::text,
         EXISTS (SELECT FROM pg_catalog.pg_locks l WHERE l.relation = i.indrelid AND l.granted AND l.mode IN
           ('ShareUpdateExclusiveLock', 'ShareLock', 'ShareRowExclusiveLock', 'ExclusiveLock', 'AccessExclusiveLock'))::text AS busy
   FROM pg_catalog.pg_index i JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace,
        LATERAL (SELECT c.relname ~ '^allwrite_dropped_' AS dropped, c.relname ~ '_cc(new|old)[0-9]*$' AS left_over) k,
        LATERAL (SELECT k.dropped OR k.left_over AS ends) x
  WHERE c.relkind = 'i' AND c.relpersistence = 'p' AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'allwrite')
    AND (k.dropped OR NOT i.indisvalid AND (k.left_over OR NOT i.indisunique AND NOT i.indisexclusion AND n.nspname <> 'pg_toast'))`

/** Schema changes that an index which is not valid makes fail, or come out otherwise. */
const asksForValid = /attach\s+partition|cluster\s+on|using\s+index/i

const asks = ({ schemaChange, changes }: WritesetRecord): boolean =>
  schemaChange && changes.kind === 'inline' && asksForValid.test(Buffer.from(changes.bytes).toString('latin1'))

const quoted = (schema: string, name: string): string => `${pg.escapeIdentifier(schema)}.${pg.escapeIdentifier(name)}`

const errorOf = (error: Error): AllwriteError => {
  if (!(error instanceof pg.DatabaseError)) return AllwriteError.from(error, 'postgres')
  return new AllwriteError('postgres', error.message, {
    sqlState: error.code ?? '58000',
    ...(error.detail === undefined ? {} : { detail: error.detail }),
    ...(error.hint === undefined ? {} : { hint: error.hint }),
  })
}

const errorFrom = (thrown: unknown): Error => (thrown instanceof Error ? thrown : new Error(String(thrown)))

/** The index, or its table, was dropped meanwhile. */
const isGone = (error: Error): boolean =>
  error instanceof pg.DatabaseError && ['42704', '42P01'].includes(error.code ?? '')

export const createIndexBuilds = (options: IndexBuildsOptions): IndexBuilds => {
  const { query, applier, log } = options
  /** Who waits, by the row's id. */
  const asked = new Map<string, Deferred<BuildResult>>()
  /** Builds that mending has to finish: the index's name, and who waits. */
  const unfinished = new Map<string, { readonly row: Row; readonly notices: Build['notices'] }>()
  /** Could not be built for what their rows are, by OID. */
  const hopeless = new Map<string, Error>()
  let beginningPid: number | undefined
  let closed = false
  let mending = false
  let due = true
  let lookedAt = 0

  const answer = (row: Row, result: BuildResult): void => {
    asked.get(row.id)?.resolve(result)
    asked.delete(row.id)
  }

  /** The index that the row names, if there is one. */
  const find = async ({
    schema,
    index,
  }: Row): Promise<{ readonly oid: string; readonly valid: boolean } | undefined> => {
    const [found] = await query(stateSql, [schema, index])
    return found && { oid: found['oid'] ?? '', valid: found['valid'] === 'true' }
  }

  /** The agent's own connection becomes the client's, as far as its statement can tell. */
  const become = async (client: pg.Client, { role, settings }: Row): Promise<void> => {
    const set = (name: string, value: string | undefined) =>
      client.query('SELECT pg_catalog.set_config($1, $2, false)', [name, value])
    for (const [name, value] of Object.entries(settings)) if (name !== 'search_path') await set(name, value)
    await set('search_path', settings['search_path'])
    await client.query(`SET ROLE ${pg.escapeIdentifier(role)}`)
  }

  /** Starts a statement in a connection of its own, as the role of `row` or the agent's. What fails, fails as its end. */
  const start = async (sql: string, row?: Row): Promise<Build> => {
    const notices: Build['notices'] = []
    let client: pg.Client | undefined
    const end = (): unknown => client?.end().catch(() => undefined)
    try {
      client = await options.connect()
      client.on('notice', ({ message, code }) => notices.push({ message: message ?? '', sqlState: code ?? '00000' }))
      // A client that needs the table's lock, whose transaction the build waits for: the build gives way, and is mended.
      await client.query(
        `SET session_replication_role = replica; SET default_transaction_read_only = off; SET search_path = pg_catalog;
         SET deadlock_timeout = '${deadlockMs}ms'`,
      )
      const { rows } = await client.query<{ pid: number }>('SELECT pg_catalog.pg_backend_pid() AS pid')
      if (row !== undefined) await become(client, row)
      // Extended: the server itself refuses a second statement.
      const text: pg.QueryConfig & { readonly queryMode: string } = { text: sql, queryMode: 'extended' }
      const done = client.query(text).then(() => undefined, errorFrom)
      void done.then(end)
      return { pid: rows[0]?.pid ?? 0, notices, done }
    } catch (error) {
      await end()
      return { pid: 0, notices, done: Promise.resolve(errorFrom(error)) }
    }
  }

  const forget = (row: Row): Promise<void> =>
    applier.local(async (client) => {
      await client.query('DELETE FROM allwrite.concurrent WHERE id = $1', [row.id])
    })

  /** A build ended that was begun at its position. */
  const ended = async (row: Row, { notices }: Pick<Build, 'notices'>, error: Error | undefined): Promise<void> => {
    due = true
    if (error === undefined) return answer(row, { notices })
    log.info({ err: error }, `the build of index "${row.index}" ended unfinished`)
    if (!isAboutData(error) || isGone(error)) {
      unfinished.set(row.id, { row, notices })
      return undefined
    }
    const found = await find(row)
    if (found !== undefined) hopeless.set(found.oid, error)
    return answer(row, { notices, error: errorOf(error), left: quoted(row.schema, row.index) })
  }

  /** Until the index is in the catalog for all to see; false: it ended before. */
  const isBegun = async (row: Row, build: Build): Promise<boolean> => {
    let over = false
    void build.done.then(() => {
      over = true
    })
    for (;;) {
      if ((await find(row)) !== undefined) return true
      if (over) return false
      await delay(seenEveryMs)
    }
  }

  const create = async (row: Row, resumed: boolean): Promise<void> => {
    const before = await find(row)
    if (resumed && before !== undefined) {
      unfinished.set(row.id, { row, notices: [] })
      return forget(row)
    }
    for (;;) {
      const build = await start(row.statement, row)
      beginningPid = build.pid
      // Of an index that was there before, the server tells in a moment.
      const begun = before === undefined && (await isBegun(row, build))
      if (begun) {
        await forget(row)
        void build.done
          .then((error) => ended(row, build, error))
          .catch((error: unknown) => {
            if (!closed) log.warn({ err: error }, 'could not look what became of a build')
          })
        return undefined
      }
      const error = await build.done
      // It may have been there for a moment only, or have failed right behind.
      const made = before === undefined && (await find(row)) !== undefined
      if (made || error === undefined || isAboutData(error)) {
        await forget(row)
        if (made) return ended(row, build, error)
        return answer(row, { notices: build.notices, ...(error === undefined ? {} : { error: errorOf(error) }) })
      }
      await delay(againMs)
    }
  }

  /** Takes the name away, or the whole index if that is not its own. Its new name, if it has one. */
  const unname = (row: Row): Promise<string | undefined> =>
    applier.local(async (client) => {
      const name = quoted(row.schema, row.index)
      const hidden = `allwrite_dropped_${row.id.replaceAll('-', '')}`
      const { rows } = await client.query<{ plain: boolean }>(dropSql, [row.schema, row.index])
      await client.query('DELETE FROM allwrite.concurrent WHERE id = $1', [row.id])
      await client.query(`SET LOCAL ROLE ${pg.escapeIdentifier(row.role)}`)
      const [found] = rows
      const whole = found?.plain ?? true
      await client.query(whole ? `DROP INDEX ${name}` : `ALTER INDEX ${name} RENAME TO ${hidden}`)
      await client.query('RESET ROLE')
      if (whole) await client.query('SELECT allwrite.settle()')
      return whole ? undefined : hidden
    })

  const drop = async (row: Row): Promise<void> => {
    beginningPid = applier.backendPid
    for (;;) {
      try {
        const hidden = await unname(row)
        if (hidden === undefined) return answer(row, { notices: [] })
        const build = await start(`DROP INDEX CONCURRENTLY ${quoted(row.schema, hidden)}`)
        // The statement's end is the index's; if it was interrupted, mending does it.
        void build.done.then(() => {
          due = true
          answer(row, { notices: [] })
        })
        return undefined
      } catch (error) {
        if (isAboutData(error)) {
          await forget(row)
          return answer(row, { notices: [], error: errorOf(error as Error) })
        }
        await delay(againMs)
      }
    }
  }

  /** Who waits for a build that mending has taken over. */
  const tell = async (): Promise<void> => {
    for (const [id, { row, notices }] of unfinished) {
      const found = await find(row)
      const failure = found && hopeless.get(found.oid)
      if (found !== undefined && !found.valid && failure === undefined) continue
      unfinished.delete(id)
      if (found?.valid === true) answer(row, { notices })
      else if (failure !== undefined)
        answer(row, { notices, error: errorOf(failure), left: quoted(row.schema, row.index) })
      else {
        const text = `index "${row.index}" was dropped while it was built`
        answer(row, { notices, error: new AllwriteError('postgres', text, { sqlState: '42704' }) })
      }
    }
  }

  const round = async (): Promise<void> => {
    due = false
    for (const item of await query(todoSql)) {
      const [oid, name] = [item['oid'] ?? '', item['name'] ?? '']
      if (closed || hopeless.has(oid)) continue
      due = true
      if (item['busy'] === 'true') continue
      const ends = item['ends'] === 'true'
      const build = await start(ends ? `DROP INDEX CONCURRENTLY ${name}` : `REINDEX INDEX CONCURRENTLY ${name}`)
      const error = await build.done
      if (error === undefined) log.info({}, `${ends ? 'dropped' : 'built'} index ${name}`)
      else if (!isAboutData(error) || isGone(error)) log.info({ err: error }, `index ${name} is left for later`)
      else {
        hopeless.set(oid, error)
        log.warn({ err: error }, `index ${name} can't be built: it stays invalid at this node`)
      }
    }
    await tell()
  }

  const timer = setInterval(() => {
    const now = performance.now()
    if (mending || (!due && unfinished.size === 0 && now - lookedAt < mendIdleMs)) return
    mending = true
    lookedAt = now
    round()
      .catch((error: unknown) => {
        due = true
        if (!closed) log.warn({ err: error }, 'could not mend indexes')
      })
      .finally(() => {
        mending = false
      })
  }, mendEveryMs)

  return {
    async begin(resumed = false) {
      const rows = (await query(rowsSql)).map((row): Row => ({
        id: row['id'] ?? '',
        kind: row['kind'] ?? '',
        statement: row['statement'] ?? '',
        schema: row['schema_name'] ?? '',
        table: row['table_name'] ?? '',
        index: row['index_name'] ?? '',
        role: row['role'] ?? '',
        settings: JSON.parse(row['settings'] ?? '{}') as Row['settings'],
      }))
      if (rows.length === 0) return
      options.onBusy(true)
      try {
        for (const row of rows) await (row.kind === 'create' ? create(row, resumed) : drop(row))
      } finally {
        beginningPid = undefined
        options.onBusy(false)
      }
    },
    result(id) {
      const waiting = deferred<BuildResult>()
      asked.set(id, waiting)
      return waiting.promise
    },
    async ready(records) {
      if (!records.some(asks)) return
      for (;;) {
        const left = (await query(todoSql)).filter(({ oid }) => !hopeless.has(oid ?? ''))
        if (left.length === 0 || closed) return
        due = true
        await delay(mendEveryMs)
      }
    },
    mend() {
      due = true
    },
    get beginningPid() {
      return beginningPid
    },
    close() {
      closed = true
      clearInterval(timer)
    },
  }
}

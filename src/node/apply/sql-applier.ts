/**
 * Applies a record by SQL, in one transaction of the agent's own connection: DDL with its rows in order, and records that
 * the apply worker refuses. Progress is kept under a replication origin of its own, in the same commit; a node's position
 * is the larger of the two origins' (TRAPS).
 *
 * Where that fails it is tried once more without asking CHECK constraints: their verdict at home stands (check-bypass.ts).
 *
 * Failure: the transaction is rolled back and the error thrown; nothing is half applied. A row that is not there is one.
 *
 * @module
 */
import pg from 'pg'
import { lsnOfPosition, type Position } from '../../core/ids.ts'
import { AllwriteError, assert } from '../../core/errors.ts'
import type { Statement, WritesetRecord } from '../../core/writeset.ts'
import {
  MessageType,
  parseRelation,
  parseRowChange,
  parseTruncate,
  type Relation,
} from '../../wire/pgoutput/messages.ts'
import { createMessageJoiner, forEachMessage } from './frames.ts'
import type { ReadChunks } from './batch.ts'
import { isNotificationTable } from '../capture/decoder.ts'
import { applyPreamble } from '../catalog/ddl.ts'
import { createCheckBypass } from './check-bypass.ts'
import { createRowSearch, soughtRow, type RowSearch, type SoughtRow } from './row-search.ts'
import { quoteIdentifier, rowChangeSql, tableOf, truncateSql, type SqlStatement } from './row-sql.ts'

/**
 * SQLSTATEs that say nothing about the data (PostgreSQL, Appendix A): connection lost, rolled back as a deadlock's victim, no
 * resources (a full disk), intervention of an operator (cancelled, shut down); object in use, lock not available, I/O error.
 */
const passing = /^(?:08|40|53|57|55006|55P03|58030)/

/** Whether an apply failed for what the record or the node's rows are: then it would fail again. */
export const isAboutData = (error: unknown): boolean =>
  error instanceof pg.DatabaseError
    ? !passing.test(error.code ?? '08')
    : error instanceof AllwriteError && error.code === 'postgres'

/** What may refuse a row: everything, not its CHECK constraints, or nothing but what keeps rows apart. */
type Checked = 'everything' | 'indexes' | 'unique'

/**
 * No constraint refused it: it may be too large for an index, or its expression fails. Where such an index is built at one node before
 * another (index-builds.ts) the other one's rows are not refused at home.
 */
const indexesMayRefuse = (error: unknown): boolean =>
  error instanceof pg.DatabaseError && isAboutData(error) && !error.code?.startsWith('23')

/** The search_path for rows of a session that had `public` alone in its own. */
const usualPath = 'pg_catalog, public'
/** What is read of a large record at most before it is carried out: steps, and bytes. Rows are looked for among those (row-search.ts). */
const queuedMax = 16_384
const queuedBytesMax = 8 << 20

export interface SqlApplier {
  /** @throws the server's error, after rolling back */
  apply(position: Position, records: readonly WritesetRecord[]): Promise<void>
  /** Removes journaled statements of transactions that are over. Under this connection's origin the stream does not show it. */
  sweep(): Promise<void>
  /** A transaction that is this node's own business: not shown by the stream, and no position moves. @throws after rolling back */
  local<T>(work: (client: pg.Client) => Promise<T>): Promise<T>
  /** Says that everything up to here is applied, durably. */
  advance(position: Position): Promise<void>
  /** The connection's backend, for the search for blockers. */
  readonly backendPid: number
}

export interface SqlApplierOptions {
  readonly client: pg.Client
  /** The replication origin under which this connection's commits are recorded. */
  readonly origin: string
  readonly backendPid: number
  readonly readChunks: ReadChunks
  /** SQL that runs one journaled statement (catalog/ddl.ts). */
  readonly statementsFor: (statement: Statement) => readonly string[]
  /** Runs once at the end of a transaction that held statements. */
  readonly settleSql: string
  /** Columns of the primary key of a table, where the catalog knows the table. */
  readonly keyNamesOf: (relation: Relation) => ReadonlySet<string> | undefined
  /** A first attempt failed; the next goes without CHECK constraints. */
  readonly onRetry: (position: Position, error: Error) => void
}

/** Statements of a transaction are read by itself alone, and by the stream, which does not read the table. */
const sweepSql = `WITH old AS (SELECT id FROM allwrite.ddl
   WHERE xid < pg_catalog.pg_snapshot_xmin(pg_catalog.pg_current_snapshot()) LIMIT 1000 FOR UPDATE SKIP LOCKED)
 DELETE FROM allwrite.ddl d USING old WHERE d.id = old.id`

const formatLsn = (value: bigint): string => `${(value >> 32n).toString(16)}/${(value & 0xffff_ffffn).toString(16)}`

type Step =
  | {
      readonly kind: 'row'
      readonly table: string
      /** @param at the row's ctid, where it is known */
      readonly sql: (generated: ReadonlySet<string>, at: string | undefined) => SqlStatement | undefined
      /** How its row is to be looked for; undefined: an index finds it. */
      readonly sought: (generated: ReadonlySet<string>) => SoughtRow | undefined
    }
  | { readonly kind: 'truncate'; readonly sql: SqlStatement }
  | { readonly kind: 'notification'; readonly values: readonly unknown[] }
  | { readonly kind: 'statement'; readonly statement: Statement }
  | { readonly kind: 'path'; readonly path: string }

/** Channel and payload of a row of `allwrite.notification`. */
const notificationOf = (message: Buffer): readonly unknown[] => {
  const change = parseRowChange(message)
  assert(change.kind === 'insert', 'a notification is a row that is inserted')
  return change.new.map((value) => (value == null ? value : Buffer.from(value).toString('utf8')))
}

type RowStep = Extract<Step, { kind: 'row' }>

/** Where a step stands among those that were read. */
interface Place {
  readonly steps: readonly Step[]
  readonly index: number
  readonly search: RowSearch<RowStep>
}

/** Changes of the table's rows behind the step at `from`, up to where its rows may be moved. */
function* followingRows(
  steps: readonly Step[],
  from: number,
  table: string,
  generated: ReadonlySet<string>,
): Generator<readonly [RowStep, SoughtRow]> {
  for (let i = from + 1; i < steps.length; i++) {
    const step = steps[i]
    if (step === undefined || step.kind === 'statement' || step.kind === 'truncate' || step.kind === 'path') return
    const sought = step.kind === 'row' && step.table === table ? step.sought(generated) : undefined
    if (step.kind === 'row' && sought !== undefined) yield [step, sought]
  }
}

/** Cuts a record into steps; relation numbers are the record's own. */
const stepReader = (
  keyNamesOf: SqlApplierOptions['keyNamesOf'],
  onStep: (step: Step) => void,
): ((message: Buffer) => void) => {
  const relations: Relation[] = []
  const relationAt = (local: number): Relation => {
    const relation = relations[local]
    assert(relation !== undefined, 'a record defines a relation before it uses it')
    return relation
  }
  return (message) => {
    switch (message[0]) {
      case MessageType.relation:
        relations[message.readUInt32BE(1)] = parseRelation(Buffer.from(message.subarray(5)))
        return
      case MessageType.truncate:
        return onStep({ kind: 'truncate', sql: truncateSql(parseTruncate(message).relations.map(relationAt)) })
      case MessageType.statement:
        return onStep({ kind: 'statement', statement: JSON.parse(message.toString('utf8', 1)) as Statement })
      case MessageType.searchPath: {
        const schemas = JSON.parse(message.toString('utf8', 1)) as readonly string[]
        return onStep({ kind: 'path', path: schemas.map(quoteIdentifier).join(', ') })
      }
      default: {
        const relation = relationAt(message.readUInt32BE(1))
        if (isNotificationTable(relation)) return onStep({ kind: 'notification', values: notificationOf(message) })
        // A copy: for chunked writesets the view dies with its chunk.
        const change = parseRowChange(Buffer.from(message))
        const keys = keyNamesOf(relation)
        onStep({
          kind: 'row',
          table: tableOf(relation),
          sql: (generated, at) => rowChangeSql(relation, change, keys, generated, at),
          sought: (generated) => soughtRow(relation, change, keys, generated),
        })
      }
    }
  }
}

export const createSqlApplier = async (options: SqlApplierOptions): Promise<SqlApplier> => {
  const { client, origin } = options
  await client.query(
    `SELECT pg_replication_origin_create($1) WHERE NOT EXISTS (SELECT FROM pg_replication_origin WHERE roname = $1)`,
    [origin],
  )
  await client.query('SELECT pg_replication_origin_session_setup($1)', [origin])
  // ALTER DATABASE … SET must not keep it from sweeping.
  await client.query('SET default_transaction_read_only = off')

  const bypass = createCheckBypass(client)
  let path = usualPath

  const setPath = async (wanted: string): Promise<void> => {
    if (wanted === path) return
    await client.query(`SELECT pg_catalog.set_config('search_path', $1, true)`, [wanted])
    path = wanted
  }

  /** By table; asked for in the transaction itself, whose statements may have made or changed the table. */
  const generated = new Map<string, ReadonlySet<string>>()

  const generatedOf = async (table: string): Promise<ReadonlySet<string>> => {
    let names = generated.get(table)
    if (names === undefined) {
      const { rows } = await client.query<{ name: string }>(
        `SELECT attname AS name FROM pg_catalog.pg_attribute
          WHERE attrelid = $1::pg_catalog.regclass AND attgenerated = 's' AND NOT attisdropped`,
        [table],
      )
      generated.set(table, (names = new Set(rows.map(({ name }) => name))))
    }
    return names
  }

  const newSearch = (): RowSearch<RowStep> =>
    createRowSearch(async ({ text, values }) => {
      const { rows } = await client.query<{ index: number; at: string }>(text, [...values])
      return rows
    })

  const changeRow = async (at: Place, step: RowStep, checked: Checked): Promise<void> => {
    const computed = await generatedOf(step.table)
    const sought = step.sought(computed)
    const following = (): Iterable<readonly [RowStep, SoughtRow]> =>
      followingRows(at.steps, at.index, step.table, computed)
    const place = sought && (await at.search.locate(step, sought, following()))
    const sql = step.sql(computed, place)
    if (sql === undefined) return
    if (checked === 'unique') await bypass.beginIndexes(step.table)
    if (checked !== 'everything') await bypass.begin(step.table)
    const { rowCount } = await client.query(sql.text, [...sql.values])
    // The apply worker counts such a row as a conflict; here nobody else would notice that the node differs.
    if (rowCount !== 1) {
      throw new AllwriteError('postgres', `a change of ${step.table} met ${rowCount ?? 0} rows instead of one`)
    }
  }

  /** A statement ran since tables were last settled: one that it made has no replica identity, and PostgreSQL updates no row of it. */
  let unsettled = false

  const run = async (at: Place, step: Step, checked: Checked): Promise<void> => {
    if (unsettled && step.kind === 'row') {
      await client.query('SELECT allwrite.settle_tables()')
      unsettled = false
    }
    if (step.kind === 'path') return setPath(step.path)
    if (step.kind === 'notification') {
      await client.query('SELECT allwrite.deliver($1, $2)', [...step.values])
      return undefined
    }
    if (step.kind === 'row') return changeRow(at, step, checked)
    if (step.kind === 'truncate') {
      await client.query(step.sql.text, [...step.sql.values])
      return undefined
    }
    await bypass.end()
    generated.clear()
    for (const sql of options.statementsFor(step.statement)) await client.query(sql)
    unsettled = true
  }

  /** Runs a record's steps; true when a statement was among them. */
  const applyRecord = async (record: WritesetRecord, checked: Checked): Promise<boolean> => {
    await setPath(usualPath)
    let queue: Step[] = []
    let bytes = 0
    let statements = false
    const search = newSearch()
    const drain = async (): Promise<void> => {
      const steps = queue
      queue = []
      bytes = 0
      for (const [index, step] of steps.entries()) {
        statements ||= step.kind === 'statement'
        await run({ steps, index, search }, step, checked)
      }
    }
    const read = stepReader(options.keyNamesOf, (step) => queue.push(step))
    if (record.changes.kind === 'inline') {
      forEachMessage(record.changes.bytes, read)
    } else {
      const joiner = createMessageJoiner(read)
      for await (const chunk of options.readChunks(record)) {
        bytes += chunk.length
        joiner.push(chunk)
        if (queue.length >= queuedMax || bytes >= queuedBytesMax) await drain()
      }
      joiner.end()
    }
    await drain()
    return statements
  }

  const attempt = async (position: Position, records: readonly WritesetRecord[], checked: Checked): Promise<void> => {
    await client.query('BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE')
    try {
      for (const sql of applyPreamble) await client.query(sql)
      path = usualPath
      generated.clear()
      unsettled = false
      let statements = false
      for (const record of records) statements = (await applyRecord(record, checked)) || statements
      await bypass.end()
      if (statements) await client.query(options.settleSql)
      await client.query('SELECT pg_replication_origin_xact_setup($1::pg_lsn, now())', [
        formatLsn(lsnOfPosition(position)),
      ])
      await client.query('COMMIT')
    } catch (error) {
      bypass.forget()
      await client.query('ROLLBACK')
      // ROLLBACK leaves the position in the session: the next commit, if only a sweep, would claim it.
      await client.query('SELECT pg_replication_origin_xact_reset()')
      throw error
    }
  }

  let applying = false

  return {
    backendPid: options.backendPid,
    async sweep() {
      // One statement, sent whole: an apply that begins now queues behind it.
      if (!applying) await client.query(sweepSql)
    },
    async local(work) {
      applying = true
      try {
        await client.query('BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE')
        try {
          for (const sql of applyPreamble) await client.query(sql)
          const result = await work(client)
          await client.query('COMMIT')
          return result
        } catch (error) {
          await client.query('ROLLBACK')
          throw error
        }
      } finally {
        applying = false
      }
    },
    async advance(position) {
      applying = true
      try {
        await client.query('BEGIN READ WRITE')
        // An origin moves with the commit of something.
        await client.query(`SET LOCAL synchronous_commit = on; SELECT pg_catalog.pg_current_xact_id()`)
        await client.query('SELECT pg_replication_origin_xact_setup($1::pg_lsn, now())', [
          formatLsn(lsnOfPosition(position)),
        ])
        await client.query('COMMIT')
      } finally {
        applying = false
      }
    },
    async apply(position, records) {
      applying = true
      try {
        await attempt(position, records, 'everything')
      } catch (error) {
        options.onRetry(position, error as Error)
        await attempt(position, records, indexesMayRefuse(error) ? 'unique' : 'indexes')
      } finally {
        applying = false
      }
    },
  }
}

/**
 * DDL under load: columns, indexes, types and names change, and tables are emptied, while every session writes to them. Every
 * acknowledged write is there with its value, every acknowledged schema change is there, and all nodes have one schema.
 *
 * How it is judged
 * - A row is written by one session only, so its last acknowledged value is known; after an unknown outcome it is one of two.
 * - A column that was added has its default in every row, also in those that were written meanwhile elsewhere.
 * - Commits are ordered as they were acknowledged. So a row is gone where a TRUNCATE began after its acknowledgement, and is there
 *   where none ended after it was begun.
 *
 * @module
 */
import type pg from 'pg'
import { catalogs } from '../equality.ts'
import type { Random } from '../random.ts'
import type { Workload } from './contract.ts'
import { atEveryNode, readCommitted, runSessions } from './sessions.ts'
import type { Outcome, Session } from './sessions.ts'
import { createTally } from './tally.ts'
import type { Tally } from './tally.ts'

/** How often a session changes the schema instead of a row: a change stops all others for a moment. */
const changeShare = 0.02
/** What is added beyond this is dropped again, so that tables and catalogs stay small. */
const objectsMax = 4
/** Rows that one session writes to, at most. */
const rowsMax = 40

/** A name or a type that another session has just changed. */
const expected = ['42P01', '42703', '42704', '42804', '42P07']

type Kind = Outcome<unknown>['kind']

interface Row {
  readonly owner: number
  /** What it may hold at the end; `undefined`: it may be absent. */
  values: readonly (number | undefined)[]
}

/** From the call to its answer, performance.now(), ms; `kind` is how it came out. */
interface Span {
  readonly kind: Kind
  readonly begun: number
  readonly ended: number
}

/** Something added, and perhaps dropped again. */
interface Extra {
  readonly what: 'column' | 'index'
  readonly number: number
  added: Kind
  dropped: Kind | 'open' | undefined
}

interface State {
  readonly tally: Tally
  readonly rows: Map<number, Row>
  /** Rows of `schema_scratch`, by id. */
  readonly scratch: Map<number, Span>
  /** Rows of the table that is renamed. */
  readonly moved: Map<number, Kind>
  readonly truncations: Span[]
  readonly extras: Extra[]
  nextId: number
  nextExtra: number
  /** The name of the table that is renamed, as the last one to rename it was told. */
  movedName: string
}

const movedNames = ['schema_moved', 'schema_moved_away'] as const
const columnTypes = ['int', 'bigint', 'text', 'numeric(12,0)'] as const
const nameOf = ({ what, number }: Extra): string => `schema_${what}_${number}`

const write = async (state: State, session: Session, random: Random): Promise<void> => {
  const { tally, rows } = state
  const own = [...rows].filter(([, { owner }]) => owner === session.process)
  const value = random.int(1_000_000)
  const known = own.length > 0 && (own.length >= rowsMax || random.chance(0.5)) ? random.pick(own) : undefined
  if (known === undefined) {
    const id = state.nextId++
    // By position: the other columns' names and number change.
    const { kind } = tally.count(await session.statement('insert into schema_rows values ($1, $2)', [id, value]))
    if (kind !== 'fail') rows.set(id, { owner: session.process, values: kind === 'ok' ? [value] : [undefined, value] })
    return
  }
  const [id, row] = known
  const { kind } = tally.count(await session.statement('update schema_rows set value = $2 where id = $1', [id, value]))
  if (kind !== 'fail') row.values = kind === 'ok' ? [value] : [...row.values, value]
}

const writeElsewhere = async (state: State, session: Session, random: Random): Promise<void> => {
  const id = state.nextId++
  if (random.chance(0.5)) {
    const { kind } = state.tally.count(
      await session.statement(`insert into ${state.movedName} values ($1, $2)`, [id, session.process]),
    )
    state.moved.set(id, kind)
    return
  }
  const begun = performance.now()
  const { kind } = state.tally.count(await session.statement('insert into schema_scratch values ($1)', [id]))
  state.scratch.set(id, { kind, begun, ended: performance.now() })
}

const addExtra = async (state: State, session: Session, what: Extra['what']): Promise<Outcome<unknown>> => {
  const extra: Extra = { what, number: state.nextExtra++, added: 'info', dropped: undefined }
  const add =
    what === 'column'
      ? `alter table schema_rows add column ${nameOf(extra)} int not null default ${extra.number}`
      : `create index ${nameOf(extra)} on schema_rows (value, id)`
  const outcome = await session.statement(add)
  extra.added = outcome.kind
  if (outcome.kind !== 'fail') state.extras.push(extra)
  return outcome
}

const dropExtra = async (session: Session, extra: Extra): Promise<Outcome<unknown>> => {
  extra.dropped = 'open' // nobody else tries
  const outcome = await session.statement(
    extra.what === 'column' ? `alter table schema_rows drop column ${nameOf(extra)}` : `drop index ${nameOf(extra)}`,
  )
  extra.dropped = outcome.kind === 'fail' ? undefined : outcome.kind
  return outcome
}

const addOrDrop = (state: State, session: Session, what: Extra['what']): Promise<Outcome<unknown>> => {
  const there = state.extras.filter((extra) => extra.what === what && extra.added === 'ok' && !extra.dropped)
  return there.length >= objectsMax ? dropExtra(session, there[0]!) : addExtra(state, session, what)
}

const truncate = async (state: State, session: Session): Promise<Outcome<unknown>> => {
  const begun = performance.now()
  const outcome = await session.statement('truncate schema_scratch')
  state.truncations.push({ kind: outcome.kind, begun, ended: performance.now() })
  return outcome
}

const rename = async (state: State, session: Session): Promise<Outcome<unknown>> => {
  const from = state.movedName
  const to = movedNames.find((name) => name !== from)!
  const outcome = await session.transaction(readCommitted, async (query) => {
    await query(`alter table ${from} rename to ${to}`)
    await query(`alter table ${to} rename column ${from}_by to ${to}_by`)
  })
  // Not there under this name: somebody else's change, or one whose answer was lost.
  if (outcome.kind === 'ok' || outcome.code === '42P01') state.movedName = to
  return outcome
}

const changeSchema = async (state: State, session: Session, random: Random): Promise<void> => {
  const changes = {
    column: () => addOrDrop(state, session, 'column'),
    index: () => addOrDrop(state, session, 'index'),
    type: () => {
      const type = random.pick(columnTypes)
      return session.statement(`alter table schema_rows alter column value type ${type} using value::${type}`)
    },
    rename: () => rename(state, session),
    truncate: () => truncate(state, session),
  }
  const name = random.pick(Object.keys(changes) as (keyof typeof changes)[])
  const { kind } = state.tally.count(await changes[name]())
  if (kind === 'ok') state.tally.note(`${name} changes`)
}

export const schemaChanges = (): Workload => {
  const tally = createTally('schema-changes', expected)
  const state: State = {
    tally,
    rows: new Map(),
    scratch: new Map(),
    moved: new Map(),
    truncations: [],
    extras: [],
    nextId: 0,
    nextExtra: 0,
    movedName: movedNames[0],
  }
  const turn = (session: Session, random: Random): Promise<void> => {
    if (random.chance(changeShare)) return changeSchema(state, session, random)
    return random.chance(0.6) ? write(state, session, random) : writeElsewhere(state, session, random)
  }
  return {
    name: 'schema-changes',
    setUp: async (client) => {
      await client.query('create table schema_rows (id int primary key, value int not null)')
      await client.query('create table schema_scratch (id int primary key)')
      await client.query(`create table ${movedNames[0]} (id int primary key, ${movedNames[0]}_by int not null)`)
    },
    run: (context) => runSessions(context, turn),
    judge: async (urls) => {
      let first: string | undefined
      await atEveryNode(urls, async (client, node) => {
        await judgeRows(client, node, state)
        await judgeTruncated(client, node, state)
        await judgeMoved(client, node, state)
        await judgeSchema(client, node, state)
        const schema = JSON.stringify(await catalogs(client))
        first ??= schema
        if (schema !== first) tally.anomaly('divergent schema', `n${node} differs from n1: ${schema} / ${first}`)
      })
      return tally.verdict()
    },
  }
}

const judgeRows = async (client: pg.Client, node: number, { rows, extras, tally }: State): Promise<void> => {
  const found = await client.query<Record<string, unknown> & { id: number }>('select * from schema_rows')
  const present = new Map(found.rows.map((row) => [row.id, row]))
  for (const [id, { values }] of rows) {
    const row = present.get(id)
    if (row === undefined) {
      if (!values.includes(undefined)) tally.anomaly('lost', `row ${id} is not at n${node}`)
    } else if (!values.includes(Number(row['value']))) {
      tally.anomaly('wrong value', `row ${id} at n${node} is ${String(row['value'])}, not ${values.join(' or ')}`)
    }
  }
  for (const id of present.keys()) if (!rows.has(id)) tally.anomaly('G1a', `row ${id} failed, but is at n${node}`)
  for (const extra of extras) {
    const column = nameOf(extra)
    const wrong = found.rows.find((row) => column in row && row[column] !== extra.number)
    if (wrong) tally.anomaly('wrong default', `${column} of row ${wrong.id} at n${node} is ${String(wrong[column])}`)
  }
}

const judgeTruncated = async (client: pg.Client, node: number, state: State): Promise<void> => {
  const { scratch, truncations, tally } = state
  const { rows } = await client.query<{ id: number }>('select id from schema_scratch')
  const present = new Set(rows.map(({ id }) => id))
  const done = truncations.filter(({ kind }) => kind === 'ok').map(({ begun }) => begun)
  const possible = truncations.filter(({ kind }) => kind !== 'fail')
  // An unknown one may have happened at any time since.
  const last = possible.reduce((max, { kind, ended }) => Math.max(max, kind === 'ok' ? ended : Infinity), -Infinity)
  const lastBegun = Math.max(-Infinity, ...done)
  for (const [id, { kind, begun, ended }] of scratch) {
    const text = `row ${id} of schema_scratch at n${node}`
    if (present.has(id)) {
      if (kind === 'fail') tally.anomaly('G1a', `${text} failed, but is there`)
      if (kind === 'ok' && ended < lastBegun) tally.anomaly('not truncated', text)
    } else if (kind === 'ok' && begun > last) tally.anomaly('lost', text)
  }
}

const judgeMoved = async (client: pg.Client, node: number, { moved, tally }: State): Promise<void> => {
  const tables = await client.query<{ name: string }>(
    `select relname as name from pg_class where relkind = 'r' and relname = any ($1)`,
    [movedNames],
  )
  const [table, other] = tables.rows
  if (table === undefined || other !== undefined) {
    tally.anomaly('half renamed', `n${node} has ${tables.rows.length} tables of that name`)
    return
  }
  const { rows } = await client.query<Record<string, unknown> & { id: number }>(`select * from ${table.name}`)
  const present = new Set(rows.map(({ id }) => id))
  if (rows[0] && !(`${table.name}_by` in rows[0])) tally.anomaly('half renamed', `column of ${table.name} at n${node}`)
  for (const [id, kind] of moved) {
    if (kind === 'ok' && !present.has(id)) tally.anomaly('lost', `row ${id} of ${table.name} is not at n${node}`)
    if (kind === 'fail' && present.has(id))
      tally.anomaly('G1a', `row ${id} of ${table.name} failed, but is at n${node}`)
  }
}

const judgeSchema = async (client: pg.Client, node: number, { extras, tally }: State): Promise<void> => {
  const { rows } = await client.query<{ name: string }>(
    `select attname as name from pg_attribute where attrelid = 'schema_rows'::regclass and not attisdropped
     union all select relname from pg_class where relkind = 'i'`,
  )
  const present = new Set(rows.map(({ name }) => name))
  for (const extra of extras) {
    const name = nameOf(extra)
    if (extra.added === 'ok' && extra.dropped === undefined && !present.has(name)) {
      tally.anomaly('lost change', `${name} is not at n${node}`)
    }
    if (extra.dropped === 'ok' && present.has(name)) tally.anomaly('lost change', `${name} is still at n${node}`)
  }
}

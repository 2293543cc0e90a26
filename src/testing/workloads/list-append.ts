/**
 * List-append: transactions that append to lists and read them, judged by the checker. Each transaction runs in one of the ways in
 * which applications write, because they take different paths through locks, indexes and certification.
 *
 * @module
 */
import type pg from 'pg'
import { check } from '../checker/check.ts'
import type { Level } from '../checker/anomalies.ts'
import { formatEvent } from '../checker/history.ts'
import type { HistoryEvent, Key, Operation } from '../checker/history.ts'
import type { FinalRead } from '../checker/orders.ts'
import type { Random } from '../random.ts'
import { createAppendPlan } from './append-plan.ts'
import type { AppendPlanOptions } from './append-plan.ts'
import type { Workload } from './contract.ts'
import { atEveryNode, repeatableRead, runSessions, withSettings } from './sessions.ts'
import type { Outcome, Query, Session, Settings } from './sessions.ts'
import { createTally } from './tally.ts'

/**
 * `upsert`: INSERT … ON CONFLICT DO UPDATE. `update`: UPDATE, and INSERT where there is no row yet. `for update`: the same behind
 * SELECT … FOR UPDATE. `secondary`: as `update`, by a secondary unique column.
 */
export const appendVariants = ['upsert', 'update', 'for update', 'secondary'] as const
export type AppendVariant = (typeof appendVariants)[number]

export interface ListAppendOptions extends AppendPlanOptions {
  /** As reports call it. */
  readonly name?: string
  /** What every session begins with. */
  readonly settings?: Settings
  readonly variants?: readonly AppendVariant[]
  /** The statement that begins transactions. */
  readonly begin?: string
  readonly level?: Level
  /**
   * How often a transaction of one operation is a statement that commits itself, in the default isolation level: harmless beside
   * snapshot isolation, but not serializable with others.
   */
  readonly aloneShare?: number
}

const tableCount = 3
const tableOf = (key: Key): string => `list_append_${key % tableCount}`
/** The secondary key's value for a key: not the key itself, so that a mix-up would show. */
const secondaryOf = (key: Key): number => key + 1_000_000

export const listAppend = ({
  name = 'list-append',
  settings = {},
  variants = appendVariants,
  begin = repeatableRead,
  level = 'prefix-snapshot',
  aloneShare = 0.5,
  ...planOptions
}: ListAppendOptions = {}): Workload => {
  const plan = createAppendPlan(planOptions)
  const history: HistoryEvent[] = []
  const tally = createTally(name, ['23505'])
  const record = (session: Session, type: HistoryEvent['type'], value: readonly Operation[]): void => {
    history.push({ process: session.process, node: session.node, type, value, time: performance.now() })
  }
  const turn = async (session: Session, random: Random): Promise<void> => {
    const operations = plan.next(random)
    const variant = random.pick(variants)
    const alone = operations.length === 1 && random.chance(aloneShare)
    record(session, 'invoke', operations)
    const outcome = tally.count(
      alone ? await runAlone(session, operations[0]!) : await runTogether(session, begin, variant, operations),
    )
    record(session, outcome.kind, outcome.kind === 'ok' ? outcome.value : operations)
  }
  return {
    name,
    setUp: async (client) => {
      for (let table = 0; table < tableCount; table++) {
        await client.query(`drop table if exists ${tableOf(table)}`)
        await client.query(
          `create table ${tableOf(table)} (id int primary key, second int not null unique, list int[] not null)`,
        )
      }
    },
    run: (context) => runSessions({ ...context, urls: context.urls.map((url) => withSettings(url, settings)) }, turn),
    judge: async (urls) => {
      const finals: FinalRead[] = []
      await atEveryNode(urls, async (client, node) => void finals.push({ node, lists: await readAll(client) }))
      const { findings } = check(history, { level, finals })
      for (const { name, count, isForbidden, witness } of findings) {
        if (isForbidden) tally.anomaly(name, `\n${witness}`, count)
        else tally.note(name, count)
      }
      return tally.verdict()
    },
    history: () => history.map(formatEvent),
  }
}

interface ListRow {
  readonly id: number
  readonly list: number[]
}

const readAll = async (client: pg.Client): Promise<Map<Key, readonly number[]>> => {
  const lists = new Map<Key, readonly number[]>()
  for (let table = 0; table < tableCount; table++) {
    const { rows } = await client.query<ListRow>(`select id, list from ${tableOf(table)}`)
    for (const { id, list } of rows) lists.set(id, list)
  }
  return lists
}

const upsert = (key: Key, value: number): pg.QueryConfig => ({
  name: `upsert-${tableOf(key)}`,
  text: `insert into ${tableOf(key)} as t values ($1, $2, array[$3::int])
    on conflict (id) do update set list = t.list || excluded.list`,
  values: [key, secondaryOf(key), value],
})

const readBy = (key: Key, variant: AppendVariant): pg.QueryConfig => {
  const column = variant === 'secondary' ? 'second' : 'id'
  const lock = variant === 'for update' ? 'for update' : ''
  return {
    name: `read-${tableOf(key)}-${column}${lock}`,
    text: `select list from ${tableOf(key)} where ${column} = $1 ${lock}`,
    values: [variant === 'secondary' ? secondaryOf(key) : key],
  }
}

const runAlone = async (session: Session, operation: Operation): Promise<Outcome<Operation[]>> => {
  const [kind, key, value] = operation
  if (kind === 'append') {
    const outcome = await session.statement(upsert(key, value))
    return outcome.kind === 'ok' ? { kind: 'ok', value: [operation] } : outcome
  }
  const outcome = await session.statement<ListRow>(readBy(key, 'upsert'))
  return outcome.kind === 'ok' ? { kind: 'ok', value: [['r', key, outcome.value[0]?.list ?? []]] } : outcome
}

const runTogether = (
  session: Session,
  begin: string,
  variant: AppendVariant,
  operations: readonly Operation[],
): Promise<Outcome<Operation[]>> =>
  session.transaction(begin, async (query) => {
    const done: Operation[] = []
    for (const operation of operations) {
      const [kind, key, value] = operation
      if (kind === 'append') {
        await append(query, variant, key, value)
        done.push(operation)
      } else {
        const rows = await query<ListRow>(readBy(key, variant))
        done.push(['r', key, rows[0]?.list ?? []])
      }
    }
    return done
  })

const append = async (query: Query, variant: AppendVariant, key: Key, value: number): Promise<void> => {
  if (variant === 'upsert') return void (await query(upsert(key, value)))
  if (variant === 'for update') await query(readBy(key, variant))
  const column = variant === 'secondary' ? 'second' : 'id'
  const updated = await query({
    name: `append-${tableOf(key)}-${column}`,
    text: `update ${tableOf(key)} set list = list || $2::int where ${column} = $1 returning id`,
    values: [variant === 'secondary' ? secondaryOf(key) : key, value],
  })
  if (updated.length > 0) return
  await query({
    name: `insert-${tableOf(key)}`,
    text: `insert into ${tableOf(key)} values ($1, $2, array[$3::int])`,
    values: [key, secondaryOf(key), value],
  })
}

/** Writers of one table that never pause: what a schema change of it meets at full speed. */
import type { Cluster } from '#testing/cluster.ts'
import { outcomeOf } from '#testing/errors.ts'
import { until } from '#testing/wait.ts'

export interface HotWriters {
  readonly inserted: number
  readonly updated: number
  /** The longest that one statement took, ms. */
  readonly pauseMs: number
  /** What was answered to statements that failed. */
  readonly refused: readonly string[]
  /** Each has written more: a migration is no loop, and it is the writers at full speed that it meets. */
  allWritten(): Promise<void>
  stop(): Promise<void>
}

/** One writer for each of `nodes` inserts a row (id, node) and updates its `times`, again and again; in another database than the first if one is named. */
export const hotWriters = async (
  cluster: Cluster,
  table: string,
  nodes: readonly number[],
  database?: string,
): Promise<HotWriters> => {
  const stop = new AbortController()
  const seen = await Promise.all(
    nodes.map(async (number, index) => ({
      client: await cluster.connect(number, database),
      index,
      inserted: 0,
      updated: 0,
      pauseMs: 0,
      refused: [] as string[],
    })),
  )
  const running = seen.map(async (one) => {
    const write = async (sql: string): Promise<boolean> => {
      const began = performance.now()
      const code = await outcomeOf(one.client.query(sql))
      one.pauseMs = Math.max(one.pauseMs, performance.now() - began)
      if (code !== 'ok') one.refused.push(code)
      return code === 'ok'
    }
    for (let id = one.index; !stop.signal.aborted; id += seen.length) {
      if (!(await write(`insert into ${table} (id, node) values (${id}, ${one.index})`))) continue
      one.inserted += 1
      if (await write(`update ${table} set times = times + 1 where id = ${id}`)) one.updated += 1
    }
  })
  return {
    get inserted() {
      return seen.reduce((sum, one) => sum + one.inserted, 0)
    },
    get updated() {
      return seen.reduce((sum, one) => sum + one.updated, 0)
    },
    get pauseMs() {
      return Math.round(Math.max(...seen.map((one) => one.pauseMs)))
    },
    get refused() {
      return seen.flatMap(({ refused }) => refused)
    },
    async allWritten() {
      const before = seen.map(({ inserted }) => inserted)
      await until('every writer goes on', () => seen.every((one, index) => one.inserted >= (before[index] ?? 0) + 10))
    },
    async stop() {
      stop.abort()
      await Promise.all(running)
      await Promise.all(seen.map((one) => one.client.end()))
    },
  }
}

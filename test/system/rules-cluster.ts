/**
 * One cluster per file of rule tests, and the ways to bring two nodes into an exact interleaving.
 *
 * The order of things is forced from outside, never hoped for: a journal that is stopped (SIGSTOP) holds every append
 * between "sent" and "answered" for as long as the test likes; open transactions on two nodes overlap by construction.
 *
 * @module
 */
import assert from 'node:assert/strict'
import { after, before } from 'node:test'
import type pg from 'pg'
import { isControl, startCluster } from '#testing/cluster.ts'
import type { Cluster, ClusterOptions } from '#testing/cluster.ts'
import { fieldsOf, outcomeOf } from '#testing/errors.ts'
import { assertAllEqual } from '#testing/equality.ts'
import { allServing } from '#testing/healed.ts'
import { signal } from '#testing/processes.ts'

export interface Bench {
  cluster(): Cluster
  /** The long-lived client of node `number`; connected again when its connection was lost. */
  on(number: number): Promise<pg.Client>
  /** Runs statements one after another at n1, then waits until all nodes have them. */
  setUp(...statements: string[]): Promise<void>
  /** One value, asked at every node; all must answer the same. */
  everywhere(query: string): Promise<string>
  /** All nodes serve; after a kill. */
  serving(): Promise<void>
  /** Opens a client, ends it afterwards. */
  withClient<T>(number: number, use: (client: pg.Client) => Promise<T>): Promise<T>
}

/** Registers a cluster for all tests of the calling file. */
export const useCluster = (options: ClusterOptions = {}): Bench => {
  let cluster: Cluster | undefined
  const clients = new Map<number, pg.Client>()
  before(async () => {
    if (!isControl) cluster = await startCluster({ nodes: 4, ...options })
  })
  after(async () => {
    await Promise.all([...clients.values()].map((client) => client.end().catch(() => undefined)))
    await cluster?.[Symbol.asyncDispose]()
  })
  const it = (): Cluster => {
    assert(cluster, 'the cluster runs')
    return cluster
  }
  const withClient = async <T>(number: number, use: (client: pg.Client) => Promise<T>): Promise<T> => {
    const client = await it().connect(number)
    try {
      return await use(client)
    } finally {
      await client.end().catch(() => undefined)
    }
  }
  return {
    cluster: it,
    withClient,
    async on(number) {
      const known = clients.get(number)
      if (known !== undefined) return known
      const client = await it().connect(number)
      client.once('end', () => clients.delete(number))
      clients.set(number, client)
      return client
    },
    async setUp(...statements) {
      await withClient(1, async (client) => {
        for (const statement of statements) {
          await client.query(statement).catch((error: unknown) => {
            throw new Error(`${statement}: ${fieldsOf(error).message}`, { cause: error })
          })
        }
      })
      await assertAllEqual(it())
    },
    async everywhere(query) {
      const answers = await Promise.all(
        it().nodes.map((_, index) =>
          withClient(index + 1, async (client) => {
            const { rows } = await client.query<{ value: unknown }>(`select (${query})::text as value`)
            return String(rows[0]?.value)
          }),
        ),
      )
      assert.equal(new Set(answers).size, 1, `nodes answer ${answers.join(' | ')} to ${query}`)
      return answers[0] ?? ''
    },
    serving: () => allServing(it()),
  }
}

/** `commit`, `rollback` (COMMIT of a failed transaction) or the SQLSTATE. */
export const commitOutcome = async (client: pg.Client): Promise<string> => {
  try {
    const { command } = await client.query('commit')
    return command.toLowerCase()
  } catch (thrown) {
    await client.query('rollback').catch(() => undefined)
    const { code, message } = fieldsOf(thrown)
    return code === '' ? message : code
  }
}

/**
 * Two transactions at two nodes that overlap for certain: both have run their statement before either commits.
 * Failures of a statement count as the transaction's outcome.
 */
export const overlap = async (
  left: pg.Client,
  leftSql: string,
  right: pg.Client,
  rightSql: string,
): Promise<readonly [string, string]> => {
  const ran = await Promise.all(
    [[left, leftSql] as const, [right, rightSql] as const].map(async ([client, sql]) => {
      await client.query('begin')
      return outcomeOf(client.query(sql))
    }),
  )
  const [a, b] = await Promise.all(
    [left, right].map(async (client, index) => {
      const before = ran[index] ?? ''
      if (before === 'ok') return commitOutcome(client)
      await client.query('rollback')
      return before
    }),
  )
  return [a ?? '', b ?? '']
}

/** Exactly one of the two committed. */
export const assertOneWon = (outcome: readonly [string, string], what: string): void => {
  assert.equal(outcome.filter((each) => each === 'commit').length, 1, `${what}: ${outcome.join(' and ')}`)
}

/** The server process behind a session. */
export const backendOf = async (client: pg.Client): Promise<number> => {
  const { rows } = await client.query<{ pid: number }>('select pg_backend_pid() as pid')
  assert(rows[0])
  return rows[0].pid
}

/** Holds a process still while `use` runs. */
export const whileStopped = async <T>(pid: number, use: () => Promise<T>): Promise<T> => {
  signal(pid, 'SIGSTOP')
  try {
    return await use()
  } finally {
    signal(pid, 'SIGCONT')
  }
}

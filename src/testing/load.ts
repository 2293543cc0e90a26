/**
 * A load that remembers every acknowledgement: the ground truth of tests with faults.
 *
 * @module
 */
import { Client } from 'pg'
import { fieldsOf } from './errors.ts'
import { setTimeout as delay } from 'node:timers/promises'

/** One writer's table: `id` tells writer and number, so that a lost row names its origin. */
export const loadTable =
  'create table load (id text primary key, node int not null, at timestamptz not null default now())'

export interface Acknowledged {
  readonly id: string
  /** Node that acknowledged, 1 …. */
  readonly node: number
  /** performance.now() at the acknowledgement, ms. */
  readonly at: number
}

export interface Load {
  readonly acknowledged: readonly Acknowledged[]
  /** Errors by SQLSTATE or message; a lost connection is an unknown outcome, never a failure. */
  readonly errors: ReadonlyMap<string, number>
  /** Stops the writers after their current statement. */
  stop(): Promise<void>
}

/** Pause before a writer connects again, ms: short, so that the measured gap is the cluster's and not ours. */
const reconnectMs = 20

/** Loads of one test file write to one table: each has ids of its own. */
let loads = 0

/** A connection attempt to a dead node must not hang the writer, ms. */
const connectMsMax = 2_000

/**
 * Starts writers that insert one row per statement and connect again after any error.
 * @param urls one per node, in the order of the nodes; a function, because a restart may change them
 * @param writersPerNode writers on each node
 */
export const startLoad = (urls: readonly string[], writersPerNode = 2): Load => {
  const acknowledged: Acknowledged[] = []
  const errors = new Map<string, number>()
  const stopping = new AbortController()
  loads += 1
  const prefix = `${loads}`
  const count = (error: unknown): void => {
    const { code, message } = fieldsOf(error)
    const name = code === '' ? message : code
    errors.set(name, (errors.get(name) ?? 0) + 1)
  }
  const connect = async (url: string): Promise<Client> => {
    const client = new Client({ connectionString: url, connectionTimeoutMillis: connectMsMax })
    client.on('error', () => undefined) // the failing query reports it
    await client.connect()
    return client
  }
  const write = async (url: string, node: number, writer: number): Promise<void> => {
    let client: Client | undefined
    for (let number = 0; !stopping.signal.aborted; number++) {
      const id = `${prefix}-${node}-${writer}-${number}`
      try {
        client ??= await connect(url)
        await client.query({ name: 'load', text: 'insert into load (id, node) values ($1, $2)', values: [id, node] })
        acknowledged.push({ id, node, at: performance.now() })
      } catch (error) {
        count(error)
        await client?.end().catch(() => undefined)
        client = undefined
        await delay(reconnectMs)
      }
    }
    await client?.end().catch(() => undefined)
  }
  const writers = urls.flatMap((url, index) =>
    Array.from({ length: writersPerNode }, (_, writer) => write(url, index + 1, writer)),
  )
  return {
    acknowledged,
    errors,
    stop: async () => {
      stopping.abort()
      await Promise.all(writers)
    },
  }
}

/** The longest time without an acknowledgement on any one of the given nodes between two moments, ms. */
export const longestGap = (load: Load, nodes: readonly number[], from: number, to: number): number => {
  let longest = 0
  for (const node of nodes) {
    let last = from
    for (const ack of load.acknowledged) {
      if (ack.node !== node || ack.at < from || ack.at > to) continue
      longest = Math.max(longest, ack.at - last)
      last = ack.at
    }
    longest = Math.max(longest, to - last)
  }
  return longest
}

/** Acknowledged rows that this node does not have: must be empty. */
export const lostRows = async (load: Load, client: Client): Promise<string[]> => {
  const { rows } = await client.query<{ id: string }>('select id from load')
  const present = new Set(rows.map(({ id }) => id))
  return load.acknowledged.filter(({ id }) => !present.has(id)).map(({ id }) => id)
}

/** Errors in the order of their number, for a test's output. */
export const describeErrors = (load: Load): string =>
  [...load.errors]
    .toSorted((a, b) => b[1] - a[1])
    .map(([name, times]) => `${name} ×${times}`)
    .join(', ') || 'none'

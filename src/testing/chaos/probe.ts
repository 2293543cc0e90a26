/**
 * An open-loop probe: at every endpoint a write is due each few milliseconds, whether or not the ones before have been answered. So
 * a pause shows at its full length, which a client that waits for its answer would hide in one slow statement.
 *
 * @module
 */
import { setTimeout as delay } from 'node:timers/promises'
import type pg from 'pg'
import type { Strike } from '../faults.ts'
import { atEveryNode, connectTo } from '../workloads/sessions.ts'

/** Writes under way at one endpoint, at most, each on a connection of its own; what is due beyond that is missed, and counted. */
const underWayMax = 8
/** Pause before a lost connection is made again, ms: short, so that what is measured is the cluster's gap and not ours. */
const reconnectMs = 20

const table = 'chaos_probe'
let probes = 0

export interface ProbeResult {
  /** By endpoint: when its writes were acknowledged, performance.now(), ms, in order. */
  readonly acknowledged: readonly (readonly number[])[]
  /** Due while all connections of the endpoint were busy or lost. */
  readonly missed: number
  /** Acknowledged, and not at every endpoint at the end. */
  readonly lost: number
}

export interface Probe {
  run(signal: AbortSignal): Promise<void>
  /** Call when nothing is under way. */
  judge(): Promise<ProbeResult>
}

/** The time without an acknowledged write at an endpoint that was not itself struck. */
export interface Gap {
  /** Number of the endpoint. */
  readonly node: number
  readonly ms: number
  /** What had been struck; undefined: there were no faults. */
  readonly strike: string | undefined
}

interface Endpoint {
  readonly url: string
  readonly node: number
  readonly idle: pg.Client[]
  connections: number
  readonly acknowledged: number[]
  readonly ids: number[]
}

/** @param client connected to the first endpoint; makes the table */
export const startProbe = async (urls: readonly string[], client: pg.Client, everyMs: number): Promise<Probe> => {
  const run = (probes += 1)
  await client.query(`create table if not exists ${table} (run int, node int, id int, primary key (run, node, id))`)
  const endpoints = urls.map((url, index): Endpoint => ({
    url,
    node: index + 1,
    idle: [],
    connections: 0,
    acknowledged: [],
    ids: [],
  }))
  let missed = 0

  const connect = async (endpoint: Endpoint): Promise<void> => {
    endpoint.connections += 1
    try {
      endpoint.idle.push(await connectTo(endpoint.url))
    } catch {
      await delay(reconnectMs)
      endpoint.connections -= 1
    }
  }
  const write = async (endpoint: Endpoint, session: pg.Client, id: number): Promise<void> => {
    try {
      const values = [run, endpoint.node, id]
      await session.query({ name: table, text: `insert into ${table} values ($1, $2, $3)`, values })
      endpoint.acknowledged.push(performance.now())
      endpoint.ids.push(id)
      endpoint.idle.push(session)
    } catch {
      endpoint.connections -= 1
      await session.end().catch(() => undefined)
    }
  }
  const probeOne = async (endpoint: Endpoint, signal: AbortSignal): Promise<void> => {
    const begun = performance.now()
    const underWay = new Set<Promise<void>>()
    const track = (work: Promise<void>): void => {
      underWay.add(work)
      void work.finally(() => underWay.delete(work))
    }
    for (let due = 0; !signal.aborted; due++) {
      // By the clock: a late wake-up does not thin the writes out.
      const wait = begun + due * everyMs - performance.now()
      if (wait > 0) await delay(wait)
      while (endpoint.connections < underWayMax) track(connect(endpoint))
      const session = endpoint.idle.shift()
      if (session === undefined) missed += 1
      else track(write(endpoint, session, due))
    }
    await Promise.all(underWay)
    for (const session of endpoint.idle) await session.end().catch(() => undefined)
  }
  return {
    run: async (signal) => {
      await Promise.all(endpoints.map((endpoint) => probeOne(endpoint, signal)))
    },
    judge: async () => {
      let lost = 0
      await atEveryNode(urls, async (client) => {
        const { rows } = await client.query<{ name: string }>(
          `select node || '/' || id as name from ${table} where run = $1`,
          [run],
        )
        const present = new Set(rows.map(({ name }) => name))
        for (const { node, ids } of endpoints) lost += ids.filter((id) => !present.has(`${node}/${id}`)).length
      })
      return { acknowledged: endpoints.map(({ acknowledged }) => acknowledged), missed, lost }
    },
  }
}

const longest = (times: readonly number[], from: number, to: number): number => {
  let max = 0
  let last = from
  for (const at of times) {
    if (at < from || at > to) continue
    max = Math.max(max, at - last)
    last = at
  }
  return Math.max(max, to - last)
}

/**
 * For each fault the longest gap at each survivor until the next fault; without faults that of the whole run at each endpoint.
 * @param begun of the run, as the strikes count from there
 */
export const gapsOf = (
  { acknowledged }: Pick<ProbeResult, 'acknowledged'>,
  strikes: readonly Strike[],
  begun: number,
  ended: number,
): Gap[] => {
  const spans =
    strikes.length === 0
      ? [{ from: begun, to: ended, what: undefined }]
      : strikes.map(({ at, what }, i) => ({
          from: begun + at,
          to: begun + (strikes[i + 1]?.at ?? ended - begun),
          what,
        }))
  return spans.flatMap(({ from, to, what }) =>
    acknowledged.flatMap((times, index) => {
      // Also who was struck just before, and may still be coming back, is no survivor.
      const node = index + 1
      const struck = strikes.some(
        (strike) => begun + strike.at < to && begun + strike.at > from - recoveryMs && namesNode(strike, node),
      )
      return struck ? [] : [{ node, ms: Math.round(longest(times, from, to)), strike: what }]
    }),
  )
}

/** A killed node serves again within this on a busy machine, ms. */
const recoveryMs = 10_000

const namesNode = ({ what }: Strike, node: number): boolean => new RegExp(`\\bn${node}\\b`).test(what)

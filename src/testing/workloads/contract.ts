/**
 * What a workload is: clients that do something whose result can be judged, against any PostgreSQL endpoints.
 *
 * Contract
 * 1. `setUp` creates the tables; the caller waits until all endpoints have them.
 * 2. `run` works at all endpoints until the signal; it survives every fault and never throws for one.
 * 3. The caller heals and waits until nothing is under way; then `judge` reads at every endpoint.
 * 4. Outcomes: see sessions.ts. What is not certain is `unknown`, never `failed`.
 * 5. An anomaly is what the database promised never to do; it is counted by name, and the first of each name is told.
 *
 * Several endpoints may be one server: the control. Everything that a workload demands holds there too.
 *
 * @module
 */
import type pg from 'pg'
import type { Random } from '../random.ts'

export interface RunContext {
  /** One per node; the same as for `judge`. */
  readonly urls: readonly string[]
  readonly random: Random
  /** Ends the run; transactions under way are finished. */
  readonly signal: AbortSignal
}

export interface Verdict {
  readonly workload: string
  /** Acknowledged transactions. */
  readonly transactions: number
  /** Certainly not done. */
  readonly failed: number
  readonly unknown: number
  /** Forbidden anomalies by name: must be empty. */
  readonly anomalies: Readonly<Record<string, number>>
  /** The first occurrence of each forbidden anomaly, for people. */
  readonly witness: string
  /** What may happen and is worth knowing, such as stale reads at other nodes. */
  readonly notes: Readonly<Record<string, number>>
  /** SQLSTATEs or messages of failed and unknown transactions. */
  readonly errors: Readonly<Record<string, number>>
}

export interface Workload {
  readonly name: string
  setUp(client: pg.Client): Promise<void>
  run(context: RunContext): Promise<void>
  judge(urls: readonly string[]): Promise<Verdict>
  /** What happened, line by line, to be kept when the verdict is bad. */
  history?(): Iterable<string>
}

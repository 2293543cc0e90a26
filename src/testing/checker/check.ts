/**
 * The list-append checker: does a history of transactions keep what an isolation level promises?
 *
 * Purpose: clients append unique values to lists and read the lists; a list shows the whole order of its versions. From
 * that the dependencies between all transactions follow, and an anomaly of isolation is a cycle in them. The idea is Elle's (Kingsbury
 * and Alvaro, "Elle: Inferring Isolation Anomalies from Experimental Observations", VLDB 2020).
 *
 * Contract
 * 1. Sound: what is reported did happen, given a history that keeps the contract of history.ts.
 * 2. What is not read can not be judged: end a run with reads of all keys (`finals`, per node, when nothing is under way).
 * 3. Time and memory are linear in the history; only the search for a *short* witness is bounded, never the detection.
 * 4. Pure: no clock, no I/O.
 *
 * Failure cases: a history that can not be paired throws (history.ts).
 *
 * @module
 */
import { forbids } from './anomalies.ts'
import type { AnomalyName, Level } from './anomalies.ts'
import { findCycles } from './cycles.ts'
import { dependenciesOf } from './edges.ts'
import type { Findings } from './findings.ts'
import { transactionsOf } from './history.ts'
import type { HistoryEvent } from './history.ts'
import { judgeInternal } from './internal.ts'
import { judgeFinals, judgeReads, ordersOf } from './orders.ts'
import type { FinalRead } from './orders.ts'

export interface CheckOptions {
  readonly level: Level
  /** The nodes' answers after quiescence. */
  readonly finals?: readonly FinalRead[]
}

export interface Finding {
  readonly name: AnomalyName
  /** Places in the history, see cycles.ts. */
  readonly count: number
  readonly isForbidden: boolean
  readonly witness: string
}

export interface CheckResult {
  readonly isValid: boolean
  /** Transactions by outcome. */
  readonly ok: number
  readonly fail: number
  readonly info: number
  /** Also what the level allows: a load that never makes G2-item under snapshot isolation is too weak to show anything. */
  readonly findings: readonly Finding[]
}

export const check = (history: Iterable<HistoryEvent>, { level, finals = [] }: CheckOptions): CheckResult => {
  const transactions = transactionsOf(history)
  const found: Findings = new Map()
  judgeInternal(transactions, found)
  const orders = ordersOf(transactions, finals, found)
  judgeReads(transactions, orders, found)
  judgeFinals(transactions, orders, finals, found)
  findCycles(transactions, orders, dependenciesOf(transactions, orders), found)

  const outcomes = { ok: 0, fail: 0, info: 0 }
  for (const { outcome } of transactions) outcomes[outcome] += 1
  const findings = [...found].map(([name, { count, witness }]) => ({
    name,
    count,
    isForbidden: forbids(level, name),
    witness,
  }))
  return { isValid: !findings.some(({ isForbidden }) => isForbidden), ...outcomes, findings }
}

/**
 * Counts what happens in a run until it becomes a verdict.
 *
 * @module
 */
import type { Verdict } from './contract.ts'
import type { Outcome } from './sessions.ts'

export interface Tally {
  /** Counts an outcome, and returns it. */
  count<T>(outcome: Outcome<T>): Outcome<T>
  /** @param times how often; the text tells the first occurrence */
  anomaly(name: string, text: string, times?: number): void
  note(name: string, times?: number): void
  /** Keeps the greatest value. */
  noteMax(name: string, value: number): void
  verdict(): Verdict
}

/**
 * What any workload may be told: conflicts, lock time-outs, lost connections, a server that starts or stops; a full disk; files that a
 * server misses, until its agent has noticed that its data folder was removed.
 */
const alwaysExpected = /^(?:40001|40P01|55P03|08\w{3}|53100|53300|57P0[123]|58000|58P01)$/
const isSqlState = /^[0-9A-Z]{5}$/
const add = (counts: Map<string, number>, name: string, times: number): void => {
  counts.set(name, (counts.get(name) ?? 0) + times)
}

/** @param expected SQLSTATEs that this workload provokes; any other error of the server is an anomaly */
export const createTally = (workload: string, expected: readonly string[] = []): Tally => {
  const outcomes = { ok: 0, fail: 0, info: 0 }
  const anomalies = new Map<string, number>()
  const notes = new Map<string, number>()
  const errors = new Map<string, number>()
  const witnesses: string[] = []
  const anomaly = (name: string, text: string, times = 1): void => {
    if (!anomalies.has(name)) witnesses.push(`${name}: ${text}`)
    add(anomalies, name, times)
  }
  const judgeError = (code: string, message: string): void => {
    if (!isSqlState.test(code) || alwaysExpected.test(code) || expected.includes(code)) return
    anomaly('unexpected error', `${code}: ${message}`)
  }
  return {
    count: (outcome) => {
      outcomes[outcome.kind] += 1
      if (outcome.kind === 'ok') return outcome
      judgeError(outcome.code, outcome.message)
      add(errors, outcome.kind === 'fail' ? outcome.code : `unknown: ${outcome.code}`, 1)
      return outcome
    },
    anomaly,
    note: (name, times = 1) => add(notes, name, times),
    noteMax: (name, value) => void notes.set(name, Math.max(notes.get(name) ?? 0, value)),
    verdict: () => ({
      workload,
      transactions: outcomes.ok,
      failed: outcomes.fail,
      unknown: outcomes.info,
      anomalies: Object.fromEntries(anomalies),
      witness: witnesses.join('\n'),
      notes: Object.fromEntries(notes),
      errors: Object.fromEntries([...errors].toSorted((a, b) => b[1] - a[1])),
    }),
  }
}

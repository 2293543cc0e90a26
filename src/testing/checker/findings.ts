/**
 * Collects what is found: every occurrence is counted, one of each kind is kept to be shown.
 *
 * @module
 */
import type { AnomalyName } from './anomalies.ts'

export interface Found {
  count: number
  /** For people: the transactions that show it. */
  witness: string
  /** Transactions in the witness; a shorter one replaces a longer. */
  size: number
}

export type Findings = Map<AnomalyName, Found>

/** @param describe called only when this witness is the shortest so far: telling is dearer than finding */
export const report = (findings: Findings, name: AnomalyName, size: number, describe: () => string): void => {
  const known = findings.get(name)
  if (known === undefined) {
    findings.set(name, { count: 1, witness: describe(), size })
    return
  }
  known.count += 1
  if (size >= known.size) return
  known.size = size
  known.witness = describe()
}

/**
 * The workloads by name, as the command line and the reports call them.
 *
 * @module
 */
import { bank } from '../workloads/bank.ts'
import type { Workload } from '../workloads/contract.ts'
import { foreignKey } from '../workloads/foreign-key.ts'
import { listAppend } from '../workloads/list-append.ts'
import type { ListAppendOptions } from '../workloads/list-append.ts'
import { longFork } from '../workloads/long-fork.ts'
import { monotonic } from '../workloads/monotonic.ts'
import { schemaChanges } from '../workloads/schema-changes.ts'
import { sequences } from '../workloads/sequences.ts'
import { set } from '../workloads/set.ts'
import { unique } from '../workloads/unique.ts'

/** List-append where each transaction is SERIALIZABLE, judged as such. */
const serializable = (options: ListAppendOptions = {}): Workload =>
  listAppend({
    ...options,
    name: 'serializable',
    begin: 'begin isolation level serializable',
    level: 'session-serializable',
    aloneShare: 0,
  })

/** List-append where no read may be stale, at whatever node. */
const clusterReads = (options: ListAppendOptions = {}): Workload =>
  listAppend({
    ...options,
    name: 'cluster-reads',
    settings: { 'allwrite.consistency': 'cluster' },
    level: 'strong-snapshot-isolation',
  })

/** Makes a workload with nothing in it yet. */
export const suite = {
  'list-append': listAppend,
  serializable,
  'cluster-reads': clusterReads,
  bank,
  'long-fork': longFork,
  unique,
  'foreign-key': foreignKey,
  set,
  monotonic,
  sequences,
  'schema-changes': schemaChanges,
} as const satisfies Readonly<Record<string, () => Workload>>

export type WorkloadName = keyof typeof suite

export const workloadNames = Object.keys(suite) as WorkloadName[]

/**
 * The options of `npm run chaos`. Pure.
 *
 * @module
 */
import { parseArgs } from 'node:util'
import { suite, workloadNames } from './suite.ts'
import type { WorkloadName } from './suite.ts'

export const usage = `usage: npm run chaos -- [options]

  --minutes N         length of all workloads together (default: 5)
  --workload NAME     ${workloadNames.join(', ')};
                      several with commas, or all, one after the other (default: all)
  --fault-every S     seconds between two faults; 0: none (default: 10)
  --seed N            that of a run before: the same transactions and faults, not their timing
  --nodes N           of the cluster that is made for the run (default: 4)
  --endpoints URLS    PostgreSQL endpoints instead of that, with commas; no faults. One plain server
                      named several times is the control. Tables are made there, and stay
  --probe-every MS    milliseconds between two writes of the probe at each node; 0: none (default: 10)
  --report FILE       writes the report as markdown
`

export interface ChaosOptions {
  readonly minutes: number
  readonly workloads: readonly WorkloadName[]
  /** Seconds; 0: none. */
  readonly faultEvery: number
  readonly seed: number | undefined
  readonly nodes: number
  /** Empty: a cluster is made. */
  readonly endpoints: readonly string[]
  /** Milliseconds; 0: none. */
  readonly probeEvery: number
  readonly report: string | undefined
}

const isWorkload = (name: string): name is WorkloadName => Object.hasOwn(suite, name)

/** @throws RangeError for a value that can't be */
const numberOf = (name: string, text: string | undefined, fallback: number, least: number): number => {
  const value = text === undefined ? fallback : Number(text)
  if (text === '' || !Number.isFinite(value) || value < least) {
    throw new RangeError(`--${name}: "${text}" is not a number of at least ${least}`)
  }
  return value
}

const workloadsOf = (text: string): readonly WorkloadName[] => {
  if (text === 'all') return workloadNames
  return text.split(',').map((name) => {
    if (isWorkload(name)) return name
    throw new RangeError(`--workload: there is no "${name}"; there are ${workloadNames.join(', ')}`)
  })
}

/** @throws RangeError or TypeError that says what is wrong */
export const parseOptions = (args: readonly string[]): ChaosOptions => {
  const text = { type: 'string' } as const
  const { values } = parseArgs({
    args: [...args],
    options: {
      minutes: text,
      workload: text,
      'fault-every': text,
      seed: text,
      nodes: text,
      endpoints: text,
      'probe-every': text,
      report: text,
    },
  })
  return {
    minutes: numberOf('minutes', values.minutes, 5, 0.01),
    workloads: workloadsOf(values.workload ?? 'all'),
    faultEvery: numberOf('fault-every', values['fault-every'], 10, 0),
    seed: values.seed === undefined ? undefined : numberOf('seed', values.seed, 0, 0),
    nodes: numberOf('nodes', values.nodes, 4, 1),
    endpoints: (values.endpoints ?? '').split(',').filter((url) => url !== ''),
    probeEvery: numberOf('probe-every', values['probe-every'], 10, 0),
    report: values.report,
  }
}

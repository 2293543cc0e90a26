/**
 * Faults that strike a running cluster at random, by a seed.
 *
 * @module
 */
import { setTimeout as delay } from 'node:timers/promises'
import type { Cluster } from './cluster.ts'
import { signal as sendSignal } from './processes.ts'
import type { Random } from './random.ts'

export interface Strike {
  /** Since the start of the run, ms. */
  readonly at: number
  /** Such as `SIGKILL n3 agent`. */
  readonly what: string
}

/** Between two strikes; a node is often back in less, so that sometimes one and sometimes two are down. */
export const strikeEveryMs = 5_000

/**
 * `kill -9` of one node's agent or postgres, the first after half an interval. A killed node comes back by itself.
 * @returns what was struck, when the signal ends it
 */
export const killNodes = async (
  cluster: Pick<Cluster, 'status'>,
  random: Random,
  stop: AbortSignal,
  everyMs = strikeEveryMs,
): Promise<readonly Strike[]> => {
  const begun = performance.now()
  const strikes: Strike[] = []
  const pause = (ms: number): Promise<void> => delay(ms, undefined, { signal: stop }).catch(() => undefined)
  for (await pause(everyMs / 2); !stop.aborted; await pause(everyMs)) {
    const { id, agentPid, postgresPid } = random.pick(await cluster.status())
    const [part, pid] = random.chance(0.5) ? (['agent', agentPid] as const) : (['postgres', postgresPid] as const)
    if (pid === null) continue // still down from the strike before
    sendSignal(pid, 'SIGKILL')
    strikes.push({ at: Math.round(performance.now() - begun), what: `SIGKILL ${id} ${part}` })
  }
  return strikes
}

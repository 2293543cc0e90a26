/**
 * Faults that strike a running cluster: each alone, or at random by a seed.
 *
 * Contract
 * - A fault strikes, lasts, and is over when its promise resolves: what it stopped goes on, what it filled is free. What it killed or
 *   removed is the product's to bring back.
 * - It touches only processes and files of the given cluster.
 *
 * @module
 */
import { rmSync } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'
import type { Cluster, NodeStatus } from './cluster.ts'
import { tearJournal } from './journal-damage.ts'
import { familyOf, signal as sendSignal } from './processes.ts'
import type { ProcessInfo } from './processes.ts'
import type { Random } from './random.ts'
import { until } from './wait.ts'

export interface Strike {
  /** Since the start of the run, ms. */
  readonly at: number
  /** Such as `SIGKILL n3 agent`. */
  readonly what: string
}

export interface FaultContext {
  readonly cluster: Cluster
  readonly random: Random
  /** How long a fault lasts that is not over at once, ms. */
  readonly holdMs: number
  /** Ends a fault that lasts before its time. */
  readonly stop: AbortSignal
}

export interface Fault {
  readonly name: string
  /** It concerns all nodes at once: no other fault runs beside it. */
  readonly whole?: boolean
  /** Strikes. @returns what was struck; undefined where there was nothing to strike */
  run(context: FaultContext): Promise<string | undefined>
}

/** How far a clock is put before or back, s: two days. */
const clockSecondsMax = 172_800

/** A process of a node's server: any but the postmaster. */
const childOf = (random: Random, postgresPid: number): ProcessInfo | undefined => {
  const children = familyOf([postgresPid]).filter(({ pid }) => pid !== postgresPid)
  return children.length === 0 ? undefined : random.pick(children)
}

const pause = (ms: number, signal: AbortSignal): Promise<void> =>
  delay(ms, undefined, { signal }).catch(() => undefined)

const kill = (pids: readonly number[]): void => pids.forEach((pid) => sendSignal(pid, 'SIGKILL'))

/** SIGSTOP now, SIGCONT when it has lasted. */
const suspend = async (pids: readonly number[], { holdMs, stop }: FaultContext): Promise<void> => {
  for (const pid of pids) sendSignal(pid, 'SIGSTOP')
  await pause(holdMs, stop)
  for (const pid of pids) sendSignal(pid, 'SIGCONT')
}

type Pick = (
  node: NodeStatus,
  random: Random,
) => { readonly what: string; readonly pids: readonly number[] } | undefined

const agent: Pick = ({ agentPid }) => (agentPid === null ? undefined : { what: 'agent', pids: [agentPid] })
const postmaster: Pick = ({ postgresPid }) =>
  postgresPid === null ? undefined : { what: 'postgres', pids: [postgresPid] }
const server: Pick = ({ postgresPid }) =>
  postgresPid === null
    ? undefined
    : { what: 'postgres, all of it', pids: familyOf([postgresPid]).map(({ pid }) => pid) }
const backend: Pick = ({ postgresPid }, random) => {
  const found = postgresPid === null ? undefined : childOf(random, postgresPid)
  return found && { what: found.command, pids: [found.pid] }
}

/** A fault of one node's processes. */
const ofNode = (name: string, pick: Pick, act: 'SIGKILL' | 'SIGSTOP'): Fault => ({
  name: `${act} ${name}`,
  async run(context) {
    const node = context.random.pick(await context.cluster.status())
    const found = pick(node, context.random)
    if (found === undefined) return undefined
    if (act === 'SIGKILL') kill(found.pids)
    else await suspend(found.pids, context)
    return `${act} ${node.id} ${found.what}`
  },
})

export const killAgent = ofNode('agent', agent, 'SIGKILL')
export const killPostgres = ofNode('postgres', postmaster, 'SIGKILL')
export const killBackend = ofNode('backend', backend, 'SIGKILL')
export const stopAgent = ofNode('agent', agent, 'SIGSTOP')
export const stopPostgres = ofNode('postgres', server, 'SIGSTOP')
export const stopPostmaster = ofNode('postmaster', postmaster, 'SIGSTOP')
export const stopBackend = ofNode('backend', backend, 'SIGSTOP')

export const killJournal: Fault = {
  name: 'SIGKILL journal',
  run({ cluster }) {
    kill([cluster.journalPid()])
    return Promise.resolve('SIGKILL journal')
  },
}

export const stopJournal: Fault = {
  name: 'SIGSTOP journal',
  async run(context) {
    await suspend([context.cluster.journalPid()], context)
    return `SIGSTOP journal, ${context.holdMs} ms`
  },
}

/** Every process at once; what the journal was writing is torn. Started again. */
export const killEverything: Fault = {
  name: 'SIGKILL of everything',
  whole: true,
  async run({ cluster, random }) {
    await cluster.killEverything()
    const torn = random.chance(0.5)
    if (torn) await tearJournal(cluster.dir)
    await cluster.restart()
    return `SIGKILL of everything${torn ? ', with a torn journal' : ''}`
  },
}

/** The data folder goes while its server runs. */
export const removeRunning: Fault = {
  name: 'data removed, running',
  async run({ cluster, random }) {
    const { id, dataDir } = random.pick(cluster.nodes)
    // The server makes files meanwhile.
    rmSync(dataDir, { recursive: true, force: true, maxRetries: 20 })
    return `data of ${id} removed while it ran`
  },
}

/** The whole of a node's folder goes while it is down. */
export const removeDown: Fault = {
  name: 'folder removed, down',
  async run({ cluster, random }) {
    const { id } = random.pick(cluster.nodes)
    await cluster.command(['kill', id])
    if (cluster.disks.has(id)) rmSync(`${cluster.dir}/${id}/pgdata`, { recursive: true, force: true })
    else rmSync(`${cluster.dir}/${id}`, { recursive: true, force: true })
    // Another fault may strike it at its start, which is then given up.
    await until(`${id} starts`, () => cluster.command(['start', id]).then(() => true), { msMax: 120_000, everyMs: 500 })
    return `folder of ${id} removed while it was down`
  },
}

/** No room on one of the cluster's small disks: the journal's, or a node's with its data, log and spool. */
export const fillDisk: Fault = {
  name: 'disk full',
  async run({ cluster, random, holdMs, stop }) {
    if (cluster.disks.size === 0) return undefined
    const [folder, disk] = random.pick([...cluster.disks])
    disk.fill()
    try {
      await pause(holdMs, stop)
    } finally {
      disk.free()
    }
    return `disk of ${folder} full, ${holdMs} ms`
  },
}

/** The wall clock of all processes jumps, and stays where it is. */
export const jumpClock: Fault = {
  name: 'clock jump',
  run({ cluster, random }) {
    const seconds = random.int(2 * clockSecondsMax) - clockSecondsMax
    cluster.clock?.set(seconds)
    return Promise.resolve(cluster.clock && `the clock jumps to ${seconds} s`)
  },
}

/** What the smoke of each workload meets. */
export const kills: readonly Fault[] = [killAgent, killPostgres]

export const allFaults: readonly Fault[] = [
  ...kills,
  killBackend,
  killJournal,
  killEverything,
  stopAgent,
  stopPostgres,
  stopPostmaster,
  stopBackend,
  stopJournal,
  removeRunning,
  removeDown,
  fillDisk,
  jumpClock,
]

/** Between two strikes; a node is often back in less, so that sometimes one and sometimes two are down. */
export const strikeEveryMs = 5_000
/** Faults at one time. */
const togetherMax = 2
/** A fault that lasts does so for one of these, ms: unnoticed, left out of the endpoints, given up. */
const holdsMs = [500, 2_500, 8_000] as const

/**
 * Faults at random, the first after half an interval, two at most together. Resolves when the last one is over.
 * @returns what was struck, when the signal ends it
 * @throws what a fault throws
 */
export const strikeAtRandom = async (
  cluster: Cluster,
  random: Random,
  stop: AbortSignal,
  faults: readonly Fault[],
  everyMs = strikeEveryMs,
): Promise<readonly Strike[]> => {
  const begun = performance.now()
  const strikes: Strike[] = []
  const running = new Set<Promise<void>>()
  for (await pause(everyMs / 2, stop); !stop.aborted; await pause(everyMs, stop)) {
    const fault = random.pick(faults)
    const context = { cluster, random: random.fork(), holdMs: random.pick(holdsMs), stop }
    if (fault.whole === true) await Promise.all(running)
    else if (running.size >= togetherMax) await Promise.race(running)
    const at = Math.round(performance.now() - begun)
    const struck = fault.run(context).then((what) => {
      if (what !== undefined) strikes.push({ at, what })
    })
    running.add(struck)
    if (fault.whole === true) await struck
    void struck.finally(() => running.delete(struck)).catch(() => undefined)
  }
  await Promise.all(running)
  return strikes.toSorted((a, b) => a.at - b.at)
}

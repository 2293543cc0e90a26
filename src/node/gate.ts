/**
 * The node as the sessions of all its databases see it (session/contract.ts), put together from its parts; what is a database's is in
 * database-sessions.ts.
 *
 * @module
 */
import { timeLimit } from '../journal/cancel.ts'
import type { Journal } from '../journal/contract.ts'
import type { NodeLog } from './told.ts'
import type { Executor } from './order/executor.ts'
import type { OrderTracker } from './order/order-tracker.ts'
import { createTailReader } from './order/tail-reader.ts'
import { processActivity } from '../postgres/index.ts'
import { createPauseWatch } from './pause-watch.ts'
import { createServerWatch, silentMs, type Probe, type ServerWatch } from './server-watch.ts'
import type { NodeGate } from './session/contract.ts'

/** After a pause, until the journal is asked again how far it has gone, ms. */
const catchUpMsMax = 5_000

export interface GateOptions {
  readonly tracker: OrderTracker
  readonly executor: Executor
  readonly journal: Journal
  readonly isServing: () => boolean
  readonly probes: readonly Probe[]
  readonly closing: AbortSignal
  readonly log: NodeLog
}

export interface Gate extends Pick<
  NodeGate,
  'applied' | 'committing' | 'whenApplied' | 'catchUp' | 'paused' | 'serving'
> {
  readonly serverWatch: ServerWatch
  /** Sets what is done when the server has been silent for so long that its sessions are given up. */
  onHung(listener: () => void): void
  close(): void
}

export const createGate = (options: GateOptions): Gate => {
  const { tracker, executor, closing, log } = options
  const readTail = createTailReader(options.journal)
  // In this order: what is committed while the server does not answer counts too.
  const catchUp = async (signal: AbortSignal): Promise<void> => {
    await serverWatch.whenAnswering(signal)
    await tracker.whenApplied(await readTail(signal), signal)
  }
  const catchUpInTime = async (): Promise<void> => {
    using limit = timeLimit(closing, catchUpMsMax)
    await catchUp(limit.signal)
  }
  const pauseWatch = createPauseWatch({
    now: () => performance.now(),
    catchUp: catchUpInTime,
    onPause: (ms) =>
      log.warn({ ms: Math.round(ms) }, 'this process was paused: nothing is read until it has caught up'),
  })
  let giveUpSessions = (): void => undefined
  const serverWatch = createServerWatch({
    probes: options.probes,
    now: () => performance.now(),
    activity: processActivity,
    onSilent: (part) => log.warn({ part }, 'PostgreSQL does not answer: nothing is read from it'),
    onHung: (part) => {
      log.error({ part }, 'PostgreSQL still does not answer: the sessions of this node are given up')
      giveUpSessions()
    },
    onAnswer: (part, ms) => {
      log.warn({ part, ms: Math.round(ms) }, 'PostgreSQL answers again: nothing is read until the node has caught up')
      pauseWatch.stale()
    },
  })
  return {
    applied: () => tracker.applied,
    committing: () => executor.committing,
    whenApplied: (position, signal) => tracker.whenApplied(position, signal),
    catchUp,
    get paused() {
      return pauseWatch.paused || serverWatch.silentMs >= silentMs
    },
    get serving() {
      // A login would wait for the server as well.
      return options.isServing() && serverWatch.silentMs < silentMs
    },
    serverWatch,
    onHung(listener) {
      giveUpSessions = listener
    },
    close() {
      pauseWatch.close()
      serverWatch.close()
    },
  }
}

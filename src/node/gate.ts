/**
 * The node as its sessions see it (session/contract.ts), put together from its parts.
 *
 * @module
 */
import type { Journal } from '../journal/contract.ts'
import type { Capture } from './capture/capture.ts'
import type { NodeLog } from './node.ts'
import type { Executor } from './order/executor.ts'
import type { OrderTracker } from './order/order-tracker.ts'
import { createTailReader } from './order/tail-reader.ts'
import { createPauseWatch } from './pause-watch.ts'
import type { NodeGate } from './session/contract.ts'
import type { Submissions } from './submissions.ts'

/** After a pause, until the journal is asked again how far it has gone, ms. */
const catchUpMsMax = 5_000

export interface GateOptions {
  readonly tracker: OrderTracker
  readonly executor: Executor
  readonly capture: Capture
  readonly submissions: Submissions
  readonly journal: Journal
  readonly isServing: () => boolean
  readonly closing: AbortSignal
  readonly log: NodeLog
}

export interface Gate extends NodeGate {
  close(): void
}

export const createGate = (options: GateOptions): Gate => {
  const { tracker, executor, capture, submissions, closing } = options
  const readTail = createTailReader(options.journal)
  const catchUp = async (signal: AbortSignal): Promise<void> => tracker.whenApplied(await readTail(signal), signal)
  /** Not by AbortSignal.any with AbortSignal.timeout: Node 20 may collect the latter before it fires. */
  const catchUpInTime = async (): Promise<void> => {
    const giveUp = new AbortController()
    const stop = (): void => giveUp.abort()
    const timer = setTimeout(stop, catchUpMsMax)
    closing.addEventListener('abort', stop, { once: true })
    try {
      await catchUp(giveUp.signal)
    } finally {
      clearTimeout(timer)
      closing.removeEventListener('abort', stop)
    }
  }
  const pauseWatch = createPauseWatch({
    now: () => performance.now(),
    catchUp: catchUpInTime,
    onPause: (ms) =>
      options.log.warn({ ms: Math.round(ms) }, 'this process was paused: nothing is read until it has caught up'),
  })
  return {
    applied: () => tracker.applied,
    committing: () => executor.committing,
    whenApplied: (position, signal) => tracker.whenApplied(position, signal),
    catchUp,
    get paused() {
      return pauseWatch.paused
    },
    walPassed: () => capture.passed,
    captureNonce: () => capture.nonce(),
    discardNonce: (nonce) => capture.discard(nonce),
    submit: (submission) => submissions.submit(submission),
    register: (participant) => submissions.register(participant),
    get serving() {
      return options.isServing()
    },
    close: () => pauseWatch.close(),
  }
}

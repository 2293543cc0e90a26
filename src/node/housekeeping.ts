/**
 * What a node does once a second: tells the journal what it needs no more, keeps the worker's origin near (RULES 10), and looks at
 * the worker's conflict counters and for the worker itself; and it sweeps.
 *
 * While the server does not answer the first question stays open and none is added: the journal then counts the node as gone.
 *
 * @module
 */
import { windowDefault } from '../core/certifier.ts'
import { position as toPosition, type NodeId, type Position } from '../core/ids.ts'
import type { Journal } from '../journal/contract.ts'
import type { Inspector } from './inspector.ts'
import type { NodeLog } from './told.ts'
import type { ChunkTracker } from './order/chunk-tracker.ts'
import type { Executor } from './order/executor.ts'
import type { OrderTracker } from './order/order-tracker.ts'

const everyMs = 1_000
/** Own groups in a row after which the worker's origin is moved on; where nothing is queued, it is anyway (RULES 10). */
const heartbeatPositions = 4_096

/**
 * So long the apply worker may be away, ms. PostgreSQL starts it again within moments; but if the wall clock was put back, only when
 * that is where it was (ApplyLauncherMain compares times of day), which may be days. A new server has forgotten the time.
 */
const workerAwayMsMax = 8_000

export interface HousekeepingOptions {
  readonly node: NodeId
  readonly journal: Journal
  /** What a restart would begin with. */
  readonly origin: () => Promise<Position>
  readonly tracker: OrderTracker
  readonly chunks: ChunkTracker
  readonly executor: Executor
  readonly inspector: Inspector
  /** False while an apply worker should be there and is not. */
  readonly connected: () => boolean
  /** Monotonic, ms. */
  readonly now: () => number
  /** The apply worker is not started again by its server. */
  readonly onWorkerAway: () => void
  /** Removes journaled statements that nobody will read again. */
  readonly sweep: () => Promise<void>
  /** Drops replication slots that are beyond their bounds. */
  readonly slots: () => Promise<void>
  /** The counters have risen: the node differs from the journal. */
  readonly onConflicts: (conflicts: number) => void
  readonly log: NodeLog
}

/** Runs until closed. */
export const startHousekeeping = async (options: HousekeepingOptions): Promise<{ close(): void }> => {
  const { node, journal, tracker, chunks, executor, inspector, now, log } = options
  const conflictsBefore = await inspector.applyConflicts()

  let connectedAt = now()

  const round = async (): Promise<void> => {
    if (options.connected()) connectedAt = now()
    else if (now() - connectedAt > workerAwayMsMax) options.onWorkerAway()
    const originAt = await options.origin()
    const needed = Math.min(originAt - windowDefault, (chunks.oldest() ?? originAt) - 1)
    journal.report(node, toPosition(Math.max(0, needed)))
    if (tracker.applied - originAt > heartbeatPositions || (tracker.applied > originAt && executor.queued === 0)) {
      executor.heartbeat()
    }
    const conflicts = await inspector.applyConflicts()
    if (conflicts > conflictsBefore) options.onConflicts(conflicts)
    await options.sweep()
    await options.slots()
  }

  let busy = false
  const timer = setInterval(() => {
    if (busy) return
    busy = true
    round()
      .catch((error: unknown) => log.warn({ err: error }, 'housekeeping failed'))
      .finally(() => {
        busy = false
      })
  }, everyMs)
  return { close: () => clearInterval(timer) }
}

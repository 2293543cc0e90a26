/**
 * Keeps the journal from forgetting what a joiner will read: from before its copy begins until its node reports by itself.
 *
 * Where the journal's cap is reached it forgets nevertheless; then the copy is too old, and another is made.
 *
 * @module
 */
import { windowDefault } from '../../core/certifier.ts'
import { position as toPosition, type NodeId, type Position } from '../../core/ids.ts'
import type { Journal } from '../../journal/contract.ts'

/** How often the journal is told, ms; it forgets a silent node after 10 s. */
const reportMs = 1_000

export interface JournalHold extends Disposable {
  /** Resolves when nothing is forgotten any more of what the journal holds now. */
  begin(signal: AbortSignal): Promise<void>
  /**
   * It is known that the node goes on behind this position: all that lies a window before it may go. Verdicts need no more (RULES 9),
   * and no chunk of a large writeset that can still commit is older (order/chunk-tracker.ts).
   */
  from(position: Position): void
}

export const createJournalHold = (journal: Journal, node: NodeId): JournalHold => {
  let safe = toPosition(0)
  let timer: NodeJS.Timeout | undefined
  const report = (): void => journal.report(node, safe)
  return {
    async begin(signal) {
      safe = toPosition(Math.max(0, (await journal.tail(signal)).first - 1))
      report()
      timer ??= setInterval(report, reportMs)
      // Answered in order: the journal has heard it.
      await journal.tail(signal)
    },
    from(position) {
      safe = toPosition(Math.max(safe, position - windowDefault - 1))
      report()
    },
    [Symbol.dispose]: () => clearInterval(timer),
  }
}

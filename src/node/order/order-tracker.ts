/**
 * The contiguous applied position of this node. Positions are issued in journal order and completed in any; `applied` is
 * the last one before the first that is still open.
 *
 * @module
 */
import { position as toPosition, type Position } from '../../core/ids.ts'
import { AllwriteError, assert } from '../../core/errors.ts'
import { deferred, type Deferred } from '../../core/deferred.ts'

export interface OrderTracker {
  readonly applied: Position
  /** Takes up the next position; `done` for what needs no work here. */
  issue(position: Position, done: boolean): void
  /** All issued positions up to and including this one are applied. */
  complete(position: Position): void
  whenApplied(position: Position, signal?: AbortSignal): Promise<void>
}

const gaveUp = (position: Position): AllwriteError =>
  new AllwriteError('cancelled', `gave up waiting for position ${position}`)

export const createOrderTracker = (start: Position, onAdvance: (applied: Position) => void): OrderTracker => {
  let applied = start
  let issued = start
  // Positions in (applied, completed] are done; those in `done` are done on their own.
  let completed = start
  const done = new Set<number>()
  let waiters: { position: Position; waiter: Deferred<void> }[] = []

  const advance = (): void => {
    let next: number = applied
    while (next < issued && (next < completed || done.delete(next + 1))) next += 1
    if (next === applied) return
    applied = toPosition(next)
    const ready = waiters.filter((waiting) => waiting.position <= applied)
    if (ready.length > 0) {
      waiters = waiters.filter((waiting) => waiting.position > applied)
      for (const { waiter } of ready) waiter.resolve()
    }
    onAdvance(applied)
  }

  return {
    get applied() {
      return applied
    },
    issue(position, isDone) {
      assert(position === issued + 1, 'positions are issued densely')
      issued = position
      if (isDone) {
        done.add(position)
        advance()
      }
    },
    complete(position) {
      assert(position <= issued, 'only issued positions complete')
      if (position <= completed) return
      completed = position
      for (const single of done) if (single <= completed) done.delete(single)
      advance()
    },
    async whenApplied(position, signal) {
      if (position <= applied) return
      // An abort that has happened is not told again.
      if (signal?.aborted === true) throw gaveUp(position)
      const waiter = deferred<void>()
      const entry = { position, waiter }
      waiters.push(entry)
      const cancel = (): void => {
        waiters = waiters.filter((waiting) => waiting !== entry)
        waiter.reject(gaveUp(position))
      }
      signal?.addEventListener('abort', cancel, { once: true })
      try {
        await waiter.promise
      } finally {
        signal?.removeEventListener('abort', cancel)
      }
    },
  }
}

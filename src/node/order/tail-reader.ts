/**
 * Where the journal ends now, for many askers: those that come while a question is under way share the next one, since an answer
 * counts only for who asked before the question was sent.
 *
 * @module
 */
import type { Position } from '../../core/ids.ts'
import { whenAborted } from '../../journal/cancel.ts'
import type { Journal } from '../../journal/contract.ts'

/** Asks for the last durable position as of the call. @throws AllwriteError cancelled by the asker's signal */
export type ReadTail = (signal: AbortSignal) => Promise<Position>

export const createTailReader = (journal: Pick<Journal, 'tail'>): ReadTail => {
  let underWay: Promise<Position> | undefined
  let next: Promise<Position> | undefined

  const ask = (): Promise<Position> => {
    const asked = journal.tail().then(({ last }) => last)
    underWay = asked
    const over = (): void => {
      if (underWay === asked) underWay = undefined
    }
    asked.then(over, over)
    return asked
  }

  const shared = (): Promise<Position> => {
    if (underWay === undefined) return ask()
    next ??= underWay
      .catch(() => undefined)
      .then(() => {
        next = undefined
        return ask()
      })
    return next
  }

  return (signal) =>
    new Promise((resolve, reject) => {
      const stop = whenAborted(signal, reject)
      if (stop !== undefined) shared().then(resolve, reject).finally(stop)
    })
}

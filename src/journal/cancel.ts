/**
 * AbortSignals in the drivers' terms.
 *
 * @module
 */
import { AllwriteError } from '../core/errors.ts'

/**
 * Calls `onAbort` with a `cancelled` error when `signal` aborts; returns how to stop listening. If it is aborted
 * already, calls `onAbort` in a microtask and returns undefined.
 */
export const whenAborted = (
  signal: AbortSignal | undefined,
  onAbort: (error: AllwriteError) => void,
): (() => void) | undefined => {
  const abort = (): void => onAbort(new AllwriteError('cancelled', 'the call was cancelled', { cause: signal?.reason }))
  if (signal === undefined) return () => {}
  if (signal.aborted) {
    queueMicrotask(abort)
    return undefined
  }
  signal.addEventListener('abort', abort, { once: true })
  return () => signal.removeEventListener('abort', abort)
}

/**
 * A signal that aborts with `outer`, or `ms` after this call; to be disposed of when the work is over. Not AbortSignal.any with
 * AbortSignal.timeout: nothing else holds the latter, and Node 20 may collect it before it fires.
 */
export const timeLimit = (outer: AbortSignal, ms: number): { readonly signal: AbortSignal } & Disposable => {
  const limit = new AbortController()
  const stop = (): void => limit.abort(outer.reason)
  const timer = setTimeout(stop, ms)
  if (outer.aborted) stop()
  else outer.addEventListener('abort', stop, { once: true })
  return {
    signal: limit.signal,
    [Symbol.dispose]() {
      clearTimeout(timer)
      outer.removeEventListener('abort', stop)
    },
  }
}

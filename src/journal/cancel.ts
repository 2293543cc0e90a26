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

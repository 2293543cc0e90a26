/**
 * Waiting for a condition with a deadline: what tests use instead of sleeping.
 *
 * @module
 */
import { setTimeout as delay } from 'node:timers/promises'

export interface UntilOptions {
  /** Give up after this long, ms. */
  readonly msMax?: number
  /** Pause between two looks, ms. */
  readonly everyMs?: number
}

/**
 * Looks again and again until `look` returns something other than undefined or false, and returns that.
 * An error thrown by `look` counts as "not yet"; the last one is the cause of the final error.
 * @throws Error naming `what` when the deadline passes
 */
export const until = async <T>(
  what: string,
  look: () => Promise<T | undefined | false> | T | undefined | false,
  { msMax = 30_000, everyMs = 20 }: UntilOptions = {},
): Promise<T> => {
  const deadline = performance.now() + msMax
  let cause: unknown
  for (;;) {
    try {
      const seen = await look()
      if (seen !== undefined && seen !== false) return seen
      cause = undefined
    } catch (error) {
      cause = error
    }
    if (performance.now() > deadline) throw new Error(`not within ${msMax} ms: ${what}`, { cause })
    await delay(everyMs)
  }
}

/** Lets a load run on for this long, ms. The duration is what the test measures over, not a guess about readiness. */
export const runFor = (ms: number): Promise<void> => delay(ms)

/** Length of a timed part, s: `smoke` by default, ALLWRITE_TEST_SECONDS for the long run. */
export const testSeconds = (smoke: number): number => numberFromEnv('ALLWRITE_TEST_SECONDS', smoke)

/** Whether a length was asked for: then a test does all that it can, not only what a smoke has time for. */
export const isLongRun = (process.env['ALLWRITE_TEST_SECONDS'] ?? '') !== ''

/** A count or size that an environment variable may raise. */
export const numberFromEnv = (name: string, fallback: number): number => {
  const text = process.env[name]
  if (text === undefined || text === '') return fallback
  const value = Number(text)
  if (!Number.isFinite(value) || value <= 0) throw new RangeError(`${name} is not a positive number: ${text}`)
  return value
}

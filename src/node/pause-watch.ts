/**
 * Notices that this process did not run for a while (SIGSTOP, a frozen machine, a loop that was blocked): meanwhile the cluster went
 * on without it, and the endpoints may have sent its clients elsewhere. What it holds is a prefix, but an old one: nothing is
 * served from it until it has caught up with the journal as of the wake-up.
 *
 * @module
 */

/** Between two signs of life, ms. */
const tickMs = 200
/** Without a sign of life for this long, the process was paused, ms. Endpoints stop choosing a node that is silent as long. */
export const pausedMs = 1_250

export interface PauseWatch {
  /** Paused, and not caught up since. Looks at the clock itself: what woke the process may be told before any timer. */
  readonly paused: boolean
  /** What the node holds is old for another reason: as after a pause. */
  stale(): void
  close(): void
}

export interface PauseWatchOptions {
  /** Monotonic, ms. */
  readonly now: () => number
  /** Resolves when everything that was committed anywhere before the call is applied here. Asked again if it fails. */
  readonly catchUp: () => Promise<void>
  /** @param ms how long */
  readonly onPause: (ms: number) => void
}

export const createPauseWatch = (options: PauseWatchOptions): PauseWatch => {
  const { now } = options
  let lastTick = now()
  let paused = false
  let closed = false

  const look = (): void => {
    const at = now()
    const ms = at - lastTick
    lastTick = at
    if (ms < pausedMs) return
    options.onPause(ms)
    stale()
  }

  const stale = (): void => {
    if (paused) return
    paused = true
    void catchUp()
  }

  const catchUp = async (): Promise<void> => {
    while (!closed) {
      try {
        await options.catchUp()
        break
      } catch {
        await new Promise((resolve) => setTimeout(resolve, tickMs))
      }
    }
    paused = false
  }

  const timer = setInterval(look, tickMs)
  return {
    get paused() {
      if (now() - lastTick >= pausedMs) look()
      return paused
    },
    stale,
    close() {
      closed = true
      clearInterval(timer)
    },
  }
}

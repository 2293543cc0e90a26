/**
 * Finds who keeps an apply waiting, and has them rolled back (RULES 13). A remote writeset is certified: it must be
 * applied here, so whoever holds a lock that it needs has lost, read-only transactions in the way of DDL included.
 *
 * While something is being applied, `pg_blocking_pids` of the applying backend is asked every few milliseconds: about
 * 0.1 ms of server time each, and only when an apply takes longer than a healthy one does.
 *
 * @module
 */
import type { WaitedFor } from './waiting-for.ts'

/** An apply that is done within this needs no look at all, ms. */
const firstLookMs = 6
/** Between looks, ms: well under the 20 ms in which a loser has to be gone. */
const lookEveryMs = 5
/** A blocker that is no session of ours is cancelled, and ended when it is still there after this, ms. */
const strangerGraceMs = 50

export interface BlockerWatch {
  /** An apply is under way in this backend; looks start after {@link firstLookMs}. */
  begin(): void
  end(): void
  close(): void
}

export interface BlockerWatchOptions {
  /** The backends that the apply under way runs in: worker or SQL applier. */
  readonly applyingPids: () => readonly number[]
  /** Asks the server; `pg_blocking_pids` of each. */
  readonly blockersOf: (pids: readonly number[]) => Promise<readonly number[]>
  /** Rolls a session's transaction back; undefined when the pid is none of the node's sessions. */
  readonly abortSession: (pid: number, waited: WaitedFor | undefined) => Promise<void> | undefined
  /** The row or table that the apply waits for. */
  readonly waitedFor: (pids: readonly number[]) => Promise<WaitedFor | undefined>
  readonly cancel: (pid: number) => Promise<void>
  readonly terminate: (pid: number) => Promise<void>
  readonly now: () => number
  readonly onError: (error: unknown) => void
}

export const createBlockerWatch = (options: BlockerWatchOptions): BlockerWatch => {
  let timer: NodeJS.Timeout | undefined
  let active = false
  let looking = false
  const strangers = new Map<number, number>()

  const stranger = async (pid: number): Promise<void> => {
    const since = strangers.get(pid)
    if (since === undefined) {
      strangers.set(pid, options.now())
      await options.cancel(pid)
    } else if (options.now() - since > strangerGraceMs) await options.terminate(pid)
  }

  const look = async (): Promise<void> => {
    timer = undefined
    looking = true
    try {
      const pids = options.applyingPids()
      const blockers = pids.length === 0 ? [] : await options.blockersOf(pids)
      const others = blockers.filter((pid) => !pids.includes(pid))
      if (active && others.length > 0) {
        const waited = await options.waitedFor(pids)
        // Sessions are rolled back side by side; the next look tells whether that was enough.
        if (active) await Promise.all(others.map((pid) => options.abortSession(pid, waited) ?? stranger(pid)))
      }
    } catch (error) {
      options.onError(error)
    }
    looking = false
    if (active) schedule(lookEveryMs)
    else strangers.clear()
  }

  const schedule = (delayMs: number): void => {
    timer = setTimeout(() => void look(), delayMs)
  }

  return {
    begin() {
      if (active) return
      active = true
      if (timer === undefined && !looking) schedule(firstLookMs)
    },
    end() {
      active = false
      strangers.clear()
      if (timer !== undefined) clearTimeout(timer)
      timer = undefined
    },
    close() {
      active = false
      if (timer !== undefined) clearTimeout(timer)
    },
  }
}

/**
 * A turn for a schema change of this node (ADR 18): asked for in the journal, kept while the schema change runs, given back.
 *
 * Nothing depends on getting one: without it the schema change is tried as before.
 *
 * @module
 */
import { deferred, type Deferred } from '../core/deferred.ts'
import type { NodeId, Position } from '../core/ids.ts'
import { hashBytes, type HoldScope, type WritesetRecord } from '../core/writeset.ts'
import { whenAborted } from '../journal/cancel.ts'
import { createHolds, holdMsMax } from './order/holds.ts'
import type { Judged } from './order/judge.ts'
import type { Turn } from './session/contract.ts'

/** How long a schema change waits for its turn, behind those of other sessions and nodes, ms; then it is tried without. */
const waitMsMax = 10_000
/** A turn is asked for again after this, ms: early enough for a busy journal. */
const renewMs = holdMsMax / 3
/** A turn is not kept longer than this, ms: for so long the other nodes' writers of its tables wait. */
export const turnMsMax = 30_000
/** Tables that a hold names; more are as good as all. */
const tablesMax = 256

export interface TurnsOptions {
  readonly node: NodeId
  readonly append: (scope: HoldScope) => Promise<Position>
  readonly whenApplied: (position: Position, signal: AbortSignal) => Promise<void>
  /** The hash of a table's key; undefined where the name is none of a table. */
  readonly tableHash: (name: string) => Uint8Array | undefined
  /** Monotonic, ms. */
  readonly now: () => number
  readonly after: (ms: number, run: () => void) => () => void
  /** A turn was given back: for so long the others may have waited. */
  readonly onReleased: (tables: readonly string[], ms: number) => void
}

export interface Turns {
  /** Resolves when it is this node's turn and all before it is applied here; undefined where it did not come in time. */
  take(tables: ReadonlySet<string>, signal: AbortSignal): Promise<Turn | undefined>
  /** As the journal tells it (holds.ts). */
  changed(owner: NodeId | undefined, at: Position): void
}

/** Both sides of turns: what the journal says of them, and those of this node. */
export interface TurnTaking extends Pick<Turns, 'take'> {
  /** Sees each judged entry, in order. */
  see(judged: Judged): void
  isHeld(record: WritesetRecord): boolean
  readonly owner: NodeId | undefined
  close(): void
}

export interface TurnTakingOptions extends TurnsOptions {
  readonly listening: () => boolean
  /** What was held back may go. */
  readonly resume: () => void
}

export const createTurnTaking = (options: TurnTakingOptions): TurnTaking => {
  const turns = createTurns(options)
  const holds = createHolds({
    ...options,
    onChange(owner, at) {
      turns.changed(owner, at)
      options.resume()
    },
  })
  return {
    see: (judged) => holds.see(judged),
    isHeld: (record) => holds.isHeld(record),
    get owner() {
      return holds.owner
    },
    take: (tables, signal) => turns.take(tables, signal),
    close: () => holds.close(),
  }
}

/** Timers of the process, which don't keep it running. */
export const callLater = (ms: number, run: () => void): (() => void) => {
  const timer = setTimeout(run, ms).unref()
  return () => clearTimeout(timer)
}

export const createTurns = (options: TurnsOptions): Turns => {
  /** Sessions of this node have their turns one after another: a schema change of either would end both. */
  let last: Promise<void> = Promise.resolve()
  let ours = false
  let waiter: Deferred<Position> | undefined

  const scopeOf = (tables: ReadonlySet<string>): HoldScope => {
    const hashes = [...tables].flatMap((name) => options.tableHash(name) ?? [])
    if (hashes.length === 0 || hashes.length > tablesMax) return 'all'
    const packed = new Uint8Array(hashes.length * hashBytes)
    for (const [i, hash] of hashes.entries()) packed.set(hash, i * hashBytes)
    return packed
  }

  /** A full journal refuses it: then there is no turn. Any other failure ends the agent. */
  const append = (scope: HoldScope): void => void options.append(scope).catch(() => undefined)

  const hold = (tables: ReadonlySet<string>, over: () => void): Turn => {
    const since = options.now()
    let asked = tables
    let released = false
    let stopRenewing = (): void => undefined
    const renew = (): void => {
      stopRenewing = options.after(renewMs, () => {
        if (!ours || options.now() > since + turnMsMax) return
        append(scopeOf(asked))
        renew()
      })
    }
    renew()
    return {
      get over() {
        return released || !ours
      },
      get spent() {
        return options.now() > since + turnMsMax
      },
      widen(more) {
        asked = new Set([...asked, ...more])
        append(scopeOf(asked))
      },
      release() {
        if (released) return
        released = true
        stopRenewing()
        // Also where it is over: an asking again may be on its way.
        append('none')
        over()
        options.onReleased([...asked], options.now() - since)
      },
    }
  }

  return {
    async take(tables, signal) {
      const before = last
      const over = deferred<void>()
      last = before.then(() => over.promise)
      const limit = new AbortController()
      const giveUp = (): void => limit.abort()
      const stopClock = options.after(waitMsMax, giveUp)
      signal.addEventListener('abort', giveUp, { once: true })
      if (signal.aborted) giveUp()
      let asked = false
      try {
        await unless(limit.signal, before)
        const turn = (waiter = deferred<Position>())
        asked = true
        append(scopeOf(tables))
        const at = await unless(limit.signal, turn.promise)
        await options.whenApplied(at, limit.signal)
        return hold(tables, over.resolve)
      } catch {
        if (asked) append('none')
        over.resolve()
        return undefined
      } finally {
        stopClock()
        signal.removeEventListener('abort', giveUp)
        if (asked) waiter = undefined
      }
    },
    changed(owner, at) {
      ours = owner === options.node
      if (ours) waiter?.resolve(at)
    },
  }
}

/** Rejects when the signal aborts first. */
const unless = <T>(signal: AbortSignal, wanted: Promise<T>): Promise<T> =>
  new Promise((resolve, reject) => {
    const stop = whenAborted(signal, reject)
    if (stop !== undefined) wanted.then(resolve, reject).finally(stop)
  })

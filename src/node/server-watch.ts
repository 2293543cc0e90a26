/**
 * Notices that the local server does not answer although this process runs: stopped, or waiting for a disk that does not answer.
 * The cluster goes on without it, so what its sessions read is older from moment to moment.
 *
 * Contract
 * - Each probe has one question under way at a time, so a server that answers nothing for hours gets a handful of them.
 * - Silence is counted from the question, and only while there is reason to. A starved machine is no hung server: where our own
 *   ticks come late an eighth counts; and while the process that has to answer runs, or waits for a CPU, the probe says how much.
 * - A silence of {@link silentMs} or more is told twice: when it is reached and, before anyone can read from the server, when it ends.
 *
 * @module
 */
import { deferred, type Deferred } from '../core/deferred.ts'
import { whenAborted } from '../journal/cancel.ts'
import type { ProcessActivity } from '../postgres/index.ts'

/** Between two looks, ms. */
const tickMs = 100
/** A tick that comes later than this, ms, tells of a starved machine. It counts no more than this itself. */
const tickMsMax = 2 * tickMs
/** For how long a late tick tells that, ms, and what counts meanwhile. */
const starvedMs = 1_000
const starvedWeight = 1 / 8
/** Who has run is busy for this long, ms: one that waits for its disk runs a little now and then. */
const busyMs = 1_000

/** After this nothing is read from the server, ms. As long as an agent may be silent. */
export const silentMs = 1_250
/** After this its sessions are given up, ms. So long a silence is none of a busy machine. */
export const hungMs = 5_000

/** A question that some part of the server has to answer. */
export interface Probe {
  /** Who has to answer, as in messages. */
  readonly name: string
  readonly everyMs: number
  /** The part of its silence that counts while it is seen to run: 0 where clients can make it run for as long as they like. */
  readonly busyWeight: number
  /** The process that has to answer; undefined where there is none now: then nothing is asked. */
  readonly pid: () => number | undefined
  /** True with the answer; false where the question was lost, and has to be asked again. Never rejects. */
  readonly ask: () => Promise<boolean>
}

export interface ServerWatch {
  /** For how long the longest silent part of the server has not answered, ms; 0 while all do. */
  readonly silentMs: number
  /** Who is silent, where that has been so for {@link silentMs}. */
  readonly silentPart: string | undefined
  /** Resolves when the server answers. @throws AllwriteError cancelled when the signal aborts first */
  whenAnswering(signal: AbortSignal): Promise<void>
  close(): void
}

export interface ServerWatchOptions {
  readonly probes: readonly Probe[]
  /** Monotonic, ms. */
  readonly now: () => number
  readonly activity: (pid: number) => ProcessActivity | undefined
  readonly onSilent: (part: string) => void
  /** It has been silent for {@link hungMs}. */
  readonly onHung: (part: string) => void
  /** It answers again. @param ms how long it was silent, as counted */
  readonly onAnswer: (part: string, ms: number) => void
}

interface Asked {
  readonly probe: Probe
  underWay: boolean
  askedAt: number
  silentMs: number
  ticks: number | undefined
  busyUntil: number
}

export const createServerWatch = (options: ServerWatchOptions): ServerWatch => {
  const { now, activity } = options
  const parts: readonly Asked[] = options.probes.map((probe) => ({
    probe,
    underWay: false,
    askedAt: -Infinity,
    silentMs: 0,
    ticks: undefined,
    busyUntil: -Infinity,
  }))
  let lastTick = now()
  let starvedUntil = -Infinity
  const waiters = new Set<Deferred<void>>()
  let closed = false

  const answered = (part: Asked): void => {
    const ms = part.silentMs
    // First the reader is stopped until it has caught up, then the silence is over.
    if (ms >= silentMs && !closed) options.onAnswer(part.probe.name, ms)
    part.silentMs = 0
    if (watch.silentMs < silentMs) for (const waiter of waiters) waiter.resolve()
  }

  const ask = (part: Asked, at: number): void => {
    part.underWay = true
    part.askedAt = at
    part.ticks = undefined
    part.busyUntil = -Infinity
    void part.probe.ask().then((isAnswer) => {
      part.underWay = false
      if (isAnswer) answered(part)
    })
  }

  /** Whether it has used the CPU lately, or waits for one. */
  const isBusy = (part: Asked, pid: number, at: number): boolean => {
    const seen = activity(pid)
    const before = part.ticks
    part.ticks = seen?.ticks
    const ran = seen !== undefined && (seen.runnable || (before !== undefined && seen.ticks > before))
    if (ran) part.busyUntil = at + busyMs
    return at <= part.busyUntil
  }

  const count = (part: Asked, ms: number, at: number): void => {
    const { name, busyWeight } = part.probe
    const pid = part.probe.pid()
    // Nobody has to answer any more: who took the process's place will be asked.
    if (pid === undefined) return answered(part)
    const before = part.silentMs
    part.silentMs += isBusy(part, pid, at) ? ms * busyWeight : ms
    if (before < silentMs && part.silentMs >= silentMs) options.onSilent(name)
    if (before < hungMs && part.silentMs >= hungMs) options.onHung(name)
  }

  const tick = (): void => {
    const at = now()
    const elapsed = at - lastTick
    lastTick = at
    if (elapsed >= tickMsMax) starvedUntil = at + starvedMs
    const ms = Math.min(elapsed, tickMsMax) * (at <= starvedUntil ? starvedWeight : 1)
    for (const part of parts) {
      // A lost question leaves the silence as it is: it goes on with the next.
      if (part.underWay || part.silentMs > 0) count(part, ms, at)
      if (!part.underWay && at - part.askedAt >= part.probe.everyMs && part.probe.pid() !== undefined) ask(part, at)
    }
  }

  const longest = (): Asked | undefined => parts.toSorted((a, b) => b.silentMs - a.silentMs)[0]
  const timer = setInterval(tick, tickMs)
  const watch: ServerWatch = {
    get silentMs() {
      let most = 0
      for (const part of parts) most = Math.max(most, part.silentMs)
      return most
    },
    get silentPart() {
      const part = longest()
      return part === undefined || part.silentMs < silentMs ? undefined : part.probe.name
    },
    async whenAnswering(signal) {
      if (watch.silentMs < silentMs) return
      const waiter = deferred<void>()
      const stop = whenAborted(signal, waiter.reject)
      waiters.add(waiter)
      try {
        await waiter.promise
      } finally {
        waiters.delete(waiter)
        stop?.()
      }
    },
    close() {
      closed = true
      clearInterval(timer)
    },
  }
  return watch
}

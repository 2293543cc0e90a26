/**
 * Brute force: a certified remote change needs what this session's transaction holds, so the transaction is rolled back
 * whatever it does (RULES 13, docs/adr/0006).
 *
 * Contract
 * 1. A backend that runs nothing is rolled back at once. A running statement is cancelled at once and again every
 *    {@link cancelRepeatMs}: a cancel may come before the statement or be swallowed by a handler. Meanwhile its output is drained
 *    and dropped: a backend that is blocked in sending ignores a cancel.
 *    A Parse gets its first cancel only then: it is over by itself as a rule, and its client must not lose its name.
 * 2. The backend is ended only when the statement still runs after {@link terminateAfterMs} of cancels that have arrived. Once it is
 *    over, the ROLLBACK is on its way, and nothing would be gained by ending the backend.
 * 3. A statement outside a transaction block (a long read in the way of DDL) is left {@link readerGraceMs}: it is no transaction
 *    to be lost, and most are over by then.
 * 4. A cancel of ours hits what it was meant for, or nothing: the backend is given nothing more before each is known to have been sent.
 *    Where that is not known within {@link terminateMsMax} the backend is given up.
 * 5. Afterwards nothing of the client runs in its block before it was told: the backend is in a real failed transaction.
 *
 * @module
 */
import { assert } from '../../core/errors.ts'
import { BackendLost } from './channel.ts'
import type { Conflict } from './contract.ts'
import type { Core } from './core.ts'

/** Between two cancels of one statement, ms: a few times what a cancel takes, so that they do not pile up on a loaded machine. */
export const cancelRepeatMs = 20
/**
 * How long a statement may resist its cancels before its backend is ended, ms; only {@link cancelRepeatMs} behind a cancel that
 * the server has taken count. Where CPU is short that lasts longer: a cancel needs a fork of the postmaster, the backend its turn. A
 * session lost costs its client more than the apply loses by waiting.
 */
export const terminateAfterMs = 500
/** The same where the server takes no cancels, ms; so long the next statement waits for one that is on its way, too. */
export const terminateMsMax = 5_000
/** How long a statement outside a transaction block may be in the way of an apply, ms: it holds locks that only DDL waits for. */
export const readerGraceMs = 500

interface Abort {
  readonly conflict: Conflict
  /** The locks are gone. */
  readonly done: Promise<void>
  resolve(): void
  /** The rollback, and for a client's transaction the failed one that follows it; undefined until begun. */
  settled: Promise<void> | undefined
}

/** The abort of one session's transaction: at most one at a time. */
export class BruteForce {
  readonly #core: Core
  #abort: Abort | undefined
  /** What runs and is not interrupted (yet): a statement outside a transaction, a ROLLBACK; resolves when it is over. */
  #reader: { readonly over: Promise<void>; resolve(): void } | undefined
  #cancelsPending = 0
  /** Resolves when no cancel of ours is on its way. */
  #cancelsSent: Promise<unknown> = Promise.resolve()
  /** The same of the client's own. As in PostgreSQL it may come late: waited for, so that it seldom does, but not for long. */
  #passed: Promise<unknown> = Promise.resolve()
  /** Interrupts a wait of COPY IN for the client. */
  onAbort: (() => void) | undefined
  /** Why we asked for the backend's end. */
  killedFor: Conflict | undefined
  /** The backend was given up since a cancel may be on its way to it. */
  gaveUp = false

  constructor(core: Core) {
    this.#core = core
  }

  get active(): boolean {
    return this.#abort !== undefined
  }

  /** Waits until an abort has done its work, and takes note of it; the conflict, once. @throws BackendLost */
  async taken(): Promise<Conflict | undefined> {
    const abort = this.#abort
    if (!abort) return undefined
    await abort.done
    await abort.settled
    await this.cancelsOver(abort.conflict)
    if (this.#core.channel.lost) throw new BackendLost()
    this.#abort = undefined
    return abort.conflict
  }

  /** Resolves when the open transaction's locks are gone; not for a submitted one. */
  abort(conflict: Conflict): Promise<void> {
    const { channel, state } = this.#core
    if (this.#abort) return this.#abort.done
    if (channel.lost) return Promise.resolve()
    if (state === 'idle') return channel.busy ? this.#waitForReader(conflict) : Promise.resolve()
    // The client's own ROLLBACK does what is asked for, and is answered as such; or it has done it in this very turn.
    if (this.#core.leaving) return channel.busy ? this.#untilIdle() : Promise.resolve()
    return this.#begin(conflict)
  }

  #untilIdle(): Promise<void> {
    if (this.#reader) return this.#reader.over
    let resolve: () => void = () => undefined
    const over = new Promise<void>((settle) => {
      resolve = settle
    })
    this.#reader = { over, resolve }
    return over
  }

  #waitForReader(conflict: Conflict): Promise<void> {
    if (this.#reader) return this.#reader.over
    const over = this.#untilIdle()
    const timer = setTimeout(() => {
      if (this.#core.state === 'idle' && this.#core.channel.busy) void this.#begin(conflict)
    }, readerGraceMs)
    void over.then(() => clearTimeout(timer))
    return over
  }

  #begin(conflict: Conflict): Promise<void> {
    let resolve: () => void = () => undefined
    const done = new Promise<void>((settle) => {
      resolve = settle
    })
    const abort: Abort = { conflict, done, resolve, settled: undefined }
    this.#abort = abort
    if (!this.#core.channel.busy) {
      this.#startRollback(abort)
      return done
    }
    if (!this.#core.preparing) {
      this.#core.channel.discard()
      this.sendCancel()
    }
    this.onAbort?.()
    this.insist(done, conflict, () => !abort.settled)
    return done
  }

  /** All cycles are answered: an abort that waited for that rolls back now. */
  idle(): void {
    this.#endReader()
    if (this.#abort && !this.#abort.settled) this.#startRollback(this.#abort)
  }

  /** The backend is gone, and with it its locks. */
  closed(): void {
    this.#endReader()
    this.#abort?.resolve()
    this.onAbort?.()
  }

  #endReader(): void {
    this.#reader?.resolve()
    this.#reader = undefined
  }

  /** Cancels again and again, at last ends the backend, until `done`; only while `stuck`. */
  insist(done: Promise<unknown>, conflict: Conflict, stuck: () => boolean): void {
    // Counted in ticks, not by the clock: where the agent itself gets no CPU, neither did the backend.
    let cancelsLeft = Math.ceil(terminateAfterMs / cancelRepeatMs)
    let ticksLeft = Math.ceil(terminateMsMax / cancelRepeatMs)
    const timer = setInterval(() => {
      if (!stuck()) return
      ticksLeft -= 1
      if (ticksLeft > 0 && this.#cancelsPending > 0) return
      cancelsLeft -= 1
      if (ticksLeft > 0 && cancelsLeft > 0) {
        this.sendCancel()
        return
      }
      clearInterval(timer)
      this.#terminate(conflict)
    }, cancelRepeatMs)
    void done.finally(() => clearInterval(timer))
  }

  #terminate(conflict: Conflict): void {
    const { options, backendPid } = this.#core
    this.killedFor = conflict
    options.log.warn({ pid: backendPid }, 'a statement resists its cancels; its backend is ended')
    options.terminateBackend().catch((thrown: unknown) => {
      options.log.warn({ pid: backendPid, error: String(thrown) }, 'could not terminate a backend')
    })
  }

  /** Has the server cancel what the backend runs. */
  sendCancel(): void {
    const { options, backendPid } = this.#core
    this.#cancelsPending++
    const sent = options
      .cancelBackend()
      .catch((thrown: unknown) => {
        options.log.warn({ pid: backendPid, error: String(thrown) }, 'could not cancel a statement')
      })
      .finally(() => {
        this.#cancelsPending--
      })
    this.#cancelsSent = this.#cancelsPending === 1 ? sent : Promise.all([this.#cancelsSent, sent])
  }

  /** Passes the client's own cancel on. */
  passCancel(): Promise<void> {
    const passed = this.#core.options.passCancel()
    this.#passed = Promise.all([this.#passed, passed])
    return passed
  }

  /**
   * Resolves when no cancel is on its way any more: it would hit the client's next statement. Where that is not known in time the
   * backend is gone instead. @param conflict what the client then hears; undefined if it has lost nothing
   */
  async cancelsOver(conflict?: Conflict): Promise<void> {
    await this.#passed
    if (this.#cancelsPending === 0 || this.#core.channel.lost || (await this.#sentInTime())) return
    const { channel, options, backendPid } = this.#core
    options.log.warn({ pid: backendPid }, 'a cancel is not known to have been sent; its backend is given up')
    this.gaveUp = true
    this.killedFor ??= conflict
    channel.destroy()
    await this.#core.gone
  }

  #sentInTime(): Promise<boolean> {
    return new Promise((resolve) => {
      // In ticks, not by the clock, as in `insist`.
      let ticksLeft = Math.ceil(terminateMsMax / cancelRepeatMs)
      const timer = setInterval(() => {
        ticksLeft -= 1
        if (ticksLeft === 0) settle(false)
      }, cancelRepeatMs)
      const settle = (inTime: boolean): void => {
        clearInterval(timer)
        resolve(inTime)
      }
      void Promise.race([this.#cancelsSent, this.#core.gone]).then(() => settle(true))
    })
  }

  #startRollback(abort: Abort): void {
    assert(!abort.settled, 'one rollback per abort')
    abort.settled = this.#rollBack(abort).catch((thrown: unknown) => {
      // Without its connection the backend has no transaction any more; a waiting unit learns of it by itself.
      if (!(thrown instanceof BackendLost))
        this.#core.options.log.error({ error: String(thrown) }, 'rollback after an abort failed')
      this.#core.channel.destroy()
    })
  }

  async #rollBack(abort: Abort): Promise<void> {
    const core = this.#core
    const reopen = (core.state === 'client' || core.state === 'failed') && !core.ending.active
    const tells = core.state === 'client' && !core.ending.active
    await core.rollback()
    abort.resolve()
    // The failed transaction that stands for it commits nothing: nobody has to wait for it.
    core.turn.release()
    if (!reopen) {
      core.follow('ended')
      return
    }
    // A late one, for a statement that ended by itself, would hit the BEGIN.
    await this.cancelsOver(abort.conflict)
    await core.openFailed()
    // A transaction that had failed before, or has since, has told its error.
    if (tells && core.state === 'client') core.owed = abort.conflict
    core.state = 'failed'
  }
}

/**
 * `allwrite.consistency`: what a session's reads must include (docs/GUARANTEES.md). An ordinary setting of the server, so SET, SET
 * LOCAL, ALTER ROLE … SET and connection options all work and obey transactions; the session asks for its value only when it
 * may have changed.
 *
 * - `session`: own writes; everything that this node has applied. Costs nothing.
 * - `cluster`: all that was committed anywhere before the statement began: the journal's end is asked for, and waited for.
 * - `eventual`: a prefix. At one node the same as `session`.
 *
 * Whatever the level, a node that was paused (pause-watch.ts) first catches up as for `cluster`.
 *
 * Any other value, which only ALTER ROLE, `set_config` and the like can give, counts as the strongest.
 *
 * @module
 */
import { AllwriteError } from '../../core/errors.ts'
import { hiddenCycle } from './channel.ts'
import { consistencyName } from './statement/consistency-level.ts'
import type { Core } from './core.ts'
import type { ClassifiedStatement } from './statement/contract.ts'

/** How long a statement waits for its node to catch up, ms. */
const waitMsMax = 10_000

export class Consistency {
  readonly #core: Core
  #cluster = false
  /** The value must be asked for. */
  #unknown: boolean
  /** It was touched in the transaction that is open: its end may take the change back. */
  #touched = false
  /** Why the unit that comes can't run. */
  #failure: AllwriteError | undefined

  /** @param unknown the session may begin with another level than `session` */
  constructor(core: Core, unknown: boolean) {
    this.#core = core
    this.#unknown = unknown
  }

  /** Something is to be done before a unit; the hot path's only question. */
  get due(): boolean {
    return this.#unknown || this.#touched || this.#cluster || this.#core.options.gate.paused
  }

  /** A statement is about to run. */
  note(statement: ClassifiedStatement): void {
    if (!mayTouch(statement)) return
    this.#touched = true
  }

  /** Before a unit: waits as long as the level asks for. What goes wrong is told by {@link takeFailure}. @throws BackendLost */
  async beforeUnit(): Promise<void> {
    const core = this.#core
    // Of a unit that only prepared, and was not told.
    this.#failure = undefined
    // A failed transaction reads nothing.
    if (core.state === 'failed' || core.aborting || core.owed !== undefined) return
    if (this.#unknown || this.#touched) await this.#ask()
    if (!this.#cluster && !core.options.gate.paused) return
    const giveUp = new AbortController()
    const stop = (why: AllwriteError): void => {
      this.#failure ??= why
      giveUp.abort()
    }
    const timer = setTimeout(() => stop(behindError()), waitMsMax)
    core.onCancel = () => stop(cancelledError())
    try {
      await core.options.gate.catchUp(giveUp.signal)
    } catch (thrown) {
      if (!giveUp.signal.aborted) throw thrown
    } finally {
      clearTimeout(timer)
      core.onCancel = undefined
    }
    core.assertWanted()
  }

  /** The failure that the unit's client must be told, once. */
  takeFailure(): AllwriteError | undefined {
    const failure = this.#failure
    this.#failure = undefined
    return failure
  }

  get failed(): boolean {
    return this.#failure !== undefined
  }

  async #ask(): Promise<void> {
    const core = this.#core
    const ask = core.callMessage(core.options.functions.currentSetting, [consistencyName, 't'])
    const answer = await core.raw(ask, hiddenCycle)
    if (answer.error) return
    this.#unknown = false
    // In a transaction the value may change back at its end: asked again until then.
    this.#touched &&= core.state !== 'idle'
    const level = answer.value ?? ''
    this.#cluster = level !== '' && level !== 'session' && level !== 'eventual'
  }
}

const mayTouch = (statement: ClassifiedStatement): boolean => {
  switch (statement.kind) {
    case 'setting':
      return statement.name === consistencyName || statement.action === 'reset_all'
    case 'local':
      return statement.discard === 'all'
    case 'write':
      // set_config, or a function's text that holds it. A function that hides it is seen when the session begins anew.
      return statement.opaque && /allwrite\.consistency/i.test(statement.text)
    default:
      return false
  }
}

const behindError = (): AllwriteError =>
  new AllwriteError('conflict', 'this node did not catch up with the cluster in time', {
    detail: `The statement waited ${waitMsMax / 1000} s for all that was committed before it: allwrite.consistency is 'cluster', or the node was paused.`,
    hint: 'Try again, or use another node.',
  })

const cancelledError = (): AllwriteError => new AllwriteError('cancelled', 'canceling statement due to user request')

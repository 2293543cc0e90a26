/**
 * The end of a transaction, as the contract with the node has it: checks, capture, submission, COMMIT, outcome.
 *
 * Contract
 * 1. `late` is sampled before the capture call is sent; its answer proves that the locks are still held.
 * 2. After `submit` only the outcome says what the client hears (RULES 2); the backend is not closed by us before it.
 * 3. `commit` answers false only if the backend did not commit: it never got a COMMIT, or the server has said so.
 *
 * @module
 */
import { AllwriteError, assert } from '../../core/errors.ts'
import type { Position } from '../../core/ids.ts'
import { fieldsOfError, type ErrorFields } from '../../wire/pgwire/errors.ts'
import { parameterStatus } from '../../wire/pgwire/login-messages.ts'
import { Status } from '../../wire/pgwire/messages.ts'
import { errorFrame, outcomeUnknownError, unseenError } from './answers.ts'
import { BackendLost, hiddenCycle, type Answer } from './channel.ts'
import type { Conflict, Outcome } from './contract.ts'
import { control } from './control.ts'
import type { Core } from './core.ts'
import { freshWork, TransactionAborted, type Work } from './transaction.ts'

/** Between two questions for what became of a COMMIT, ms: the server is probably restarting. */
const statusRetryMs = 100

/** How a transaction's end came out, when it did not commit. */
export type Failure =
  | { readonly kind: 'error'; readonly frame: Buffer; readonly fields: ErrorFields }
  | { readonly kind: 'conflict'; readonly conflict: Conflict }

/** undefined: committed. */
export type EndResult = Failure | undefined

/** The session ends: nobody here knows what became of its transaction. */
export class OutcomeUnknown extends Error {
  constructor(cause: unknown) {
    super('the node did not tell the outcome of a transaction', { cause })
    this.name = 'OutcomeUnknown'
  }

  get frame(): Buffer {
    return errorFrame(outcomeUnknownError(), 'FATAL')
  }
}

/** How many units take the careful way after a conflict: rows that are hot stay so for a while. */
const carefulUnits = 64

interface Ahead {
  readonly nonce: string
  readonly late: Position
  readonly answer: Promise<Answer>
  readonly count: Promise<Answer> | undefined
}

/** The answers of the capture call, and of what was asked for before it, the first one last: it tells what the others fail for. */
type Checks = readonly [
  capture: Answer,
  count?: Answer | undefined,
  state?: Answer | undefined,
  unseen?: Answer | undefined,
  constraints?: Answer | undefined,
]

export class Ending {
  readonly #core: Core
  /** A COMMIT is on its way: an abort leaves no failed transaction behind. */
  active = false
  #nonce = ''
  #late: Position
  #locks: string | undefined
  /** The transaction is at READ COMMITTED, and the server has said so. */
  #readCommitted = false
  /** Set while submitted: the transaction's xid, the COMMIT to send, and who has ended it: true = committed here. */
  #xid = ''
  #commitText = 'COMMIT'
  /** The session's state just before the submission, of a transaction that changed the schema (`session_state()`). */
  #state: Answer['value']
  /** What `count_transaction()` answered: a pool is told once it is committed. */
  #count: Answer['value']
  #ended: Promise<boolean> | undefined
  /** What the server said to the COMMIT, if that failed. */
  #refusal: Answer | undefined
  /** The capture call that went out together with the only statement of its transaction. */
  #ahead: Ahead | undefined
  /** Units that take the careful way, because an early `late` has just lost a conflict. */
  #carefulUnits = 0

  constructor(core: Core) {
    this.#core = core
    this.#late = core.options.gate.applied()
  }

  /**
   * Ends the open transaction. Afterwards the backend has none, or after a success with `chain` a new one. The client is told
   * by the caller.
   */
  async end(chain = false): Promise<EndResult> {
    const core = this.#core
    const { work } = core
    const nested = core.state === 'client'
    this.active = true
    // What the server reports at COMMIT follows the command's tag.
    core.channel.defer()
    try {
      const captured = await this.#capture(chain ? 'COMMIT AND CHAIN' : 'COMMIT')
      if (captured !== 'submitted') return captured
    } finally {
      this.active = false
    }
    return this.#settle(await this.#submit(work), chain && nested, work)
  }

  /** The node answers every submission; if it fails to, it is ending, and the record may stand in the journal or not. */
  async #submit(work: Work): Promise<Outcome> {
    const core = this.#core
    try {
      return await core.options.gate.submit({
        nonce: this.#nonce,
        early: this.#early(work),
        late: this.#late,
        participant: core,
        ...(this.#locks === undefined ? {} : { locks: this.#locks }),
        ...(core.options.restriction === undefined ? {} : { restriction: core.options.restriction }),
      })
    } catch (thrown) {
      core.options.log.error({ pid: core.backendPid, error: String(thrown) }, 'a submission has no outcome')
      throw new OutcomeUnknown(thrown)
    }
  }

  /** At higher levels what the later statements read is as old as the first one's snapshot. */
  #early({ early, held }: Work): Position {
    if (this.#readCommitted && held !== undefined && held <= this.#late) return held
    return early ?? this.#late
  }

  /** Checks and captures. Nothing written: commits. */
  async #capture(commitText: string): Promise<'submitted' | EndResult> {
    const core = this.#core
    const { gate } = core.options
    let nonce: string | undefined
    try {
      await core.mendGuard()
      // A lock that an own transaction has just released: its position must count before `late` is sampled (RULES 11).
      const committing = gate.committing()
      if (this.#ahead === undefined && committing > gate.applied()) await gate.whenApplied(committing)
      const ahead = this.#ahead
      this.#ahead = undefined
      nonce = ahead?.nonce ?? gate.captureNonce()
      if (ahead) this.#late = ahead.late
      const checks: Checks = ahead ? await answersOf(ahead) : await this.#sendChecks(nonce)
      const [capture, count, state, unseen] = checks
      this.#state = state?.value
      this.#count = count?.value
      const failed = checks.findLast((answer) => answer?.error)
      if (failed?.error && failed.errorFrame)
        return await this.#fail({ kind: 'error', frame: failed.errorFrame, fields: failed.error })
      if (typeof unseen?.value === 'string') return await this.#fail(failureOf(unseenError(unseen.value)))
      if (typeof capture.value === 'string') {
        // The id, and for one that may have locked rows what they are.
        const [xid = '', locks, level] = capture.value.split(' ')
        this.#locks = locks
        this.#readCommitted = level === 'rc'
        this.#submitted(nonce, xid, commitText)
        nonce = undefined
        return 'submitted'
      }
      return await this.#commitUnwritten(commitText)
    } catch (thrown) {
      if (!(thrown instanceof TransactionAborted)) throw thrown
      const conflict = await core.aborted()
      assert(conflict, 'an aborted transaction has a conflict')
      // The abort came before the COMMIT: a failed block stands for the client's, and its COMMIT ends that as well.
      if (core.state === 'failed') core.followStatus(await core.hidden('ROLLBACK'))
      return { kind: 'conflict', conflict }
    } finally {
      if (nonce !== undefined) gate.discardNonce(nonce)
    }
  }

  /**
   * Sends the capture call right behind the statement that the caller has just sent, the last of its transaction: one wake-up
   * of the backend less. `late` is then sampled before the statement and may be older than the row lock that it waits
   * for: a false conflict, which the caller must be able to run again without the client seeing it.
   */
  sendAhead(): void {
    const core = this.#core
    const { gate } = core.options
    if (this.#carefulUnits > 0) {
      this.#carefulUnits -= 1
      return
    }
    if (core.work.unseen || this.#mayDefer || gate.committing() > gate.applied()) return
    const nonce = gate.captureNonce()
    const late = gate.applied()
    const count = this.#callCount()
    const answer = this.#callCapture(nonce)
    // A statement that fails takes the calls with it, and nobody asks for their answers.
    count?.catch(() => undefined)
    answer.catch(() => undefined)
    this.#ahead = { nonce, late, answer, count }
  }

  /** After a unit's attempt: what was sent ahead and not used is forgotten; after a conflict the next ones are careful. */
  dropAhead(conflict: boolean): void {
    if (conflict) this.#carefulUnits = carefulUnits
    if (this.#ahead === undefined) return
    this.#core.options.gate.discardNonce(this.#ahead.nonce)
    this.#ahead = undefined
  }

  /** All in one write; after an error the later ones fail too. `late` is sampled before the capture call is sent. */
  async #sendChecks(nonce: string): Promise<Checks> {
    const core = this.#core
    const { gate, functions } = core.options
    core.channel.cork()
    const constraints = this.#mayDefer ? core.hidden('SET CONSTRAINTS ALL IMMEDIATE') : undefined
    const unseen = core.work.unseen ? core.call(functions.unseenWrites, []) : undefined
    const { ddl, sessionState } = core.work
    const state = ddl && !sessionState ? core.call(functions.sessionState, []) : undefined
    this.#late = gate.applied()
    const count = this.#callCount()
    const capture = this.#callCapture(nonce)
    core.channel.uncork()
    return Promise.all([capture, count, state, unseen, constraints])
  }

  /** A pool's transactions are counted in a row of their own, so that any node can tell what became of them (ADR 29). */
  #callCount(): Promise<Answer> | undefined {
    const core = this.#core
    return core.pooled ? core.call(core.options.functions.countTransaction, [core.pooled]) : undefined
  }

  /** A check may wait for the end of the transaction; the catalog does not tell of temporary tables. */
  get #mayDefer(): boolean {
    return this.#core.options.hasDeferrable() || this.#core.temporaryObjects
  }

  #callCapture(nonce: string): Promise<Answer> {
    const core = this.#core
    const { functions, journalSecret } = core.options
    const { mayLock, since } = core.work
    if (!mayLock) return core.call(functions.capture, [nonce])
    return core.call(functions.captureLocking, [journalSecret, nonce, lsnText(since)])
  }

  async #fail(failure: Failure): Promise<Failure> {
    const core = this.#core
    await core.rollback()
    if (core.aborting) throw new TransactionAborted()
    core.follow('ended')
    return failure
  }

  async #commitUnwritten(commitText: string): Promise<EndResult> {
    const core = this.#core
    const { begin } = core.work
    if (core.aborting) throw new TransactionAborted()
    const answer = await core.raw(control(commitText, core.names.unnamedLive), hiddenCycle)
    if (answer.error || answer.tag !== 'COMMIT') {
      if (core.aborting) throw new TransactionAborted()
      core.follow('ended')
      if (answer.error && answer.errorFrame) return { kind: 'error', frame: answer.errorFrame, fields: answer.error }
      throw new AllwriteError('internal', 'the server ended a transaction without committing it')
    }
    // An abort that came too late has nothing to tell: the transaction is over, its locks were gone before.
    const late = core.aborting
    core.wish.ended(true)
    if (late) await core.aborted()
    core.follow('ended')
    if (answer.status === Status.open) await this.#openChained(begin, !late)
    return undefined
  }

  /** The transaction that AND CHAIN asks for. @param here the server has opened it already */
  async #openChained(begin: string, here: boolean): Promise<void> {
    const core = this.#core
    if (!here) {
      const { status } = await core.hidden(begin)
      if (status !== Status.open) throw new AllwriteError('internal', 'the chained transaction could not be opened')
    }
    core.work = freshWork(begin)
    core.follow('T')
  }

  #submitted(nonce: string, xid: string, commitText: string): void {
    this.#core.follow('submitted')
    this.#nonce = nonce
    this.#xid = xid
    this.#commitText = commitText
    this.#ended = undefined
    this.#refusal = undefined
  }

  commit(): Promise<boolean> {
    assert(this.#core.state === 'submitted', 'only a submitted transaction is committed')
    this.#ended ??= this.#commit()
    return this.#ended
  }

  async #commit(): Promise<boolean> {
    const core = this.#core
    // Nothing was sent: the backend ended by itself, its transaction with it.
    if (core.channel.lost) return false
    try {
      const answer = await core.raw(control(this.#commitText, core.names.unnamedLive), hiddenCycle)
      if (answer.tag === 'COMMIT' && !answer.error) return true
      this.#refusal = answer
      if (answer.status !== Status.idle) await core.rollback()
      return false
    } catch (thrown) {
      if (!(thrown instanceof BackendLost)) throw thrown
      return this.#askCommitted()
    }
  }

  /** The connection broke behind a COMMIT: only the server knows. Wrong would be silent divergence, so ask until it says. */
  async #askCommitted(): Promise<boolean> {
    const { options } = this.#core
    for (;;) {
      try {
        return await options.committed(this.#xid)
      } catch (thrown) {
        options.log.warn(
          { xid: this.#xid, error: String(thrown) },
          'could not learn what became of a COMMIT; asking again',
        )
        await new Promise((resolve) => setTimeout(resolve, statusRetryMs))
      }
    }
  }

  /** The node aborts what was already submitted: rolled back at once; `commit` will answer false. */
  abortSubmitted(conflict: Conflict): Promise<void> {
    const { brute, channel } = this.#core
    const committing = this.#ended !== undefined
    this.#ended ??= this.#rollBack()
    const done = this.#ended.then(() => undefined)
    // A COMMIT that is under way ends by itself, or by a cancel if it waits for something (a WITH HOLD cursor's query).
    if (committing) brute.insist(done, conflict, () => channel.busy)
    return done
  }

  async #rollBack(): Promise<boolean> {
    try {
      await this.#core.rollback()
    } catch (thrown) {
      if (!(thrown instanceof BackendLost)) throw thrown
    }
    return false
  }

  async #settle(outcome: Outcome, chain: boolean, work: Work): Promise<EndResult> {
    const core = this.#core
    // Neither committed nor aborted by the node: rolled back here.
    this.#ended ??= this.#rollBack()
    const here = await this.#ended
    this.#ended = undefined
    await core.brute.cancelsOver(outcome.kind === 'aborted' ? outcome.conflict : undefined)
    if (outcome.kind === 'committed') {
      if (typeof this.#count === 'string') core.out.pushFact(parameterStatus('allwrite.transactions', this.#count))
      core.wish.ended(true)
      core.follow('ended')
      if (!here) core.stateLost = core.brute.killedFor !== undefined || (await this.#lostState(work))
      if (chain && !core.channel.lost && !core.stateLost) await this.#openChained(work.begin, here)
      return undefined
    }
    assert(!here, 'a transaction that lost was not committed')
    core.follow('ended')
    if (outcome.kind === 'aborted') return { kind: 'conflict', conflict: outcome.conflict }
    // Only temporary tables were written: nothing was journaled, and the server's word stands.
    const { error, errorFrame: frame } = this.#refusal ?? {}
    return error && frame ? { kind: 'error', frame, fields: error } : failureOf(AllwriteError.from(outcome.error))
  }

  /** Whether the rollback of a transaction that is committed elsewhere took more than its data. */
  async #lostState(work: Work): Promise<boolean> {
    const core = this.#core
    if (work.sessionState || core.channel.lost) return work.sessionState
    if (!work.ddl) return false
    // Its functions may have changed settings, or left temporary tables; the rest of it is where it was left.

    if (typeof this.#state !== 'string') return true
    const { value } = await core.call(core.options.functions.sessionState, [])
    return value !== this.#state
  }
}

const answersOf = async ({ answer, count }: Ahead): Promise<Checks> => {
  const [capture, counted] = await Promise.all([answer, count])
  return [capture, counted]
}

/** As PostgreSQL writes it: both halves in hexadecimal. */
const lsnText = (lsn: bigint): string => `${(lsn >> 32n).toString(16)}/${(lsn & 0xffff_ffffn).toString(16)}`

const failureOf = (error: AllwriteError): Failure => ({
  kind: 'error',
  frame: errorFrame(error),
  fields: fieldsOfError(error),
})

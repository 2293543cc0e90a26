/**
 * The heart of a session: its transaction, the end of a write transaction as the contract with the node has it, and the
 * participant that the node commits or aborts. What a client's messages mean is in simple.ts, pipeline.ts and copy.ts.
 *
 * Contract
 * 1. One thing at a time runs on the backend; the units await it. Only `abort` comes in between: it lets a running cycle end
 *    (cancel, then terminate) and rolls back inside that cycle's end, before the unit goes on.
 * 2. Nothing of the client runs between an abort and its report: after a client's transaction is lost, the backend is put into a
 *    real failed transaction, so that the server itself answers as PostgreSQL does (RULES 13).
 * 3. After `submit` the backend is not closed by us before the outcome (RULES 2).
 *
 * @module
 */
import { AllwriteError, assert } from '../../core/errors.ts'
import type { Position } from '../../core/ids.ts'
import { fieldsOfError, type ErrorFields } from '../../wire/pgwire/errors.ts'
import { functionCall, readyForQuery, Status, type TextEncoding } from '../../wire/pgwire/messages.ts'
import { errorFrame } from './answers.ts'
import { BackendLost, Channel, type Answer, type CycleOptions } from './channel.ts'
import type { Conflict, Outcome, Participant } from './contract.ts'
import { control, failTransaction } from './control.ts'
import type { ClientInput } from './input.ts'
import type { ClientOutput } from './output.ts'
import { Names } from './names.ts'
import type { SessionOptions } from './session-options.ts'
import {
  eventOfStatus,
  freshWork,
  nextState,
  type TransactionEvent,
  type TransactionState,
  type Work,
} from './transaction.ts'
import { guardName, ReadOnlyWish } from './wish.ts'

/** How long a cancelled statement may hold its locks before its backend is ended, ms (RULES 13). */
export const cancelMsMax = 50
/** How often a ROLLBACK is repeated: each try survives one late cancel. */
const rollbackTriesMax = 10
/** Between two questions for what became of a COMMIT, ms: the server is probably restarting. */
const statusRetryMs = 100

const hidden: CycleOptions = { show: false, ready: false }
/** A ROLLBACK of ours may come when the server has none to roll back: that is no news for the client. */
const rollbackCycle: CycleOptions = { ...hidden, dropNotice: (fields) => fields.sqlState === '25P01' }

const readyFrames = {
  idle: readyForQuery(Status.idle),
  client: readyForQuery(Status.open),
  failed: readyForQuery(Status.failed),
  wrap: readyForQuery(Status.idle),
  submitted: readyForQuery(Status.idle),
} as const satisfies Record<TransactionState, Buffer>

/** The node aborted the transaction under the statement that runs; `Core.aborted` tells why. */
export class TransactionAborted extends Error {
  constructor() {
    super('the transaction was aborted by the node')
    this.name = 'TransactionAborted'
  }
}

/** How a transaction's end came out, when it did not commit. */
export type Failure =
  | { readonly kind: 'error'; readonly frame: Buffer; readonly fields: ErrorFields }
  | { readonly kind: 'conflict'; readonly conflict: Conflict }

/** undefined: committed. */
export type EndResult = Failure | undefined

interface Abort {
  readonly conflict: Conflict
  /** The locks are gone. */
  readonly done: Promise<void>
  resolve(): void
  /** The rollback, and for a client's transaction the failed one that follows it; undefined until begun. */
  settled: Promise<void> | undefined
}

export class Core implements Participant {
  readonly options: SessionOptions
  readonly out: ClientOutput
  readonly input: ClientInput
  readonly channel: Channel
  readonly backendPid: number
  readonly wish: ReadOnlyWish
  readonly names = new Names()
  state: TransactionState = 'idle'
  work: Work = freshWork('BEGIN READ WRITE')
  /** A conflict that the client has not been told yet: its transaction is failed already. */
  owed: Conflict | undefined
  /** The session ends after its answer: what it held in the backend is lost. */
  stateLost = false
  temporaryObjects = false
  standardStrings = true
  encoding: TextEncoding = 'utf8'
  /** Bytes above ASCII can't be read safely in the client's encoding. */
  unsafeEncoding = false
  /** Interrupts a wait of COPY IN for the client. */
  onAbort: (() => void) | undefined
  /** Interrupts the wait before a retry; set while one is waited for. */
  onCancel: (() => void) | undefined
  /** The backend's guard is off though nobody asked for it. */
  #guardBroken = false
  #abort: Abort | undefined
  #cancelling: Promise<void> | undefined
  /** A COMMIT is on its way: an abort leaves no failed transaction behind. */
  #ending = false
  #nonce = ''
  #late: Position
  /** Set while submitted: the transaction's xid, the COMMIT to send, and who has ended it: true = committed here. */
  #xid = ''
  #commitText = 'COMMIT'
  #ended: Promise<boolean> | undefined
  /** The backend's connection has ended. */
  readonly #gone: Promise<void>
  #resolveGone: () => void = () => undefined

  constructor(options: SessionOptions, start: CoreStart) {
    this.options = options
    this.backendPid = start.backendPid
    this.wish = new ReadOnlyWish(start.readOnlyWish)
    this.input = start.input
    this.out = start.out
    this.#late = options.gate.applied()
    this.#gone = new Promise((resolve) => {
      this.#resolveGone = resolve
    })
    this.channel = start.openChannel(this)
  }

  // --- cycles ---

  /**
   * Sends bytes whose answer ends with ReadyForQuery.
   * @throws TransactionAborted before a byte is sent, or after the answer, if the node has aborted the transaction
   * @throws BackendLost
   */
  async exchange(bytes: Buffer | readonly Buffer[], options: CycleOptions): Promise<Answer> {
    if (this.#abort) throw new TransactionAborted()
    const answer = await this.#raw(bytes, options)
    // A statement whose answer is out is over: its transaction's loss is told by the next one.
    if (this.#abort && !answer.readyShown) throw new TransactionAborted()
    return answer
  }

  /** A statement of ours, unseen by the client. @throws as exchange */
  hidden(sql: string): Promise<Answer> {
    return this.exchange(control(sql, this.names.unnamedLive), hidden)
  }

  /** A function of ours, in the client's transaction. @throws as exchange */
  call(oid: number, args: readonly string[]): Promise<Answer> {
    return this.exchange(functionCall(oid, args, this.encoding), hidden)
  }

  #raw(bytes: Buffer | readonly Buffer[], options: CycleOptions): Promise<Answer> {
    const cycle = this.channel.cycle(options)
    this.channel.write(bytes)
    return cycle
  }

  /** @throws AllwriteError internal: the server did something else than its statement was read as */
  follow(event: TransactionEvent): void {
    const next = nextState(this.state, event)
    if (next === undefined) {
      this.options.log.error(
        { state: this.state, event, pid: this.backendPid },
        'transaction status does not fit the statement',
      )
      throw new AllwriteError('internal', 'the transaction status is not what the statement was read as')
    }
    if (next === 'idle' && this.state !== 'idle') {
      this.owed = undefined
      this.wish.ended(false)
      this.names.transactionEnded()
    }
    this.state = next
  }

  /** Follows ReadyForQuery after a statement of the client. */
  followStatus(answer: Answer): void {
    this.follow(eventOfStatus(answer.status))
  }

  /** Before a statement runs in a transaction: its read position (ARCHITECTURE, Certification). */
  touch(): void {
    this.work.early ??= this.options.gate.applied()
  }

  /** The client began a transaction by this text. */
  began(text: string): void {
    this.work = freshWork(text)
  }

  /** Sends the BEGIN that goes in front of statements that need one; the caller sends those in the same tick. */
  wrap(): Promise<Answer> {
    const begin = this.wish.value ? 'BEGIN READ ONLY' : 'BEGIN READ WRITE'
    this.work = freshWork(begin)
    this.touch()
    this.follow('wrapped')
    return this.exchange(control(begin, this.names.unnamedLive), hidden)
  }

  /** ReadyForQuery of our own making, with the parameter report that precedes it. */
  ready(): void {
    this.channel.undefer()
    this.report()
    this.out.push(readyFrames[this.state])
    this.out.flush()
  }

  /** The wish's ParameterStatus, if the client does not know it. */
  report(): void {
    const report = this.wish.report()
    if (report) this.out.pushFact(report)
  }

  // --- parameters ---

  /** A ParameterStatus of the backend: what of it the client sees. */
  parameter(name: string, value: string, frame: Buffer): Buffer | undefined {
    if (name === guardName) {
      this.#guardBroken = value !== 'on'
      return undefined
    }
    if (name === 'standard_conforming_strings') this.standardStrings = value === 'on'
    else if (name === 'client_encoding') this.setEncoding(value)
    return frame
  }

  /** @param value the client_encoding as reported */
  setEncoding(value: string): void {
    const name = value.toUpperCase()
    this.encoding = name === 'UTF8' ? 'utf8' : 'latin1'
    this.unsafeEncoding = clientOnlyEncodings.has(name)
  }

  /** The guard that somebody switched off is on again before anything else runs (RULES 4). */
  async mendGuard(): Promise<void> {
    if (!this.#guardBroken || this.state === 'failed') return
    const answer = await this.hidden('SET default_transaction_read_only = on')
    if (answer.error) throw new AllwriteError('internal', 'the read-only guard could not be restored')
  }

  get guardBroken(): boolean {
    return this.#guardBroken
  }

  // --- abort ---

  get aborting(): boolean {
    return this.#abort !== undefined
  }

  /** Waits until an abort has done its work, and takes note of it; the conflict, once. */
  async aborted(): Promise<Conflict | undefined> {
    const abort = this.#abort
    if (!abort) return undefined
    await abort.done
    await abort.settled
    // A cancel that is still on its way would hit the client's next statement.
    await this.#cancelling
    if (this.channel.lost) throw new BackendLost()
    this.#abort = undefined
    this.channel.setPaused(this.out.blocked)
    return abort.conflict
  }

  abort(conflict: Conflict): Promise<void> {
    if (this.channel.lost || this.state === 'idle') return Promise.resolve()
    if (this.state === 'submitted') return this.#abortSubmitted()
    if (this.#abort) return this.#abort.done
    let resolve: () => void = () => undefined
    const done = new Promise<void>((settle) => {
      resolve = settle
    })
    this.#abort = { conflict, done, resolve, settled: undefined }
    this.#after(done, () => this.#terminate())
    if (this.channel.busy) {
      // A backend that is blocked in sending ignores a cancel: its output is drained (RULES 13).
      this.channel.discard()
      this.channel.setPaused(false)
      this.#cancel()
      this.onAbort?.()
    } else this.#startRollback()
    return done
  }

  /** All cycles are answered: an abort that waited for that rolls back now. */
  idle(): void {
    if (this.#abort && !this.#abort.settled) this.#startRollback()
  }

  /** The backend is gone, and with it its locks. */
  closed(): void {
    this.#resolveGone()
    this.#abort?.resolve()
    this.onAbort?.()
    this.onCancel?.()
  }

  /** The node aborts what was already submitted: rolled back at once; `commit` will answer false. */
  #abortSubmitted(): Promise<void> {
    if (this.#ended) {
      // Its COMMIT is under way: that ends by itself, or by a cancel if it waits for something.
      const done = this.#ended.then(() => undefined)
      this.#after(done, () => this.#cancel())
      return done
    }
    this.#ended = this.#rollbackSubmitted()
    const done = this.#ended.then(() => undefined)
    this.#after(done, () => this.#terminate())
    return done
  }

  async #rollbackSubmitted(): Promise<boolean> {
    try {
      await this.#rollback()
    } catch (thrown) {
      if (!(thrown instanceof BackendLost)) throw thrown
    }
    return false
  }

  /** Does something if a promise takes longer than a cancelled statement may. */
  #after(done: Promise<void>, act: () => void): void {
    const timer = setTimeout(act, cancelMsMax)
    void done.finally(() => clearTimeout(timer))
  }

  #terminate(): void {
    this.options.terminateBackend().catch((thrown: unknown) => {
      this.options.log.warn({ pid: this.backendPid, error: String(thrown) }, 'could not terminate a backend')
    })
  }

  #startRollback(): void {
    const abort = this.#abort
    assert(abort && !abort.settled, 'one rollback per abort')
    abort.settled = this.#rollBackLost(abort).catch((thrown: unknown) => {
      // Without its connection the backend has no transaction any more; a waiting unit learns of it by itself.
      if (!(thrown instanceof BackendLost))
        this.options.log.error({ error: String(thrown) }, 'rollback after an abort failed')
      this.channel.destroy()
    })
  }

  async #rollBackLost(abort: Abort): Promise<void> {
    const reopen = (this.state === 'client' || this.state === 'failed') && !this.#ending
    // A transaction that had failed before has told its error.
    const owed = this.state === 'client' && !this.#ending ? abort.conflict : this.owed
    await this.#rollback()
    abort.resolve()
    if (!reopen) {
      this.follow('ended')
      return
    }
    const keep = this.names.unnamedLive
    const [, failed] = await Promise.all([
      this.#raw(control(this.work.begin, keep), hidden),
      this.#raw(control(failTransaction, keep), hidden),
    ])
    assert(failed.status === Status.failed, 'the transaction that follows a lost one is failed')
    this.state = 'failed'
    this.owed = owed
  }

  /** ROLLBACK until the backend is idle: a late cancel may hit the ROLLBACK itself. */
  async #rollback(): Promise<void> {
    for (let tries = 0; tries < rollbackTriesMax; tries++) {
      const answer = await this.#raw(control('ROLLBACK', this.names.unnamedLive), rollbackCycle)
      if (answer.status === Status.idle) return
    }
    this.options.log.error({ pid: this.backendPid }, 'a backend does not roll back; its connection is closed')
    this.channel.destroy()
    await this.#gone
    throw new BackendLost()
  }

  /** A statement failed that never reached the server: the client's transaction fails like by any error. */
  async failClient(): Promise<void> {
    if (this.state === 'client') this.followStatus(await this.hidden(failTransaction))
  }

  /** Rolls our own wrap back. */
  async rollbackWrap(): Promise<void> {
    assert(this.state === 'wrap', 'a wrap is open')
    if (this.#abort) throw new TransactionAborted()
    await this.#rollback()
    if (this.#abort) throw new TransactionAborted()
    this.follow('ended')
  }

  // --- cancel ---

  #cancel(): void {
    this.#cancelling = this.options.cancelBackend().catch((thrown: unknown) => {
      this.options.log.warn({ pid: this.backendPid, error: String(thrown) }, 'could not cancel a statement')
    })
  }

  /** The client's own cancel: without effect once only the journal decides. */
  cancel(): void {
    if (this.onCancel) this.onCancel()
    else if (this.channel.busy && this.state !== 'submitted') this.#cancel()
  }

  // --- the end of a transaction ---

  /**
   * Ends the open transaction: checks, capture, submission, outcome. Afterwards the backend has no transaction, or after a
   * success with `chain` a new one. The client is told by the caller.
   */
  async end(chain = false): Promise<EndResult> {
    const { work } = this
    const nested = this.state === 'client'
    this.#ending = true
    // What the server reports at COMMIT follows the command's tag.
    this.channel.defer()
    try {
      const captured = await this.#capture(chain ? 'COMMIT AND CHAIN' : 'COMMIT')
      if (captured !== 'submitted') return captured
    } finally {
      this.#ending = false
    }
    const outcome = await this.options.gate.submit({
      nonce: this.#nonce,
      early: work.early ?? this.#late,
      late: this.#late,
      participant: this,
    })
    return this.#settle(outcome, chain && nested, work)
  }

  /** Checks and captures. Nothing written: commits. */
  async #capture(commitText: string): Promise<'submitted' | EndResult> {
    const { gate } = this.options
    let nonce: string | undefined
    try {
      await this.mendGuard()
      nonce = gate.captureNonce()
      const [constraints, unseen, capture] = await this.#sendChecks(nonce)
      const failed = [constraints, unseen, capture].find((answer) => answer?.error)
      if (failed?.error && failed.errorFrame)
        return await this.#failEnd({ kind: 'error', frame: failed.errorFrame, fields: failed.error })
      if (typeof unseen?.value === 'string') return await this.#failEnd(failureOf(unseenError(unseen.value)))
      if (typeof capture.value === 'string') {
        this.#submitted(nonce, capture.value, commitText)
        nonce = undefined
        return 'submitted'
      }
      const committed = await this.exchange(control(commitText, this.names.unnamedLive), hidden)
      return this.#committedUnwritten(committed)
    } catch (thrown) {
      if (!(thrown instanceof TransactionAborted)) throw thrown
      const conflict = await this.aborted()
      assert(conflict, 'an aborted transaction has a conflict')
      return { kind: 'conflict', conflict }
    } finally {
      if (nonce !== undefined) gate.discardNonce(nonce)
    }
  }

  /** All in one write; after an error the later ones fail too. `late` is sampled before the capture call is sent. */
  async #sendChecks(nonce: string): Promise<readonly [Answer | undefined, Answer | undefined, Answer]> {
    const { gate, functions, hasDeferrable } = this.options
    this.channel.cork()
    const constraints = hasDeferrable() ? this.hidden('SET CONSTRAINTS ALL IMMEDIATE') : undefined
    const unseen = this.work.unseen ? this.call(functions.unseenWrites, []) : undefined
    this.#late = gate.applied()
    const capture = this.call(functions.capture, [nonce])
    this.channel.uncork()
    return Promise.all([constraints, unseen, capture])
  }

  async #failEnd(failure: Failure): Promise<Failure> {
    await this.#rollback()
    if (this.#abort) throw new TransactionAborted()
    this.follow('ended')
    return failure
  }

  #committedUnwritten(answer: Answer): EndResult {
    if (!answer.error) this.wish.ended(true)
    const { begin } = this.work
    this.follow('ended')
    if (answer.status === Status.open) this.#openChained(begin)
    if (answer.error && answer.errorFrame) return { kind: 'error', frame: answer.errorFrame, fields: answer.error }
    return undefined
  }

  #openChained(begin: string): void {
    this.work = freshWork(begin)
    this.follow('T')
  }

  #submitted(nonce: string, xid: string, commitText: string): void {
    this.follow('submitted')
    this.#nonce = nonce
    this.#xid = xid
    this.#commitText = commitText
    this.#ended = undefined
  }

  commit(): Promise<boolean> {
    assert(this.state === 'submitted', 'only a submitted transaction is committed')
    this.#ended ??= this.#commit()
    return this.#ended
  }

  async #commit(): Promise<boolean> {
    // Nothing was sent: the backend ended by itself, its transaction with it.
    if (this.channel.lost) return false
    try {
      const answer = await this.#raw(control(this.#commitText, this.names.unnamedLive), hidden)
      if (answer.tag === 'COMMIT' && !answer.error) return true
      if (answer.status !== Status.idle) await this.#rollback()
      return false
    } catch (thrown) {
      if (!(thrown instanceof BackendLost)) throw thrown
      return this.#askCommitted()
    }
  }

  /** The connection broke behind a COMMIT: only the server knows. Wrong would be silent divergence, so ask until it says. */
  async #askCommitted(): Promise<boolean> {
    for (;;) {
      try {
        return await this.options.committed(this.#xid)
      } catch (thrown) {
        this.options.log.warn(
          { xid: this.#xid, error: String(thrown) },
          'could not learn what became of a COMMIT; asking again',
        )
        await new Promise((resolve) => setTimeout(resolve, statusRetryMs))
      }
    }
  }

  async #settle(outcome: Outcome, chain: boolean, work: Work): Promise<EndResult> {
    // Neither committed nor aborted by the node: rolled back here.
    this.#ended ??= this.#rollbackSubmitted()
    const here = await this.#ended
    this.#ended = undefined
    if (outcome.kind === 'committed') {
      this.wish.ended(true)
      this.follow('ended')
      if (!here && work.sessionState) this.stateLost = true
      if (chain && !this.channel.lost && !this.stateLost) {
        if (!here) await this.hidden(work.begin)
        this.#openChained(work.begin)
      }
      return undefined
    }
    assert(!here, 'a transaction that lost was not committed')
    this.follow('ended')
    if (outcome.kind === 'aborted') return { kind: 'conflict', conflict: outcome.conflict }
    return failureOf(AllwriteError.from(outcome.error))
  }
}

/** What a core is built from. */
export interface CoreStart {
  readonly backendPid: number
  readonly readOnlyWish: boolean
  readonly input: ClientInput
  readonly out: ClientOutput
  readonly openChannel: (core: Core) => Channel
}

const failureOf = (error: AllwriteError): Failure => ({
  kind: 'error',
  frame: errorFrame(error),
  fields: fieldsOfError(error),
})

const unseenError = (what: string): AllwriteError =>
  new AllwriteError(
    'unsupported',
    `this transaction writes ${what}, which a cluster can not carry to its other nodes`,
    {
      detail: 'It does not show in the stream of changes.',
    },
  )

/** Encodings whose second bytes may be a backslash (PostgreSQL's client-only encodings). */
const clientOnlyEncodings: ReadonlySet<string> = new Set([
  'SJIS',
  'BIG5',
  'GBK',
  'UHC',
  'GB18030',
  'JOHAB',
  'SHIFT_JIS_2004',
])

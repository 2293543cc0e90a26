/**
 * The heart of a session: its transaction's state, the cycles that change it, and the participant that the node commits or
 * aborts. What a client's messages mean is in simple.ts, pipeline.ts and copy.ts; how a transaction ends, in ending.ts and
 * abort.ts.
 *
 * Contract
 * 1. One thing at a time runs on the backend; the units await it. Only `abort` comes in between: it lets a running cycle end
 *    and rolls back inside that cycle's end, before the unit goes on.
 * 2. Nothing of the client runs between an abort and its report: after a client's transaction is lost, the backend is put into a
 *    real failed transaction, so that the server itself answers as PostgreSQL does (RULES 13). It is left only for what prepares
 *    statements and runs nothing (`prepare`).
 * 3. After `submit` the backend is not closed by us before the outcome (RULES 2).
 *
 * @module
 */
import { AllwriteError, assert } from '../../core/errors.ts'
import { position } from '../../core/ids.ts'
import { parameterStatus } from '../../wire/pgwire/login-messages.ts'
import { functionCall, readyForQuery, Status, type TextEncoding } from '../../wire/pgwire/messages.ts'
import { BlockTurn } from './block-turn.ts'
import { BruteForce } from './abort.ts'
import { BackendLost, hiddenCycle, type Answer, type Channel, type CycleOptions } from './channel.ts'
import type { Conflict, Participant } from './contract.ts'
import { Consistency } from './consistency.ts'
import { control, failTransaction } from './control.ts'
import { Ending, type EndResult } from './ending.ts'
import type { ClientInput } from '../../login/client-input.ts'
import type { HeldOutput } from './output.ts'
import { Names } from './names.ts'
import type { SessionOptions } from './session-options.ts'
import type { ClassifiedStatement } from './statement/contract.ts'
import {
  eventOfStatus,
  freshWork,
  nextState,
  TransactionAborted,
  type TransactionEvent,
  type TransactionState,
  type Work,
} from './transaction.ts'
import { guardName, ReadOnlyWish } from './wish.ts'

/** How often a ROLLBACK, or a BEGIN of a failed transaction, is repeated: each try survives one late cancel. */
const rollbackTriesMax = 10

/** A ROLLBACK of ours may come when the server has none to roll back: that is no news for the client. */
const rollbackCycle: CycleOptions = { ...hiddenCycle, dropNotice: (fields) => fields.sqlState === '25P01' }

const readyFrames = {
  idle: readyForQuery(Status.idle),
  client: readyForQuery(Status.open),
  failed: readyForQuery(Status.failed),
  wrap: readyForQuery(Status.idle),
  submitted: readyForQuery(Status.idle),
} as const satisfies Record<TransactionState, Buffer>

export class Core implements Participant {
  readonly options: SessionOptions
  readonly out: HeldOutput
  readonly input: ClientInput
  readonly channel: Channel
  readonly backendPid: number
  readonly pooled: string | undefined
  readonly wish: ReadOnlyWish
  readonly names = new Names()
  state: TransactionState = 'idle'
  work: Work = freshWork('BEGIN READ WRITE')
  /** A conflict that the client has not been told yet: its transaction is failed already. */
  owed: Conflict | undefined
  /** The statement that runs ends the client's transaction by itself, without the node. */
  leaving = false
  /** What runs is only prepared: nothing of it is executed. */
  preparing = false
  /** The session ends after its answer: what it held in the backend is lost. */
  stateLost = false
  temporaryObjects = false
  standardStrings = true
  encoding: TextEncoding = 'utf8'
  /** Bytes above ASCII can't be read safely in the client's encoding. */
  unsafeEncoding = false
  /** Interrupts the wait before a retry; set while one is waited for. */
  onCancel: (() => void) | undefined
  /** The session was told to end: who waits gives up. */
  ended = false
  /** The backend's guard is off though nobody asked for it. */
  #guardBroken = false
  readonly brute: BruteForce
  readonly ending: Ending
  readonly consistency: Consistency
  /** Of the client's transaction that changes the schema. */
  readonly turn: BlockTurn
  /** The unit that runs holds DDL. */
  schemaChange = false
  /** The backend's connection has ended. */
  readonly gone: Promise<void>
  #resolveGone: () => void = () => undefined

  constructor(options: SessionOptions, start: CoreStart) {
    this.options = options
    this.backendPid = start.backendPid
    this.pooled = start.pooled
    this.wish = new ReadOnlyWish(start.readOnlyWish, start.reader)
    this.input = start.input
    this.out = start.out
    this.brute = new BruteForce(this)
    this.ending = new Ending(this)
    this.consistency = new Consistency(this, start.consistencyUnknown)
    this.turn = new BlockTurn(this)
    this.gone = new Promise((resolve) => {
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
    if (this.brute.active) throw new TransactionAborted()
    const answer = await this.raw(bytes, options)
    // A statement whose answer is out is over: its transaction's loss is told by the next one.
    if (this.brute.active && !answer.readyShown) throw new TransactionAborted()
    return answer
  }

  /**
   * As exchange, for messages that run nothing: Parse, Close, Describe of a statement. An abort lets them end, and what they
   * said stands; only if one failed meanwhile, nothing is said of that. While a conflict is owed they run outside any transaction,
   * as if the client's still stood: in a failed one the server would refuse them.
   * @throws TransactionAborted before a byte is sent, or after an error while the node aborts the transaction
   * @throws BackendLost
   */
  async prepare(bytes: Buffer | readonly Buffer[], options: CycleOptions): Promise<Answer> {
    if (this.brute.active) throw new TransactionAborted()
    let hidden = false
    const quiet: CycleOptions = {
      ...options,
      error: (fields, frame) => {
        hidden = this.brute.active
        return hidden ? undefined : options.error?.(fields, frame)
      },
    }
    this.preparing = true
    try {
      const answer = await (this.owed ? this.#outside(bytes, quiet) : this.raw(bytes, quiet))
      if (hidden) throw new TransactionAborted()
      return answer
    } finally {
      this.preparing = false
    }
  }

  /** In one write, so that no other statement can come between: what follows the ROLLBACK runs nothing either. */
  async #outside(bytes: Buffer | readonly Buffer[], options: CycleOptions): Promise<Answer> {
    this.channel.cork()
    const rolledBack = this.raw(control('ROLLBACK', this.names.unnamedLive), rollbackCycle)
    const answer = this.raw(bytes, options)
    const failed = this.openFailed()
    this.channel.uncork()
    const [, result] = await Promise.all([rolledBack, answer, failed])
    return result
  }

  /** A failed transaction that stands for the client's lost one: the server itself answers as PostgreSQL does. */
  async openFailed(): Promise<void> {
    const keep = this.names.unnamedLive
    for (let tries = 0; tries < rollbackTriesMax; tries++) {
      const [, failed] = await Promise.all([
        this.raw(control(this.work.begin, keep), hiddenCycle),
        this.raw(control(failTransaction, keep), hiddenCycle),
      ])
      // The client's own cancel, or its statement_timeout, may have hit the BEGIN.
      if (failed.status === Status.failed) return
    }
    await this.#giveUp('a backend does not begin a transaction; its connection is closed')
  }

  /** What ends the client's transaction unasked: an abort has nothing to add. @throws BackendLost */
  async leave<T>(exchange: () => Promise<T>): Promise<T> {
    // Not a turn may lie between the last look and the statement: a ROLLBACK is never answered by a conflict.
    while (this.aborting) await this.aborted()
    this.leaving = true
    try {
      return await exchange()
    } finally {
      this.leaving = false
    }
  }

  /** A statement of ours, unseen by the client. @throws as exchange */
  hidden(sql: string): Promise<Answer> {
    return this.exchange(control(sql, this.names.unnamedLive), hiddenCycle)
  }

  /** A function of ours, in the client's transaction. @throws as exchange */
  call(oid: number, args: readonly string[]): Promise<Answer> {
    return this.exchange(this.callMessage(oid, args), hiddenCycle)
  }

  /** The message of {@link call}. */
  callMessage(oid: number, args: readonly string[]): Buffer {
    return functionCall(oid, args, this.encoding)
  }

  /** As exchange, also while an abort is under way: for what ends the transaction. @throws BackendLost */
  raw(bytes: Buffer | readonly Buffer[], options: CycleOptions): Promise<Answer> {
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
      this.turn.release()
    }
    this.state = next
  }

  /** Follows ReadyForQuery after a statement of the client. */
  followStatus(answer: Answer): void {
    this.follow(eventOfStatus(answer.status))
  }

  /** Before a statement runs in a transaction: its read position (ARCHITECTURE, Certification). */
  touch(): void {
    const { work } = this
    const { gate } = this.options
    if (work.early === undefined) {
      work.early = gate.applied()
      work.since = gate.walPassed()
      // `whenHeldApplied` has seen to that; if not, nothing is lost but a conflict that need not have been.
    } else if (work.held !== undefined && work.held > gate.applied()) work.held = undefined
  }

  /**
   * For a statement that only locks, is alone and the first of its client's transaction: notes at which position its first row, or its
   * end, is seen, before the client sees it (ADR 13, "Waiters"). To be called in place of `touch`. undefined: it is none.
   */
  touchLocking(runs: readonly (ClassifiedStatement | undefined)[]): (() => void) | undefined {
    const [statement, ...more] = runs
    const { work } = this
    const first = this.state === 'client' && work.early === undefined
    this.touch()
    if (!first || more.length > 0 || statement?.kind !== 'write' || !statement.locksOnly) return undefined
    // A view, a policy or a temporary table may have come since it was judged.
    if (statement.catalogState !== this.options.catalogState() || this.temporaryObjects) return undefined
    const { gate } = this.options
    return () => {
      // What an own transaction commits at this moment may be whom it has waited for.
      if (work === this.work) work.held ??= position(Math.max(gate.applied(), gate.committing()))
    }
  }

  /** Before the next statement runs: it sees all up to where the first one held its locks. */
  async whenHeldApplied(): Promise<void> {
    const { held } = this.work
    if (held !== undefined && held > this.options.gate.applied()) await this.options.gate.whenApplied(held)
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
    return this.exchange(control(begin, this.names.unnamedLive), hiddenCycle)
  }

  /** ReadyForQuery of our own making, with the parameter report that precedes it. */
  ready(): void {
    this.channel.undefer()
    this.report()
    // A loss that is not told yet: for the client its transaction stands.
    this.out.push(readyFrames[this.owed ? 'client' : this.state])
    this.out.flush()
  }

  /** Tells a pool that what runs next may change its session: see `tellPool`. */
  tell(what: string): void {
    if (this.pooled !== undefined) this.out.pushFact(parameterStatus('allwrite.session', what))
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

  // --- abort and end ---

  get aborting(): boolean {
    return this.brute.active
  }

  /** Waits until an abort has done its work; its conflict, once. @throws BackendLost */
  aborted(): Promise<Conflict | undefined> {
    return this.brute.taken()
  }

  abort(conflict: Conflict): Promise<void> {
    if (this.state === 'submitted' && !this.channel.lost) return this.ending.abortSubmitted(conflict)
    return this.brute.abort(conflict)
  }

  commit(): Promise<boolean> {
    return this.ending.commit()
  }

  end(chain = false): Promise<EndResult> {
    return this.ending.end(chain)
  }

  /** All cycles are answered. */
  idle(): void {
    this.brute.idle()
  }

  /** The backend is gone, and with it its locks. */
  closed(): void {
    this.#resolveGone()
    this.brute.closed()
    this.turn.release()
    this.onCancel?.()
  }

  /** ROLLBACK until the backend is idle: a late cancel may hit the ROLLBACK itself. */
  async rollback(): Promise<void> {
    for (let tries = 0; tries < rollbackTriesMax; tries++) {
      const answer = await this.raw(control('ROLLBACK', this.names.unnamedLive), rollbackCycle)
      if (answer.status === Status.idle) return
    }
    await this.#giveUp('a backend does not roll back; its connection is closed')
  }

  /** @throws BackendLost always */
  async #giveUp(why: string): Promise<never> {
    this.options.log.error({ pid: this.backendPid }, why)
    this.channel.destroy()
    await this.gone
    throw new BackendLost()
  }

  /** A statement failed that never reached the server: the client's transaction fails like by any error. */
  async failClient(): Promise<void> {
    if (this.state === 'client') this.followStatus(await this.hidden(failTransaction))
  }

  /** Rolls our own wrap back. */
  async rollbackWrap(): Promise<void> {
    assert(this.state === 'wrap', 'a wrap is open')
    if (this.aborting) throw new TransactionAborted()
    await this.rollback()
    if (this.aborting) throw new TransactionAborted()
    this.follow('ended')
  }

  /** After a wait that was interrupted: not by a cancel, and the client hears the session's last words. @throws BackendLost */
  assertWanted(): void {
    if (this.channel.lost || this.ended) throw new BackendLost()
  }

  /** The client's own cancel: without effect once only the journal decides. Resolves when the server has taken it. */
  async cancel(): Promise<void> {
    if (this.onCancel) this.onCancel()
    else if (this.channel.busy && this.state !== 'submitted') await this.brute.passCancel()
  }
}

/** What a core is built from. */
export interface CoreStart {
  readonly backendPid: number
  readonly readOnlyWish: boolean
  readonly reader: boolean
  readonly consistencyUnknown: boolean
  readonly pooled: string | undefined
  readonly input: ClientInput
  readonly out: HeldOutput
  readonly openChannel: (core: Core) => Channel
}

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

/**
 * The extended protocol: messages up to Sync are one batch, and outside a transaction block one implicit transaction.
 *
 * A batch is sent in *segments*, each ended by a Sync. Where all is harmless there is one, the client's own bytes. Else a BEGIN
 * of ours goes in front, a Sync of ours ends the segment (portals survive it inside a transaction), and the transaction's
 * end decides what the client's Sync is answered. Statements that the session must handle itself end a segment early.
 *
 * After an error everything up to the client's Sync is skipped, as the server does (manual, "Extended Query").
 *
 * A conflict that is owed is told by the first message that runs something (`ranBy`).
 *
 * @module
 */
import { AllwriteError } from '../../core/errors.ts'
import { noticeResponse } from '../../wire/pgwire/errors.ts'
import { commandComplete, readBind, readExecute, readParse, readTarget } from '../../wire/pgwire/messages.ts'
import { conflictError, errorFrame, needsBlockError, noTransactionNotice, queryInBatchError } from './answers.ts'
import { BatchReader, batchBytesMax, batchTypes, collectBatch, ranBy, type Batch, isSecondBegin } from './batch.ts'
import type { Conflict } from './contract.ts'
import type { Answer } from './channel.ts'
import { runOutside } from './concurrent.ts'
import { CopyWatch } from './copy.ts'
import type { Core } from './core.ts'
import type { EndResult } from './ending.ts'
import type { ClientFrame } from '../../login/client-input.ts'
import { answered, runUnit, unanswered, type UnitResult } from './retry.ts'
import { Leftovers } from './leftovers.ts'
import { refusalOf, rewritten, sentText } from './parse-text.ts'
import { Segment } from './segment.ts'
import type { ClassifiedStatement } from './statement/contract.ts'
import {
  afterwards,
  errorHook,
  hasAftermath,
  mayChangeWish,
  mayRetry,
  mustWrap,
  needsBlock,
  newRange,
  note,
  readText,
  sequenceError,
  sequenceExhausted,
  tellOwed,
} from './statements.ts'
import { TransactionAborted } from './transaction.ts'

const type = batchTypes

/** One batch of the client, from its first message to the answer of its Sync. */
export async function pipeline(core: Core, first: ClientFrame): Promise<void> {
  const unit = new BatchUnit(core, await collectBatch(core, first))
  // Of an abort that came meanwhile the batch's first statement tells, not its first Parse.
  if (core.aborting) await core.aborted()
  await runUnit(core, () => unit.run())
  await unit.leftovers.closeUnseen()
  core.names.settled()
  if (core.state === 'idle') core.names.transactionEnded()
}

class BatchUnit {
  readonly #core: Core
  readonly #batch: Batch
  #segment = new Segment()
  /** All that was run may be run again; the batch is wholly here. */
  #retryable: boolean
  /** Segments were sent in this run. */
  #sent = false
  /** Something ran in the implicit transaction that is open. */
  #executed = false
  /** A Query was reached instead: what was prepared and bound need not outlive our Sync. */
  #queried = false
  readonly #reader: BatchReader
  #attempts = 0
  readonly leftovers: Leftovers

  constructor(core: Core, batch: Batch) {
    this.#core = core
    this.#batch = batch
    this.#reader = new BatchReader(core)
    this.leftovers = new Leftovers(core)
    this.#retryable = batch.complete && core.state === 'idle'
  }

  async run(): Promise<UnitResult> {
    const core = this.#core
    this.#attempts += 1
    let lost = true
    try {
      const result = await this.#run()
      lost = result.kind === 'conflict'
      return result.kind === 'conflict' && !this.#reader.syncAtHand ? await this.#tell(result.conflict) : result
    } catch (thrown) {
      if (!(thrown instanceof TransactionAborted) || this.#reader.syncAtHand) throw thrown
      const conflict = await core.aborted()
      if (!conflict) throw thrown
      core.owed = undefined
      return this.#tell(conflict)
    } finally {
      core.ending.dropAhead(lost)
    }
  }

  async #run(): Promise<UnitResult> {
    const core = this.#core
    this.#segment = new Segment()
    this.#sent = false
    this.#executed = false
    this.#queried = false
    this.#reader.start(this.#batch)
    await core.mendGuard()
    await this.leftovers.closeAll()
    for (;;) {
      const result = await this.#frame(await this.#reader.next())
      if (result) return result
    }
  }

  /** A client that waits in the middle of its batch hears of the conflict before it sends its Sync. */
  async #tell(conflict: Conflict): Promise<UnitResult> {
    this.#core.out.push(errorFrame(conflictError(conflict)))
    return this.#skipped()
  }

  /** Tells a conflict that is owed, or why nothing may run, if this message runs something. A result: it was told. */
  async #owing(frame: ClientFrame): Promise<UnitResult | undefined> {
    const core = this.#core
    const ran = ranBy(core, frame)
    if (ran === 'nothing') return undefined
    // A ROLLBACK is told nothing; what was prepared before it goes first, while that is still possible.
    if (ran === 'rollback') return this.#segment.empty || !this.#segment.onlyPrepares ? undefined : this.#send(false)
    return (await tellOwed(core, ran)) ? this.#skipped() : undefined
  }

  /** A result ends the batch. */
  async #frame(frame: ClientFrame): Promise<UnitResult | undefined> {
    const { bytes } = frame
    if (this.#core.owed || this.#core.consistency.failed) {
      const told = await this.#owing(frame)
      if (told) return told
    }
    switch (frame.type) {
      case type.parse:
        return this.#parse(bytes)
      case type.bind: {
        const { portal, statement } = readBind(bytes)
        this.#core.names.bind(portal, statement)
        this.#segment.usesPortal = true
        this.#segment.push(bytes, { kind: 'bind' })
        break
      }
      case type.describe:
        this.#segment.usesPortal ||= readTarget(bytes).kind === 'P'
        this.#segment.push(bytes)
        break
      case type.close: {
        const { kind, name } = readTarget(bytes)
        this.#segment.usesPortal ||= kind === 'P'
        this.#segment.push(bytes, { kind: 'close', statementName: kind === 'S' ? name : undefined })
        break
      }
      case type.execute:
        return this.#execute(bytes)
      case type.flush:
        return this.#segment.empty ? undefined : this.#send(false)
      case type.sync:
        this.#reader.synced = true
        return this.#finish(bytes)
      case type.query:
        return this.#query(frame)
      default:
        // PostgreSQL takes a function call here too; nobody sends one, and what it would do to a batch is unclear.
        throw new AllwriteError('protocol', `unexpected message type ${frame.type} in an extended query`)
    }
    if (this.#segment.bytes > batchBytesMax && !this.#batch.complete) return this.#send(false)
    return undefined
  }

  async #parse(bytes: Buffer): Promise<UnitResult | undefined> {
    const core = this.#core
    const { name, sql, types } = readParse(bytes)
    const { text, statements } = readText(core, sql)
    const [only, second] = statements
    // Several statements: the server refuses that itself. It must never run, whatever it says.
    const statement: ClassifiedStatement = only && !second ? only : { kind: 'invalid', text, tag: '', offset: 0 }
    const refusal = refusalOf(statement)
    if (refusal && (await tellOwed(core, undefined))) return this.#skipped()
    if (refusal && core.state !== 'failed') return this.#refuse(refusal)
    core.names.parsing(name, statement)
    const sent = sentText(core, statement, text)
    const message = sent === text ? bytes : rewritten(name, sent, types, core)
    this.#segment.push(message, { kind: 'parse', name, statement })
    return undefined
  }

  async #execute(bytes: Buffer): Promise<UnitResult | undefined> {
    const core = this.#core
    const segment = this.#segment
    const statement = core.names.portal(readExecute(bytes))
    segment.usesPortal = true
    if (!mayRetry(statement)) this.#neverRetry()
    if (core.state === 'failed') {
      // What ends the transaction must be seen before the rest is judged.
      if (statement?.kind === 'commit' || statement?.kind === 'rollback') return this.#asItIs(bytes, statement)
      segment.push(bytes, { kind: 'execute', statement })
      return this.#send(false)
    }
    const first = !this.#executed
    this.#executed = true
    if (first && core.state !== 'client' && needsBlock(statement)) return this.#refuse(needsBlockError(statement.tag))
    switch (statement?.kind) {
      case 'invalid':
        return this.#refuse(new AllwriteError('unsupported', 'this statement is not understood by the cluster'))
      case 'commit':
        return this.#commit(bytes, statement)
      case 'rollback':
        return this.#rollback(bytes, statement)
      case 'begin':
        return this.#begin(bytes, statement)
      case 'copy_in':
        return this.#copyIn(bytes, statement)
      case 'savepoint':
      case 'release':
      case 'rollback_to':
        if (this.#inWrap()) return this.#refuse(needsBlockError(statement.tag))
        break
      case 'concurrently': {
        const failed = segment.empty ? undefined : await this.#send(false)
        const error = failed ? undefined : await runOutside(core, statement, first)
        this.#executed = false
        return error ? this.#refuse(error) : failed
      }
      case undefined:
      case 'harmless':
      case 'empty':
      case 'setting':
      case 'guard_setting':
      case 'local':
      case 'journaled':
      case 'write':
      case 'refused':
      default:
        break
    }
    segment.needsWrap ||= mustWrap(statement)
    segment.runs.push(statement)
    if (statement?.kind === 'write' && statement.notice !== undefined) {
      core.out.push(noticeResponse({ severity: 'NOTICE', sqlState: '00000', message: statement.notice }))
    }
    segment.push(bytes, { kind: 'execute', statement })
    return hasAftermath(statement) ? this.#afterwards(statement) : undefined
  }

  #inWrap(): boolean {
    return this.#core.state === 'wrap' || (this.#core.state === 'idle' && this.#segment.needsWrap)
  }

  #neverRetry(): void {
    this.#retryable = false
    // Rows that can't be taken back need not be held.
    this.#core.out.release()
  }

  /**
   * Sends the segment and waits for its answer. `last`: with the client's own Sync, whose ReadyForQuery goes to the client.
   * A result: it failed, the client was told, and the batch is over.
   */
  async #send(last: boolean, copy?: CopyWatch, ends = false): Promise<UnitResult | undefined> {
    const core = this.#core
    const segment = this.#segment
    this.#segment = new Segment()
    if (core.owed && segment.onlyPrepares) return this.#prepareOwed(segment)
    if (core.turn.wants(segment.runs) && (await core.turn.cancelled(segment.runs))) return this.#skipped()
    // Inside a batch that goes on, portals need a transaction that outlives our Sync.
    const wraps =
      core.state === 'idle' &&
      (segment.needsWrap || (!last && !this.#queried && segment.usesPortal && !segment.controls))
    const locking = core.state === 'client' && segment.runs.length > 0 ? core.touchLocking(segment.runs) : undefined
    core.channel.cork()
    let begin: Promise<Answer> | undefined
    if (wraps) {
      if (this.#retryable && !this.#sent) core.out.hold()
      begin = core.wrap()
    }
    this.#sent = true
    for (const statement of segment.runs) note(core, statement)
    if (last) core.report()
    const ready = last && !segment.runs.some(mayChangeWish)
    const options = {
      show: true,
      ready,
      track: segment.track(core, locking),
      error: errorHook(core, 0),
      ...(core.state === 'wrap' ? { dropNotice: isSecondBegin } : {}),
    }
    const bytes = segment.take(!last && !copy)
    const exchange = segment.onlyPrepares
      ? core.prepare(bytes, options)
      : core.exchange(bytes, copy ? copy.options(options) : options)
    if (ends && this.#retryable && this.#attempts === 1) core.ending.sendAhead()
    core.channel.uncork()
    try {
      const [, answer] = await Promise.all([begin, copy ? copy.during(exchange, () => this.#reader.take()) : exchange])
      const result = await this.#answered(answer, last, ready)
      // Behind that: an abort may come in between, and what it leaves is newer than the answer.
      if (locking) await core.whenHeldApplied()
      return result
    } finally {
      this.leftovers.add(segment)
    }
  }

  /** As if the transaction stood; what fails may do so because it is lost, and that is what the client hears then. */
  async #prepareOwed(segment: Segment): Promise<UnitResult | undefined> {
    const core = this.#core
    const options = { show: true, ready: false, track: segment.track(core), error: () => undefined }
    const answer = await core.prepare(segment.take(true), options)
    if (!answer.error) return undefined
    await tellOwed(core, undefined)
    return this.#skipped()
  }

  async #answered(answer: Answer, last: boolean, ready: boolean): Promise<UnitResult | undefined> {
    const core = this.#core
    const { error, errorFrame: frame } = answer
    if (!error || !frame) {
      core.followStatus(answer)
      return last ? (ready ? answered : unanswered) : undefined
    }
    if (core.state === 'wrap') {
      await core.rollbackWrap()
      if (error.sqlState === sequenceExhausted) {
        if (this.#retryable && core.out.holding) return { kind: 'exhausted', fields: error }
        await newRange(core, error)
      }
      return this.#skipped()
    }
    const withheld = error.sqlState === sequenceExhausted && core.state === 'client'
    core.followStatus(answer)
    if (withheld) core.out.push(await sequenceError(core, error, frame))
    if (last) return withheld || !ready ? unanswered : answered
    return this.#skipped()
  }

  /**
   * A Query before the Sync, as JDBC's autosave sends it behind BEGIN: the next unit. In PostgreSQL an implicit transaction goes on in it.
   */
  async #query(frame: ClientFrame): Promise<UnitResult> {
    const core = this.#core
    const wraps = this.#inWrap()
    this.#queried = true
    const failed = this.#segment.empty ? undefined : await this.#send(false)
    if (failed) return failed
    if (wraps) await core.rollbackWrap().then(() => core.out.push(errorFrame(queryInBatchError())))
    else core.input.putBack(frame)
    return wraps ? unanswered : answered
  }

  /** The client's Sync: the end of an implicit transaction. */
  async #finish(bytes: Buffer): Promise<UnitResult> {
    const core = this.#core
    const segment = this.#segment
    if (core.state === 'wrap' || (core.state === 'idle' && segment.needsWrap)) {
      if (!segment.empty) {
        const failed = await this.#send(false, undefined, true)
        if (failed) return failed
      }
      const failure = await core.end()
      return failure ? this.#failure(failure) : unanswered
    }
    if (segment.empty) return unanswered
    if (core.owed && segment.onlyPrepares) return (await this.#send(false)) ?? unanswered
    segment.push(bytes)
    return (await this.#send(true)) ?? answered
  }

  /** A transaction's end failed; for a conflict nothing is said yet. */
  async #failure(failure: NonNullable<EndResult>): Promise<UnitResult> {
    if (failure.kind === 'conflict') return { kind: 'conflict', conflict: failure.conflict, retryable: this.#retryable }
    this.#core.out.push(failure.frame)
    return this.#skipped()
  }

  async #begin(
    bytes: Buffer,
    statement: Extract<ClassifiedStatement, { kind: 'begin' }>,
  ): Promise<UnitResult | undefined> {
    const core = this.#core
    const before = this.#inWrap() ? 'wrap' : core.state
    this.#segment.runs.push(statement)
    this.#segment.push(bytes, { kind: 'execute', statement })
    const failed = await this.#send(false)
    if (failed) return failed
    if (before === 'wrap') {
      core.follow('adopted')
      core.work.begin = statement.text
    } else if (before === 'idle') core.began(statement.text)
    return undefined
  }

  async #commit(
    bytes: Buffer,
    statement: Extract<ClassifiedStatement, { kind: 'commit' | 'rollback' }>,
  ): Promise<UnitResult | undefined> {
    const core = this.#core
    const inWrap = this.#inWrap()
    this.#executed = false
    if (core.state === 'idle' && !inWrap) return this.#asItIs(bytes, statement)
    if (inWrap && statement.chain) return this.#refuse(needsBlockError('COMMIT AND CHAIN'))
    const alone = this.#segment.runs.length === 0
    try {
      const failed = this.#segment.empty ? undefined : await this.#send(false)
      if (failed) return failed
    } catch (thrown) {
      // Only its own Parse and Bind were on their way: it is the COMMIT that fails, and that ends the block.
      if (!(thrown instanceof TransactionAborted) || !alone) throw thrown
    }
    const failure = await core.end(statement.chain)
    if (failure) return this.#failure(failure)
    if (inWrap) core.out.push(noTransactionNotice())
    core.out.push(commandComplete('COMMIT'))
    core.channel.undefer()
    return undefined
  }

  async #rollback(
    bytes: Buffer,
    statement: Extract<ClassifiedStatement, { kind: 'commit' | 'rollback' }>,
  ): Promise<UnitResult | undefined> {
    const core = this.#core
    this.#executed = false
    if (!this.#inWrap()) return this.#asItIs(bytes, statement)
    if (statement.chain) return this.#refuse(needsBlockError('ROLLBACK AND CHAIN'))
    if (!this.#segment.empty) {
      const failed = await this.#send(false)
      if (failed) return failed
    }
    await core.rollbackWrap()
    core.out.push(noTransactionNotice())
    core.out.push(commandComplete('ROLLBACK'))
    return undefined
  }

  /** COMMIT and ROLLBACK that need nothing of us: the server ends what there is. */
  async #asItIs(
    bytes: Buffer,
    statement: Extract<ClassifiedStatement, { kind: 'commit' | 'rollback' }>,
  ): Promise<UnitResult | undefined> {
    const core = this.#core
    if (this.#segment.runs.length > 0) {
      const failed = await this.#send(false)
      if (failed) return failed
    }
    const { begin } = core.work
    const inBlock = core.state !== 'idle'
    this.#segment.runs.push(statement)
    this.#segment.push(bytes, { kind: 'execute', statement })
    const failed = await core.leave(() => this.#send(false))
    if (!failed && inBlock && statement.chain) core.began(begin)
    return failed
  }

  async #copyIn(bytes: Buffer, statement: ClassifiedStatement): Promise<UnitResult | undefined> {
    this.#segment.needsWrap = true
    this.#segment.runs.push(statement)
    this.#segment.push(bytes, { kind: 'execute', statement })
    return this.#send(false, new CopyWatch(this.#core))
  }

  /** A statement that no event trigger sees: what journals it follows, in the same transaction. */
  async #afterwards(statement: ClassifiedStatement | undefined): Promise<UnitResult | undefined> {
    const core = this.#core
    const failed = await this.#send(false)
    if (failed) return failed
    const answer = await afterwards(core, statement)
    if (!answer?.error || !answer.errorFrame) return undefined
    core.out.push(answer.errorFrame)
    if (core.state === 'wrap') await core.rollbackWrap()
    else core.followStatus(answer)
    return this.#skipped()
  }

  /** An error of ours, in its place among the server's answers. */
  async #refuse(error: AllwriteError): Promise<UnitResult> {
    const core = this.#core
    if (!this.#segment.empty) {
      const failed = await this.#send(false)
      if (failed) return failed
    }
    core.out.push(errorFrame(error))
    if (core.state === 'wrap') await core.rollbackWrap()
    else await core.failClient()
    return this.#skipped()
  }

  #skipped(): Promise<UnitResult> {
    return this.#reader.skip().then(() => unanswered)
  }
}

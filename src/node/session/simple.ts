/**
 * The simple protocol: one Query message, one or many statements, one ReadyForQuery.
 *
 * PostgreSQL runs the statements of one Query as one implicit transaction, up to and after any BEGIN, COMMIT, ROLLBACK among them
 * (manual, "Multiple Statements in a Simple Query"). Here the implicit transaction is a wrap of ours, and each statement is
 * sent alone, so that none can run that was not judged.
 *
 * @module
 */
import { assert } from '../../core/errors.ts'
import { commandComplete, parse, query, readQuery, sync } from '../../wire/pgwire/messages.ts'
import { errorFrame, needsBlockError } from './answers.ts'
import { AllwriteError } from '../../core/errors.ts'
import { noticeResponse } from '../../wire/pgwire/errors.ts'
import type { Answer, CycleOptions } from './channel.ts'
import { runOutside } from './concurrent.ts'
import { CopyWatch } from './copy.ts'
import type { Core } from './core.ts'
import type { EndResult } from './ending.ts'
import type { ClientFrame } from '../../login/client-input.ts'
import { runUnit, unitBytesMax, type UnitResult } from './retry.ts'
import { exchangeSingle } from './single.ts'
import type { ClassifiedStatement } from './statement/contract.ts'
import {
  afterwards,
  beginText,
  changeWish,
  errorHook,
  guardRefusal,
  guardText,
  hasAftermath,
  isControl,
  mayChangeWish,
  mayRetry,
  mustWrap,
  needsBlock,
  newRange,
  note,
  readText,
  sequenceError,
  sendsWhole,
  showsInstead,
  sequenceExhausted,
  tellOwed,
} from './statements.ts'

const done: UnitResult = { kind: 'done', answered: false }
const answered: UnitResult = { kind: 'done', answered: true }
const rowType = 0x44
const completeType = 0x43

/** One Query of the client, to its ReadyForQuery. */
export async function simpleQuery(core: Core, frame: ClientFrame): Promise<void> {
  const { text, statements } = readText(core, readQuery(frame.bytes))
  core.names.queried()
  const [only] = statements
  assert(only, 'a text has at least one statement')
  if (statements.length === 1 && !core.owed && !core.guardBroken && !core.consistency.failed && isDirect(core, only)) {
    await runUnit(core, () => forward(core, frame, text, only))
    return
  }
  const unit = new QueryUnit(core, frame, text, statements)
  await runUnit(core, () => unit.run())
}

/** One statement that goes to the backend as it is, and its answer to the client: the hot path of reads. */
function isDirect(core: Core, statement: ClassifiedStatement): boolean {
  if (mayChangeWish(statement)) return false
  switch (statement.kind) {
    case 'harmless':
    case 'empty':
    case 'setting':
    case 'local':
      return true
    case 'write':
      return (
        (core.state === 'client' || core.state === 'failed') &&
        statement.notice === undefined &&
        !hasAftermath(statement)
      )
    case 'savepoint':
    case 'release':
    case 'rollback_to':
      return true
    case 'begin':
    case 'commit':
    case 'rollback':
    case 'copy_in':
    case 'journaled':
    case 'concurrently':
    case 'guard_setting':
    case 'invalid':
    case 'refused':
    default:
      return false
  }
}

async function forward(
  core: Core,
  frame: ClientFrame,
  text: string,
  statement: ClassifiedStatement,
): Promise<UnitResult> {
  if (core.turn.wants([statement]) && (await core.turn.cancelled([statement]))) return done
  const locking = core.state === 'client' ? core.touchLocking([statement]) : undefined
  if (statement.kind !== 'harmless') note(core, statement)
  core.report()
  const bytes = bytesOf(core, frame, text, statement)
  const offset = bytes === frame.bytes ? 0 : statement.offset
  const instead = showsInstead(core, statement).track
  const answer = await exchangeSingle(core, bytes, {
    show: true,
    ready: true,
    error: errorHook(core, offset),
    track: (kind) => {
      if (kind === rowType || kind === completeType) locking?.()
      return instead?.(kind, true)
    },
  })
  const result = await direct(core, answer)
  // Behind that: an abort may come in between, and what it leaves is newer than the answer.
  if (locking) await core.whenHeldApplied()
  return result
}

async function direct(core: Core, answer: Answer): Promise<UnitResult> {
  const withheld = answer.error?.sqlState === sequenceExhausted && core.state === 'client'
  core.followStatus(answer)
  if (!withheld || !answer.error || !answer.errorFrame) return answer.readyShown ? answered : done
  core.out.push(await sequenceError(core, answer.error, answer.errorFrame))
  return done
}

/** The client's own bytes where they hold just this statement as written; else the rewritten or single one. */
function bytesOf(core: Core, frame: ClientFrame, whole: string, statement: ClassifiedStatement): Buffer {
  return sendsWhole(statement, whole) ? frame.bytes : query(statement.text, core.encoding)
}

class QueryUnit {
  readonly #core: Core
  readonly #frame: ClientFrame
  readonly #whole: string
  readonly #statements: readonly ClassifiedStatement[]
  readonly #retryable: boolean
  /** The last statement's CommandComplete, held until the outcome. */
  #complete: Buffer | undefined

  constructor(core: Core, frame: ClientFrame, whole: string, statements: readonly ClassifiedStatement[]) {
    this.#core = core
    this.#frame = frame
    this.#whole = whole
    this.#statements = statements
    this.#retryable = core.state === 'idle' && frame.bytes.length <= unitBytesMax && statements.every(mayRetry)
  }

  async run(): Promise<UnitResult> {
    const core = this.#core
    this.#complete = undefined
    if (await tellOwed(core, this.#statements[0]?.kind)) return done
    for (let index = 0; index < this.#statements.length; index++) {
      const stop = await this.#statement(index)
      if (stop) return stop
    }
    return this.#finish()
  }

  /** The implicit transaction's end. */
  async #finish(): Promise<UnitResult> {
    const core = this.#core
    if (core.state === 'wrap') {
      const failure = await core.end()
      if (failure) return this.#failure(failure)
    }
    if (this.#complete) core.out.push(this.#complete)
    return done
  }

  #failure(failure: NonNullable<EndResult>): UnitResult {
    if (failure.kind === 'conflict') return { kind: 'conflict', conflict: failure.conflict, retryable: this.#retryable }
    this.#core.out.push(failure.frame)
    return done
  }

  /** Runs one statement; a result ends the unit: an error was told, the rest is skipped. */
  async #statement(index: number): Promise<UnitResult | undefined> {
    const core = this.#core
    const statement = this.#statements[index]
    assert(statement, 'an index of this unit')
    await core.mendGuard()
    switch (statement.kind) {
      case 'invalid':
        return this.#invalid(statement.text)
      case 'refused': {
        const { message, sqlState, detail, hint } = statement
        return this.#refuse(
          new AllwriteError('unsupported', message, {
            sqlState,
            ...(detail === undefined ? {} : { detail }),
            ...(hint === undefined ? {} : { hint }),
          }),
        )
      }
      case 'begin':
        return this.#begin(statement)
      case 'commit':
      case 'rollback':
        return this.#endBlock(statement)
      case 'savepoint':
      case 'release':
      case 'rollback_to':
        if (core.state === 'client' || core.state === 'failed') return this.#send(index, statement)
        return this.#refuse(needsBlockError(savepointTags[statement.kind]))
      case 'guard_setting': {
        const refusal = guardRefusal(statement)
        if (refusal && core.state !== 'failed') return this.#refuse(refusal)
        return this.#send(index, statement)
      }
      case 'concurrently': {
        if (core.state === 'failed') return this.#send(index, statement)
        const error = await runOutside(core, statement, this.#statements.length === 1)
        return error && this.#refuse(error)
      }
      case 'harmless':
      case 'empty':
      case 'setting':
      case 'local':
      case 'copy_in':
      case 'journaled':
      case 'write':
      default:
        return this.#send(index, statement)
    }
  }

  /** Sends a statement, in a wrap if it needs one. */
  async #send(index: number, statement: ClassifiedStatement): Promise<UnitResult | undefined> {
    const core = this.#core
    const single = this.#statements.length === 1
    if (core.turn.wants([statement]) && (await core.turn.cancelled([statement]))) return done
    const wraps = core.state === 'idle' && !(single && needsBlock(statement)) && this.#runNeedsWrap(index)
    let begin: Promise<Answer> | undefined
    if (wraps) {
      if (this.#retryable) core.out.hold()
      core.channel.cork()
      begin = core.wrap()
    }
    if (core.state !== 'idle') core.touch()
    note(core, statement)
    if (statement.kind === 'write' && statement.notice !== undefined && core.state !== 'failed') {
      core.out.push(noticeResponse({ severity: 'NOTICE', sqlState: '00000', message: statement.notice }))
    }
    const last = index === this.#statements.length - 1
    const answer = this.#exchange(statement, single, (core.state === 'wrap' && last) || hasAftermath(statement))
    if (wraps) core.channel.uncork()
    const [, result] = await Promise.all([begin, answer])
    return this.#answered(statement, result, last)
  }

  async #exchange(statement: ClassifiedStatement, single: boolean, keepComplete: boolean): Promise<Answer> {
    const core = this.#core
    const sent: ClassifiedStatement =
      statement.kind === 'guard_setting' ? { ...statement, text: guardText(statement) } : statement
    const bytes = single ? bytesOf(core, this.#frame, this.#whole, sent) : query(sent.text, core.encoding)
    const options: CycleOptions = {
      show: true,
      ready: false,
      keepComplete,
      error: errorHook(core, bytes === this.#frame.bytes ? 0 : statement.offset),
      ...showsInstead(core, statement),
    }
    if (statement.kind !== 'copy_in') return exchangeSingle(core, bytes, options)
    const watch = new CopyWatch(core)
    const answer = exchangeSingle(core, bytes, watch.options(options)).finally(() => watch.finish())
    const [result] = await Promise.all([answer, watch.relay()])
    return result
  }

  async #answered(statement: ClassifiedStatement, answer: Answer, last: boolean): Promise<UnitResult | undefined> {
    const core = this.#core
    if (answer.error) return this.#failed(answer)
    core.followStatus(answer)
    changeWish(core, statement)
    const after = core.state === 'failed' ? undefined : await afterwards(core, statement)
    if (after?.error) {
      if (after.errorFrame) core.out.push(after.errorFrame)
      return this.#failed(after)
    }
    if (last && core.state === 'wrap') this.#complete = answer.complete
    else if (answer.complete) core.out.push(answer.complete)
    return undefined
  }

  /** An error was shown, or withheld: the rest of the Query is skipped. */
  async #failed(answer: Answer): Promise<UnitResult> {
    const core = this.#core
    const { error, errorFrame: frame } = answer
    assert(error && frame, 'a failed statement has an error')
    if (core.state === 'wrap') {
      await core.rollbackWrap()
      if (error.sqlState === sequenceExhausted) {
        if (this.#retryable && core.out.holding) return { kind: 'exhausted', fields: error }
        // Was shown, and can't be run again by us: the client's next attempt finds room.
        await newRange(core, error)
      }
      return done
    }
    const withheld = error.sqlState === sequenceExhausted && core.state === 'client'
    core.followStatus(answer)
    if (withheld) core.out.push(await sequenceError(core, error, frame))
    return done
  }

  /** An error of ours. */
  async #refuse(error: AllwriteError): Promise<UnitResult> {
    const core = this.#core
    core.out.push(errorFrame(error))
    if (core.state === 'wrap') await core.rollbackWrap()
    else await core.failClient()
    return done
  }

  /** Not understood here: only parsed there, for the server's own error. */
  async #invalid(text: string): Promise<UnitResult> {
    const core = this.#core
    const raw = this.#whole === text ? this.#frame.bytes.subarray(5, -1) : Buffer.from(text, core.encoding)
    const message = Buffer.concat([parse('', '', Buffer.alloc(0), 'latin1').subarray(0, 6), raw, Buffer.alloc(3)])
    message.writeUInt32BE(message.length - 1, 1)
    const answer = await core.exchange([message, sync], { show: true, ready: false, track: () => Buffer.alloc(0) })
    if (answer.error) return this.#failed(answer)
    core.followStatus(answer)
    return this.#refuse(
      new AllwriteError('unsupported', 'this statement is not understood by the cluster', {
        detail: 'The server accepts it, the agent’s parser does not.',
      }),
    )
  }

  async #begin(statement: Extract<ClassifiedStatement, { kind: 'begin' }>): Promise<UnitResult | undefined> {
    const core = this.#core
    const wasWrap = core.state === 'wrap'
    const text = beginText(core, statement, this.#whole)
    const answer = await exchangeSingle(core, query(text, core.encoding), {
      show: true,
      ready: false,
      error: errorHook(core, statement.offset),
      // In a wrap the server has a transaction; for the client it is the first BEGIN.
      ...(wasWrap ? { dropNotice: (fields) => fields.sqlState === '25001' } : {}),
    })
    if (answer.error) return this.#failed(answer)
    if (wasWrap) {
      core.follow('adopted')
      core.work.begin = text
      return undefined
    }
    const fresh = core.state === 'idle'
    core.followStatus(answer)
    if (fresh) core.began(text)
    return undefined
  }

  /** COMMIT and ROLLBACK. */
  async #endBlock(
    statement: Extract<ClassifiedStatement, { kind: 'commit' | 'rollback' }>,
  ): Promise<UnitResult | undefined> {
    const core = this.#core
    if (core.state === 'wrap') {
      // PostgreSQL ends the implicit transaction too, and warns; AND CHAIN is an error there.
      if (statement.kind === 'commit' && !statement.chain) {
        const failure = await core.end()
        if (failure) return this.#failure(failure)
      } else await core.rollbackWrap()
    }
    if (core.state === 'client' && statement.kind === 'commit') {
      const failure = await core.end(statement.chain)
      if (failure) return this.#failure(failure)
      core.out.push(commandComplete('COMMIT'))
      core.channel.undefer()
      return undefined
    }
    const chained = core.state !== 'idle' && statement.chain ? core.work.begin : undefined
    const text = query(statement.text, core.encoding)
    const options: CycleOptions = { show: true, ready: false, error: errorHook(core, statement.offset) }
    const answer = await core.leave(() => exchangeSingle(core, text, options))
    if (answer.error) return this.#failed(answer)
    if (chained !== undefined) core.follow('ended')
    core.followStatus(answer)
    if (chained !== undefined) core.began(chained)
    return undefined
  }

  /**
   * Whether the statements from here to the next BEGIN, COMMIT or ROLLBACK run in a transaction of ours. Several statements of one Query
   * are a transaction for PostgreSQL: settings among them are undone together, and SET TRANSACTION is about it.
   */
  #runNeedsWrap(index: number): boolean {
    let harmless = true
    let wraps = false
    for (const statement of this.#statements.slice(index)) {
      if (isControl(statement)) break
      harmless &&= statement.kind === 'harmless' || statement.kind === 'empty'
      wraps ||= mustWrap(statement)
    }
    return wraps || (!harmless && this.#statements.length > 1)
  }
}

const savepointTags = {
  savepoint: 'SAVEPOINT',
  release: 'RELEASE SAVEPOINT',
  rollback_to: 'ROLLBACK TO SAVEPOINT',
} as const

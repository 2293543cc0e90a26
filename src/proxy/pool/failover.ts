/**
 * What becomes of a session whose connection was lost (ADR 29).
 *
 * Contract
 * 1. Whether something was committed is asked, never guessed; the question also sees to it that nothing of the lost connection can
 *    be committed any more. So what is not committed may run again.
 * 2. A transaction that goes on elsewhere has answered its client, byte by byte, what it answers there; else it is lost, with 40001.
 *
 * @module
 */
import { setTimeout as delay } from 'node:timers/promises'
import { AllwriteError } from '../../core/errors.ts'
import { parseErrorFields } from '../../wire/pgwire/errors.ts'
import { typeByte } from '../../wire/pgwire/frames.ts'
import {
  bindComplete,
  commandComplete,
  noData,
  parseComplete,
  readBind,
  readParse,
  readQuery,
  readyForQuery,
  Status,
} from '../../wire/pgwire/messages.ts'
import { borrow } from './borrow.ts'
import type { ClientFrame } from '../../login/client-input.ts'
import { conflictDiffersError } from './conflict.ts'
import { frontend, isCopy } from './forward.ts'
import { Comparison, type Unit } from './replay.ts'
import { ConnectionLost, type ServerConnection } from './server-connection.ts'
import { SessionEnd } from './session-context.ts'
import type { PooledSession } from './session.ts'
import { answerLostError, errorFrame, furnishError, nodeLostError, pinnedLostError, unknownError } from './words.ts'

/** A transaction that loses more connections than this is given up: something of it may be what they are lost by. */
const lossesMax = 5

const differsError = (): AllwriteError =>
  new AllwriteError('conflict', 'could not go on with the transaction at another node', {
    detail: 'Its node was lost, and its statements do not give the same results any more.',
    hint: 'Retry the transaction.',
  })

const tooLargeError = (): AllwriteError =>
  new AllwriteError('conflict', 'could not go on with the transaction at another node', {
    detail: 'Its node was lost, and it is too large to be run again by the pool.',
    hint: 'Retry the transaction.',
  })

/** The server ends the session for a reason of its own, which is the client's to hear; else its node or its backend is lost. */
const isOwnReason = (fatal: Buffer | undefined): boolean =>
  fatal !== undefined && !/^(?:57P0[123]|08|53)/.test(parseErrorFields(fatal.subarray(5)).sqlState)

/** @throws SessionEnd, ConnectionLost (of the next connection), NoNode, AllwriteError */
export async function recover(session: PooledSession): Promise<void> {
  const { server, unit } = session
  if (server === undefined) return
  session.server = undefined
  server.borrower = undefined
  session.comparison = undefined
  const { counts } = session.context
  if (isOwnReason(server.fatal)) throw new SessionEnd(server.fatal)
  counts.lost++
  if (session.pinned) {
    const error = unit === undefined ? pinnedLostError(session.state.pins) : unknownError()
    throw new SessionEnd(errorFrame(error, 'FATAL'))
  }
  if (unit === undefined && session.status === Status.idle) return
  if (!session.context.settings.replay)
    throw new SessionEnd(errorFrame(unit === undefined ? nodeLostError() : unknownError(), 'FATAL'))
  session.losses++
  if (unit !== undefined && (await hasCommitted(session, server))) {
    counts.committed++
    tellCommitted(session, unit)
    return
  }
  if (session.recording.lost || session.losses > lossesMax) await lose(session, tooLargeError())
  else await repeat(session)
}

async function hasCommitted(session: PooledSession, server: ServerConnection): Promise<boolean> {
  const count = await session.context.outcome(server)
  if (count === undefined) {
    session.context.counts.unknown++
    throw new SessionEnd(errorFrame(unknownError(), 'FATAL'))
  }
  return count > session.countedBefore
}

/** The unit has committed: its answer, if it can only have been one. */
function tellCommitted(session: PooledSession, unit: Unit): void {
  const nothingShown = unit.delivered.bytes === 0
  const commit = session.recording.lost ? undefined : answersOfCommit(unit.frames, session)
  if (nothingShown && commit) session.committed(commit)
  else if (session.lastShown === completeType && !session.partOpen && isSingleQuery(unit.frames))
    session.committed([readyForQuery(Status.idle)])
  else session.answer(answerLostError(), Status.idle, session.lastSent)
}

const completeType = typeByte('C')
const commitText = /^\s*(?:commit|end)(?:\s+(?:work|transaction))?\s*;?\s*$/i

/** One statement, which has its CommandComplete. */
function isSingleQuery(frames: readonly ClientFrame[]): boolean {
  const [first] = frames
  return first?.type === frontend.query && !/;\s*\S/.test(readQuery(first.bytes).toString('latin1'))
}

/** What a unit that is nothing but a COMMIT is answered; undefined: it is more. */
function answersOfCommit(frames: readonly ClientFrame[], session: PooledSession): Buffer[] | undefined {
  const answers: Buffer[] = []
  let text = ''
  let executed = 0
  for (const { type, bytes } of frames) {
    if (type === frontend.query) {
      text = readQuery(bytes).toString('latin1')
      answers.push(commandComplete('COMMIT'))
      executed++
      answers.push(readyForQuery(Status.idle))
    } else if (type === frontend.parse) {
      text = readParse(bytes).sql.toString('latin1')
      answers.push(parseComplete)
    } else if (type === frontend.bind) {
      const { statement: name } = readBind(bytes)
      const statement = name === '' ? session.state.unnamed : session.state.statements.get(name)
      text = statement ? statement.body.toString('latin1', 0, statement.body.indexOf(0)) : text
      answers.push(bindComplete)
    } else if (type === frontend.describe) {
      // Of a statement its parameters would have to be told as well.
      if (bytes[5] !== typeByte('P')) return undefined
      answers.push(noData)
    } else if (type === frontend.execute) {
      answers.push(commandComplete('COMMIT'))
      executed++
    } else if (type === frontend.sync) answers.push(readyForQuery(Status.idle))
    else return undefined
  }
  return executed === 1 && commitText.test(text) ? answers : undefined
}

/** A conflict that the client is not to hear of: the transaction runs again, where it is. @throws ConnectionLost, NoNode, AllwriteError, SessionEnd */
export async function meetConflict(session: PooledSession): Promise<void> {
  const { server, conflicts } = session
  if (server === undefined) throw new ConnectionLost()
  const { open, ms } = conflicts.again()
  if (open) await server.ask('ROLLBACK')
  await delay(ms)
  if (session.client.closed) throw new SessionEnd(undefined)
  session.comparison = undefined
  session.context.counts.masked++
  await runAgain(session)
}

/** Runs the transaction again, at another connection, up to where it was. @throws ConnectionLost, NoNode, AllwriteError */
async function repeat(session: PooledSession): Promise<void> {
  session.touches.clear()
  await borrow(session)
  if (await runAgain(session)) session.context.counts.replayed++
}

/** True: it goes on, or has met a conflict. */
async function runAgain(session: PooledSession): Promise<boolean> {
  const { state, recording, unit: current } = session
  if (session.statementsBefore) state.statements = new Map(session.statementsBefore)
  state.unnamed = session.unnamedBefore
  session.touches.clear()
  for (const unit of recording.units) {
    const open = unit === current
    session.comparison = open && unit.delivered.bytes === 0 ? undefined : new Comparison(unit.delivered, open)
    await sendAgain(session, unit, open)
    // It has met the next conflict, which is seen to in its turn.
    if (open || session.conflicts.ended !== undefined) break
    if (!session.comparison?.equal) {
      await differs(session)
      return false
    }
    session.comparison = undefined
  }
  return true
}

/** What was run again came out otherwise. */
export const differs = (session: PooledSession): Promise<void> =>
  lose(session, session.conflicts.any ? conflictDiffersError() : differsError())

/** Sends a unit's messages; of one that was answered, waits for the answer's end. @throws ConnectionLost */
async function sendAgain(session: PooledSession, unit: Unit, open: boolean): Promise<void> {
  const answered = (): boolean => session.comparison?.ready !== undefined || session.conflicts.ended !== undefined
  for (const frame of unit.frames) {
    if (isCopy(frame.type))
      await until(session, () => session.server?.copyIn === true || answered() || session.server?.readyDue === 0)
    if (isCopy(frame.type) && session.server?.copyIn !== true) continue
    await session.send(frame)
  }
  if (!open) await until(session, answered)
}

async function until(session: PooledSession, condition: () => boolean): Promise<void> {
  while (!condition()) {
    if (session.client.closed) throw new SessionEnd(undefined)
    if (session.server === undefined || session.server.lost) throw new ConnectionLost()
    await session.sleep()
  }
}

/**
 * The transaction is over, and the client hears why; in a block of its own it finds a failed one, as after any error.
 * @throws ConnectionLost, NoNode, AllwriteError, SessionEnd
 */
async function lose(session: PooledSession, error: AllwriteError): Promise<void> {
  const { unit, lastSent } = session
  const wasCommit = unit !== undefined && answersOfCommit(unit.frames, session) !== undefined
  const inBlock = session.status !== Status.idle && !wasCommit
  session.context.counts.differed++
  session.comparison = undefined
  const { server } = session
  session.server = undefined
  if (server) {
    server.borrower = undefined
    server.destroy()
  }
  if (session.statementsBefore) session.state.statements = session.statementsBefore
  session.closeTransaction()
  if (inBlock) {
    await borrow(session)
    await openFailed(session)
  }
  const status = inBlock ? Status.failed : Status.idle
  if (unit) session.answer(error, status, lastSent)
  else session.owed = error
}

/** A failed transaction in the place of one that was lost. @throws ConnectionLost, AllwriteError */
async function openFailed(session: PooledSession): Promise<void> {
  const { server } = session
  if (server === undefined) throw new ConnectionLost()
  const [, failed] = await Promise.all([server.ask('BEGIN'), server.ask('SELECT 1 / 0')])
  if (failed.status !== Status.failed) throw furnishError('a transaction could not be opened')
  session.status = Status.failed
  // Only a ROLLBACK can follow: there is nothing to be run again.
  session.recording.lost = true
}

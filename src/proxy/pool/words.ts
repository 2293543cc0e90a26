/**
 * What clients of the pool are told in our own words.
 *
 * @module
 */
import { AllwriteError } from '../../core/errors.ts'
import { errorResponse, fieldsOfError } from '../../wire/pgwire/errors.ts'
import { readyForQuery, Status } from '../../wire/pgwire/messages.ts'
import { parameterStatus } from '../../wire/pgwire/login-messages.ts'

export const errorFrame = (error: AllwriteError, severity: 'ERROR' | 'FATAL'): Buffer =>
  errorResponse(fieldsOfError(error, severity))

export const parameterFrame = (name: string, value: string): Buffer => parameterStatus(name, value)

const readyFrames = new Map<number, Buffer>(
  [Status.idle, Status.open, Status.failed].map((status) => [status, readyForQuery(status)]),
)

export const readyFrame = (status: number): Buffer => readyFrames.get(status) ?? readyForQuery(status)

/** A connection can't be given the session's state. */
export const furnishError = (why: string): AllwriteError =>
  new AllwriteError('unavailable', 'the state of the session could not be carried to another connection', {
    sqlState: '57P01',
    detail: why,
    hint: 'Reconnect.',
  })

export const stateLostError = (why: string): AllwriteError =>
  new AllwriteError('unavailable', 'terminating connection because the state of the session was lost', {
    sqlState: '57P01',
    detail: `What is known of the session ends here: ${why}.`,
    hint: 'Reconnect.',
  })

/** The connection of a session that is pinned is gone. */
export const pinnedLostError = (reasons: Iterable<string>): AllwriteError =>
  new AllwriteError('unavailable', 'terminating connection because its node was lost', {
    sqlState: '57P01',
    detail: `The session could not go to another node, because of: ${[...reasons].join(', ')}.`,
    hint: 'Reconnect.',
  })

export const nodeLostError = (): AllwriteError =>
  new AllwriteError('unavailable', 'terminating connection because its node was lost', {
    sqlState: '57P01',
    detail: 'A transaction was under way.',
    hint: 'Reconnect. The pool can run such transactions again: see its setting replay.',
  })

/** Whether a transaction is committed can't be told. */
export const unknownError = (): AllwriteError =>
  new AllwriteError('unavailable', 'the outcome of the transaction is not known', {
    sqlState: '08007',
    detail: 'Its node was lost, and no other node could tell in time whether it is committed.',
    hint: 'Reconnect and look whether its changes are there.',
  })

/** A statement has committed by itself, and what it answered is lost. */
export const answerLostError = (): AllwriteError =>
  new AllwriteError('unavailable', 'the answer of the statement was lost with its node', {
    sqlState: '08007',
    detail: 'The transaction is committed.',
    hint: 'Do not run it again.',
  })

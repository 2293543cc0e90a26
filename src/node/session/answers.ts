/**
 * What clients are told in our own words: errors in PostgreSQL's style.
 *
 * @module
 */
import { AllwriteError } from '../../core/errors.ts'
import { nodeName } from '../../core/ids.ts'
import { errorResponse, fieldsOfError, noticeResponse } from '../../wire/pgwire/errors.ts'
import type { Conflict } from './contract.ts'

/** A refusal as an ErrorResponse. */
export const errorFrame = (error: AllwriteError, severity: 'ERROR' | 'FATAL' = 'ERROR'): Buffer =>
  errorResponse(fieldsOfError(error, severity))

/** 40001 with what the user can know: table, key, who won and where. */
export function conflictError(conflict: Conflict): AllwriteError {
  return new AllwriteError('conflict', 'could not serialize access due to concurrent update on another node', {
    detail: conflictDetail(conflict),
    hint: 'Retry the transaction.',
  })
}

function conflictDetail(conflict: Conflict): string {
  if (conflict.reason === 'too_old')
    return 'The transaction is older than the window of changes that the cluster remembers.'
  const by = conflict.winner === undefined ? 'another node' : `node ${nodeName(conflict.winner)}`
  const at = conflict.position === undefined ? '' : ` at position ${conflict.position}`
  if (conflict.table === 'schema') return `The schema was changed by ${by}${at}.`
  const subject =
    conflict.key === undefined ? `Table "${conflict.table}"` : `${conflict.key} of table "${conflict.table}"`
  return `${subject} was changed by ${by}${at}.`
}

/** What a client hears whose backend ended under it. */
export const sessionLostError = (): AllwriteError =>
  new AllwriteError('unavailable', 'terminating connection due to administrator command', { sqlState: '57P01' })

/** A committed transaction was taken over from the journal; what the session held in its backend is gone. */
export const stateLostError = (): AllwriteError =>
  new AllwriteError('unavailable', 'terminating connection because the state of the session was lost', {
    sqlState: '57P01',
    detail: 'The transaction is committed; it was applied from the journal.',
    hint: 'Reconnect.',
  })

/** A session whose statement resisted its cancels: ended for a certified change, as a standby ends one for its WAL. */
export function killedError(conflict: Conflict): AllwriteError {
  return new AllwriteError('conflict', 'terminating connection due to conflict with an update on another node', {
    detail: conflictDetail(conflict),
    hint: 'Reconnect and retry the transaction.',
  })
}

/** A cancel of ours may still be on its way to the backend: its next statement would be hit. */
export const givenUpError = (): AllwriteError =>
  new AllwriteError('unavailable', 'terminating connection because the server did not take a cancel in time', {
    sqlState: '57P01',
    detail: 'The cancel was meant for a statement that is over, and must not hit another.',
    hint: 'Reconnect.',
  })

/** The node went away between a transaction's submission and its outcome. */
export const outcomeUnknownError = (): AllwriteError =>
  new AllwriteError('unavailable', 'the outcome of the transaction is not known', {
    sqlState: '08007',
    detail:
      'The node stopped before the journal had told it; the transaction is committed, or not, on all nodes alike.',
    hint: 'Reconnect and look whether its changes are there.',
  })

/** A transaction with writes that no other node would see (RULES 5). */
export const unseenError = (what: string): AllwriteError =>
  new AllwriteError(
    'unsupported',
    `this transaction writes ${what}, which a cluster can not carry to its other nodes`,
    { detail: 'It does not show in the stream of changes.' },
  )

/** PostgreSQL's own warning for COMMIT and ROLLBACK outside a transaction block. */
export const noTransactionNotice = (): Buffer =>
  noticeResponse({ severity: 'WARNING', sqlState: '25P01', message: 'there is no transaction in progress' })

/** A Query before the Sync of a batch whose implicit transaction may write: PostgreSQL would go on in it. */
export const queryInBatchError = (): AllwriteError =>
  new AllwriteError(
    'unsupported',
    'a Query in an extended batch that may write is supported in a transaction block only',
    {
      hint: 'Send BEGIN before it, or Sync.',
    },
  )

/** A statement that needs a transaction block of the client's own. */
export const needsBlockError = (tag: string): AllwriteError =>
  new AllwriteError('protocol', `${tag} can only be used in transaction blocks`, { sqlState: '25P01' })

/** Moves the position (field P) of an error by what stood before its statement in the client's text. Characters. */
export function shiftPosition(frame: Buffer, by: number): Buffer {
  if (by === 0) return frame
  let offset = 5
  while (offset < frame.length && frame[offset] !== 0) {
    const end = frame.indexOf(0, offset + 1)
    if (end < 0) return frame
    if (frame[offset] === 0x50 /* P */) {
      const moved = Number(frame.toString('latin1', offset + 1, end)) + by
      const whole = Buffer.concat([frame.subarray(0, offset + 1), Buffer.from(String(moved)), frame.subarray(end)])
      whole.writeUInt32BE(whole.length - 1, 1)
      return whole
    }
    offset = end + 1
  }
  return frame
}

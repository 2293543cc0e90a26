/**
 * Runs a unit of the client's again when its single-statement transaction lost to another node: as if it had come a moment
 * later. Only what was wholly held back is run again (RULES 13); bounded (RULES 16).
 *
 * @module
 */
import { setTimeout as delay } from 'node:timers/promises'
import { AllwriteError } from '../../core/errors.ts'
import type { ErrorFields } from '../../wire/pgwire/errors.ts'
import { conflictError, errorFrame } from './answers.ts'
import type { Conflict } from './contract.ts'
import type { Core } from './core.ts'
import { newRange } from './statements.ts'
import { TransactionAborted } from './transaction.ts'
import { WantedTurn } from './turn.ts'

/** How often a unit is run again before its client hears of the conflict. */
export const retriesMax = 20
/**
 * The same for a schema change. It loses to each record of its tables that other nodes append between its capture and its own
 * append, a few milliseconds: under their steady load most attempts lose, until the others give it a turn (turn.ts).
 */
export const schemaChangeRetriesMax = 60
/** Retries without a pause: most conflicts are over once the winner is applied. */
const eagerRetries = 5
/** Longest pause before a retry, ms. */
const pauseMsMax = 100
/** Units whose messages are kept for a retry, bytes. */
export const unitBytesMax = 1024 * 1024

/** What one run of a unit came to. */
export type UnitResult =
  /** Answered up to ReadyForQuery; `answered`: that too. */
  | { readonly kind: 'done'; readonly answered: boolean }
  /** Lost and rolled back; nothing said yet. */
  | { readonly kind: 'conflict'; readonly conflict: Conflict; readonly retryable: boolean }
  /** A sequence's range ended and the wrap is rolled back; its error is held. */
  | { readonly kind: 'exhausted'; readonly fields: ErrorFields }

export const answered: UnitResult = { kind: 'done', answered: true }
export const unanswered: UnitResult = { kind: 'done', answered: false }

/** Runs a unit to its answer. `failed` is told when the client was told an error instead. */
export async function runUnit(core: Core, attempt: () => Promise<UnitResult>): Promise<void> {
  const turn = new WantedTurn(core.options.gate)
  try {
    await runWithRetries(core, attempt, turn)
  } finally {
    turn.release()
  }
}

async function runWithRetries(core: Core, attempt: () => Promise<UnitResult>, turn: WantedTurn): Promise<void> {
  core.schemaChange = false
  for (let tries = 1; ; tries++) {
    const result = await oneRun(core, attempt)
    if (result.kind === 'done') {
      core.out.release()
      if (result.answered) core.out.flush()
      else core.ready()
      return
    }
    const again =
      tries <= (core.schemaChange ? schemaChangeRetriesMax : retriesMax) &&
      core.out.holding &&
      (await mayRunAgain(core, result, tries, turn))
    if (again === true) {
      core.channel.undefer()
      core.out.drop()
      continue
    }
    core.out.release()
    if (again !== false) core.out.push(errorFrame(again))
    else if (result.kind === 'conflict') core.out.push(errorFrame(conflictError(result.conflict)))
    core.ready()
    return
  }
}

async function oneRun(core: Core, attempt: () => Promise<UnitResult>): Promise<UnitResult> {
  try {
    return await attempt()
  } catch (thrown) {
    if (!(thrown instanceof TransactionAborted)) throw thrown
    const conflict = await core.aborted()
    if (!conflict) throw thrown
    // A client's transaction is failed now, and hears of it here; a wrap is gone.
    if (core.state === 'failed') {
      core.owed = undefined
      return { kind: 'conflict', conflict, retryable: false }
    }
    return { kind: 'conflict', conflict, retryable: true }
  }
}

/** Waits until a retry makes sense. False: it does not; an error: the client gave up. */
async function mayRunAgain(
  core: Core,
  result: Exclude<UnitResult, { kind: 'done' }>,
  tries: number,
  turn: WantedTurn,
): Promise<boolean | AllwriteError> {
  if (result.kind === 'exhausted') return newRange(core, result.fields)
  if (!result.retryable) return false
  const { gate, random = Math.random } = core.options
  const cancel = new AbortController()
  core.onCancel = () => cancel.abort()
  try {
    if (result.conflict.position !== undefined) await gate.whenApplied(result.conflict.position, cancel.signal)
    if (core.schemaChange && (await turn.lost(result.conflict, cancel.signal))) return wanted(core, cancel.signal)
    const pauseMs = tries <= eagerRetries ? 0 : Math.min(pauseMsMax, 2 ** (tries - eagerRetries)) * random()
    if (pauseMs > 0) await delay(pauseMs, undefined, { signal: cancel.signal })
  } catch (thrown) {
    if (!cancel.signal.aborted) throw thrown
  } finally {
    core.onCancel = undefined
  }
  return wanted(core, cancel.signal)
}

function wanted(core: Core, signal: AbortSignal): true | AllwriteError {
  core.assertWanted()
  return signal.aborted ? new AllwriteError('cancelled', 'canceling statement due to user request') : true
}

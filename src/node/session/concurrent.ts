/**
 * What a client can't run in a transaction, and every node has to do at one position: CREATE and DROP INDEX CONCURRENTLY
 * (index-builds.ts), commands that make, change or drop a database (database-commands.ts). Journaled as a row in a transaction of ours,
 * then waited for until this node has done it. Meanwhile the backend is in no transaction, so that nothing waits for it.
 *
 * @module
 */
import { randomUUID } from 'node:crypto'
import { AllwriteError } from '../../core/errors.ts'
import { noticeResponse, type ErrorFields } from '../../wire/pgwire/errors.ts'
import { commandComplete } from '../../wire/pgwire/messages.ts'
import { conflictError } from './answers.ts'
import { ClientGone } from './copy.ts'
import type { Core } from './core.ts'
import { retriesMax } from './retry.ts'
import type { BuildResult } from './session-options.ts'
import type { ConcurrentStatement } from './statement/contract.ts'

const errorOf = ({ message, sqlState, detail, hint }: ErrorFields): AllwriteError =>
  new AllwriteError('postgres', message, {
    sqlState,
    ...(detail === undefined ? {} : { detail }),
    ...(hint === undefined ? {} : { hint }),
  })

const cancelled = (): AllwriteError =>
  new AllwriteError('cancelled', 'canceling statement due to user request', {
    detail: 'What is in the journal goes on at all nodes.',
  })

/**
 * Runs it to its answer, which is given here if it succeeds; an error is the caller's to tell, and to roll back for.
 * @param alone nothing else runs in its implicit transaction
 */
export async function runOutside(
  core: Core,
  statement: ConcurrentStatement,
  alone: boolean,
): Promise<AllwriteError | undefined> {
  if (!alone || core.state === 'client') {
    const concurrently = statement.request.kind === 'database' ? '' : ' CONCURRENTLY'
    const text = `${statement.tag}${concurrently} cannot run inside a transaction block`
    return new AllwriteError('protocol', text, { sqlState: '25001' })
  }
  const journaled = await journal(core, statement).catch((thrown: unknown) => {
    core.onCancel = undefined
    throw thrown
  })
  if (journaled instanceof AllwriteError) return journaled
  const result = typeof journaled === 'string' ? skipped(journaled) : await settled(core, journaled)
  if (result instanceof AllwriteError) return result
  for (const notice of result.notices) core.out.push(noticeResponse({ severity: 'NOTICE', ...notice }))
  if (result.left !== undefined) await dropLeft(core, result.left)
  if (result.error) return result.error
  core.out.push(commandComplete(statement.tag))
  core.channel.undefer()
  return undefined
}

const skipped = (message: string): BuildResult => ({
  notices: message === '' ? [] : [{ message, sqlState: '00000' }],
})

interface Journaled {
  readonly result: Promise<BuildResult>
  readonly cancel: Promise<'cancelled'>
}

const cancelOf = (core: Core): Promise<'cancelled'> =>
  new Promise((resolve) => {
    core.onCancel = () => resolve('cancelled')
  })

/** A text: nothing is to be done, and what to say of that. */
async function journal(core: Core, { request }: ConcurrentStatement): Promise<AllwriteError | string | Journaled> {
  const { functions, journalSecret, gate } = core.options
  const id = randomUUID()
  const ofDatabase = request.kind === 'database'
  const result = ofDatabase ? core.options.databaseResult(id) : core.options.buildResult(id)
  for (let tries = 1; ; tries++) {
    if (core.state === 'idle') await core.wrap()
    else core.touch()
    const { error, value } = await core.call(ofDatabase ? functions.journalDatabase : functions.journalConcurrently, [
      journalSecret,
      id,
      JSON.stringify(request),
    ])
    if (error) return errorOf(error)
    if (value === '' && request.kind !== 'database') {
      const failed = await core.hidden(request.plain)
      if (failed.error) return errorOf(failed.error)
    } else if (typeof value === 'string') {
      await core.rollbackWrap()
      return value
    }
    // From here on: a cancel that comes while the journal decides would meet no statement of the server's.
    const cancel = cancelOf(core)
    const failure = await core.end()
    if (!failure && value !== '') return { result, cancel }
    core.onCancel = undefined
    if (!failure) return ''
    if (failure.kind === 'error') return errorOf(failure.fields)
    if (tries >= retriesMax) return conflictError(failure.conflict)
    if (failure.conflict.position !== undefined) await gate.whenApplied(failure.conflict.position)
  }
}

/**
 * Waits for this node's own end of it, or for the client's cancel. A client that leaves frees its backend, whose locks the build itself may
 * wait for.
 * @throws ClientGone
 */
async function settled(core: Core, { result, cancel }: Journaled): Promise<BuildResult | AllwriteError> {
  // What came before its answer may be shown now: the client may wait for long.
  core.out.flush()
  const outcome = await Promise.race([result, cancel, core.input.left]).finally(() => {
    core.onCancel = undefined
  })
  core.assertWanted()
  if (outcome === undefined) throw new ClientGone()
  return outcome === 'cancelled' ? cancelled() : outcome
}

/** The build failed here for what the rows are: the index, not valid, goes from all nodes. If that fails it stays, as in PostgreSQL. */
async function dropLeft(core: Core, index: string): Promise<void> {
  await core.wrap()
  core.work.unseen = true
  const { error } = await core.hidden(`DROP INDEX IF EXISTS ${index}`)
  if (error) await core.rollbackWrap()
  else await core.end()
}

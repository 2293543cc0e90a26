/**
 * A client's session: follows the client's protocol on one side and owns one backend on the other, so that **no write commits
 * without the node** and the client sees one PostgreSQL server.
 *
 * Contract
 * 1. Units (a Query, an extended batch, a function call) run one at a time, in order; what follows waits unread, bounded.
 * 2. What may write runs in a transaction; that transaction commits only through the node (contract.ts), or if it wrote nothing.
 * 3. The client is told *committed* exactly when the outcome says so, whatever became of the backend (RULES 2).
 * 4. Same results, tags, notices, errors and status bytes as PostgreSQL; known differences: docs/GUARANTEES.md.
 *
 * Failure cases
 * - the client goes: before the submission its backend is closed, which rolls back; after it the session stays until the outcome.
 * - the backend goes: the client gets the server's last words (57P01 without any; 40001 where brute force ended it) and the end; a
 *   COMMIT's answer first.
 * - the node goes between submission and outcome: FATAL 08007, since nobody here can tell.
 * - a bad frame, or a status that does not fit: this session ends with a FATAL error. InvariantError ends the process.
 *
 * Parts: input/output (client), channel (backend), core (transaction, participant), ending (COMMIT), abort (brute force),
 * simple/pipeline/copy (what messages mean), reads (the short way), single, retry, leftovers, statements, names, wish.
 *
 * @module
 */
import { AllwriteError, InvariantError } from '../../core/errors.ts'
import { typeByte } from '../../wire/pgwire/frames.ts'
import { errorFrame, givenUpError, killedError, sessionLostError, stateLostError } from './answers.ts'
import { BackendLost, Channel } from './channel.ts'
import { functionCallUnit } from './call.ts'
import { ClientGone } from './copy.ts'
import { Core } from './core.ts'
import { OutcomeUnknown } from './ending.ts'
import { ClientInput, lastWordsRead, type ClientFrame } from '../../login/client-input.ts'
import { HeldOutput } from './output.ts'
import { isExtended } from './batch.ts'
import { pipeline } from './pipeline.ts'
import { sendReads, tellReadsLost } from './reads.ts'
import type { Handover, Session, SessionOptions } from './session-options.ts'
import { simpleQuery } from './simple.ts'

export type { Handover, Session, SessionFunctions, SessionLog, SessionOptions } from './session-options.ts'

const type = {
  query: typeByte('Q'),
  call: typeByte('F'),
  bye: typeByte('X'),
  copyData: typeByte('d'),
  copyDone: typeByte('c'),
  copyFail: typeByte('f'),
} as const

/** Takes two logged-in connections over, in this very call. */
export function runSession(start: Handover, options: SessionOptions): Session {
  const { client, backend } = start
  let fatal: Buffer | undefined
  let leaving = false
  let backendClosed: () => void = () => undefined
  const backendEnd = new Promise<void>((resolve) => {
    backendClosed = resolve
  })
  client.on('error', () => undefined)
  const out = new HeldOutput(client, (blocked) => core.channel.setPaused(blocked))
  const input = new ClientInput(client, start.clientLeftover)
  const openChannel = (owner: Core): Channel =>
    new Channel(backend, out, {
      parameter: (name, value, frame) => owner.parameter(name, value, frame),
      idle: () => owner.idle(),
      closed: (lastWords) => {
        fatal = lastWords
        owner.closed()
        input.wake()
        backendClosed()
      },
    })
  const core: Core = new Core(options, {
    backendPid: start.backendPid,
    readOnlyWish: start.readOnlyWish,
    reader: options.restriction?.kind === 'reader',
    consistencyUnknown: start.consistencyUnknown ?? false,
    pooled: start.pooled,
    input,
    out,
    openChannel,
  })
  core.setEncoding(start.parameters.get('client_encoding') ?? 'UTF8')
  core.standardStrings = start.parameters.get('standard_conforming_strings') !== 'off'
  const forget = options.gate.register(core)
  client.on('close', () => {
    // After the submission only the journal decides: the backend stays for its COMMIT.
    if (core.state !== 'submitted') closeBackend()
    core.onCancel?.()
  })

  const closeBackend = (): void => {
    if (core.channel.busy) void core.cancel()
    core.channel.destroy()
  }

  const lastWords = (): Buffer => {
    if (core.stateLost) return errorFrame(stateLostError(), 'FATAL')
    if (core.brute.killedFor) return errorFrame(killedError(core.brute.killedFor), 'FATAL')
    if (core.brute.gaveUp) return errorFrame(givenUpError(), 'FATAL')
    return fatal ?? errorFrame(sessionLostError(), 'FATAL')
  }

  async function serve(): Promise<void> {
    for (;;) {
      if (core.channel.lost || core.stateLost || (core.ended && core.state !== 'submitted')) return
      if (leaving && core.state === 'idle') return
      const frame = input.take()
      if (!frame) {
        if (input.exhausted) return
        await input.wait()
        continue
      }
      if (frame.type === type.bye) return
      if (core.aborting) await core.aborted()
      if (core.consistency.due) await core.consistency.beforeUnit()
      const reads = sendReads(core, frame)
      if (reads === undefined) await unit(core, frame)
      else if (!(await reads).readyShown) await tellReadsLost(core)
    }
  }

  async function run(): Promise<void> {
    let last: Buffer | undefined
    try {
      await serve()
      if (core.stateLost || core.channel.lost || core.ended || leaving) last = lastWords()
    } catch (thrown) {
      if (thrown instanceof InvariantError) throw thrown
      if (thrown instanceof BackendLost || (thrown instanceof ClientGone && core.ended)) last = lastWords()
      else if (thrown instanceof OutcomeUnknown) last = thrown.frame
      else if (!(thrown instanceof ClientGone)) {
        options.log.warn({ pid: start.backendPid, error: String(thrown) }, 'session ended by an error')
        last = errorFrame(AllwriteError.from(thrown), 'FATAL')
      }
    }
    // Behind half a row nothing may be said: the client would take it for the row's rest.
    const cut = core.channel.midFrame && !out.holding
    if (core.channel.midFrame) out.drop()
    out.release()
    if (last && !cut) out.push(last)
    out.flush()
    closeBackend()
    client.end()
    await backendEnd
    forget()
    await lastWordsRead(client)
  }

  core.channel.start(start.backendLeftover)
  const closed = run()
  return {
    closed,
    cancel: () => core.cancel(),
    leave: () => {
      leaving = true
      input.wake()
    },
    end: () => {
      core.ended = true
      // A retry's wait, and a unit that waits for the client in its middle, would last as long as they like.
      core.onCancel?.()
      if (core.state !== 'submitted') input.stop()
      else input.wake()
    },
  }
}

async function unit(core: Core, frame: ClientFrame): Promise<void> {
  switch (frame.type) {
    case type.query:
      return simpleQuery(core, frame)
    case type.call:
      return functionCallUnit(core, frame)
    case type.copyData:
    case type.copyDone:
    case type.copyFail:
      // Leftovers of a COPY that failed on the server: dropped, as PostgreSQL does.
      return undefined
    default:
      if (isExtended(frame.type)) return pipeline(core, frame)
      throw new AllwriteError('protocol', `invalid frontend message type ${frame.type}`)
  }
}

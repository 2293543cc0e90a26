/**
 * Asks the supervisor of a folder, from another process.
 *
 * @module
 */
import { connect } from 'node:net'
import { resolve as resolvePath } from 'node:path'
import { createInterface } from 'node:readline'
import { AllwriteError } from '../core/errors.ts'
import { existingRuntimeDir, systemCode } from '../postgres/index.ts'
import type { Command, ControlAnswer, ControlRequest, ControlResult, Tell } from './control-server.ts'
import { fieldsOf } from './json.ts'
import type { ClusterStatus } from './status.ts'

/** How long the supervisor may take, ms. */
const answerWithinMsMax = 180_000
/** A node's start may include crash recovery, or a copy of a large database; commands on several nodes, one for each. */
const startWithinMsMax = 24 * 3_600_000
const long: ReadonlySet<Command> = new Set(['start', 'add', 'remove', 'restart', 'drain'])

/**
 * Runs one command at the supervisor of `dir`.
 * @param tell gets the steps of those that take long
 * @returns the status after it; undefined where no supervisor runs
 * @throws AllwriteError with the supervisor's own words, or `unavailable` where it does not answer
 */
export async function askSupervisor(
  dir: string,
  request: ControlRequest | Command,
  tell: Tell = () => undefined,
): Promise<ClusterStatus | undefined> {
  const runtime = existingRuntimeDir(resolvePath(dir))
  if (runtime === undefined) return undefined
  const asked: ControlRequest = typeof request === 'string' ? { command: request } : request
  const withinMs = long.has(asked.command) ? startWithinMsMax : answerWithinMsMax
  const result = await exchange(`${runtime}/control.sock`, `${JSON.stringify(asked)}\n`, withinMs, tell)
  if (result === undefined) return undefined
  if (result.ok) return result.status
  const { message, ...details } = result.error
  throw new AllwriteError('unavailable', message, details)
}

function exchange(path: string, request: string, withinMs: number, tell: Tell): Promise<ControlResult | undefined> {
  return new Promise((resolve, reject) => {
    const socket = connect({ path })
    let result: ControlResult | undefined
    const timer = setTimeout(
      () => socket.destroy(new AllwriteError('unavailable', 'the supervisor does not answer')),
      withinMs,
    )
    socket.once('connect', () => socket.write(request))
    const lines = createInterface({ input: socket })
    lines.on('line', (line) => {
      try {
        const answer = parseAnswer(line)
        if ('progress' in answer) tell(answer.progress)
        else result = answer
      } catch (thrown) {
        socket.destroy(AllwriteError.from(thrown, 'protocol'))
      }
    })
    socket.once('error', (error) => {
      clearTimeout(timer)
      const code = systemCode(error)
      if (code === 'ENOENT' || code === 'ECONNREFUSED') resolve(undefined)
      else reject(AllwriteError.from(error, 'unavailable'))
    })
    lines.once('close', () => {
      clearTimeout(timer)
      if (result) resolve(result)
      else reject(new AllwriteError('unavailable', 'the supervisor ended before it answered'))
    })
  })
}

/** The supervisor is of our own version or close to it, and the socket is private: shape is taken on its word. */
function parseAnswer(line: string): ControlAnswer {
  const answer: ControlAnswer = JSON.parse(line)
  const { ok, progress } = fieldsOf(answer)
  if (typeof ok !== 'boolean' && typeof progress !== 'string')
    throw new AllwriteError('protocol', 'unexpected answer of the supervisor')
  return answer
}

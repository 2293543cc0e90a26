/**
 * Asks the supervisor of a folder, from another process.
 *
 * @module
 */
import { connect } from 'node:net'
import { resolve as resolvePath } from 'node:path'
import { AllwriteError } from '../core/errors.ts'
import { existingRuntimeDir, systemCode } from '../postgres/index.ts'
import type { Command, ControlAnswer } from './control-server.ts'
import { fieldsOf } from './json.ts'
import type { ClusterStatus } from './status.ts'

/** How long the supervisor may take, ms. */
const answerWithinMsMax = 180_000
/** A node's start may include crash recovery, or a copy of a large database. */
const startWithinMsMax = 24 * 3_600_000

/**
 * Runs one command at the supervisor of `dir`.
 * @returns the status after it; undefined where no supervisor runs
 * @throws AllwriteError with the supervisor's own words, or `unavailable` where it does not answer
 */
export async function askSupervisor(dir: string, command: Command, node?: string): Promise<ClusterStatus | undefined> {
  const runtime = existingRuntimeDir(resolvePath(dir))
  if (runtime === undefined) return undefined
  const path = `${runtime}/control.sock`
  const withinMs = command === 'start' ? startWithinMsMax : answerWithinMsMax
  const line = await exchange(path, `${JSON.stringify({ command, node })}\n`, withinMs)
  if (line === undefined) return undefined
  const answer = parseAnswer(line)
  if (answer.ok) return answer.status
  const { message, ...details } = answer.error
  throw new AllwriteError('unavailable', message, details)
}

function exchange(path: string, request: string, withinMs: number): Promise<string | undefined> {
  return new Promise((resolve, reject) => {
    const socket = connect({ path })
    let text = ''
    const timer = setTimeout(
      () => socket.destroy(new AllwriteError('unavailable', 'the supervisor does not answer')),
      withinMs,
    )
    socket.setEncoding('utf8')
    socket.once('connect', () => socket.write(request))
    socket.on('data', (chunk: string) => (text += chunk))
    socket.once('error', (error) => {
      const code = systemCode(error)
      if (code === 'ENOENT' || code === 'ECONNREFUSED') resolve(undefined)
      else reject(AllwriteError.from(error, 'unavailable'))
    })
    socket.once('close', () => {
      clearTimeout(timer)
      if (text.endsWith('\n')) resolve(text)
      else reject(new AllwriteError('unavailable', 'the supervisor ended before it answered'))
    })
  })
}

/** The supervisor is of our own version or close to it, and the socket is private: shape is taken on its word. */
function parseAnswer(line: string): ControlAnswer {
  const answer: ControlAnswer = JSON.parse(line)
  if (typeof fieldsOf(answer)['ok'] !== 'boolean')
    throw new AllwriteError('protocol', 'unexpected answer of the supervisor')
  return answer
}

/**
 * A node's own HTTP, answered on the very port that PostgreSQL's clients use: health for load balancers, metrics, and becoming the pinned
 * writer. Whoever reaches the node for work reaches this, and a node that hangs does not answer.
 *
 * @module
 */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { AllwriteError } from '../core/errors.ts'
import type { Pin } from '../proxy/index.ts'
import { healthCode } from './health.ts'
import { answer, answerChange, isLook, readChange, send, targetOf } from './http.ts'
import type { AgentStatus } from './ipc.ts'
import { metricsType, nodeMetrics } from './metrics.ts'

export interface NodeApiOptions {
  /** `n1`. */
  readonly name: string
  readonly status: () => AgentStatus
  /** Makes this node the pinned writer after `epoch`; says who is the writer then. */
  readonly take: (epoch: number) => Promise<Pin>
}

/** Connections at a time: who only looks must not take the places of clients. */
const connectionsMax = 32
/** A connection that says nothing is closed after this, ms. */
const silentMsMax = 10_000

/** @returns takes a connection that speaks HTTP */
export function createNodeApi(options: NodeApiOptions): (socket: Socket) => void {
  const server = createServer((request, response) => serve(request, response, options))
  server.timeout = silentMsMax
  let open = 0
  return (socket) => {
    if (open >= connectionsMax) {
      socket.destroy()
      return
    }
    open++
    socket.once('close', () => open--)
    server.emit('connection', socket)
    // It was paused on the way here, and a listener alone does not end that.
    socket.resume()
  }
}

function serve(request: IncomingMessage, response: ServerResponse, options: NodeApiOptions): void {
  const { path, query } = targetOf(request)
  const { name } = options
  if (path === '/pinned' && request.method === 'POST') {
    const take = async () => {
      const { epoch } = await readChange(request)
      if (typeof epoch === 'number' && Number.isSafeInteger(epoch) && epoch >= 0) return options.take(epoch)
      throw new AllwriteError('configuration', 'the request is refused: it names no epoch')
    }
    return answerChange(response, take())
  }
  if (!isLook(request)) return answer(response, 405, { message: 'the method is not allowed' })
  const status = options.status()
  const lag = Math.max(status.journalPosition - status.position, 0)
  if (path === '/metrics') return send(response, 200, metricsType, nodeMetrics([{ name, lag, ...status }]))
  const code = healthCode(path, query, { ...status, lag })
  if (code === undefined) return answer(response, 404, { message: 'there is nothing here' })
  const { state, draining, position, sessions, pinned } = status
  return answer(response, code, { node: name, role: 'primary', state, draining, position, lag, sessions, pinned })
}

/**
 * Is a node fit for work? Asked over HTTP, answered by status code alone, with the paths of Patroni's REST API: load balancers that are set
 * up for it work as they are. Pure.
 *
 * Every node is a writer, so what Patroni says of its one primary is said of each node that serves.
 *
 * @module
 */
import type { NodeState } from './status.ts'

export interface NodeHealth {
  readonly state: NodeState
  readonly draining: boolean
  /** Entries behind the journal. */
  readonly lag: number
}

/** Takes new sessions. */
export const isReady = ({ state, draining }: NodeHealth): boolean => state === 'serving' && !draining

/**
 * The status code for a path; undefined: it is none of a health check.
 * @param query its parameters: `lag`, entries, for those that may refuse a node that is further behind
 */
export function healthCode(path: string, query: URLSearchParams, node: NodeHealth): 200 | 503 | undefined {
  switch (path) {
    case '/':
    case '/primary':
    case '/master':
    case '/leader':
    case '/read-write':
    case '/readiness':
      return code(isReady(node))
    case '/replica':
    case '/read-only':
      return code(isReady(node) && node.lag <= lagMax(query))
    case '/health':
      return code(node.state === 'serving' || node.state === 'catching_up')
    case '/liveness':
      // Answering is the proof. A node that is down or hung is answered for by others.
      return code(node.state !== 'down' && node.state !== 'hung')
    default:
      return undefined
  }
}

const code = (well: boolean): 200 | 503 => (well ? 200 : 503)

function lagMax(query: URLSearchParams): number {
  const text = query.get('lag')
  return text !== null && /^\d+$/.test(text) ? Number(text) : Number.POSITIVE_INFINITY
}

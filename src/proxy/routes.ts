/**
 * Which node a connection goes to. Pure: time is passed in.
 *
 * @module
 */
import { assert } from '../core/errors.ts'

/** A node as the supervisor reports it. */
export interface RouteNode {
  readonly id: number
  readonly host: string
  readonly port: number
  /** Takes new connections. */
  readonly serving: boolean
  /** False: its agent is gone; connections to it are dead. Absent: as `serving`. */
  readonly alive?: boolean
}

export interface Routes {
  /** Replaces what is known of the nodes. Returns the ids of those that are dead or gone now. */
  update(nodes: readonly RouteNode[]): readonly number[]
  /**
   * The best node that is not in `tried`: serving, fewest connections, in turn among equals. Nodes that lately refused a
   * connection come last: the report may be older than their death, or newer.
   */
  pick(tried: ReadonlySet<number>, nowMs: number): RouteNode | undefined
  /** The node with this number, serving or not. */
  find(id: number): RouteNode | undefined
  /** A connection to the node could not be made. */
  failed(id: number, nowMs: number): void
  opened(id: number): void
  closed(id: number): void
  connections(id: number): number
}

/** How long a node that refused a connection comes last, ms: about two of the supervisor's reports. */
export const badForMs = 1_000

export function createRoutes(): Routes {
  let known: readonly RouteNode[] = []
  const counts = new Map<number, number>()
  const badUntil = new Map<number, number>()
  let lastPicked = 0

  const connections = (id: number) => counts.get(id) ?? 0
  const find = (id: number) => known.find((node) => node.id === id)

  return {
    update(nodes) {
      const before = known
      known = nodes
      const dead = nodes.filter((node) => !(node.alive ?? node.serving)).map((node) => node.id)
      const removed = before.filter((node) => !find(node.id)).map((node) => node.id)
      for (const id of removed) badUntil.delete(id)
      return [...dead, ...removed]
    },
    pick(tried, nowMs) {
      const rank = (node: RouteNode) => [
        (badUntil.get(node.id) ?? 0) > nowMs ? 1 : 0,
        connections(node.id),
        // In turn: those after the last one come first.
        node.id > lastPicked ? 0 : 1,
        node.id,
      ]
      let best: RouteNode | undefined
      for (const node of known) {
        if (!node.serving || tried.has(node.id)) continue
        if (!best || compare(rank(node), rank(best)) < 0) best = node
      }
      if (best) lastPicked = best.id
      return best
    },
    find,
    failed(id, nowMs) {
      if (find(id)) badUntil.set(id, nowMs + badForMs)
    },
    opened(id) {
      counts.set(id, connections(id) + 1)
    },
    closed(id) {
      const count = connections(id)
      assert(count > 0, 'a closed connection was opened')
      if (count === 1) counts.delete(id)
      else counts.set(id, count - 1)
    },
    connections,
  }
}

function compare(a: readonly number[], b: readonly number[]): number {
  for (const [index, value] of a.entries()) {
    const difference = value - (b[index] ?? 0)
    if (difference !== 0) return difference
  }
  return 0
}

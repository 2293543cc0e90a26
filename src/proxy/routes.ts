/**
 * Which node a connection goes to, for one endpoint. Pure: time is passed in.
 *
 * @module
 */
import { assert } from '../core/errors.ts'
import { encodePreamble } from '../core/preamble.ts'
import type { EndpointKind, EndpointRoutes, RouteEvent, Target } from './contract.ts'
import { noneWithinLag, noPinnedWriter, noNodeServes } from './refusal.ts'
import { emptyView, type ClusterView, type NodeView } from './view.ts'

export interface RoutesOptions {
  readonly kind: EndpointKind
  /** Numbers of the nodes that the endpoint is made of; absent: all. */
  readonly members?: ReadonlySet<number>
  /** Numbers of nodes that it leaves out. */
  readonly excluded?: ReadonlySet<number>
  /**
   * Entries that a node may be behind. A reader's sessions go to no other; a cluster endpoint prefers those within it.
   * @default {@link lagMaxDefault}
   */
  readonly lagMax?: number
  /** Monotonic, ms. */
  readonly now: () => number
  /** A pinned endpoint was asked for a writer that there is not (yet). */
  readonly onWanted?: () => void
}

export interface Routes extends EndpointRoutes {
  /** Replaces what is known of the cluster, and tells the listeners what follows from it. */
  update(view: ClusterView): void
  /** Open connections by node. */
  connections(): ReadonlyMap<number, number>
}

/** About two seconds of the journal of a busy small cluster. */
export const lagMaxDefault = 1_000

/** How long a node that refused a connection comes last, ms: about two of the cluster's reports. */
export const badForMs = 1_000

const noBytes = new Uint8Array(0)

export function createRoutes(options: RoutesOptions): Routes {
  const { kind, members, excluded, now, lagMax = lagMaxDefault } = options
  let view = emptyView
  const counts = new Map<number, number>()
  const badUntil = new Map<number, number>()
  const listeners = new Set<(event: RouteEvent) => void>()
  let lastPicked = 0

  const tell = (event: RouteEvent): void => {
    for (const listener of listeners) listener(event)
  }
  const belongs = ({ id }: NodeView): boolean => (members?.has(id) ?? true) && !(excluded?.has(id) ?? false)
  const mayTake = (node: NodeView): boolean => {
    if (!node.serving || node.draining || !belongs(node)) return false
    if (kind === 'pinned') return node.id === view.pin.node
    return kind !== 'reader' || node.lag <= lagMax
  }

  const preambleOf = (): Uint8Array => {
    if (kind === 'reader') return encodePreamble({ kind: 'reader' })
    return kind === 'pinned' ? encodePreamble({ kind: 'pinned', epoch: view.pin.epoch }) : noBytes
  }
  const targetOf = ({ id, host, port }: NodeView, preamble: Uint8Array): Target => ({
    node: id,
    host,
    port,
    preamble,
    epoch: kind === 'pinned' ? view.pin.epoch : undefined,
  })

  /** Smaller is better, element by element. */
  const rank = (node: NodeView): readonly number[] => [
    (badUntil.get(node.id) ?? 0) > now() ? 1 : 0,
    kind === 'cluster' && node.lag > lagMax ? 1 : 0,
    // What others have opened is known by the last report only, what was opened here by now.
    Math.max(counts.get(node.id) ?? 0, node.sessions),
    // In turn: those after the last one come first.
    node.id > lastPicked ? 0 : 1,
    node.id,
  ]

  return {
    kind,
    get paused() {
      return view.paused
    },
    update(next) {
      const before = view
      const couldTake = before.paused ? [] : before.nodes.filter(mayTake).map(({ id }) => id)
      view = next
      const isDead = (node: NodeView | undefined): boolean => !(node?.alive ?? false)
      for (const node of before.nodes) {
        const after = next.nodes.find(({ id }) => id === node.id)
        if (!after) badUntil.delete(node.id)
        if (node.alive && isDead(after)) tell({ type: 'down', node: node.id })
        else if (after?.state === 'silent' && node.serving && !after.serving) tell({ type: 'silent', node: node.id })
        else if (after?.draining && !node.draining) tell({ type: 'draining', node: node.id })
      }
      if (kind === 'pinned' && next.pin.epoch > before.pin.epoch) tell({ type: 'pinned', ...next.pin })
      const takes = next.nodes.filter(mayTake)
      if (!next.paused && takes.some(({ id }) => !couldTake.includes(id))) tell({ type: 'available' })
    },
    pick(avoid) {
      if (view.paused) return undefined
      let best: NodeView | undefined
      for (const node of view.nodes) {
        if (!mayTake(node) || avoid.has(node.id)) continue
        if (!best || compare(rank(node), rank(best)) < 0) best = node
      }
      if (!best) {
        options.onWanted?.()
        return undefined
      }
      lastPicked = best.id
      return targetOf(best, preambleOf())
    },
    at(number) {
      const node = view.paused ? undefined : view.nodes.find(({ id }) => id === number)
      const isBad = (badUntil.get(number) ?? 0) > now()
      return node && mayTake(node) && !isBad ? targetOf(node, preambleOf()) : undefined
    },
    any(avoid) {
      const [best] = view.nodes
        .filter((node) => node.serving && !avoid.has(node.id))
        .sort((a, b) => Number(a.draining) - Number(b.draining) || compare(rank(a), rank(b)))
      return best && targetOf(best, noBytes)
    },
    refusal() {
      if (kind === 'pinned') return noPinnedWriter
      return kind === 'reader' && view.nodes.some(({ serving }) => serving) ? noneWithinLag : noNodeServes
    },
    find(number) {
      const node = view.nodes.find(({ id }) => id === number)
      return node && targetOf(node, noBytes)
    },
    failed({ node }) {
      if (view.nodes.some(({ id }) => id === node)) badUntil.set(node, now() + badForMs)
    },
    opened({ node }) {
      counts.set(node, (counts.get(node) ?? 0) + 1)
      let open = true
      return () => {
        if (!open) return
        open = false
        const count = counts.get(node) ?? 0
        assert(count > 0, 'a closed connection was opened')
        if (count === 1) counts.delete(node)
        else counts.set(node, count - 1)
      }
    },
    listen(listener) {
      listeners.add(listener)
      return () => void listeners.delete(listener)
    },
    connections: () => counts,
  }
}

function compare(a: readonly number[], b: readonly number[]): number {
  for (const [index, value] of a.entries()) {
    const difference = value - (b[index] ?? 0)
    if (difference !== 0) return difference
  }
  return 0
}

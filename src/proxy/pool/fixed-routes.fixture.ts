/**
 * Routes to nodes that are known beforehand: the emptiest one that answers. For a pool that stands alone; an endpoint's routes, which
 * know what the cluster knows, do better.
 *
 * @module
 */
import { noNodeServes } from '../refusal.ts'
import type { EndpointRoutes, Target } from '../contract.ts'

/** A node that has refused a connection comes last for so long, ms. */
const badForMs = 1_000

export interface FixedNode {
  readonly node: number
  readonly host: string
  readonly port: number
}

export function fixedRoutes(nodes: readonly FixedNode[]): EndpointRoutes {
  const targets: readonly Target[] = nodes.map((node) => ({ ...node, preamble: new Uint8Array(), epoch: undefined }))
  const counts = new Map<number, number>()
  const badUntil = new Map<number, number>()
  const isBad = (target: Target): boolean => (badUntil.get(target.node) ?? 0) > performance.now()
  const load = (target: Target): number => counts.get(target.node) ?? 0
  return {
    kind: 'cluster',
    pick(avoid) {
      const [best] = targets
        .filter((target) => !avoid.has(target.node))
        .sort((one, other) => Number(isBad(one)) - Number(isBad(other)) || load(one) - load(other))
      return best
    },
    refusal: () => noNodeServes,
    any(avoid) {
      return this.pick(avoid)
    },
    at: (node) => targets.find((target) => target.node === node && !isBad(target)),
    find: (node) => targets.find((target) => target.node === node),
    failed(target) {
      badUntil.set(target.node, performance.now() + badForMs)
    },
    opened(target) {
      counts.set(target.node, load(target) + 1)
      let open = true
      return () => {
        if (open) counts.set(target.node, load(target) - 1)
        open = false
      }
    },
    // Nothing is known before a connection breaks.
    listen: () => () => undefined,
    paused: false,
  }
}

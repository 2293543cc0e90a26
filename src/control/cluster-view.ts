/**
 * What the proxies are told of the cluster. Pure.
 *
 * @module
 */
import type { ClusterView } from '../proxy/index.ts'
import type { NodeSlot } from './node-slot.ts'
import { listenHost, nodePort } from './options.ts'
import type { NodeState } from './status.ts'

export function clusterView(
  slots: readonly NodeSlot[],
  { basePort, ...rest }: Omit<ClusterView, 'nodes'> & { readonly basePort: number },
): ClusterView {
  const states = slots.map((slot) => ({ slot, state: slot.state }))
  const journalPosition = Math.max(0, ...slots.map((slot) => slot.journalPosition))
  // On a machine that is so busy that all are silent, one that may answer is better than none.
  const chosen = states.some(({ slot, state }) => state === 'serving' && !slot.draining) ? 'serving' : 'silent'
  return {
    ...rest,
    nodes: states.map(({ slot, state }) => ({
      id: slot.id,
      host: listenHost,
      port: nodePort(basePort, slot.id),
      state,
      serving: state === chosen,
      alive: isAlive(state),
      draining: slot.draining,
      lag: Math.max(journalPosition - (slot.word?.position ?? 0), 0),
      sessions: slot.word?.sessions ?? 0,
    })),
  }
}

/** Connections to a node in any other state still work, or end by the agent's own doing. */
const isAlive = (state: NodeState): boolean => !['down', 'hung', 'starting', 'joining'].includes(state)

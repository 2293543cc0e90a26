/**
 * The proxy: endpoints of the cluster, each one TCP address. It forwards bytes to a live node and understands only the first packet of a
 * connection, as far as a choice depends on it. It holds no state that a restart could lose, so any number of proxies may run side by side.
 *
 * Contract
 * 1. A connection goes to a node that the cluster reports as fit for the endpoint (routes.ts), the one with the least load; if it can't be
 *    reached, the next is tried at once, each node at most once per client connection.
 * 2. What the endpoint promises is said to the node first (core/preamble.ts), and the node holds the session to it.
 * 3. A CancelRequest goes to the node that owns the backend, wherever that is: the node is in the process id.
 * 4. When a node is reported dead, its connections are closed at once: nobody waits for a TCP time-out. So are those of an earlier epoch
 *    when the pinned writer changes.
 * 5. Who the pinned writer is decides the journal, by the one node that is asked (pinned-writer.ts).
 * 6. Back-pressure and half-close pass through in both directions; memory per connection is two socket buffers.
 *
 * Failure cases: no node is fit → 57P03, at a pinned endpoint and in a pause after waiting; too many connections → 53300; a client that
 * says nothing → closed; the cluster's API is away → what was known last stands.
 *
 * @module
 */
export type { EndpointKind, EndpointRoutes, RouteEvent, Target } from './contract.ts'
export { watchCluster } from './cluster-client.ts'
export { parseEndpoint, type EndpointSpec } from './endpoint-spec.ts'
export { cancelledNode } from './opening.ts'
export { checkedSettings, settingFromText, type PoolSettings } from './pool/index.ts'
export {
  startProxy,
  type Pooling,
  type PoolStatus,
  type Proxy,
  type ProxyOptions,
  type ProxyStatus,
} from './process.ts'
export { lagMaxDefault } from './routes.ts'
export { newerPin } from './view.ts'
export type { ClusterView, NodeView, Pin } from './view.ts'

/**
 * The cluster endpoint: one TCP address for the whole cluster. It forwards bytes to a live node and understands only the
 * first packet of a connection, as far as a choice depends on it. It holds no state that a restart could lose.
 *
 * Contract
 * 1. A connection goes to a node that the supervisor reports as serving, the one with the fewest connections; if it can't
 *    be reached, the next is tried at once, each node at most once per client connection.
 * 2. A CancelRequest goes to the node that owns the backend, wherever that is: the node is in the process id.
 * 3. When a node is reported dead, its connections are closed at once: nobody waits for a TCP time-out.
 * 4. Back-pressure and half-close pass through in both directions; memory per connection is two socket buffers.
 *
 * Failure cases: no node serves → 57P03; too many connections → 53300; a client that says nothing → closed.
 *
 * @module
 */
export { startEndpoint, type Endpoint, type EndpointOptions } from './endpoint.ts'
export { cancelledNode } from './opening.ts'
export { createRoutes, type RouteNode, type Routes } from './routes.ts'

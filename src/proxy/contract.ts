/**
 * What an endpoint asks of its routes: where a connection goes, and what becomes of the node that it went to. Whatever carries the
 * bytes, a splice or a pool, asks the same.
 *
 * @module
 */

/**
 * What an endpoint gives its clients.
 * - `cluster`: any writer; the one with the least load among those that are not behind.
 * - `reader`: reads only, refused writes with 25006, at nodes within the lag bound.
 * - `pinned`: all sessions at the one writer that the journal names.
 * - `any`: any node that serves, however far behind.
 */
export type EndpointKind = 'cluster' | 'reader' | 'pinned' | 'any'

/** Where a connection goes. */
export interface Target {
  readonly node: number
  readonly host: string
  readonly port: number
  /**
   * To be written as the very first bytes of every connection to the node, before any request for encryption; may be empty. It tells
   * the node what the endpoint promises, and binds the session to it: see core/preamble.ts.
   */
  readonly preamble: Uint8Array
  /** Of a pinned endpoint: the epoch in which `node` is the writer. */
  readonly epoch: number | undefined
}

export type RouteEvent =
  /** Its agent is gone, silent for too long, or no member any more: connections to it are dead. */
  | { readonly type: 'down'; readonly node: number }
  /** It has not been heard of for some time, and may come back: what can go elsewhere does. */
  | { readonly type: 'silent'; readonly node: number }
  /** It takes no new sessions and is to be left: sessions move when their transaction ends. */
  | { readonly type: 'draining'; readonly node: number }
  /** The writer of pinned endpoints changed: sessions of earlier epochs are dead, whatever their node says. */
  | { readonly type: 'pinned'; readonly node: number; readonly epoch: number }
  /** Some node may be picked that could not be before: who waits may `pick` again. */
  | { readonly type: 'available' }

export interface EndpointRoutes {
  readonly kind: EndpointKind
  /**
   * The best node now, none of `avoid` (numbers of nodes that this connection has tried already). Undefined: there is none; `refusal`
   * says why. A pinned endpoint whose writer is gone has begun to look for another one: wait for `available` or `pinned`, within a bound.
   */
  pick(avoid: ReadonlySet<number>): Target | undefined
  /** A node by its number, if it may be picked now: for a session that is at home there. */
  at(node: number): Target | undefined
  /** Any node that serves, whatever the endpoint is for and also in a pause: for the proxy's own questions. */
  any(avoid: ReadonlySet<number>): Target | undefined
  /** What a client is told where `pick` found nothing and waiting is over: a FATAL ErrorResponse, to be sent as it is. */
  refusal(): Buffer
  /** A node by its number, whatever its state, if it is a member: for what belongs to it alone, as a CancelRequest does. */
  find(node: number): Target | undefined
  /** The pick could not be connected to, or refused the session as not serving (57P03): it comes last for a while. */
  failed(target: Target): void
  /** A connection to the target counts as load from the attempt on, until the result is called; more calls do nothing. */
  opened(target: Target): () => void
  /** Hears what happens, in order, until the result is called. */
  listen(listener: (event: RouteEvent) => void): () => void
  /** New work is held back (PAUSE): who would begin a transaction waits for `available`. */
  readonly paused: boolean
}

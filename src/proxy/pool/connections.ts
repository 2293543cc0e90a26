/**
 * The pool's connections: which are open to which node, which are free, and who waits for one.
 *
 * Connections are shared by clients that started alike: same role, database and start-up parameters. So a connection's defaults are
 * those of its client, RESET and DISCARD included, and only what a session changes later has to follow it.
 *
 * Contract
 * 1. No node has more connections than its bound, those that are being opened included. A free one of other clients makes room.
 * 2. Who waits is served in the order of coming, as far as connections of one kind can serve.
 * 3. A connection that is given back must be clean; else it is closed.
 * 4. While a database is held, none of its connections is lent, and those that are given back are closed.
 *
 * Failure cases: none in time → 53300; no node → what the routes say; a login that the node refuses → its error.
 *
 * @module
 */
import { AllwriteError } from '../../core/errors.ts'
import type { EndpointRoutes, Target } from '../contract.ts'
import type { Borrower, ServerConnection } from './server-connection.ts'
import { connectionsMax, idleConnectionsMax, type PoolSettings } from './settings.ts'
import type { Traffic } from './traffic.ts'

/** What connections of one kind have in common; one object for all its clients. */
export interface Kind {
  readonly user: string
  readonly database: string
  /** The client's start-up parameters. */
  readonly parameters: readonly (readonly [name: string, value: string])[]
  /** Some client of it has asked for currval() or lastval(): they keep the connection that a sequence gave them something on. */
  asksSequences: boolean
  /** Counts for all kinds of its role and database. */
  readonly traffic: Traffic
}

/** A node that a session stays at, until it is to be left. */
export interface Home {
  readonly node: number
  readonly generation: number
}

export interface Request {
  readonly kind: Kind
  /** Where the session was last; undefined: anywhere. */
  readonly home: Home | undefined
  /** The connection that it had last: taken if it is free. */
  readonly last: ServerConnection | undefined
  /** The client went away: waiting is over. */
  readonly signal: AbortSignal
  /** Told of each node that is tried for it: it is as good as there, so that who comes next sees it. */
  readonly chosen: (target: Target) => void
}

export interface ConnectionsOptions {
  readonly routes: EndpointRoutes
  readonly settings: PoolSettings
  /** Opens a connection. @throws AllwriteError `unavailable`: another node may do; else what the client is told */
  readonly open: (target: Target, kind: Kind) => Promise<ServerConnection>
}

interface Waiter {
  readonly kind: Kind
  /** Gives it a connection; none: it tries again what could not be done. */
  readonly give: (connection: ServerConnection | undefined) => void
}

interface Node {
  /** Open, and being opened. */
  open: number
  generation: number
  readonly connections: Set<ServerConnection>
  readonly free: Map<Kind, ServerConnection[]>
  freeCount: number
  waiters: Waiter[]
}

export interface NodeCounts {
  readonly node: number
  readonly open: number
  readonly free: number
  readonly waiting: number
}

/** How long to wait before nodes are tried anew that have refused, ms. */
const retryMs = 50

export class Connections {
  readonly #options: ConnectionsOptions
  readonly #nodes = new Map<number, Node>()
  readonly #kinds = new Map<ServerConnection, Kind>()
  /** Wait for any node. */
  #homeless = new Set<() => void>()
  readonly #opening: Kind[] = []
  /** Names of databases; undefined: all of them. */
  readonly #held = new Set<string | undefined>()
  /** To be closed when they are given back. */
  readonly #stale = new Set<ServerConnection>()
  /** Told when a connection has closed, or could not be opened. */
  readonly #watchers = new Set<() => void>()
  #stopListening: () => void

  constructor(options: ConnectionsOptions) {
    this.#options = options
    this.#stopListening = options.routes.listen((event) => {
      if (event.type === 'available') this.#wakeHomeless()
      else if (event.type === 'down') this.#leave(event.node, () => true)
      else if (event.type === 'silent') this.#leave(event.node, ({ movable }) => movable)
      else if (event.type === 'draining') this.#leave(event.node, () => false)
      else {
        for (const node of this.#nodes.keys()) if (node !== event.node) this.#leave(node, () => true)
        this.#wakeHomeless()
      }
    })
  }

  /** The home that a connection makes for its session. */
  homeAt(connection: ServerConnection): Home {
    const { node } = connection.target
    return { node, generation: this.#node(node).generation }
  }

  /** A free connection, if there is one where the session is at home. */
  take({ kind, home, last }: Request): ServerConnection | undefined {
    if (this.#options.routes.paused || this.#holds(kind) || home === undefined || !this.#stands(home)) return undefined
    const node = this.#node(home.node)
    const free = node.free.get(kind)
    if (free === undefined) return undefined
    const at = last !== undefined && last.target.node === home.node ? free.indexOf(last) : -1
    const [connection] = at >= 0 ? free.splice(at, 1) : free.splice(-1)
    if (connection === undefined) return undefined
    node.freeCount--
    return connection
  }

  /** Waits for a connection. @throws AllwriteError as the module's comment says */
  async borrow(request: Request): Promise<ServerConnection> {
    const { settings, routes } = this.#options
    const giveUp = performance.now() + settings.ConnectionBorrowTimeout * 1000
    let { home } = request
    let tried = new Set<number>()
    for (;;) {
      if (request.signal.aborted) throw new AllwriteError('cancelled', 'the client has gone')
      const left = giveUp - performance.now()
      if (routes.paused || this.#holds(request.kind)) {
        if (left <= 0) throw timedOut()
        await this.#waitForNodes(left, request.signal)
        continue
      }
      const stays = home && this.#stands(home) && !tried.has(home.node) ? routes.at(home.node) : undefined
      const target = stays ?? routes.pick(tried)
      if (target === undefined) {
        if (left <= 0) throw new NoNode(routes.refusal())
        await this.#waitForNodes(Math.min(left, tried.size > 0 ? retryMs : left), request.signal)
        tried = new Set()
        continue
      }
      home = { node: target.node, generation: this.#node(target.node).generation }
      request.chosen(target)
      const free = this.take({ ...request, home })
      if (free) return free
      if (this.#room(target.node)) {
        try {
          return await this.#open(target, request.kind)
        } catch (thrown) {
          if (!(thrown instanceof AllwriteError) || thrown.code !== 'unavailable') throw thrown
          routes.failed(target)
          tried.add(target.node)
        }
        continue
      }
      if (left <= 0) throw timedOut()
      const given = await this.#waitAt(target.node, request.kind, left, request.signal)
      if (given) return given
    }
  }

  /** Gives a connection back. */
  release(connection: ServerConnection): void {
    connection.borrower = undefined
    connection.usedAt = performance.now()
    connection.setPaused(false)
    if (connection.cancels.size > 0) {
      void Promise.all(connection.cancels).then(() => this.release(connection))
      return
    }
    const node = this.#node(connection.target.node)
    const kind = this.#kinds.get(connection)
    if (kind === undefined || !node.connections.has(connection)) return
    if (!connection.clean || this.#stale.has(connection) || this.#holds(kind)) {
      connection.destroy()
      return
    }
    const waiter = node.waiters.find((one) => one.kind === kind)
    if (
      waiter === undefined &&
      (node.waiters.length > 0 || node.freeCount >= idleConnectionsMax(this.#options.settings))
    ) {
      connection.destroy()
      return
    }
    // Handed over: nobody who comes now is before who has waited.
    if (waiter) {
      this.#wake(node, waiter, connection)
      return
    }
    const free = node.free.get(kind)
    if (free) free.push(connection)
    else node.free.set(kind, [connection])
    node.freeCount++
  }

  /** Closes the free connections of a kind that has no clients. */
  closeFree(kind: Kind): void {
    for (const node of this.#nodes.values()) for (const connection of node.free.get(kind) ?? []) connection.destroy()
  }

  // --- what an administrator may ask for; database undefined: all ---

  get held(): ReadonlySet<string | undefined> {
    return this.#held
  }

  /** New transactions wait from now on. Resolves when no connection is open, or when the signal aborts. */
  async hold(database: string | undefined, signal: AbortSignal): Promise<void> {
    this.#held.add(database)
    this.#closeFreeOf(database)
    await this.#until(() => ![...this.#kinds.values(), ...this.#opening].some((kind) => isOf(kind, database)), signal)
  }

  /** False: it was not held. */
  resume(database: string | undefined): boolean {
    const was = this.#held.delete(database)
    if (was) this.#wakeHomeless()
    return was
  }

  /** Connections are closed as soon as nobody has them. */
  renew(database: string | undefined): void {
    this.#closeFreeOf(database)
    for (const [connection, kind] of this.#kinds) if (isOf(kind, database)) this.#stale.add(connection)
  }

  /** Resolves when none of those is left that `renew` has spoken of, or when the signal aborts. */
  async renewed(database: string | undefined, signal: AbortSignal): Promise<void> {
    const isLeft = (connection: ServerConnection): boolean => {
      const kind = this.#kinds.get(connection)
      return kind !== undefined && isOf(kind, database)
    }
    await this.#until(() => ![...this.#stale].some(isLeft), signal)
  }

  #holds(kind: Kind): boolean {
    return this.#held.size > 0 && (this.#held.has(undefined) || this.#held.has(kind.database))
  }

  #closeFreeOf(database: string | undefined): void {
    for (const node of this.#nodes.values())
      for (const [kind, free] of node.free)
        if (isOf(kind, database)) for (let one = free[0]; one; one = free[0]) this.#drop(one)
  }

  /** Closes one that is free. Counted as closed at once: its place is given on in this very turn. */
  #drop(connection: ServerConnection): void {
    this.#forget(connection)
    connection.destroy()
  }

  #until(condition: () => boolean, signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const look = (): void => {
        if (!signal.aborted && !condition()) return
        this.#watchers.delete(look)
        signal.removeEventListener('abort', look)
        resolve()
      }
      this.#watchers.add(look)
      signal.addEventListener('abort', look)
      look()
    })
  }

  /** Connections with what they are for. */
  get kinds(): ReadonlyMap<ServerConnection, Kind> {
    return this.#kinds
  }

  /** What connections are being opened for. */
  get opening(): readonly Kind[] {
    return this.#opening
  }

  get counts(): readonly NodeCounts[] {
    return [...this.#nodes].map(([node, { open, freeCount, waiters }]) => ({
      node,
      open,
      free: freeCount,
      waiting: waiters.length,
    }))
  }

  /** Clients that wait for a connection, or for a node. */
  get waiting(): number {
    let count = this.#homeless.size
    for (const { waiters } of this.#nodes.values()) count += waiters.length
    return count
  }

  close(): void {
    this.#stopListening()
    for (const connection of this.#kinds.keys()) connection.destroy()
  }

  #node(number: number): Node {
    let node = this.#nodes.get(number)
    if (node === undefined) {
      node = { open: 0, generation: 0, connections: new Set(), free: new Map(), freeCount: 0, waiters: [] }
      this.#nodes.set(number, node)
    }
    return node
  }

  #stands(home: Home): boolean {
    return this.#node(home.node).generation === home.generation
  }

  /** Sessions go elsewhere. @param takesFrom whose connections are closed under them; else those that are free */
  #leave(number: number, takesFrom: (borrower: Borrower) => boolean): void {
    const node = this.#nodes.get(number)
    if (node === undefined) return
    node.generation++
    for (const connection of node.connections) {
      if (connection.borrower === undefined || takesFrom(connection.borrower)) connection.destroy()
    }
    const waiters = node.waiters
    node.waiters = []
    for (const waiter of waiters) waiter.give(undefined)
  }

  /** Whether one more may be opened; closes a free one of other clients for it. */
  #room(number: number): boolean {
    const node = this.#node(number)
    if (node.open < connectionsMax(this.#options.settings)) return true
    for (const free of node.free.values()) {
      const [oldest] = free
      if (oldest === undefined) continue
      this.#drop(oldest)
      return true
    }
    return false
  }

  async #open(target: Target, kind: Kind): Promise<ServerConnection> {
    const node = this.#node(target.node)
    node.open++
    this.#opening.push(kind)
    try {
      const connection = await this.#options.open(target, kind)
      if (connection.lost) throw new AllwriteError('unavailable', 'the connection was lost at once')
      node.connections.add(connection)
      this.#kinds.set(connection, kind)
      return connection
    } catch (thrown) {
      this.#freed(node)
      throw thrown
    } finally {
      this.#opening.splice(this.#opening.indexOf(kind), 1)
      this.#changed()
    }
  }

  #changed(): void {
    for (const look of this.#watchers) look()
  }

  /** To be called when a connection has closed. */
  closed(connection: ServerConnection): void {
    this.#forget(connection)
  }

  #forget(connection: ServerConnection): void {
    const node = this.#node(connection.target.node)
    const kind = this.#kinds.get(connection)
    if (kind === undefined) return
    this.#kinds.delete(connection)
    this.#stale.delete(connection)
    node.connections.delete(connection)
    const free = node.free.get(kind)
    const at = free?.indexOf(connection) ?? -1
    if (free && at >= 0) {
      free.splice(at, 1)
      node.freeCount--
    }
    if (free?.length === 0) node.free.delete(kind)
    this.#freed(node)
    this.#changed()
  }

  #freed(node: Node): void {
    node.open--
    const [first] = node.waiters
    if (first) this.#wake(node, first)
  }

  #wake(node: Node, waiter: Waiter, connection?: ServerConnection): void {
    node.waiters = node.waiters.filter((one) => one !== waiter)
    waiter.give(connection)
  }

  #wakeHomeless(): void {
    const waiting = this.#homeless
    this.#homeless = new Set()
    for (const wake of waiting) wake()
  }

  async #waitForNodes(ms: number, signal: AbortSignal): Promise<void> {
    await waiting<undefined>(ms, signal, (give) => {
      const wake = (): void => give(undefined)
      this.#homeless.add(wake)
      return () => this.#homeless.delete(wake)
    })
  }

  #waitAt(number: number, kind: Kind, ms: number, signal: AbortSignal): Promise<ServerConnection | undefined> {
    const node = this.#node(number)
    return waiting<ServerConnection>(ms, signal, (give) => {
      const waiter = { kind, give }
      node.waiters.push(waiter)
      return () => {
        node.waiters = node.waiters.filter((one) => one !== waiter)
      }
    })
  }
}

const isOf = (kind: Kind, database: string | undefined): boolean => database === undefined || kind.database === database

/** No node can be had: what the client is told. */
export class NoNode extends Error {
  readonly refusal: Buffer

  constructor(refusal: Buffer) {
    super('no node can be had')
    this.name = 'NoNode'
    this.refusal = refusal
  }
}

const timedOut = (): AllwriteError =>
  new AllwriteError('unavailable', 'timed out waiting for a connection', {
    sqlState: '53300',
    detail: 'All connections of the pool were in use for ConnectionBorrowTimeout.',
  })

/** Resolves with what is given, or with nothing after `ms` or when the signal aborts; then nothing can be given any more. */
function waiting<T>(
  ms: number,
  signal: AbortSignal,
  enter: (give: (what: T | undefined) => void) => () => void,
): Promise<T | undefined> {
  return new Promise((resolve) => {
    const give = (what: T | undefined): void => {
      clearTimeout(timer)
      signal.removeEventListener('abort', stop)
      leave()
      resolve(what)
    }
    const stop = (): void => give(undefined)
    const timer = setTimeout(stop, Math.max(0, ms))
    signal.addEventListener('abort', stop)
    const leave = enter(give)
  })
}

/**
 * The endpoint's sockets: accepts clients, connects them to nodes, closes them when their node dies, or is not the pinned writer any more.
 *
 * @module
 */
import { connect, createServer, type Server, type Socket } from 'node:net'
import { pipeline } from 'node:stream'
import { deferred } from '../core/deferred.ts'
import { AllwriteError } from '../core/errors.ts'
import type { EndpointRoutes, Target } from './contract.ts'
import { readOpening, type Opening } from './opening.ts'
import { tooManyClients } from './refusal.ts'

export interface EndpointOptions {
  readonly host: string
  /** 0 takes a free one. */
  readonly port: number
  /** The nodes speak TLS: requests for encryption are theirs to answer. Else the endpoint answers no. Asked for each client. */
  readonly tls: () => boolean
  readonly routes: EndpointRoutes
}

export interface Endpoint extends AsyncDisposable {
  readonly port: number
  /** Clients that are connected, those that wait for a node among them. */
  readonly clients: number
  /** Clients that wait for a node: for a pinned writer, or for the end of a pause. */
  readonly waiting: number
  /** Stops to listen and closes all connections. */
  close(): Promise<void>
}

/** Connections at a time: two file descriptors each, so this stays below the usual hard limit of open files. */
const clientsMax = 10_000

/** PostgreSQL's authentication_timeout, ms: how long a client may take for its first packet. */
const openingWithinMsMax = 60_000

/** A node on a loopback or a local network that does not answer within this is passed over, ms. */
const connectWithinMsMax = 2_000

/** How long a client waits for a pinned writer to be found, ms; for the end of a pause it waits as long as it likes. */
const heldMsMax = 10_000

/** How often a client that waits looks again, ms. */
const pickAgainMs = 250

/** How long a refused client may take to close, ms. */
const refusedWithinMsMax = 5_000

/** @throws AllwriteError configuration if the address can't be listened on */
export async function startEndpoint(options: EndpointOptions): Promise<Endpoint> {
  const { routes } = options
  const clients = new Set<Socket>()
  /** The node's end of each connection. */
  const upstreams = new Map<Socket, Target>()
  /** Told when a node may have become available. */
  const waiters = new Set<() => void>()

  const connectTo = (target: Target): Promise<Socket | undefined> => {
    const { host, port } = target
    const upstream = connect({ host, port, noDelay: true, keepAlive: true, allowHalfOpen: true })
    // Counted from the attempt on: a burst of clients must not all see the same node as the emptiest.
    const release = routes.opened(target)
    upstreams.set(upstream, target)
    upstream.once('close', () => {
      upstreams.delete(upstream)
      release()
    })
    return new Promise((resolve) => {
      const timer = setTimeout(() => upstream.destroy(), connectWithinMsMax)
      const settle = (result: Socket | undefined) => {
        clearTimeout(timer)
        upstream.off('connect', onConnect).off('close', onClose)
        resolve(result)
      }
      const onConnect = () => settle(upstream)
      const onClose = () => settle(undefined)
      // The error itself is told by 'close'; afterwards pipeline listens.
      upstream.on('error', () => undefined)
      upstream.once('connect', onConnect).once('close', onClose)
    })
  }

  const forward = (client: Socket, upstream: Socket, first: readonly Uint8Array[]) => {
    for (const bytes of first) if (bytes.length > 0) upstream.write(bytes)
    const onEnd = (error: Error | null | undefined) => {
      // pipeline ends both on an error in its direction; an orderly half-close leaves the other direction open.
      if (error) {
        client.destroy()
        upstream.destroy()
      }
    }
    pipeline(client, upstream, onEnd)
    pipeline(upstream, client, onEnd)
  }

  /** Until something changes, for a short while at most: a writer that could not be reached may be again without a word. */
  const changed = (client: Socket): Promise<void> => {
    const { promise, resolve } = deferred<void>()
    const wake = () => resolve()
    const timer = setTimeout(wake, pickAgainMs)
    waiters.add(wake)
    client.once('close', wake)
    return promise.finally(() => {
      clearTimeout(timer)
      waiters.delete(wake)
      client.off('close', wake)
    })
  }

  const openSession = async (client: Socket, first: Buffer) => {
    const tried = new Set<number>()
    let untilMs = performance.now() + heldMsMax
    for (;;) {
      const target = routes.pick(tried)
      if (!target) {
        if (routes.paused) untilMs = performance.now() + heldMsMax
        else if (routes.kind !== 'pinned' || performance.now() >= untilMs) return refuse(client, routes.refusal())
        await changed(client)
        if (client.destroyed) return
        tried.clear()
        continue
      }
      tried.add(target.node)
      const upstream = await connectTo(target)
      if (client.destroyed) return void upstream?.destroy()
      if (upstream) return forward(client, upstream, [target.preamble, first])
      routes.failed(target)
    }
  }

  const cancel = async (client: Socket, opening: Opening & { kind: 'cancel' }) => {
    const target = routes.find(opening.node)
    const upstream = target && (await connectTo(target))
    // PostgreSQL never answers a cancel request, not even a wrong one: it closes.
    if (upstream && !client.destroyed) forward(client, upstream, [opening.bytes])
    else {
      upstream?.destroy()
      client.destroy()
    }
  }

  const serve = async (client: Socket) => {
    const opening = await readOpening(client, !options.tls(), openingWithinMsMax)
    if (opening.kind === 'gone') client.destroy()
    else if (opening.kind === 'cancel') await cancel(client, opening)
    else await openSession(client, opening.bytes)
  }

  const server = createServer(
    { allowHalfOpen: true, noDelay: true, keepAlive: true, pauseOnConnect: false },
    (client) => {
      // Before pipeline listens, an error only means that the client has gone.
      client.on('error', () => client.destroy())
      if (clients.size >= clientsMax) return refuse(client, tooManyClients)
      clients.add(client)
      client.once('close', () => clients.delete(client))
      serve(client).catch((thrown: unknown) => {
        client.destroy()
        throw thrown
      })
    },
  )
  const forget = routes.listen((event) => {
    if (event.type === 'down') closeWhere(({ node }) => node === event.node)
    // A writer that hangs would hold them for ever; one that does not ends them itself.
    if (event.type === 'pinned') closeWhere(({ epoch }) => epoch !== undefined && epoch < event.epoch)
    if (event.type === 'available' || event.type === 'pinned') for (const wake of waiters) wake()
  })
  /** The clients' ends follow: pipeline destroys them with an error. */
  const closeWhere = (isOver: (target: Target) => boolean) => {
    for (const [upstream, target] of upstreams) if (isOver(target)) upstream.destroy()
  }
  await listen(server, options)
  const address = server.address()

  const close = async () => {
    const closed = new Promise<void>((resolve) => server.close(() => resolve()))
    for (const client of clients) client.destroy()
    for (const upstream of upstreams.keys()) upstream.destroy()
    forget()
    await closed
  }
  return {
    port: typeof address === 'object' && address ? address.port : options.port,
    get clients() {
      return clients.size
    },
    get waiting() {
      return waiters.size
    },
    close,
    [Symbol.asyncDispose]: close,
  }
}

/** Says why and closes. What the client still sends is read away: a reset would take the words from it. */
function refuse(client: Socket, error: Buffer): void {
  const timer = setTimeout(() => client.destroy(), refusedWithinMsMax)
  client.once('close', () => clearTimeout(timer))
  client.end(error)
  client.resume()
}

function listen(server: Server, { host, port }: EndpointOptions): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', (error) => {
      reject(
        new AllwriteError('configuration', `could not listen on ${host}:${port}`, {
          detail: error.message,
          hint: 'Choose other ports with --base-port.',
          cause: error,
        }),
      )
    })
    server.listen({ host, port, backlog: 1024 }, () => resolve())
  })
}

/**
 * The endpoint's sockets: accepts clients, connects them to nodes, closes them when their node dies.
 *
 * @module
 */
import { connect, createServer, type Server, type Socket } from 'node:net'
import { pipeline } from 'node:stream'
import { AllwriteError } from '../core/errors.ts'
import { readOpening, type Opening } from './opening.ts'
import { noNodeServes, tooManyClients } from './refusal.ts'
import { createRoutes, type RouteNode } from './routes.ts'

export interface EndpointOptions {
  readonly host: string
  /** 0 takes a free one. */
  readonly port: number
  /** The nodes speak TLS: requests for encryption are theirs to answer. Else the endpoint answers no. */
  readonly tls: boolean
}

export interface Endpoint extends AsyncDisposable {
  readonly port: number
  /** Tells which nodes there are, and how they are; the supervisor's latest word. */
  update(nodes: readonly RouteNode[]): void
  /** Stops to listen and closes all connections. */
  close(): Promise<void>
}

/** Connections at a time: two file descriptors each, so this stays below the usual hard limit of open files. */
const clientsMax = 10_000

/** PostgreSQL's authentication_timeout, ms: how long a client may take for its first packet. */
const openingWithinMsMax = 60_000

/** A node on a loopback or a local network that does not answer within this is passed over, ms. */
const connectWithinMsMax = 2_000

/** How long a refused client may take to close, ms. */
const refusedWithinMsMax = 5_000

/** @throws AllwriteError configuration if the address can't be listened on */
export async function startEndpoint(options: EndpointOptions): Promise<Endpoint> {
  const routes = createRoutes()
  const clients = new Set<Socket>()
  /** Both ends of what runs through a node. */
  const pairs = new Map<number, Set<Socket>>()

  const forget = (id: number, upstream: Socket) => {
    if (pairs.get(id)?.delete(upstream)) routes.closed(id)
  }

  const connectTo = (node: RouteNode): Promise<Socket | undefined> => {
    const upstream = connect({ host: node.host, port: node.port, noDelay: true, keepAlive: true, allowHalfOpen: true })
    // Counted from the attempt on: a burst of clients must not all see the same node as the emptiest.
    routes.opened(node.id)
    let open = pairs.get(node.id)
    if (!open) pairs.set(node.id, (open = new Set()))
    open.add(upstream)
    upstream.once('close', () => forget(node.id, upstream))
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

  const forward = (client: Socket, upstream: Socket, first: Buffer) => {
    upstream.write(first)
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

  const openSession = async (client: Socket, first: Buffer) => {
    const tried = new Set<number>()
    for (;;) {
      const node = routes.pick(tried, performance.now())
      if (!node) return refuse(client, noNodeServes)
      tried.add(node.id)
      const upstream = await connectTo(node)
      if (client.destroyed) return void upstream?.destroy()
      if (upstream) return forward(client, upstream, first)
      routes.failed(node.id, performance.now())
    }
  }

  const cancel = async (client: Socket, opening: Opening & { kind: 'cancel' }) => {
    const node = routes.find(opening.node)
    const upstream = node && (await connectTo(node))
    // PostgreSQL never answers a cancel request, not even a wrong one: it closes.
    if (upstream && !client.destroyed) forward(client, upstream, opening.bytes)
    else {
      upstream?.destroy()
      client.destroy()
    }
  }

  const serve = async (client: Socket) => {
    const opening = await readOpening(client, !options.tls, openingWithinMsMax)
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
  await listen(server, options)
  const address = server.address()

  const close = async () => {
    const closed = new Promise<void>((resolve) => server.close(() => resolve()))
    for (const client of clients) client.destroy()
    for (const open of pairs.values()) for (const upstream of open) upstream.destroy()
    await closed
  }
  return {
    port: typeof address === 'object' && address ? address.port : options.port,
    update(nodes) {
      for (const id of routes.update(nodes)) {
        // The client's end follows: pipeline destroys it with an error.
        for (const upstream of pairs.get(id) ?? []) upstream.destroy()
      }
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

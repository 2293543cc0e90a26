/**
 * A node's port for PostgreSQL clients: accepts, logs in (login.ts), and hands sessions over.
 *
 * Contract: `onSession` is called once per session, with both sockets paused; in that same call it must add its own
 * `error` and `close` listeners. From then on the session owns both sockets; the listener only watches the client's
 * `close` to free its slot and its cancel key.
 *
 * Failure cases: a port that can't be opened rejects {@link listen}. A client that misbehaves ends its own connection. An
 * InvariantError is not caught here: it becomes an unhandled rejection and ends the process.
 *
 * @module
 */
import { setMaxListeners } from 'node:events'
import { createServer } from 'node:net'
import type { AddressInfo, Socket } from 'node:net'
import { AllwriteError } from '../../core/errors.ts'
import { createLobby } from '../../login/lobby.ts'
import { login } from './login.ts'
import type { LoginContext, SessionStart } from './login.ts'

/** authentication_timeout of PostgreSQL. */
export const loginMsMax = 60_000
/** TCP keep-alive starts after this silence: a client that vanished holds locks that others wait for. */
const keepAliveMs = 60_000
/** Connections that have not logged in yet: two per session, and some for refusing with words and for cancel requests. */
const waitingPerSession = 2
const waitingSpare = 16
/** Sockets beyond this many times what sessions and logins may have are dropped unread: those that are being closed count. */
const socketsPerPlace = 2
/** As PostgreSQL's listen backlog for its usual 100 connections. */
const backlog = 200

export interface ListenerOptions extends Omit<LoginContext, 'admit' | 'admitReplication' | 'deadlineMs' | 'signal'> {
  readonly host: string
  /** 0: any free port. */
  readonly port: number
  /** Sessions at once; the local server's max_connections must be above it. */
  readonly sessionsMax: number
  /** Of these, how many may be for replication. */
  readonly replicationsMax: number
  readonly loginDeadlineMs?: number
  readonly onSession: (session: SessionStart) => void
}

export interface Listener extends AsyncDisposable {
  readonly host: string
  readonly port: number
  /** Sessions that hold a slot now. */
  readonly sessions: number
  /** Connections that have not logged in yet. */
  readonly waiting: number
  /** Stops accepting and ends the logins under way; sessions that were handed over go on. Idempotent. */
  close(): Promise<void>
}

/** Places that sockets take until they close. */
const createPlaces = (max: number) => {
  let taken = 0
  return {
    get taken() {
      return taken
    },
    take(socket: Socket): boolean {
      if (taken >= max || socket.destroyed) return false
      taken++
      socket.once('close', () => taken--)
      return true
    },
  }
}

/** Opens the port. @throws AllwriteError configuration when it can't be opened */
export const listen = async (options: ListenerOptions): Promise<Listener> => {
  const sessions = createPlaces(options.sessionsMax)
  const replications = createPlaces(options.replicationsMax)
  const closing = new AbortController()
  // Every login under way listens; they are bounded by maxConnections below.
  setMaxListeners(0, closing.signal)
  const logins = new Set<Promise<void>>()
  const context: LoginContext = {
    ...options,
    admit: (socket) => sessions.take(socket),
    admitReplication: (socket) => replications.take(socket),
    deadlineMs: options.loginDeadlineMs ?? loginMsMax,
    signal: closing.signal,
  }
  const waitingMax = waitingPerSession * options.sessionsMax + waitingSpare
  const lobby = createLobby(waitingMax)
  const serve = async (socket: Socket): Promise<void> => {
    lobby.enter(socket)
    const session = await login(socket, context).finally(() => lobby.leave(socket))
    if (session) options.onSession(session)
  }

  const server = createServer({ noDelay: true, keepAlive: true, keepAliveInitialDelay: keepAliveMs }, (socket) => {
    const running = serve(socket)
    logins.add(running)
    void running.finally(() => logins.delete(running))
  })
  server.maxConnections = socketsPerPlace * (options.sessionsMax + waitingMax)
  await new Promise<void>((resolve, reject) => {
    server.once('error', (cause: Error) =>
      reject(
        new AllwriteError('configuration', `could not listen on ${options.host}:${options.port}`, {
          detail: cause.message,
          cause,
        }),
      ),
    )
    server.listen({ host: options.host, port: options.port, backlog }, resolve)
  })
  // accept() failing for want of file descriptors concerns the client that came, not the node.
  server.removeAllListeners('error').on('error', () => {})

  const address = server.address() as AddressInfo
  const close = async (): Promise<void> => {
    if (server.listening) server.close()
    closing.abort()
    await Promise.all(logins)
  }
  return {
    host: address.address,
    port: address.port,
    get sessions() {
      return sessions.taken
    },
    get waiting() {
      return lobby.size
    },
    close,
    [Symbol.asyncDispose]: close,
  }
}

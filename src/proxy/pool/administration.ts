/**
 * A pool as its admin console sees it and rules it.
 *
 * @module
 */
import type { Socket } from 'node:net'
import { TLSSocket } from 'node:tls'
import { AllwriteError } from '../../core/errors.ts'
import {
  adminName,
  type ClientEntry,
  type Console,
  type Controls,
  type ServerEntry,
  type SettingEntry,
  type Snapshot,
} from '../admin/index.ts'
import type { EndpointRoutes } from '../contract.ts'
import type { Connections, Kind } from './connections.ts'
import type { ServerConnection } from './server-connection.ts'
import { keptBy } from './session-state.ts'
import type { PooledSession } from './session.ts'
import {
  connectionsMax,
  defaultSettings,
  isChangeable,
  isSettingName,
  setFromText,
  settingText,
  type RunningSettings,
} from './settings.ts'
import type { Traffics } from './traffic.ts'

export interface AdministrationOptions {
  readonly routes: EndpointRoutes
  readonly connections: Connections
  readonly sessions: ReadonlyMap<PooledSession, string>
  readonly traffics: Traffics
  readonly settings: RunningSettings
  readonly reload: () => Promise<void>
  readonly host: string
  readonly port: () => number
  readonly clientsMax: number
  /** Accepted sockets, of whatever stage. */
  readonly sockets: ReadonlySet<Socket>
  readonly consoles: ReadonlySet<Console>
}

export class Administration implements Controls {
  readonly #options: AdministrationOptions
  readonly #disabled = new Set<string>()
  readonly #ids = new WeakMap<object, number>()
  #lastId = 0

  constructor(options: AdministrationOptions) {
    this.#options = options
  }

  /** @throws AllwriteError: new clients of the database are refused */
  checkAdmitted(database: string): void {
    if (this.#disabled.has(database))
      throw new AllwriteError('unavailable', `database does not allow connections: ${database}`, {
        hint: 'An administrator has disabled it at this endpoint.',
      })
  }

  snapshot(): Snapshot {
    const { connections, sessions, traffics, settings, consoles, sockets, routes, port } = this.#options
    const clock = { now: Date.now(), monotonic: performance.now() }
    const { held } = connections
    const isOpening = (user: string, database: string): number =>
      connections.opening.filter((kind) => kind.user === user && kind.database === database).length
    const users = new Map<ServerConnection, PooledSession>()
    for (const session of sessions.keys()) if (session.server) users.set(session.server, session)
    return {
      now: clock.now,
      port: port(),
      paused: routes.paused || held.has(undefined),
      pausedDatabases: new Set([...held].filter((database) => database !== undefined)),
      disabledDatabases: new Set(this.#disabled),
      pools: traffics.entries(clock.monotonic, isOpening),
      clients: [
        ...[...sessions.keys()].map((session) => this.#client(session, clock)),
        ...[...consoles].map((console) => this.#console(console, clock)),
      ],
      servers: [...connections.kinds].map(([connection, kind]) =>
        this.#server(connection, kind, users.get(connection), clock),
      ),
      consoles: consoles.size,
      logins: Math.max(0, sockets.size - sessions.size - consoles.size),
      settings: this.#settings(),
      connectionsMax: connectionsMax(settings),
      memory: process.memoryUsage(),
    }
  }

  pause(database: string | undefined, signal: AbortSignal): Promise<void> {
    return this.#options.connections.hold(database, signal)
  }

  resume(database: string | undefined): boolean {
    return this.#options.connections.resume(database)
  }

  kill(database: string | undefined): void {
    const { connections, sessions } = this.#options
    // Nobody waits for it: what is open closes with its client.
    void connections.hold(database, AbortSignal.abort())
    for (const session of sessions.keys())
      if (database === undefined || session.kind.database === database) session.kill(killed())
  }

  killClient(id: number): boolean {
    const { sessions, consoles } = this.#options
    const session = [...sessions.keys()].find((one) => this.#idOf(one) === id)
    const console = [...consoles].find((one) => this.#idOf(one) === id)
    session?.kill(killed())
    console?.socket.destroy()
    return session !== undefined || console !== undefined
  }

  reconnect(database: string | undefined): void {
    this.#options.connections.renew(database)
  }

  reconnected(database: string | undefined, signal: AbortSignal): Promise<void> {
    return this.#options.connections.renewed(database, signal)
  }

  disable(database: string): void {
    this.#disabled.add(database)
  }

  enable(database: string): void {
    this.#disabled.delete(database)
  }

  reload(): Promise<void> {
    return this.#options.reload()
  }

  set(name: string, value: string): void {
    setFromText(this.#options.settings, name, value)
  }

  #client(session: PooledSession, clock: Clock): ClientEntry {
    const { client, kind, server, state, waitingSince } = session
    return {
      ...this.#socket(session, client, kind, clock, session.openedAt, session.requestedAt),
      link: server && this.#idOf(server),
      tls: tlsOf(client),
      applicationName: session.told.get('application_name') ?? '',
      preparedStatements: state.statements.size,
      unread: session.input.bytes,
      waitUs: waitingSince === undefined ? undefined : Math.round((clock.monotonic - waitingSince) * 1000),
      node: server?.target.node,
      pins: keptBy(state, kind),
    }
  }

  #console(console: Console, clock: Clock): ClientEntry {
    const { socket, user, applicationName, openedAt, requestedAt } = console
    return {
      ...this.#socket(console, socket, { user, database: adminName }, clock, openedAt, requestedAt),
      link: undefined,
      tls: tlsOf(socket),
      applicationName,
      preparedStatements: 0,
      unread: 0,
      waitUs: undefined,
      node: undefined,
      pins: [],
    }
  }

  #server(connection: ServerConnection, kind: Kind, user: PooledSession | undefined, clock: Clock): ServerEntry {
    const requestedAt = user?.requestedAt ?? connection.usedAt
    return {
      ...this.#socket(connection, connection.socket, kind, clock, connection.openedAt, requestedAt),
      link: user && this.#idOf(user),
      tls: '',
      applicationName: connection.reported.get('application_name') ?? '',
      preparedStatements: connection.statements.size,
      unread: 0,
      node: connection.target.node,
      pid: connection.pid,
      used: user !== undefined,
    }
  }

  #socket(
    owner: object,
    socket: Socket,
    kind: Pick<Kind, 'user' | 'database'>,
    clock: Clock,
    openedAt: number,
    requestedAt: number,
  ) {
    const at = (then: number): number => clock.now - (clock.monotonic - then)
    return {
      id: this.#idOf(owner),
      user: kind.user,
      database: kind.database,
      address: socket.remoteAddress ?? '',
      port: socket.remotePort ?? 0,
      localAddress: socket.localAddress ?? '',
      localPort: socket.localPort ?? 0,
      connectedAt: at(openedAt),
      requestedAt: at(requestedAt),
      unsent: socket.writableLength,
    }
  }

  #settings(): SettingEntry[] {
    const { settings, host, port, clientsMax } = this.#options
    const own = Object.keys(defaultSettings)
      .filter(isSettingName)
      .map((name) => ({
        name,
        value: settingText(settings[name]),
        standard: settingText(defaultSettings[name]),
        changeable: isChangeable(name),
      }))
    const fixed = (name: string, value: string, standard: string): SettingEntry => ({
      name,
      value,
      standard,
      changeable: false,
    })
    return [
      ...own,
      fixed('listen_addr', host, ''),
      fixed('listen_port', String(port()), ''),
      // What exporters for PgBouncer look for.
      fixed('max_client_conn', String(clientsMax), String(clientsMaxDefault)),
      fixed('pool_mode', 'transaction', 'transaction'),
    ]
  }

  /** Given when it is looked at first: who is never looked at has none. */
  #idOf(owner: object): number {
    let id = this.#ids.get(owner)
    if (id === undefined) this.#ids.set(owner, (id = ++this.#lastId))
    return id
  }
}

const tlsOf = (socket: Socket): string => (socket instanceof TLSSocket ? (socket.getProtocol() ?? '') : '')

/** How many clients a pool takes if it is not told. */
export const clientsMaxDefault = 20_000

/** The same moment by both clocks, ms. */
interface Clock {
  readonly now: number
  readonly monotonic: number
}

/** PgBouncer's words, PostgreSQL's SQLSTATE. */
const killed = (): AllwriteError => new AllwriteError('unavailable', 'admin forced disconnect', { sqlState: '57P01' })

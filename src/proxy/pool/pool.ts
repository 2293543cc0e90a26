/**
 * A pool as a listener: logs clients in, and gives each a session.
 *
 * @module
 */
import { randomBytes } from 'node:crypto'
import { createServer, type Server, type Socket } from 'node:net'
import { AllwriteError, InvariantError } from '../../core/errors.ts'
import type { RoleRecord } from '../../login/authenticate.ts'
import { ClosedError } from '../../login/byte-reader.ts'
import { closeChannel, openChannel, readOpening, type Channel } from '../../login/login-channel.ts'
import { identify, type Admission } from '../../login/identify.ts'
import { createLobby } from '../../login/lobby.ts'
import type { Throttle } from '../../login/throttle.ts'
import type { TlsSource } from '../../login/tls.ts'
import { vouch, vouchName, type ProxyKeys } from '../../login/vouching.ts'
import type { HbaRule } from '../../wire/hba/rules.ts'
import type { ErrorFields } from '../../wire/pgwire/errors.ts'
import type { ScramKeys } from '../../wire/pgwire/scram.ts'
import {
  backendKeyData,
  negotiateProtocolVersion,
  parameterStatus,
  readyForQueryIdle,
} from '../../wire/pgwire/login-messages.ts'
import type { StartupMessage } from '../../wire/pgwire/startup.ts'
import { adminName, Console, consoleParameters } from '../admin/index.ts'
import type { EndpointRoutes, Target } from '../contract.ts'
import { Administration, clientsMaxDefault } from './administration.ts'
import { cancelAt, Cancels, type CancelKey } from './cancels.ts'
import { Connections, NoNode, type Kind, type NodeCounts } from './connections.ts'
import { loginAtNode } from './node-login.ts'
import { ConnectionLost, ServerConnection } from './server-connection.ts'
import type { FailoverCounts, SessionContext } from './session-context.ts'
import { keptBy } from './session-state.ts'
import { PooledSession } from './session.ts'
import { checkedSettings, type PoolSettings, type RunningSettings } from './settings.ts'
import { Steward } from './steward.ts'
import { Traffics } from './traffic.ts'
import { errorFrame } from './words.ts'

export interface PoolOptions {
  readonly host: string
  /** 0 takes a free one. */
  readonly port: number
  readonly routes: EndpointRoutes
  readonly settings?: Partial<PoolSettings>
  readonly keys: ProxyKeys
  /** The pool's own questions that concern all databases are asked in this one. */
  readonly database: string
  /** Who may come in, as of now. */
  readonly rules: () => readonly HbaRule[]
  /** Reads them again. @throws AllwriteError configuration: they are what they were */
  readonly reload: () => Promise<void>
  /** Of all endpoints of this process. */
  readonly throttle: Throttle
  readonly tls?: TlsSource
  readonly clientsMax?: number
  readonly log: { warn(fields: object, message: string): void }
}

/** One client, as the view of sessions shows it. */
export interface ClientInfo {
  readonly user: string
  readonly database: string
  readonly address: string
  readonly state: 'active' | 'idle' | 'idle in transaction'
  /** The node of the connection that it has now; undefined: none. */
  readonly node: number | undefined
  /** Why it keeps its connection; empty: it does not. */
  readonly pins: readonly string[]
}

export interface Pool extends AsyncDisposable {
  readonly port: number
  clients(): readonly ClientInfo[]
  nodes(): readonly NodeCounts[]
  /** Clients that are logged in. */
  readonly size: number
  /** Clients that wait for a connection. */
  readonly waiting: number
  readonly failovers: Readonly<FailoverCounts>
  /** Sessions that keep their connection, by reason. */
  pins(): ReadonlyMap<string, number>
  /** Closes everything. */
  close(): Promise<void>
}

/** PostgreSQL's authentication_timeout, ms. */
const loginMsMax = 60_000
const backlog = 1024
/** Connections that have not logged in. */
const lobbyMax = 1_000
/** How long the cluster may take to tell what became of a connection's transactions, ms. */
const outcomeMsMax = 10_000
/** Ways in which clients have started that are remembered; beyond, those that nobody uses are forgotten. */
const kindsMax = 1_000
/** How often idle clients are looked for, ms. */
const sweepMs = 1_000

/** @throws AllwriteError configuration: settings, or an address that can't be listened on */
export async function openPool(options: PoolOptions): Promise<Pool> {
  const pool = new PoolListener(options)
  await pool.listen()
  return pool
}

class PoolListener implements Pool {
  readonly #options: PoolOptions
  readonly #settings: RunningSettings
  readonly #server: Server
  /** By database: connections are counted in their own. */
  readonly #stewards = new Map<string, Steward>()
  /** For what is the same in all. */
  readonly #steward: Steward
  readonly #connections: Connections
  readonly #context: SessionContext
  readonly #cancels = new Cancels()
  readonly #kinds = new Map<string, Kind>()
  /** What a client of a kind is told at its login. */
  readonly #parameters = new Map<Kind, ReadonlyMap<string, string>>()
  /** Of the roles that have logged in: to log in at nodes in their name. */
  readonly #keys = new Map<string, ScramKeys>()
  readonly #sessions = new Map<PooledSession, string>()
  readonly #sockets = new Set<Socket>()
  readonly #lobby = createLobby(lobbyMax)
  readonly #admission: Admission
  /** A reader's transactions never write: there is nothing to count. */
  readonly #counts: boolean
  readonly #consoles = new Set<Console>()
  readonly #traffics = new Traffics(performance.now())
  readonly #administration: Administration
  readonly #sweep: NodeJS.Timeout

  constructor(options: PoolOptions) {
    this.#options = options
    this.#settings = checkedSettings(options.settings ?? {})
    this.#counts = this.#settings.replay && options.routes.kind !== 'reader'
    this.#steward = this.#stewardOf(options.database)
    this.#admission = {
      lookupRole: (name) => this.#steward.lookupRole(name),
      rules: options.rules,
      throttle: options.throttle,
      now: () => performance.now(),
      mockSecret: options.keys.mockSecret,
    }
    this.#connections = new Connections({
      routes: options.routes,
      settings: this.#settings,
      open: (target, kind) => this.#connect(target, kind),
    })
    this.#context = {
      routes: options.routes,
      connections: this.#connections,
      settings: this.#settings,
      outcome: ({ id, database }) =>
        id === undefined ? Promise.resolve(0) : this.#stewardOf(database).outcome(id, outcomeMsMax),
      counts: { lost: 0, replayed: 0, differed: 0, committed: 0, masked: 0, unknown: 0 },
      log: options.log,
    }
    this.#administration = new Administration({
      ...options,
      connections: this.#connections,
      sessions: this.#sessions,
      traffics: this.#traffics,
      settings: this.#settings,
      port: () => this.port,
      clientsMax: options.clientsMax ?? clientsMaxDefault,
      sockets: this.#sockets,
      consoles: this.#consoles,
    })
    this.#server = createServer({ noDelay: true, keepAlive: true }, (socket) => {
      this.#serve(socket).catch((thrown: unknown) => {
        socket.destroy()
        throw thrown
      })
    })
    this.#sweep = setInterval(() => this.#endIdle(), sweepMs)
    this.#sweep.unref()
  }

  async listen(): Promise<void> {
    const { host, port } = this.#options
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', (cause) =>
        reject(
          new AllwriteError('configuration', `could not listen on ${host}:${port}`, { detail: cause.message, cause }),
        ),
      )
      this.#server.listen({ host, port, backlog }, resolve)
    })
    // accept() failing for want of file descriptors concerns the client that came, not the pool.
    this.#server.removeAllListeners('error').on('error', () => undefined)
  }

  get port(): number {
    const address = this.#server.address()
    return typeof address === 'object' && address ? address.port : this.#options.port
  }

  clients(): readonly ClientInfo[] {
    return [...this.#sessions].map(([session, address]) => ({
      user: session.kind.user,
      database: session.kind.database,
      address,
      state: session.unit ? 'active' : session.idle ? 'idle' : 'idle in transaction',
      node: session.server?.target.node,
      pins: keptBy(session.state, session.kind),
    }))
  }

  nodes(): readonly NodeCounts[] {
    return this.#connections.counts
  }

  get size(): number {
    return this.#sessions.size
  }

  get waiting(): number {
    return this.#connections.waiting
  }

  get failovers(): FailoverCounts {
    return this.#context.counts
  }

  pins(): ReadonlyMap<string, number> {
    const counts = new Map<string, number>()
    for (const { state, kind } of this.#sessions.keys())
      for (const reason of keptBy(state, kind)) counts.set(reason, (counts.get(reason) ?? 0) + 1)
    return counts
  }

  async close(): Promise<void> {
    clearInterval(this.#sweep)
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()))
    const sessions = [...this.#sessions.keys()]
    for (const socket of this.#sockets) socket.destroy()
    await Promise.all(sessions.map((session) => session.closed))
    this.#connections.close()
    for (const steward of this.#stewards.values()) steward.close()
    await closed
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  #endIdle(): void {
    this.#traffics.tick(performance.now())
    const { IdleClientTimeout } = this.#settings
    if (IdleClientTimeout === 0) return
    const before = performance.now() - IdleClientTimeout * 1000
    for (const session of this.#sessions.keys())
      if (session.unit === undefined && session.idleSince < before) session.terminate(idleError())
  }

  async #serve(accepted: Socket): Promise<void> {
    this.#sockets.add(accepted)
    accepted.once('close', () => this.#sockets.delete(accepted))
    accepted.on('error', () => undefined)
    this.#lobby.enter(accepted)
    const channel = openChannel(accepted)
    const timer = setTimeout(() => accepted.destroy(), loginMsMax)
    try {
      const opening = await readOpening(channel, this.#options.tls)
      if (opening.kind === 'cancel') await this.#cancels.cancel(opening.pid, opening.secret)
      if (opening.kind === 'startup' && !channel.binding) await this.#login(accepted, channel, opening)
      else closeChannel(channel)
    } catch (thrown) {
      if (thrown instanceof InvariantError) throw thrown
      if (thrown instanceof ClosedError) closeChannel(channel)
      else if (thrown instanceof NoNode) closeChannel(channel, thrown.refusal)
      else closeChannel(channel, errorFrame(AllwriteError.from(thrown), 'FATAL'))
    } finally {
      clearTimeout(timer)
      this.#lobby.leave(accepted)
    }
  }

  async #login(accepted: Socket, channel: Channel, startup: StartupMessage): Promise<void> {
    if (startup.negotiate) channel.socket.write(negotiateProtocolVersion(startup.minor, startup.unknownOptions))
    if (this.#sessions.size >= (this.#options.clientsMax ?? clientsMaxDefault))
      throw new AllwriteError('unavailable', 'sorry, too many clients already', { sqlState: '53300' })
    const { keys, role } = await identify(channel, startup, accepted.remoteAddress ?? '', false, this.#admission)
    if (startup.database === adminName) {
      this.#openConsole(channel, startup, role)
      return
    }
    this.#administration.checkAdmitted(startup.database)
    this.#keys.set(startup.user, keys)
    const kind = this.#kindOf(startup)
    const parameters = this.#parameters.get(kind) ?? (await this.#firstOf(kind, channel))
    this.#begin(channel, startup.minor, kind, parameters)
  }

  #openConsole(channel: Channel, startup: StartupMessage, role: RoleRecord | undefined): void {
    if (role?.superuser !== true)
      throw new AllwriteError('unavailable', 'not allowed', {
        sqlState: '28000',
        hint: 'The admin console is for superusers.',
      })
    const key = this.#cancels.open(startup.minor, () => Promise.resolve(console.cancel()))
    channel.socket.write(greeting(consoleParameters, key))
    const console = new Console({
      socket: channel.socket,
      leftover: channel.reader.release(),
      controls: this.#administration,
      user: startup.user,
      applicationName: startup.settings.findLast(([name]) => name === 'application_name')?.[1] ?? '',
    })
    this.#consoles.add(console)
    void console.closed.then(() => {
      this.#consoles.delete(console)
      this.#cancels.close(key)
    })
  }

  /** The first of its kind waits for a connection: what it is told comes from there. */
  async #firstOf(kind: Kind, channel: Channel): Promise<ReadonlyMap<string, string>> {
    const connection = await this.#connections.borrow({
      kind,
      home: undefined,
      last: undefined,
      signal: channel.reader.gone,
      chosen: () => undefined,
    })
    const parameters = new Map(connection.reported)
    this.#parameters.set(kind, parameters)
    this.#connections.release(connection)
    return parameters
  }

  #begin(channel: Channel, minor: number, kind: Kind, parameters: ReadonlyMap<string, string>): void {
    const { socket } = channel
    const key = this.#cancels.open(minor, async () => {
      if (session.server?.busy) await cancelAt(session.server)
    })
    socket.write(greeting(parameters, key))
    const session = new PooledSession({
      client: socket,
      leftover: channel.reader.release(),
      kind,
      parameters,
      context: this.#context,
    })
    this.#sessions.set(session, `${socket.remoteAddress ?? '?'}:${socket.remotePort ?? 0}`)
    void session.closed.then(() => {
      this.#sessions.delete(session)
      this.#cancels.close(key)
    })
  }

  #stewardOf(database: string): Steward {
    const { routes, keys } = this.#options
    let found = this.#stewards.get(database)
    if (found === undefined) this.#stewards.set(database, (found = new Steward({ routes, keys, database })))
    return found
  }

  /** One object for all clients that start alike. */
  #kindOf(startup: StartupMessage): Kind {
    const { user, database, options, replication } = startup
    if (replication !== undefined && replication !== 'false')
      throw new AllwriteError('unsupported', 'replication connections are not supported by the pool')
    const parameters = [...startup.settings]
      .filter(([name]) => !ownParameters.has(name))
      .sort(([one], [other]) => (one < other ? -1 : one > other ? 1 : 0))
    if (options !== '') parameters.push(['options', options])
    const key = JSON.stringify([user, database, parameters])
    let kind = this.#kinds.get(key)
    if (kind === undefined) {
      const traffic = this.#traffics.of(user, database, performance.now())
      this.#kinds.set(key, (kind = { user, database, parameters, asksSequences: false, traffic }))
      if (this.#kinds.size > kindsMax) this.#forgetKinds()
    }
    return kind
  }

  /** Those that no client has at the moment. */
  #forgetKinds(): void {
    const used = new Set([...this.#sessions.keys()].map(({ kind }) => kind))
    for (const [key, kind] of this.#kinds) {
      if (used.has(kind)) continue
      this.#kinds.delete(key)
      this.#parameters.delete(kind)
      this.#connections.closeFree(kind)
    }
  }

  async #connect(target: Target, kind: Kind): Promise<ServerConnection> {
    const keys = this.#keys.get(kind.user)
    if (keys === undefined) throw new AllwriteError('internal', 'a connection is opened for a role that has logged in')
    const { keys: proxy } = this.#options
    const id = this.#counts ? randomBytes(16).toString('hex') : undefined
    const { user, database } = kind
    const parameters = [
      ['user', user],
      ['database', database],
      ...kind.parameters,
      ['allwrite.connection', id ?? ''],
      [vouchName, vouch(proxy.vouchKey, { user, database, connection: id ?? '' }, Date.now())],
    ] as const
    const login = await loginAtNode(target, parameters, { kind: 'keys', ...keys })
    const connection: ServerConnection = new ServerConnection({
      ...login,
      target,
      id,
      database: kind.database,
      onClosed: () => this.#connections.closed(connection),
    })
    connection.onceClosed(() => {
      if (id !== undefined) this.#stewardOf(kind.database).forget(id)
    })
    try {
      for (const sql of this.#firstStatements(id)) {
        const { error } = await connection.ask(sql)
        if (error) throw firstStatementError(error)
      }
      return connection
    } catch (thrown) {
      connection.destroy()
      if (thrown instanceof ConnectionLost)
        throw new AllwriteError('unavailable', 'the connection was lost at once', { cause: thrown })
      throw thrown
    }
  }

  #firstStatements(id: string | undefined): string[] {
    const { InitQuery } = this.#settings
    const statements = id === undefined ? [] : [`SELECT allwrite.open_connection('${id}')`]
    return InitQuery === '' ? statements : [...statements, InitQuery]
  }
}

/** What a client hears behind its login. */
const greeting = (parameters: ReadonlyMap<string, string>, key: CancelKey): Buffer =>
  Buffer.concat([
    ...[...parameters].map(([name, value]) => parameterStatus(name, value)),
    backendKeyData(key.pid, key.secret),
    readyForQueryIdle(),
  ])

/** What only the pool may tell a node. */
const ownParameters: ReadonlySet<string> = new Set(['allwrite.connection', vouchName])

/** A conflict, or a node that is about to go: another try may do. */
const firstStatementError = ({ sqlState, message }: ErrorFields): AllwriteError =>
  new AllwriteError(/^(?:40|57P0)/.test(sqlState) ? 'unavailable' : 'postgres', message, { sqlState })

const idleError = (): AllwriteError =>
  new AllwriteError('unavailable', 'terminating connection due to idle client timeout', { sqlState: '57P05' })

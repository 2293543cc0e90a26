/**
 * A client's login, from its first byte to a session with a backend of its own. PostgreSQL's order and words
 * (backend_startup.c, auth.c, auth-sasl.c, postinit.c), so that clients and people see what they know.
 *
 * Contract: {@link login} takes an accepted socket and ends in one of two ways. Either a {@link SessionStart}: both
 * sockets paused, none of our data listeners left, and the bytes that were read too far; its owner must add its own
 * `error` and `close` listeners in the same tick. Or undefined: the client was answered, its socket closed or closing.
 *
 * Failure cases: whatever a client sends or leaves out ends its own connection only. What it holds until it is known is
 * bounded: one socket, {@link unreadBytesMax} and a chunk of bytes, {@link LoginContext.deadlineMs}.
 *
 * @module
 */
import type { Socket } from 'node:net'
import type { TLSSocket } from 'node:tls'
import { AllwriteError, InvariantError } from '../../core/errors.ts'
import type { Binding } from '../../core/preamble.ts'
import { errorResponse, fieldsOfError } from '../../wire/pgwire/errors.ts'
import {
  backendKeyData,
  negotiateProtocolVersion,
  parameterStatus,
  readyForQueryIdle,
} from '../../wire/pgwire/login-messages.ts'
import type { StartupMessage } from '../../wire/pgwire/startup.ts'
import { connectBackend } from './backend.ts'
import type { Backend, BackendOptions } from './backend.ts'
import { ClosedError } from '../../login/byte-reader.ts'
import { identify, type Admission } from '../../login/identify.ts'
import { isVouched, proxyRole, vouchName } from '../../login/vouching.ts'
import { passCancel } from './cancel.ts'
import type { CancelRegistry } from './cancel.ts'
import { closeChannel, openChannel, readOpening } from '../../login/login-channel.ts'
import type { Channel } from '../../login/login-channel.ts'
import type { NodeGate } from './contract.ts'
import type { Stay } from '../pinned.ts'
import { pooledName, startSettings } from './start-settings.ts'
import { ticketSetting } from './tickets.ts'
import type { IssueTicket } from './tickets.ts'
import type { TlsSource } from '../../login/tls.ts'

export type { LookupRole, RoleRecord } from '../../login/authenticate.ts'

/** A refused client, for the log: never holds a secret. */
export interface Refusal {
  readonly error: AllwriteError
  readonly user: string | undefined
  readonly clientAddress: string
}

export interface LoginContext extends Admission {
  readonly gate: Pick<NodeGate, 'serving'>
  /** Nobody new is let in: the node is being left. */
  readonly drained: () => boolean
  /** Unix socket of the local server: `<folder>/.s.PGSQL.<port>`. */
  readonly socketPath: string
  /** Makes a database ready for a session; false where there is none of this name. @throws AllwriteError where it can't be used now */
  readonly enterDatabase: (name: string) => Promise<boolean>
  /** Roles of the machinery, which nobody logs in as. */
  readonly reservedRoles: ReadonlySet<string>
  /** By which this cluster's proxies are known. */
  readonly vouchKey: Buffer
  readonly tls?: TlsSource
  readonly tlsRequired?: boolean
  readonly cancels: CancelRegistry
  /** Shows the local server that a login comes from here. */
  readonly issueTicket: IssueTicket
  /** Takes one of the node's session slots, behind the password, for as long as `socket` lives; false when there is none left. */
  readonly admit: (socket: Socket) => boolean
  /** Takes one of the places of replication connections for as long as `socket` lives; false when there is none left. */
  readonly admitReplication: (socket: Socket) => boolean
  /** Binds a session to the epoch of the pinned writer. @throws AllwriteError 57P03: this node is not the writer then */
  readonly enterPinned: (binding: Binding & { readonly kind: 'pinned' }) => Promise<Stay>
  /** Takes a connection that speaks HTTP; nothing of it was read. */
  readonly onHttp: (socket: Socket) => void
  /** How long a login may take (authentication_timeout). */
  readonly deadlineMs: number
  readonly onRefused?: (refusal: Refusal) => void
  /** Aborted when the listener closes: logins under way end. */
  readonly signal?: AbortSignal
}

/** A session that begins: the client waits for its first ReadyForQuery's successor, the backend is idle. */
export interface SessionStart {
  readonly client: Socket | TLSSocket
  /** Bytes that the client sent behind its last login message. */
  readonly clientLeftover: Buffer
  readonly backend: Socket
  readonly backendLeftover: Buffer
  readonly backendPid: number
  readonly backendSecret: Buffer
  /** The process id that the client knows. */
  readonly clientPid: number
  readonly user: string
  readonly database: string
  /** What was reported to the client, by name. */
  readonly parameters: Map<string, string>
  /** The client's own `default_transaction_read_only`; the backend's is always on (the guard). */
  readonly readOnlyWish: boolean
  /** Set if the client is a pool: see {@link startSettings}. */
  readonly pooled: string | undefined
  /** It came by a reader endpoint. */
  readonly reader: boolean
  /** Its backend is a WAL sender. */
  readonly replication: boolean
  /** It came by a pinned endpoint. */
  readonly stay: Stay | undefined
  /** 0, 1 or 2: protocol 3.x on the client's side; the backend's side is always 3.0. */
  readonly protocolMinor: number
  /** `address:port`. */
  readonly clientAddress: string
  /** Replaces what a CancelRequest of this client does; at first it cancels the backend. */
  readonly setCancel: (cancel: () => Promise<void>) => void
}

export const login = async (accepted: Socket, context: LoginContext): Promise<SessionStart | undefined> => {
  const clientAddress = `${accepted.remoteAddress ?? '?'}:${accepted.remotePort ?? 0}`
  const channel = openChannel(accepted)
  let user: string | undefined
  let closed = false
  const close = (error?: AllwriteError): void => {
    if (closed) return
    closed = true
    if (error) context.onRefused?.({ error, user, clientAddress })
    closeChannel(channel, error && errorResponse(fieldsOfError(error, 'FATAL')))
  }
  // Before the start-up message nobody is told anything, as in PostgreSQL: the peer may not speak the protocol.
  const timer = setTimeout(() => {
    const error = new AllwriteError('cancelled', 'canceling authentication due to timeout')
    if (user === undefined) accepted.destroy()
    else close(error)
  }, context.deadlineMs)
  const stop = (): void => {
    accepted.destroy()
  }
  context.signal?.addEventListener('abort', stop)
  if (context.signal?.aborted) stop()

  try {
    const opening = await readOpening(channel, context.tls)
    if (opening.kind === 'http') {
      closed = true
      accepted.unshift(channel.reader.release())
      context.onHttp(accepted)
      return undefined
    }
    if (opening.kind === 'cancel') await context.cancels.cancel(opening.pid, opening.secret)
    if (opening.kind !== 'startup') {
      close()
      return undefined
    }
    user = opening.user
    const session = await startSession(accepted, channel, opening, context, clientAddress)
    if (closed) {
      session.backend.destroy()
      return undefined
    }
    return session
  } catch (error) {
    if (error instanceof InvariantError) throw error
    close(error instanceof ClosedError ? undefined : refusalOf(error))
    return undefined
  } finally {
    clearTimeout(timer)
    context.signal?.removeEventListener('abort', stop)
  }
}

// What foreign code threw is for the log: somebody who has not logged in learns nothing from it.
const refusalOf = (error: unknown): AllwriteError =>
  error instanceof AllwriteError
    ? error
    : new AllwriteError('internal', 'internal error during login', { cause: error })

const startSession = async (
  accepted: Socket,
  channel: Channel,
  startup: StartupMessage,
  context: LoginContext,
  clientAddress: string,
): Promise<SessionStart> => {
  const { user, minor } = startup
  if (startup.negotiate) channel.socket.write(negotiateProtocolVersion(minor, startup.unknownOptions))
  checkNode(channel, user, context)
  const vouched = isOfProxy(startup, context)
  if (user === proxyRole && !vouched) throw reserved(user)
  const { keys } = await identify(channel, startup, accepted.remoteAddress ?? '', vouched, context)
  try {
    if (!context.admit(accepted))
      throw new AllwriteError('unavailable', 'sorry, too many clients already', { sqlState: '53300' })
    await checkDatabase(startup.database, context)
    const { binding } = channel
    const reader = binding?.kind === 'reader'
    const { settings, readOnlyWish: asked, pooled, replication } = startSettings(startup)
    const readOnlyWish = reader || asked
    if (replication && !context.admitReplication(accepted))
      throw new AllwriteError('unavailable', 'too many replication connections already', { sqlState: '53300' })
    const stay = binding?.kind === 'pinned' ? await context.enterPinned(binding) : undefined
    if (stay) accepted.once('close', () => stay.leave())
    if (accepted.destroyed) stay?.leave()
    const backend = await openBackend(context, {
      socketPath: context.socketPath,
      user,
      database: startup.database,
      credentials: { kind: 'keys', ...keys },
      settings,
      signal: channel.reader.gone,
    })
    const cancel = (): Promise<void> => passCancel(context.socketPath, backend.pid, backend.secret)
    const key = context.cancels.open(minor, cancel)
    accepted.once('close', key.close)
    if (accepted.destroyed) key.close()

    const parameters = reported(backend, readOnlyWish)
    channel.socket.write(
      Buffer.concat([
        backend.notices,
        ...[...parameters].map(([name, value]) => parameterStatus(name, value)),
        backendKeyData(key.pid, key.secret),
        readyForQueryIdle(),
      ]),
    )
    return {
      client: channel.socket,
      clientLeftover: channel.reader.release(),
      backend: backend.socket,
      backendLeftover: backend.leftover,
      backendPid: backend.pid,
      backendSecret: backend.secret,
      clientPid: key.pid,
      user,
      database: startup.database,
      parameters,
      readOnlyWish,
      pooled,
      reader,
      replication,
      stay,
      protocolMinor: minor,
      clientAddress,
      setCancel: key.setCancel,
    }
  } finally {
    keys.clientKey.fill(0)
  }
}

/** The client's first statement comes behind this: by then its ticket, which it may read, is void. */
const openBackend = async (context: LoginContext, options: BackendOptions): Promise<Backend> => {
  const unavailable = (cause: unknown): never => {
    throw new AllwriteError('unavailable', "this node's PostgreSQL server is not available", { cause })
  }
  const ticket = await context.issueTicket().catch(unavailable)
  // The last of a name counts: a client's own word for it does not.
  const settings = [...(options.settings ?? []), [ticketSetting, ticket.text] as const]
  let backend: Backend
  try {
    backend = await connectBackend({ ...options, settings })
  } catch (error) {
    await ticket.voided().catch(unavailable)
    throw error
  }
  await ticket.voided().catch((cause: unknown) => {
    backend.socket.destroy()
    unavailable(cause)
  })
  return backend
}

const checkNode = (channel: Channel, user: string, context: LoginContext): void => {
  if (context.drained())
    throw new AllwriteError('unavailable', 'this node is drained, and takes no connections', {
      hint: 'Connect to the cluster endpoint, or let the node take sessions again with "allwrite undrain".',
    })
  if (!context.gate.serving)
    throw new AllwriteError('unavailable', 'the database system is not yet accepting connections', {
      detail: 'This node has not caught up with its cluster.',
    })
  if (context.tlsRequired && !channel.secure)
    throw new AllwriteError('protocol', 'this server accepts only TLS connections', {
      sqlState: '28000',
      hint: 'Connect with sslmode=require or stronger.',
    })
  if (context.reservedRoles.has(user)) throw reserved(user)
}

const reserved = (user: string): AllwriteError =>
  new AllwriteError('protocol', `role "${user}" is not permitted to log in`, {
    sqlState: '28000',
    detail: "The role is reserved for the cluster's own connections.",
  })

/** It has been let in already, by the same rules and from where it really is. */
const isOfProxy = ({ user, database, settings }: StartupMessage, { vouchKey }: LoginContext): boolean => {
  const parameters = new Map(settings)
  const word = parameters.get(vouchName)
  const connection = parameters.get(pooledName) ?? ''
  return word !== undefined && isVouched(vouchKey, { user, database, connection }, word, Date.now())
}

const checkDatabase = async (asked: string, context: LoginContext): Promise<void> => {
  if (asked === 'template0' || asked === 'template1')
    throw new AllwriteError('unsupported', `database "${asked}" is not served by this cluster`, {
      detail: 'Its content is no part of the journal.',
      hint: 'Create a template of your own: CREATE DATABASE … IS_TEMPLATE true.',
    })
  if (!(await context.enterDatabase(asked)))
    throw new AllwriteError('protocol', `database "${asked}" does not exist`, { sqlState: '3D000' })
}

// libpq decides target_session_attrs=read-write from these two, and the backend's guard would tell it to go away.
const reported = (backend: Backend, readOnlyWish: boolean): Map<string, string> =>
  new Map(backend.parameters)
    .set('default_transaction_read_only', readOnlyWish ? 'on' : 'off')
    .set('in_hot_standby', 'off')

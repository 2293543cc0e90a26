/**
 * A connection to the local server for one client session: Unix socket, the client's role, SCRAM with the keys that the
 * client's own login revealed, and the read-only guard in the start-up packet, where neither ALTER ROLE SET nor RESET
 * nor DISCARD ALL can undo it (RULES 4).
 *
 * Failure cases: what the server answers with an error is thrown as AllwriteError `postgres` with the server's SQLSTATE
 * and words; a server that can't be reached or goes away is 57P03. A server that asks for no SCRAM is refused: with
 * `trust` on its socket any session could open another connection past the node (TRAPS, Guard).
 *
 * @module
 */
import { connect } from 'node:net'
import type { Socket } from 'node:net'
import { AllwriteError } from '../../core/errors.ts'
import { ClosedError, createByteReader } from '../../login/byte-reader.ts'
import { loginAtServer, type ServerLogin } from '../../login/server-login.ts'
import { startupMessage } from '../../wire/pgwire/login-messages.ts'
import type { ScramCredentials } from '../../wire/pgwire/scram-client.ts'

export interface BackendOptions {
  /** `<folder>/.s.PGSQL.<port>` */
  readonly socketPath: string
  readonly user: string
  readonly database: string
  readonly credentials: ScramCredentials
  /** Start-up settings without the guard. */
  readonly settings?: readonly (readonly [name: string, value: string])[]
  /** Gives up, closing the connection. */
  readonly signal?: AbortSignal
}

/** A backend that waits for its first query. Its socket is paused and has no listeners: take it over at once. */
export interface Backend extends ServerLogin {
  readonly socket: Socket
  /** Bytes that came after ReadyForQuery. */
  readonly leftover: Buffer
}

/** Connects and logs in. @throws AllwriteError as the module's comment says */
export const connectBackend = async (options: BackendOptions): Promise<Backend> => {
  const socket = connect(options.socketPath)
  socket.setNoDelay(true)
  const reader = createByteReader(socket)
  const abort = (): void => {
    socket.destroy()
  }
  options.signal?.addEventListener('abort', abort)
  if (options.signal?.aborted) abort()
  try {
    socket.write(
      startupMessage([
        ['user', options.user],
        ['database', options.database],
        ...(options.settings ?? []),
        ['default_transaction_read_only', 'on'],
      ]),
    )
    const ready = await loginAtServer(socket, reader, options.credentials)
    options.signal?.throwIfAborted()
    return { socket, leftover: reader.release(), ...ready }
  } catch (error) {
    socket.destroy()
    if (error instanceof ClosedError || options.signal?.aborted) throw unreachable(error)
    throw error
  } finally {
    options.signal?.removeEventListener('abort', abort)
  }
}

const unreachable = (cause: unknown): AllwriteError =>
  new AllwriteError('unavailable', "this node's PostgreSQL server is not available", { cause })

/**
 * Opens connections to nodes, with the keys that clients' logins revealed.
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
import type { Target } from '../contract.ts'

/** A node on a loopback or a local network that has not let a connection in by then is passed over, ms. */
const loginMsMax = 5_000

export interface NodeLogin extends ServerLogin {
  /** Paused, without listeners: to be taken over at once. */
  readonly socket: Socket
  readonly leftover: Buffer
}

/**
 * Connects and logs in.
 * @throws AllwriteError `unavailable`: the node can't be reached or does not serve; `postgres`: what it answers else
 */
export async function loginAtNode(
  target: Target,
  parameters: readonly (readonly [string, string])[],
  credentials: ScramCredentials,
): Promise<NodeLogin> {
  const socket = connect({ host: target.host, port: target.port, noDelay: true, keepAlive: true })
  const reader = createByteReader(socket)
  const timer = setTimeout(() => socket.destroy(), loginMsMax)
  try {
    socket.write(Buffer.concat([target.preamble, startupMessage(parameters)]))
    const login = await loginAtServer(socket, reader, credentials)
    return { ...login, socket, leftover: reader.release() }
  } catch (thrown) {
    socket.on('error', () => undefined)
    socket.destroy()
    if (thrown instanceof ClosedError) throw unavailable(target, thrown)
    if (thrown instanceof AllwriteError && /^(?:57P0|53)/.test(thrown.sqlState)) throw unavailable(target, thrown)
    throw thrown
  } finally {
    clearTimeout(timer)
  }
}

const unavailable = (target: Target, cause: unknown): AllwriteError =>
  new AllwriteError('unavailable', `node ${target.node} does not take a connection`, { cause })

/**
 * Keys for CancelRequests of the pool's clients. A key stays valid whatever connection its session has; the request goes to the
 * connection that it has at that moment, and nobody else may borrow that one before the request is over.
 *
 * @module
 */
import { randomBytes, randomInt, timingSafeEqual } from 'node:crypto'
import { connect } from 'node:net'
import { cancelRequest } from '../../wire/pgwire/login-messages.ts'
import type { ServerConnection } from './server-connection.ts'

/** How long a node may take to close a cancel connection, ms. */
const cancelMsMax = 5_000

export interface CancelKey {
  readonly pid: number
  /** 4 bytes in protocol 3.0 and 3.1, 32 from 3.2 on. */
  readonly secret: Buffer
}

export class Cancels {
  readonly #keys = new Map<number, { readonly secret: Buffer; readonly cancel: () => Promise<void> }>()

  open(protocolMinor: number, cancel: () => Promise<void>): CancelKey {
    let pid = randomInt(1, 2 ** 31 - 1)
    while (this.#keys.has(pid)) pid = randomInt(1, 2 ** 31 - 1)
    const secret = randomBytes(protocolMinor >= 2 ? 32 : 4)
    this.#keys.set(pid, { secret, cancel })
    return { pid, secret }
  }

  close(key: CancelKey): void {
    this.#keys.delete(key.pid)
  }

  /** Tells nobody whether there is such a session. */
  async cancel(pid: number, secret: Buffer): Promise<void> {
    const entry = this.#keys.get(pid)
    if (entry?.secret.length === secret.length && timingSafeEqual(entry.secret, secret)) await entry.cancel()
  }
}

/** Cancels what runs on a connection. Resolves when its node has taken the request, or after some seconds. Never rejects. */
export function cancelAt({ target, pid, secret, cancels }: ServerConnection): Promise<void> {
  const request = new Promise<void>((resolve) => {
    const socket = connect({ host: target.host, port: target.port })
    socket.setTimeout(cancelMsMax, () => socket.destroy())
    socket.on('error', () => undefined)
    socket.on('close', () => resolve())
    socket.resume()
    socket.write(Buffer.concat([target.preamble, cancelRequest(pid, secret)]))
  })
  cancels.add(request)
  return request.finally(() => cancels.delete(request))
}

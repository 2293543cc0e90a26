/**
 * Cancelling a running statement: the keys that clients hold, and passing a cancel on to the local server.
 *
 * Contract: a client's key is ours, not its backend's: it stays valid whatever backend the session has at the moment,
 * and its process id says which node it belongs to. A request is never answered, right or wrong; the end of its connection says
 * that the server has taken it, as PostgreSQL's does: who waits for that may send the next statement.
 *
 * @module
 */
import { randomBytes, timingSafeEqual } from 'node:crypto'
import { connect } from 'node:net'
import { assert } from '../../core/errors.ts'
import type { NodeId } from '../../core/ids.ts'
import { cancelRequest } from '../../wire/pgwire/login-messages.ts'

/** Serial numbers of a node's sessions: the low bits of a process id. */
const serialBits = 20
const serialMax = 2 ** serialBits - 1
/**
 * A process id is a positive int32, so 11 bits remain for the node. Nodes 2,048 apart would share them: then the
 * secret alone tells the sessions apart, which is what it is for.
 */
const nodeMask = 0x7ff
/** How long the local server may take to close a cancel connection. */
const cancelMsMax = 5_000

export interface CancelKey {
  /** Unique among the live sessions of the cluster (see above). */
  readonly pid: number
  /** 4 bytes in protocol 3.0 and 3.1, 32 from 3.2 on. */
  readonly secret: Buffer
  /** What a cancel does from now on. */
  readonly setCancel: (cancel: () => Promise<void>) => void
  /** The session ended. Idempotent. */
  readonly close: () => void
}

export interface CancelRegistry {
  /** A fresh key. At most a million sessions may be open at once. */
  open(protocolMinor: number, cancel: () => Promise<void>): CancelKey
  /** Runs the cancel function of the session that has this key, and waits for it; tells nobody whether there is one. */
  cancel(pid: number, secret: Buffer): Promise<void>
  readonly size: number
}

export const createCancelRegistry = (node: NodeId): CancelRegistry => {
  const sessions = new Map<number, { readonly secret: Buffer; cancel: () => Promise<void> }>()
  let serial = 0
  const freePid = (): number => {
    assert(sessions.size < serialMax, 'fewer sessions than process ids')
    for (;;) {
      serial = serial === serialMax ? 1 : serial + 1
      const pid = ((node & nodeMask) << serialBits) | serial
      if (!sessions.has(pid)) return pid
    }
  }
  return {
    open: (protocolMinor, cancel) => {
      const pid = freePid()
      const secret = randomBytes(protocolMinor >= 2 ? 32 : 4)
      const entry = { secret, cancel }
      sessions.set(pid, entry)
      return {
        pid,
        secret,
        setCancel: (next) => {
          entry.cancel = next
        },
        close: () => {
          if (sessions.get(pid) === entry) sessions.delete(pid)
        },
      }
    },
    cancel: async (pid, secret) => {
      const entry = sessions.get(pid)
      if (entry?.secret.length === secret.length && timingSafeEqual(entry.secret, secret)) await entry.cancel()
    },
    get size() {
      return sessions.size
    },
  }
}

/** The node that a client's process id names (its low 11 bits): where a proxy sends a CancelRequest. */
export const nodeBitsOfPid = (pid: number): number => (pid >>> serialBits) & nodeMask

/**
 * Passes a client's cancel on to the local server. Resolves when the server has taken the request (it may have
 * come too late, or for nobody: PostgreSQL never tells), could not be reached, or has not taken it for {@link cancelMsMax}: then it
 * may still do so, and hit what runs by then, as PostgreSQL itself would. Never rejects.
 */
export const passCancel = (socketPath: string, pid: number, secret: Buffer): Promise<void> =>
  new Promise((resolve) => {
    const socket = connect(socketPath)
    socket.setTimeout(cancelMsMax, () => socket.destroy())
    socket.on('error', () => {})
    socket.on('close', () => resolve())
    socket.resume()
    // Not end(): the server closes after it has sent the signal, and that is what is waited for.
    socket.write(cancelRequest(pid, secret))
  })

/**
 * Connections that have not logged in yet. Their number is bounded; when it is reached a newcomer takes the place of the connection
 * that has waited longest, of the address that has most: whoever opens connections and says nothing pushes out its own, and a client
 * that logs in as fast as it can finds room.
 *
 * @module
 */
import type { Socket } from 'node:net'
import { networkOf } from './throttle.ts'

export interface Lobby {
  /** Takes a connection in, destroying another one where there is no room. */
  enter(socket: Socket): void
  /** It has logged in, or was refused. Idempotent. */
  leave(socket: Socket): void
  readonly size: number
}

export const createLobby = (waitingMax: number): Lobby => {
  /** By network, the longest waiting first. */
  const waiting = new Map<string, Set<Socket>>()
  const networks = new Map<Socket, string>()

  const leave = (socket: Socket): void => {
    const network = networks.get(socket)
    if (network === undefined) return
    networks.delete(socket)
    const mates = waiting.get(network)
    mates?.delete(socket)
    if (mates?.size === 0) waiting.delete(network)
  }
  const pushOut = (): void => {
    let most: Set<Socket> | undefined
    for (const sockets of waiting.values()) if (sockets.size > (most?.size ?? 0)) most = sockets
    for (const oldest of most ?? []) {
      leave(oldest)
      oldest.destroy()
      return
    }
  }
  return {
    enter(socket) {
      if (networks.size >= waitingMax) pushOut()
      const network = networkOf(socket.remoteAddress ?? '')
      networks.set(socket, network)
      const mates = waiting.get(network)
      if (mates === undefined) waiting.set(network, new Set([socket]))
      else mates.add(socket)
    },
    leave,
    get size() {
      return networks.size
    },
  }
}

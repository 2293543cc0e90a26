/**
 * Gets a session a connection, with the session's state in it.
 *
 * @module
 */
import type { Request } from './connections.ts'
import { furnish } from './furnish.ts'
import { ConnectionLost, type ServerConnection } from './server-connection.ts'
import { SessionEnd } from './session-context.ts'
import type { PooledSession } from './session.ts'
import { parameterFrame } from './words.ts'

/**
 * @returns undefined: it has one, which was free and has its state. @throws as the promise rejects: AllwriteError, NoNode, SessionEnd
 */
export function borrow(session: PooledSession): Promise<void> | undefined {
  const server = session.context.connections.take(requestOf(session))
  if (server === undefined) return borrowLater(session, undefined, undefined)
  const furnishing = furnishFor(session, server)
  if (furnishing) return borrowLater(session, server, furnishing)
  adopt(session, server)
  return undefined
}

async function borrowLater(
  session: PooledSession,
  taken: ServerConnection | undefined,
  begun: Promise<void> | undefined,
): Promise<void> {
  let server = taken
  let furnishing = begun
  for (;;) {
    if (server === undefined) {
      server = await waitForOne(session)
      furnishing = furnishFor(session, server)
    }
    try {
      await furnishing
    } catch (thrown) {
      server.borrower = undefined
      server.destroy()
      if (!(thrown instanceof ConnectionLost)) throw thrown
      server = undefined
      continue
    }
    adopt(session, server)
    return
  }
}

const requestOf = (session: PooledSession): Request => {
  const { kind, home, last, gone } = session
  return { kind, home, last, signal: gone, chosen: (target) => session.settle(target) }
}

/** @throws AllwriteError, NoNode, SessionEnd: the client has gone meanwhile */
async function waitForOne(session: PooledSession): Promise<ServerConnection> {
  const { connections } = session.context
  const began = performance.now()
  session.waitingSince = began
  try {
    const server = await connections.borrow(requestOf(session))
    if (!session.client.closed) return server
    connections.release(server)
    throw new SessionEnd(undefined)
  } finally {
    session.waitingSince = undefined
    session.kind.traffic.waitUs += (performance.now() - began) * 1000
  }
}

/** Undefined: there is nothing to wait for. */
function furnishFor(session: PooledSession, server: ServerConnection): Promise<void> | undefined {
  server.borrower = session
  const moved = session.home !== undefined && session.home.node !== server.target.node
  return furnish(server, session, session.state.settings, moved)
}

function adopt(session: PooledSession, server: ServerConnection): void {
  for (const [name, value] of server.reported)
    if (session.told.get(name) !== value) session.fact(parameterFrame(name, value))
  session.server = server
  session.home = session.context.connections.homeAt(server)
  session.countedBefore = server.counted
  server.setPaused(session.output.blocked)
}

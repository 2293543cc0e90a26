/**
 * The journal process's socket: lets agents reach a store.
 *
 * Contract: serves every client that connects to the Unix socket (file mode 0600: only the same user can). A client
 * that sends nonsense, or goes, ends its own connection and nothing else. When the store ends, all connections end;
 * clients reconnect to the next process and repeat what was not answered.
 *
 * @module
 */
import { chmodSync, unlinkSync } from 'node:fs'
import { createServer } from 'node:net'
import { AllwriteError } from '../../core/errors.ts'
import { Connection } from './connection.ts'
import { errnoOf } from './disk.ts'
import type { Log } from './recover.ts'
import type { Store } from './store.ts'

export interface ServerOptions {
  readonly store: Store
  /** Path of the Unix socket; its directory exists. A file left there by a dead process is replaced. */
  readonly socketPath: string
  readonly log?: Log
}

/** Clients at one time: agents, joiners, tools. A bound, so that a client in a reconnect loop can't exhaust us. */
const connectionsMax = 1024

/**
 * Serves a store until disposed. The caller holds the directory's lock, so no other process serves it.
 * @throws AllwriteError configuration where the socket can't be made
 */
export const serveJournal = async ({ store, socketPath, log = () => {} }: ServerOptions): Promise<AsyncDisposable> => {
  const connections = new Set<Connection>()
  const server = createServer((socket) => {
    const connection = new Connection(socket, store, log)
    connections.add(connection)
    socket.once('close', () => connections.delete(connection))
  })
  server.maxConnections = connectionsMax
  const forget = store.onChange(() => {
    if (store.ended === undefined) for (const connection of connections) connection.pump()
    else for (const connection of connections) connection.destroy()
  })
  try {
    unlinkSync(socketPath)
  } catch (error) {
    if (errnoOf(error) !== 'ENOENT') throw AllwriteError.from(error, 'configuration')
  }
  await new Promise<void>((resolve, reject) => {
    // After the start: a failed accept (no file descriptors left) concerns that client only.
    server.on('error', (error) => {
      log('warn', `journal: ${error.message}`)
      reject(AllwriteError.from(error, 'configuration'))
    })
    // The umask makes it 0600 from the first moment; bind(2) honours it.
    const mask = process.umask(0o177)
    server.listen(socketPath, resolve)
    process.umask(mask)
  })
  chmodSync(socketPath, 0o600)
  return {
    async [Symbol.asyncDispose]() {
      forget()
      const closed = new Promise<void>((resolve) => server.close(() => resolve()))
      for (const connection of connections) connection.destroy()
      await closed
    },
  }
}

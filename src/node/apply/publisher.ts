/**
 * Plays the publisher for the local server's own apply worker: the worker connects to a Unix socket of ours, and we
 * feed it with remote writesets. PostgreSQL's C code applies the rows; the replication origin moves in the same commit.
 *
 * Contract
 * - `send` queues a batch: it becomes one PostgreSQL transaction, whose end LSN encodes the batch's position.
 * - Batches are applied in the order of `send`. The caller keeps strict order (never sends behind an own group that has not
 *   committed), and bounds what it has sent: every unapplied batch stays in memory for a resend.
 * - A worker that ends (error, restart) comes back and asks from its origin: what lies behind that is sent again, never what
 *   lies before (the worker does not deduplicate, TRAPS).
 * - A batch at whose start the worker failed `attemptsMax` times is poison: `onPoison` decides (RULES 8). From then on the
 *   worker gets nothing until `skip`: it must not apply what is being applied in another way.
 *
 * @module
 */
import { createServer, type Server, type Socket } from 'node:net'
import { once } from 'node:events'
import { AllwriteError, assert, InvariantError } from '../../core/errors.ts'
import { deferred, type Deferred } from '../../core/deferred.ts'
import { rmSync } from 'node:fs'
import { lsnOfPosition, positionOfLsn, type Lsn, type Position } from '../../core/ids.ts'
import type { WritesetRecord } from '../../core/writeset.ts'
import { createMessageCutter, keepalive, postgresTimestamp } from '../../wire/pgoutput/copy-stream.ts'
import { FrameWriter, writeBegin, writeCommit } from '../../wire/pgoutput/publish.ts'
import { greetWorker } from './worker-greeting.ts'
import { createRelationNames, type GeneratedColumns, type RelationNames } from './relation-names.ts'

/** Failures of the worker at one batch before it counts as poison: one may be a deadlock victim or a killed worker. */
const attemptsMax = 3
/** Socket writes of a large batch are cut at about this size, bytes. */
const writeBytes = 256 * 1024

/** One PostgreSQL transaction for the worker. */
export interface ApplyBatch {
  /** The last journal position in it. */
  readonly position: Position
  /** What it applies, for another way when this one fails. */
  readonly records: readonly WritesetRecord[]
  /** Writes the changes of each record, in order; may be called again after a reconnect. */
  write(out: FrameWriter, names: RelationNames, flush: () => Promise<void>): Promise<void> | void
}

export interface Publisher extends AsyncDisposable {
  send(batch: ApplyBatch): void
  /** Everything sent up to here is committed at the worker. */
  readonly applied: Position
  readonly outstanding: number
  /** Resolves when nothing sent is unapplied. @throws AllwriteError cancelled when the publisher ends before */
  idle(): Promise<void>
  /** Drops the first unapplied batch: it was applied in another way. */
  skip(position: Position): void
  /** After DDL: relations are announced again. */
  forgetRelations(): void
  readonly connected: boolean
  /** Resolves when the worker says anything, which is asked for. Rejects when it goes, or is not there. */
  ping(): Promise<void>
}

export interface PublisherOptions {
  /** Path of the socket, in libpq's naming: `<dir>/.s.PGSQL.<port>`. */
  readonly socketPath: string
  /** What the worker's conninfo gives as user; others are refused (a base backup's worker, TRAPS). */
  readonly user: string
  /** The position the local server holds at start. */
  readonly start: Position
  /** Unix time, ms: the commit times that `track_commit_timestamp` shows. */
  readonly wallClock: () => number
  readonly generatedOf: GeneratedColumns
  readonly onApplied: (position: Position) => void
  readonly onConnected: () => void
  readonly onPoison: (batch: ApplyBatch) => void
  readonly onError: (error: Error) => void
}

/** Resolves when the socket takes more, or is closed. Leaves no listener: a large batch waits thousands of times. */
const drained = (socket: Socket): Promise<void> =>
  new Promise((resolve) => {
    const done = (): void => {
      socket.removeListener('drain', done)
      socket.removeListener('close', done)
      resolve()
    }
    socket.once('drain', done)
    socket.once('close', done)
  })

export const createPublisher = async (options: PublisherOptions): Promise<Publisher> => {
  const batches: ApplyBatch[] = []
  let applied = options.start
  let connection: { socket: Socket; sent: number; busy: boolean; names: RelationNames } | undefined
  const sockets = new Set<Socket>()
  let idleWaiters: Deferred<void>[] = []
  /** The last batch that any worker has got, whole or in part. */
  let begun = options.start
  /** The batch that workers ended at, and how many of them. */
  let failed: { readonly position: Position; times: number } | undefined
  let poisoned = false
  let closed = false
  let pinged: Deferred<void> | undefined

  const settle = (position: Position): void => {
    if (position <= applied) return
    applied = position
    while (batches.length > 0 && (batches[0] as ApplyBatch).position <= applied) {
      batches.shift()
      if (connection !== undefined && connection.sent > 0) connection.sent -= 1
    }
    options.onApplied(applied)
    if (batches.length === 0) {
      for (const waiter of idleWaiters) waiter.resolve()
      idleWaiters = []
    }
  }

  const writeBatch = async (batch: ApplyBatch, to: NonNullable<typeof connection>): Promise<void> => {
    const out = new FrameWriter()
    const lsn = lsnOfPosition(batch.position)
    const time = postgresTimestamp(options.wallClock())
    const flush = async (): Promise<void> => {
      if (out.byteLength < writeBytes) return
      if (to.socket.destroyed) throw new Error('the apply worker went away')
      if (!to.socket.write(out.take())) await drained(to.socket)
    }
    writeBegin(out, lsn, time)
    const writing = batch.write(out, to.names, flush)
    if (writing !== undefined) await writing
    writeCommit(out, lsn, time)
    out.raw(keepalive(lsn, options.wallClock(), true))
    if (!to.socket.destroyed) to.socket.write(out.take())
  }

  const pump = async (): Promise<void> => {
    const to = connection
    if (to === undefined || to.busy || poisoned) return
    to.busy = true
    try {
      while (to === connection && !poisoned && to.sent < batches.length) {
        const batch = batches[to.sent] as ApplyBatch
        to.sent += 1
        if (batch.position > begun) begun = batch.position
        await writeBatch(batch, to)
      }
    } catch (error) {
      if (to === connection) options.onError(error as Error)
      to.socket.destroy()
    } finally {
      to.busy = false
    }
  }

  const streaming = (socket: Socket, start: Lsn): void => {
    connection?.socket.destroy()
    unanswered()
    const own = { socket, sent: 0, busy: false, names: createRelationNames(options.generatedOf) }
    connection = own
    // What the worker has, it has: progress that was lost with the connection is learned here.
    settle(positionOfLsn(start))
    countFailure()
    options.onConnected()
    void pump()
  }

  /** A worker that comes again and finds the same batch first has failed at it, or was ended while it waited. */
  const countFailure = (): void => {
    const first = batches[0]
    if (first === undefined || poisoned || first.position > begun) return
    if (failed?.position !== first.position) failed = { position: first.position, times: 0 }
    failed.times += 1
    if (failed.times < attemptsMax) return
    poisoned = true
    options.onPoison(first)
  }

  const lost = (socket: Socket): void => {
    if (connection?.socket !== socket) return
    connection = undefined
    unanswered()
  }

  const unanswered = (): void => {
    pinged?.reject(new AllwriteError('unavailable', 'the apply worker went away'))
    pinged = undefined
  }

  const onConnection = (socket: Socket): void => {
    sockets.add(socket)
    socket.setNoDelay(true)
    socket.on('error', () => socket.destroy())
    socket.on('close', () => {
      sockets.delete(socket)
      lost(socket)
    })
    greetWorker(socket, options.user, (start) => {
      const cut = createMessageCutter((type, bytes, at) => {
        // Standby status update: written, flushed, applied. Its third LSN is what is committed.
        if (type === 0x64 && bytes[at] === 0x72) {
          pinged?.resolve()
          pinged = undefined
          settle(positionOfLsn(bytes.readBigUInt64BE(at + 17) as Lsn))
        } else if (type === 0x63 || type === 0x58) socket.end()
      })
      socket.on('data', (chunk: Buffer) => {
        try {
          cut(chunk)
        } catch (error) {
          socket.destroy()
          if (error instanceof InvariantError) throw error
          options.onError(error as Error)
        }
      })
      streaming(socket, start)
    })
  }

  rmSync(options.socketPath, { force: true })
  const server: Server = createServer(onConnection)
  server.listen(options.socketPath)
  await once(server, 'listening')

  return {
    send(batch) {
      assert(batch.position > (batches.at(-1)?.position ?? applied), 'each batch moves the origin forward')
      batches.push(batch)
      void pump()
    },
    get applied() {
      return applied
    },
    get outstanding() {
      return batches.length
    },
    idle() {
      if (batches.length === 0) return Promise.resolve()
      const waiter = deferred<void>()
      idleWaiters.push(waiter)
      return waiter.promise
    },
    skip(position) {
      // The worker starts anew from its origin, behind which nothing of this batch lies any more.
      connection?.socket.destroy()
      connection = undefined
      unanswered()
      poisoned = false
      settle(position)
    },
    forgetRelations() {
      connection?.names.forget()
    },
    get connected() {
      return connection !== undefined
    },
    ping() {
      if (pinged !== undefined) return pinged.promise
      const asked = (pinged = deferred<void>())
      if (connection === undefined) unanswered()
      else connection.socket.write(keepalive(lsnOfPosition(applied), options.wallClock(), true))
      return asked.promise
    },
    async [Symbol.asyncDispose]() {
      if (closed) return
      closed = true
      for (const waiter of idleWaiters) waiter.reject(new AllwriteError('cancelled', 'the publisher ended'))
      idleWaiters = []
      // Also those that are being greeted: the server's close waits for all.
      for (const socket of sockets) socket.destroy()
      server.close()
      await once(server, 'close')
    },
  }
}

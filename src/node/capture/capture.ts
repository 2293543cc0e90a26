/**
 * The agent's replication connection: reads the local server's decoding stream and hands each transaction's changes over
 * when its capture message passes.
 *
 * Contract
 * - `nonce()` makes a token; after the backend's capture call was answered with a transaction id, `captured(nonce)` resolves
 *   with all changes of that transaction, undefined where it made none that replicate. The log is then the caller's to
 *   dispose; `discard(nonce)` instead gives it up, passed or not.
 * - The slot is temporary: it dies with this connection, so it never holds WAL back for anyone (POSTGRES.md, Capture).
 * - The connection is not re-made: what was streamed of running transactions would be missing. Its loss is fatal for the
 *   agent, which starts anew (`onLost`).
 *
 * @module
 */
import { randomBytes } from 'node:crypto'
import type { Socket } from 'node:net'
import { join } from 'node:path'
import { deferred, type Deferred } from '../../core/deferred.ts'
import { AllwriteError, assert } from '../../core/errors.ts'
import type { QualifiedName } from '../catalog/relations.ts'
import { createMessageCutter, standbyStatusUpdate } from '../../wire/pgoutput/copy-stream.ts'
import { createDecoder, type StreamedTransaction } from './decoder.ts'

/** How often the slot's confirmed position moves on, ms: bounds the WAL that it keeps. */
const statusMs = 1_000

export interface Capture {
  /** A place in the WAL that the stream has passed: all that begins after this call is written behind it. */
  readonly passed: bigint
  nonce(): string
  discard(nonce: string): void
  captured(nonce: string): Promise<CapturedTransaction>
  /** Resolves when the stream says anything, which is asked for. Rejects when the connection is lost. */
  ping(): Promise<void>
  close(): void
}

export interface CapturedTransaction {
  readonly xid: bigint
  readonly changes: StreamedTransaction | undefined
  /** Tables that it read, where it is SERIALIZABLE. */
  readonly reads: readonly QualifiedName[] | undefined
}

export interface CaptureOptions {
  /** An authenticated `replication=database` connection, ready for a query. */
  readonly socket: Socket
  readonly slot: string
  readonly publication: string
  readonly spoolDir: string
  /** Unix time, ms: for the server's statistics only. */
  readonly wallClock: () => number
  readonly onLost: (error: Error) => void
  readonly onTripwire: (what: string, xid: number) => void
  readonly onCommit: (transaction: StreamedTransaction) => void
}

interface Watch {
  readonly promise: Promise<CapturedTransaction>
  readonly resolve: (captured: CapturedTransaction) => void
  readonly reject: (error: Error) => void
}

/** Unguessable, since any user may emit a message; random bytes are drawn in bulk: a draw costs more than a token. */
const createTokens = (): (() => string) => {
  const tokenBytes = 12
  let pool = Buffer.alloc(0)
  let at = 0
  return () => {
    if (at + tokenBytes > pool.length) {
      pool = randomBytes(tokenBytes * 256)
      at = 0
    }
    at += tokenBytes
    return pool.toString('hex', at - tokenBytes, at)
  }
}

const queryMessage = (sql: string): Buffer => {
  const body = Buffer.from(`${sql}\0`)
  const head = Buffer.alloc(5)
  head.write('Q', 0)
  head.writeUInt32BE(4 + body.length, 1)
  return Buffer.concat([head, body])
}

/** The primary message of an ErrorResponse's body. */
const errorText = (bytes: Buffer, start: number, end: number): string =>
  bytes
    .toString('utf8', start, end)
    .split('\0')
    .find((field) => field.startsWith('M'))
    ?.slice(1) ?? 'unknown error'

/** What `allwrite.serializable_reads()` returned, proven ours by the nonce. */
const parseReads = (json: string): readonly QualifiedName[] =>
  (JSON.parse(json) as readonly [string, string][]).map(([schema, name]) => ({ schema, name }))

/** Without the session's own temporary schema: on another server somebody else has one of that name. */
const parseSearchPath = (hex: string): readonly string[] =>
  (JSON.parse(Buffer.from(hex, 'hex').toString()) as readonly string[]).filter((name) => !/^pg_temp(_|$)/.test(name))

export const startCapture = async (options: CaptureOptions): Promise<Capture> => {
  const { socket } = options
  const watches = new Map<string, Watch>()
  const pending = new Map<string, Promise<CapturedTransaction>>()
  const randomToken = createTokens()
  let lastLsn = 0n
  let closing = false
  let pinged: Deferred<void> | undefined
  let onControl: ((type: number, bytes: Buffer, start: number, end: number) => void) | undefined

  const decoder = createDecoder(
    {
      onCapture(nonce, xid, reads, changes, searchPath) {
        const watch = watches.get(nonce)
        // Not ours: anyone may emit a message with our prefix.
        if (watch === undefined) return
        watches.delete(nonce)
        if (changes !== undefined) {
          changes.sealed = true
          if (searchPath !== undefined) changes.searchPath = parseSearchPath(searchPath)
        }
        watch.resolve({ xid, changes, reads: reads === undefined ? undefined : parseReads(reads) })
      },
      onCommit: options.onCommit,
      onTripwire: options.onTripwire,
    },
    (xid) => join(options.spoolDir, `spool.${xid}`),
  )

  const rejectAll = (error: Error): void => {
    for (const watch of watches.values()) watch.reject(error)
    watches.clear()
    pinged?.reject(error)
    pinged = undefined
  }

  const lost = (error: Error): void => {
    if (closing) return
    closing = true
    clearInterval(timer)
    socket.destroy()
    rejectAll(error)
    options.onLost(error)
  }

  const copyData = (bytes: Buffer, start: number, end: number): void => {
    if (pinged !== undefined) {
      pinged.resolve()
      pinged = undefined
    }
    if (bytes[start] === 0x77) {
      const at = bytes.readBigUInt64BE(start + 1)
      if (at > lastLsn) lastLsn = at
      decoder.message(bytes, start + 25, end)
    } else if (bytes[start] === 0x6b) {
      const at = bytes.readBigUInt64BE(start + 1)
      if (at > lastLsn) lastLsn = at
      if (bytes[start + 17] === 1) socket.write(standbyStatusUpdate(lastLsn, options.wallClock()))
    }
  }

  const cut = createMessageCutter((type, bytes, start, end) => {
    if (type === 0x64) return copyData(bytes, start, end)
    if (onControl !== undefined) return onControl(type, bytes, start, end)
    if (type === 0x45) throw new AllwriteError('postgres', `capture: ${errorText(bytes, start, end)}`)
  })
  socket.on('data', (chunk: Buffer) => {
    try {
      cut(chunk)
    } catch (error) {
      lost(error as Error)
    }
  })
  socket.on('error', (error) => lost(error))
  socket.on('close', () => lost(new AllwriteError('postgres', 'the server closed the capture connection')))

  /** Runs a command up to the message type that ends it: ReadyForQuery, or CopyBothResponse. */
  const command = async (sql: string, endType: number): Promise<void> => {
    const { promise, resolve, reject } = deferred<void>()
    onControl = (type, bytes, start, end) => {
      if (type === 0x45) reject(new AllwriteError('postgres', `capture: ${errorText(bytes, start, end)}`))
      else if (type === endType) resolve()
    }
    socket.write(queryMessage(sql))
    const closed = (): void => reject(new AllwriteError('postgres', 'the server closed the capture connection'))
    socket.once('close', closed)
    try {
      await promise
    } finally {
      socket.removeListener('close', closed)
      onControl = undefined
    }
  }

  const timer = setInterval(() => {
    if (lastLsn > 0n) socket.write(standbyStatusUpdate(lastLsn, options.wallClock()))
  }, statusMs)

  const stop = (): void => {
    closing = true
    clearInterval(timer)
    socket.destroy()
  }

  const readyForQuery = 0x5a
  const copyBoth = 0x57
  const begin = async (): Promise<void> => {
    // Its death is seen by its socket. A timeout would go by the wall clock, which may jump.
    await command('SET wal_sender_timeout = 0', readyForQuery)
    // A user-level setting of this connection alone (TRAPS): each change is streamed as soon as its WAL is flushed.
    await command('SET debug_logical_replication_streaming = immediate', readyForQuery)
    await command(
      `CREATE_REPLICATION_SLOT "${options.slot}" TEMPORARY LOGICAL pgoutput (SNAPSHOT 'nothing')`,
      readyForQuery,
    )
    await command(
      `START_REPLICATION SLOT "${options.slot}" LOGICAL 0/0 (proto_version '4', publication_names '"${options.publication}"', ` +
        `streaming 'on', messages 'true', origin 'none')`,
      copyBoth,
    )
  }

  socket.resume()
  try {
    await begin()
  } catch (error) {
    // Its caller is told; `onLost` is for what breaks later.
    stop()
    throw error
  }

  return {
    get passed() {
      return lastLsn
    },
    nonce() {
      const nonce = randomToken()
      const { promise, resolve, reject } = deferred<CapturedTransaction>()
      // A session that is gone may never ask: its rejection is nobody's error.
      promise.catch(() => undefined)
      watches.set(nonce, { promise, resolve, reject })
      pending.set(nonce, promise)
      return nonce
    },
    discard(nonce) {
      watches.delete(nonce)
      const promise = pending.get(nonce)
      pending.delete(nonce)
      // The message may have passed: then nobody else will dispose the log.
      promise?.then(
        ({ changes }) => changes?.log.dispose(),
        () => undefined,
      )
    },
    captured(nonce) {
      const promise = pending.get(nonce)
      assert(promise !== undefined, 'a nonce is waited for once')
      pending.delete(nonce)
      return promise
    },
    ping() {
      if (pinged === undefined) {
        pinged = deferred()
        if (closing) pinged.reject(new AllwriteError('unavailable', 'the capture connection was closed'))
        else socket.write(standbyStatusUpdate(lastLsn, options.wallClock(), true))
      }
      return pinged.promise
    },
    close() {
      stop()
      rejectAll(new AllwriteError('unavailable', 'the capture connection was closed'))
    },
  }
}

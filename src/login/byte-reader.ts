/**
 * Reads a known number of bytes at a time from a socket, for logins: short exchanges of small messages whose sender is
 * not trusted yet. What was not read is handed back, so that the next owner of the socket loses nothing.
 *
 * @module
 */
import type { Socket } from 'node:net'

/**
 * Unread bytes after which the socket is paused. A login needs less than 11 KiB at a time; together with one chunk of
 * the socket (64 KiB) this is the most memory that an unknown peer holds.
 */
export const unreadBytesMax = 16 * 1024

/** The peer went away: nobody is left to be told anything. */
export class ClosedError extends Error {
  constructor() {
    super('connection closed')
    this.name = 'ClosedError'
  }
}

export interface ByteReader {
  /** Resolves to exactly `count` bytes. One call at a time. @throws ClosedError when the peer ends or breaks first */
  read(count: number): Promise<Buffer>
  /** The same, but leaves the bytes unread. */
  peek(count: number): Promise<Buffer>
  /** How many bytes came in and were not read. */
  readonly unread: number
  /** Aborted when the peer ends or breaks, or at {@link release}: what was begun for it can stop. */
  readonly gone: AbortSignal
  /**
   * Takes the reader's listeners off, pauses the socket, and returns what came in but was not read. A read that still
   * waits fails.
   */
  release(): Buffer
}

/** Starts reading at once. An error of the socket is taken as its end. */
export const createByteReader = (socket: Socket): ByteReader => {
  const gone = new AbortController()
  let unread: Buffer = Buffer.alloc(0)
  let wake: (() => void) | undefined

  const onData = (chunk: Buffer): void => {
    unread = unread.length === 0 ? chunk : Buffer.concat([unread, chunk])
    if (unread.length > unreadBytesMax) socket.pause()
    wake?.()
  }
  const onGone = (): void => {
    gone.abort()
    wake?.()
  }
  socket.on('data', onData).on('end', onGone).on('close', onGone).on('error', onGone)
  if (socket.destroyed || socket.readableEnded) gone.abort()

  const peek = async (count: number): Promise<Buffer> => {
    while (unread.length < count) {
      if (gone.signal.aborted) throw new ClosedError()
      const more = new Promise<void>((resolve) => (wake = resolve))
      socket.resume()
      await more
      wake = undefined
    }
    return unread.subarray(0, count)
  }
  return {
    peek,
    read: async (count) => {
      const bytes = await peek(count)
      unread = unread.subarray(count)
      return bytes
    },
    get unread() {
      return unread.length
    },
    gone: gone.signal,
    release: () => {
      socket.off('data', onData).off('end', onGone).off('close', onGone).off('error', onGone)
      socket.pause()
      onGone()
      return unread
    },
  }
}

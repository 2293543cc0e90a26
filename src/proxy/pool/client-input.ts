/**
 * The client's side of reading: whole frames, taken one by one when the session is ready for them. What is not taken waits here up
 * to a bound, then in the kernel: that is the client's back-pressure.
 *
 * @module
 */
import type { Socket } from 'node:net'
import { AllwriteError } from '../../core/errors.ts'
import { FrameScanner, frontendRules, Part } from '../../wire/pgwire/frames.ts'

/** Bytes that wait here before the socket is paused: a few chunks, so that a pipeline never starves. */
const inputBytesMax = 256 * 1024

/** How long a client may take to read its last words, ms. */
const lingerMsMax = 2_000

/** One frame, or a part of one of CopyData. */
export interface ClientFrame {
  readonly type: number
  readonly bytes: Buffer
  /** False: the frame goes on in the next one (CopyData only). */
  readonly complete: boolean
}

export class ClientInput {
  readonly #socket: Socket
  readonly #scanner: FrameScanner
  readonly #wake: () => void
  #queue: ClientFrame[] = []
  #head = 0
  #bytes = 0
  #paused = false
  #ended = false
  #failure: AllwriteError | undefined

  /** @param wake called when there is more to say */
  constructor(socket: Socket, leftover: Buffer, wake: () => void) {
    this.#socket = socket
    this.#wake = wake
    this.#scanner = new FrameScanner(frontendRules, (type, buffer, start, end, part) => {
      this.#bytes += end - start
      this.#queue.push({ type, bytes: buffer.subarray(start, end), complete: (part & Part.last) !== 0 })
    })
    socket.on('data', (chunk: Buffer) => this.#take(chunk))
    socket.on('end', () => this.#end())
    socket.on('close', () => this.#end())
    if (leftover.length > 0) this.#take(leftover)
    if (!this.#paused) socket.resume()
  }

  /** The next frame if it is here. @throws AllwriteError protocol once all frames before the bad one were taken */
  take(): ClientFrame | undefined {
    const frame = this.#queue[this.#head]
    if (frame === undefined) {
      if (this.#failure) throw this.#failure
      return undefined
    }
    this.#head++
    if (this.#head === this.#queue.length) {
      this.#queue = []
      this.#head = 0
    }
    this.#bytes -= frame.bytes.length
    if (this.#paused && this.#bytes < inputBytesMax / 2) {
      this.#paused = false
      this.#socket.resume()
    }
    return frame
  }

  /** Bytes that wait to be taken. */
  get bytes(): number {
    return this.#bytes
  }

  /** No more frames will come, and none is left. */
  get exhausted(): boolean {
    return this.#ended && this.#queue.length === this.#head && !this.#failure
  }

  /** The client has gone, whatever of it is still to be read. */
  get ended(): boolean {
    return this.#ended
  }

  #take(chunk: Buffer): void {
    if (this.#failure || this.#ended) return
    try {
      this.#scanner.push(chunk)
    } catch (thrown) {
      this.#failure = AllwriteError.from(thrown, 'protocol')
      this.#socket.pause()
    }
    if (this.#bytes > inputBytesMax && !this.#paused) {
      this.#paused = true
      this.#socket.pause()
    }
    this.#wake()
  }

  #end(): void {
    this.#ended = true
    this.#wake()
  }
}

/** Behind `end()`: resolves when the client has closed its side, or is cut off. */
export function lastWordsRead(socket: Socket): Promise<void> {
  if (socket.closed) return Promise.resolve()
  const timer = setTimeout(() => socket.destroy(), lingerMsMax)
  // What the client still sends is read and dropped, so that its end is seen.
  socket.resume()
  return new Promise((resolve) => {
    socket.once('close', () => {
      clearTimeout(timer)
      resolve()
    })
  })
}

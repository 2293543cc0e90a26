/**
 * The client's side of reading: whole frames, taken one by one when the session is ready for them. What is not taken
 * stays here up to a bound, then in the kernel: that is the client's back-pressure.
 *
 * CopyData comes in runs: neighbouring frames of one chunk are one item, and a large one comes in parts.
 *
 * @module
 */
import type { Socket } from 'node:net'
import { AllwriteError } from '../core/errors.ts'
import { FrameScanner, frontendRules, Part, typeByte } from '../wire/pgwire/frames.ts'

/** Bytes that wait here before the socket is paused: a few chunks, so that a pipeline never starves. */
const inputBytesMax = 256 * 1024

/** How long a client may take to read its last words, ms. */
const lingerMsMax = 2_000

/** One frame of the client, or a run or part of CopyData. */
export interface ClientFrame {
  readonly type: number
  readonly bytes: Buffer
  /** False: the frame goes on in the next item (CopyData only). */
  readonly complete: boolean
}

const copyDataType = typeByte('d')
const byeType = typeByte('X')

export class ClientInput {
  readonly #socket: Socket
  readonly #scanner: FrameScanner
  #queue: ClientFrame[] = []
  #head = 0
  #bytes = 0
  #paused = false
  #ended = false
  #failure: AllwriteError | undefined
  #wake: (() => void) | undefined
  /** Resolves when the client has said good-bye, whatever comes before that, or its connection is closed. */
  readonly left: Promise<void>
  #leave: () => void = () => undefined

  readonly #onMore: () => void

  /** @param onMore called when `take` or `exhausted` may have something new to say */
  constructor(socket: Socket, leftover: Buffer, onMore: () => void = () => undefined) {
    this.#socket = socket
    this.#onMore = onMore
    this.left = new Promise((resolve) => {
      this.#leave = resolve
    })
    this.#scanner = new FrameScanner(frontendRules, (type, buffer, start, end, part) =>
      this.#add(type, buffer, start, end, part),
    )
    socket.on('data', (chunk: Buffer) => this.#take(chunk))
    socket.on('end', () => this.#end())
    socket.on('close', () => {
      this.#end()
      this.#leave()
    })
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

  /** The frame that `take` gave last belongs to the next unit: it will be given again. */
  putBack(frame: ClientFrame): void {
    if (this.#head > 0) this.#queue[--this.#head] = frame
    else this.#queue.unshift(frame)
    this.#bytes += frame.bytes.length
  }

  /** A frame that `take` has not reached yet, 0 the next; undefined: it is not here. */
  peek(ahead: number): ClientFrame | undefined {
    return this.#queue[this.#head + ahead]
  }

  /** Bytes that wait to be taken. */
  get bytes(): number {
    return this.#bytes
  }

  /** No more frames will come, and none is left. */
  get exhausted(): boolean {
    return this.#ended && this.#queue.length === this.#head && !this.#failure
  }

  /** Resolves when `take` or `exhausted` has something to say, or `wake` was called. One waiter at a time. */
  wait(): Promise<void> {
    if (this.#queue.length > this.#head || this.#ended || this.#failure) return Promise.resolve()
    return new Promise((resolve) => {
      this.#wake = resolve
    })
  }

  /** Lets the waiter look again. */
  wake(): void {
    const wake = this.#wake
    this.#wake = undefined
    wake?.()
    this.#onMore()
  }

  /** The next frame, or undefined at the client's end. */
  async next(): Promise<ClientFrame | undefined> {
    for (;;) {
      const frame = this.take()
      if (frame || this.exhausted) return frame
      await this.wait()
    }
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
    this.wake()
  }

  #add(type: number, buffer: Buffer, start: number, end: number, part: number): void {
    this.#bytes += end - start
    if (type === byeType) this.#leave()
    const last = this.#queue.length - 1
    const before = last >= this.#head ? this.#queue[last] : undefined
    const complete = (part & Part.last) !== 0
    if (type === copyDataType && before?.type === type && before.bytes.buffer === buffer.buffer) {
      const from = before.bytes.byteOffset - buffer.byteOffset
      if (from + before.bytes.length === start) {
        this.#queue[last] = { type, bytes: buffer.subarray(from, end), complete }
        return
      }
    }
    this.#queue.push({ type, bytes: buffer.subarray(start, end), complete })
  }

  /** The session ends: what has not come yet is not waited for. */
  stop(): void {
    this.#end()
  }

  #end(): void {
    this.#ended = true
    this.wake()
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

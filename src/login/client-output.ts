/**
 * The client's side of writing: slices are gathered, neighbours joined without a copy, and written together.
 *
 * @module
 */
import type { Socket } from 'node:net'

/** Gathers up to this are joined into one buffer for one write, bytes; larger ones are written with writev. */
export const joinBytesMax = 16 * 1024
/** A gather beyond this is written at once, bytes. */
const gatherBytesMax = 256 * 1024

export class ClientOutput {
  readonly #socket: Socket
  readonly #onPressure: (blocked: boolean) => void
  #ready: Buffer[] = []
  #readyBytes = 0
  #blocked = false
  /** The slice that the next one may continue. */
  #runBuffer: Buffer | undefined
  #runStart = 0
  #runEnd = 0

  /** @param onPressure told true when the client does not read fast enough, and false when it does again */
  constructor(socket: Socket, onPressure: (blocked: boolean) => void) {
    this.#socket = socket
    this.#onPressure = onPressure
    socket.on('drain', () => this.#pressure(false))
    socket.on('close', () => this.#pressure(false))
  }

  /** The client does not read as fast as it is written to. */
  get blocked(): boolean {
    return this.#blocked
  }

  /** Part of a buffer; neighbours are joined without a copy. */
  append(buffer: Buffer, start: number, end: number): void {
    if (buffer === this.#runBuffer && start === this.#runEnd) {
      this.#runEnd = end
      return
    }
    this.endRun()
    this.#runBuffer = buffer
    this.#runStart = start
    this.#runEnd = end
  }

  push(message: Buffer): void {
    this.endRun()
    this.add(message)
  }

  /** Writes what is ready, in one write. */
  flush(): void {
    this.endRun()
    const slices = this.#ready
    const [first] = slices
    if (!first) return
    const bytes = this.#readyBytes
    this.#ready = []
    this.#readyBytes = 0
    if (this.#socket.destroyed || !this.#socket.writable) return
    let free: boolean
    if (slices.length === 1) free = this.#socket.write(first)
    else if (bytes <= joinBytesMax) free = this.#socket.write(Buffer.concat(slices, bytes))
    else {
      this.#socket.cork()
      free = true
      for (const slice of slices) free = this.#socket.write(slice)
      this.#socket.uncork()
    }
    if (!free) this.#pressure(true)
  }

  /** What was appended is a slice of its own from here on. */
  protected endRun(): void {
    const buffer = this.#runBuffer
    if (!buffer) return
    this.#runBuffer = undefined
    this.add(
      this.#runStart === 0 && this.#runEnd === buffer.length ? buffer : buffer.subarray(this.#runStart, this.#runEnd),
    )
  }

  protected add(slice: Buffer): void {
    this.#ready.push(slice)
    this.#readyBytes += slice.length
    if (this.#readyBytes > gatherBytesMax) this.flush()
  }

  #pressure(blocked: boolean): void {
    if (blocked === this.#blocked) return
    this.#blocked = blocked
    this.#onPressure(blocked)
  }
}

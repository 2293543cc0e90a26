/**
 * The client's side of writing: slices are gathered and written together; results that may have to be taken back (a unit
 * that can be retried) are held, up to a bound.
 *
 * @module
 */
import type { Socket } from 'node:net'

/** Results held back for a retry, bytes. Beyond it they go out and the unit is not retried (RULES 13). */
export const heldBytesMax = 256 * 1024
/** Slices up to this are joined into one buffer for one write, bytes; larger gathers are written with writev. */
export const joinBytesMax = 16 * 1024
/** A gather beyond this is written at once, bytes. */
const gatherBytesMax = 256 * 1024

export class ClientOutput {
  readonly #socket: Socket
  readonly #onPressure: (blocked: boolean) => void
  #ready: Buffer[] = []
  #readyBytes = 0
  #held: Buffer[] | undefined
  #heldBytes = 0
  /** What survives `drop`: notifications and parameter reports are facts whatever becomes of the unit. */
  #facts: Buffer[] = []
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

  /** From here on what is written is held until `release` or `drop`. */
  hold(): void {
    if (this.#held) return
    this.#endRun()
    this.#held = []
    this.#heldBytes = 0
  }

  /** Everything since `hold` is still here: it can be taken back. */
  get holding(): boolean {
    return this.#held !== undefined
  }

  /** The client does not read as fast as it is written to. */
  get blocked(): boolean {
    return this.#blocked
  }

  release(): void {
    this.#endRun()
    const held = this.#held
    this.#held = undefined
    if (held) for (const slice of held) this.#add(slice)
    this.#facts = []
  }

  /** Takes back what is held and goes on holding. */
  drop(): void {
    this.#endRun()
    if (!this.#held) return
    this.#held = this.#facts
    this.#facts = []
    this.#heldBytes = this.#held.reduce((sum, slice) => sum + slice.length, 0)
    this.#facts = [...this.#held]
  }

  /** Part of a buffer; neighbours are joined without a copy. */
  append(buffer: Buffer, start: number, end: number): void {
    if (buffer === this.#runBuffer && start === this.#runEnd) {
      this.#runEnd = end
      return
    }
    this.#endRun()
    this.#runBuffer = buffer
    this.#runStart = start
    this.#runEnd = end
  }

  push(message: Buffer): void {
    this.#endRun()
    this.#add(message)
  }

  /** A message that is true whatever becomes of the unit. */
  pushFact(message: Buffer): void {
    this.push(message)
    if (this.#held) this.#facts.push(message)
  }

  /** Writes what is ready, in one write. */
  flush(): void {
    this.#endRun()
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

  #endRun(): void {
    const buffer = this.#runBuffer
    if (!buffer) return
    this.#runBuffer = undefined
    this.#add(
      this.#runStart === 0 && this.#runEnd === buffer.length ? buffer : buffer.subarray(this.#runStart, this.#runEnd),
    )
  }

  #add(slice: Buffer): void {
    if (this.#held) {
      this.#held.push(slice)
      this.#heldBytes += slice.length
      if (this.#heldBytes > heldBytesMax) this.release()
      return
    }
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

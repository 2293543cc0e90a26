/**
 * The changes of one running transaction, in the order of the stream, in memory up to a bound and in a spool file
 * beyond it. Where the file can't be written, this transaction alone is refused. Each frame keeps the (sub)transaction that made it, since a rolled back savepoint takes its frames back.
 *
 * @module
 */
import { closeSync, openSync, readSync, unlinkSync, writeSync } from 'node:fs'
import { AllwriteError, assert } from '../../core/errors.ts'

/** Beyond this a transaction's changes go to its spool file: bounds memory at sessions × this. */
const memoryBytesMax = 1024 * 1024
/** Size of one read of the spool file; larger frames are read in one piece. */
const readBytes = 1024 * 1024
/** u32 message length, u32 subtransaction id. */
const headerBytes = 8

/** Receives one message, a view valid during the call. */
export type OnFrame = (message: Buffer) => void

export class ChangeLog {
  readonly #spoolPath: string
  readonly #aborted = new Set<number>()
  #tail: Buffer
  #tailBytes = 0
  #fileBytes = 0
  #fd: number | undefined
  #frames = 0
  #failure: AllwriteError | undefined

  /** @param spoolPath the file to make when memory runs out; removed by `dispose` */
  constructor(spoolPath: string) {
    this.#spoolPath = spoolPath
    this.#tail = Buffer.allocUnsafe(512)
  }

  get frames(): number {
    return this.#frames
  }

  /** Bytes held, frame headers included: an upper bound of the payload's size. */
  get byteLength(): number {
    return this.#fileBytes + this.#tailBytes
  }

  get spooled(): boolean {
    return this.#fd !== undefined
  }

  /** Why its frames are lost; undefined while they are not. */
  get failure(): AllwriteError | undefined {
    return this.#failure
  }

  /**
   * Makes room for a message of `length` bytes; the caller fills the returned view at once.
   * @param subxid the subtransaction that made it, 0 for what no rollback takes back
   */
  reserve(subxid: number, length: number): Buffer {
    const need = headerBytes + length
    if (this.#tailBytes + need > this.#tail.length) this.#grow(need)
    const at = this.#tailBytes
    this.#tail.writeUInt32BE(length, at)
    this.#tail.writeUInt32BE(subxid, at + 4)
    this.#tailBytes += need
    this.#frames += 1
    return this.#tail.subarray(at + headerBytes, at + need)
  }

  #grow(need: number): void {
    if (this.#tailBytes + need > memoryBytesMax) {
      this.#spill()
      if (need > this.#tail.length) this.#tail = Buffer.allocUnsafe(need)
      return
    }
    const grown = Buffer.allocUnsafe(Math.min(memoryBytesMax, Math.max(this.#tail.length * 4, this.#tailBytes + need)))
    this.#tail.copy(grown, 0, 0, this.#tailBytes)
    this.#tail = grown
  }

  #spill(): void {
    if (this.#tailBytes === 0) return
    if (this.#failure === undefined) this.#writeTail()
    this.#tailBytes = 0
  }

  #writeTail(): void {
    try {
      // Synchronous on purpose: it goes to the page cache, and it is the back-pressure on the capture stream.
      this.#fd ??= openSync(this.#spoolPath, 'wx+', 0o600)
      let done = 0
      while (done < this.#tailBytes) {
        done += writeSync(this.#fd, this.#tail, done, this.#tailBytes - done, this.#fileBytes + done)
      }
      this.#fileBytes += this.#tailBytes
    } catch (error) {
      this.#failure = new AllwriteError('unavailable', 'the changes of the transaction could not be written to disk', {
        sqlState: '53100',
        detail: error instanceof Error ? error.message : String(error),
        hint: 'Free space on the file system of the node, or make the transaction smaller.',
        cause: error,
      })
      // Others need the room.
      this.#removeFile()
    }
  }

  /** Takes back what the subtransaction made. */
  abortSubtransaction(subxid: number): void {
    this.#aborted.add(subxid)
  }

  /** True when any frame that counts is left; cheap when no savepoint was rolled back. */
  get isEmpty(): boolean {
    return this.#frames === 0
  }

  #deliver(bytes: Buffer, end: number, onFrame: OnFrame): number {
    let at = 0
    while (end - at >= headerBytes) {
      const length = bytes.readUInt32BE(at)
      const next = at + headerBytes + length
      if (next > end) break
      const subxid = bytes.readUInt32BE(at + 4)
      if (subxid === 0 || !this.#aborted.has(subxid)) onFrame(bytes.subarray(at + headerBytes, next))
      at = next
    }
    return at
  }

  /** Delivers all frames at once; only for a log that fits in memory. @throws AllwriteError the failure */
  forEach(onFrame: OnFrame): void {
    if (this.#failure !== undefined) throw this.#failure
    assert(this.#fd === undefined, 'a spooled change log is read in slices')
    const end = this.#deliver(this.#tail, this.#tailBytes, onFrame)
    assert(end === this.#tailBytes, 'a change log ends with a whole frame')
  }

  /**
   * Delivers all frames in slices of about a megabyte; `pause` is awaited between them, so that a huge transaction
   * doesn't hold the event loop.
   * @throws AllwriteError the failure
   */
  async forEachSlice(onFrame: OnFrame, pause: () => Promise<void>): Promise<void> {
    this.#spill()
    // The last write may be the one that fails: half a transaction, or none, must not pass for all of it.
    if (this.#failure !== undefined) throw this.#failure
    if (this.#fd === undefined) return
    let buffer = Buffer.allocUnsafe(readBytes)
    let at = 0
    while (at < this.#fileBytes) {
      const read = readSync(this.#fd, buffer, 0, Math.min(buffer.length, this.#fileBytes - at), at)
      assert(read > 0, 'the spool file is as long as what was written to it')
      const used = this.#deliver(buffer, read, onFrame)
      if (used === 0) buffer = Buffer.allocUnsafe(Math.max(buffer.length * 2, headerBytes + buffer.readUInt32BE(0)))
      at += used
      await pause()
    }
  }

  dispose(): void {
    this.#tail = Buffer.alloc(0)
    this.#tailBytes = 0
    this.#removeFile()
  }

  #removeFile(): void {
    if (this.#fd === undefined) return
    closeSync(this.#fd)
    unlinkSync(this.#spoolPath)
    this.#fd = undefined
  }
}

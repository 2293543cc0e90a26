/**
 * What is needed to run a transaction again so that its client does not notice: what it sent, and a digest of what it got.
 *
 * @module
 */
import { createHash, type Hash } from 'node:crypto'
import type { ClientFrame } from '../../login/client-input.ts'

/** Of what a client sent in one transaction, so much is kept, bytes. A larger one is not replayed. */
export const recordedBytesMax = 1024 * 1024
/** Answers up to this are kept as they are and hashed only if the transaction goes on, bytes. */
const keptBytesMax = 16 * 1024
/** Behind its end a unit's answer is kept up to this, bytes: a digest takes as much. */
const settledBytesMax = 512

/** What a client was told in answer to one unit, up to now. Reports, notices and notifications don't count. */
export class Delivered {
  bytes = 0
  #kept: Buffer[] = []
  #keptBytes = 0
  #hash: Hash | undefined
  /** The slice that the next one may continue. */
  #run: Buffer | undefined
  #runStart = 0
  #runEnd = 0

  add(buffer: Buffer, start: number, end: number): void {
    this.bytes += end - start
    this.#keptBytes += end - start
    if (buffer === this.#run && start === this.#runEnd) this.#runEnd = end
    else {
      this.#endRun()
      this.#run = buffer
      this.#runStart = start
      this.#runEnd = end
    }
    if (this.#keptBytes > keptBytesMax) this.#digestKept()
  }

  /** Lets go of the buffers. */
  settle(): void {
    this.#endRun()
    if (this.#hash || this.#keptBytes > settledBytesMax) this.#digestKept()
    else this.#kept = [Buffer.concat(this.#kept, this.#keptBytes)]
  }

  /** Of all that was added. */
  digest(): string {
    return this.#digestKept().copy().digest('hex')
  }

  #endRun(): void {
    if (this.#run) this.#kept.push(this.#run.subarray(this.#runStart, this.#runEnd))
    this.#run = undefined
  }

  #digestKept(): Hash {
    this.#endRun()
    const hash = (this.#hash ??= createHash('sha256'))
    for (const slice of this.#kept) hash.update(slice)
    this.#kept = []
    this.#keptBytes = 0
    return hash
  }
}

/** A Query, a function call, or an extended batch up to its Sync. */
export interface Unit {
  readonly frames: ClientFrame[]
  readonly delivered: Delivered
}

export const newUnit = (): Unit => ({ frames: [], delivered: new Delivered() })

/** The units of one transaction, the one under way being the last. */
export class Recording {
  units: Unit[] = []
  /** It became too large. */
  lost = false
  #bytes = 0

  begin(): Unit {
    const unit = newUnit()
    this.units.push(unit)
    return unit
  }

  add(unit: Unit, frame: ClientFrame): void {
    if (this.lost) return
    this.#bytes += frame.bytes.length
    if (this.#bytes <= recordedBytesMax) {
      unit.frames.push(frame)
      return
    }
    this.lost = true
    for (const one of this.units) one.frames.length = 0
  }

  clear(): void {
    this.units = []
    this.#bytes = 0
    this.lost = false
  }
}

/**
 * Compares what a unit is answered now with what it was answered the first time. One that was answered completely must be
 * answered by the same bytes; of one that was under way, what the client has had must come again, and the rest is new.
 */
export class Comparison {
  /** The client has not had all of the unit's answer. */
  readonly open: boolean
  /** The ReadyForQuery that came before the comparison was over. */
  ready: number | undefined
  readonly #expected: Delivered
  readonly #seen = new Delivered()
  #more = false

  constructor(expected: Delivered, open: boolean) {
    this.#expected = expected
    this.open = open
  }

  /** All that was delivered has come again. */
  get complete(): boolean {
    return this.#seen.bytes === this.#expected.bytes
  }

  /** It has: and was the same, with nothing behind it. */
  get equal(): boolean {
    return this.complete && !this.#more && this.#seen.digest() === this.#expected.digest()
  }

  /** It can't become equal any more. */
  get failed(): boolean {
    return (this.ready !== undefined || this.complete) && !this.equal
  }

  /** Takes what belongs to the part that was delivered; returns where the rest begins. */
  take(buffer: Buffer, start: number, end: number): number {
    const taken = Math.min(end - start, this.#expected.bytes - this.#seen.bytes)
    if (taken > 0) this.#seen.add(buffer, start, start + taken)
    if (!this.open && start + taken < end) this.#more = true
    return start + taken
  }
}

/**
 * One read of a client: entries that came and were not taken yet, and the credit that bounds them.
 *
 * @module
 */
import type { AllwriteError } from '../../core/errors.ts'
import { whenAborted } from '../cancel.ts'
import type { StoredEntry } from '../contract.ts'
import { MalformedFrame, subscribeFrame } from './frames.ts'
import { decodeRecords } from './record.ts'

/** Read-ahead of one stream, bytes (one frame more may come). At 50 MB/s and 1 ms of turnaround 50 kB would do. */
export const windowBytes = 2 * 1024 * 1024

interface Batch {
  readonly entries: StoredEntry[]
  readonly bytes: number
}

/** The receiving end of a subscription, across connections. */
export class ReadStream {
  readonly #id: number
  readonly #to: number
  readonly #grant: (bytes: number) => void
  readonly #batches: Batch[] = []
  /** The next position to come. */
  #next: number
  #queuedBytes = 0
  /** Taken by the consumer, not yet given back as credit. */
  #takenBytes = 0
  #error: AllwriteError | undefined
  #wake: (() => void) | undefined
  /** Nothing more will come. */
  over = false

  /** `to` 0: without end. `grant` gives the server credit, if there is a connection. */
  constructor(id: number, from: number, to: number, grant: (bytes: number) => void) {
    this.#id = id
    this.#next = from
    this.#to = to
    this.#grant = grant
  }

  /** The frame that starts or resumes the stream on a new connection. */
  subscribe(): Buffer {
    this.#takenBytes = 0
    return subscribeFrame(this.#id, this.#next, this.#to, Math.max(windowBytes - this.#queuedBytes, 1))
  }

  /** Takes entries from the wire; returns their last position. @throws MalformedFrame | RangeError on a gap */
  push(first: number, records: Buffer): number {
    if (first !== this.#next) throw new MalformedFrame(`entries from ${first} where ${this.#next} was due`)
    const entries = decodeRecords(records, first)
    this.#next = first + entries.length
    if (entries.length > 0) {
      this.#batches.push({ entries, bytes: records.length })
      this.#queuedBytes += records.length
      // All was read before the server could say that it ended; a lost connection must not ask for what is behind.
      if (this.#to !== 0 && this.#next > this.#to) this.over = true
      this.#wake?.()
    }
    return this.#next - 1
  }

  /** Ends the stream behind what was received. */
  end(error?: AllwriteError): void {
    this.over = true
    this.#error = error
    this.#wake?.()
  }

  /** The next batch; undefined at the end. @throws AllwriteError what ended the stream | cancelled */
  async next(signal?: AbortSignal): Promise<readonly StoredEntry[] | undefined> {
    for (;;) {
      const batch = signal?.aborted === true ? undefined : this.#batches.shift()
      if (batch !== undefined) {
        this.#queuedBytes -= batch.bytes
        this.#takenBytes += batch.bytes
        // Not for each batch: a frame and a wake-up of the server for every commit would cost more than it.
        if (this.#takenBytes >= windowBytes / 4 && !this.over) {
          this.#grant(this.#takenBytes)
          this.#takenBytes = 0
        }
        return batch.entries
      }
      if (this.#error !== undefined) throw this.#error
      if (this.over && signal?.aborted !== true) return undefined
      await this.#more(signal)
    }
  }

  #more(signal: AbortSignal | undefined): Promise<void> {
    return new Promise((resolve, reject) => {
      const stop = whenAborted(signal, (error) => {
        this.#wake = undefined
        reject(error)
      })
      if (stop === undefined) return
      this.#wake = () => {
        this.#wake = undefined
        stop()
        resolve()
      }
    })
  }
}

/**
 * The newest records, in memory and already encoded, so that live readers never touch the disk. It holds the very
 * buffers that were written: keeping them costs no copy.
 *
 * @module
 */
import { assert } from '../../core/errors.ts'
import { recordEnd } from './record.ts'

/** A run of whole records with dense positions. */
export interface RecordRun {
  readonly first: number
  readonly last: number
  readonly bytes: Buffer
}

/** Default size of the ring, bytes: at 20 MB/s a reader may pause for more than a second without going to disk. */
export const ringBytesDefault = 32 * 1024 * 1024

/** Cost of holding a run besides its bytes: bounds the count of tiny ones. */
const runOverheadBytes = 256

/** Cuts the part of a run from `from` on, at most `to`, at most `bytesMax` bytes but at least one record. */
export const cutRun = (run: RecordRun, from: number, to: number, bytesMax: number): RecordRun => {
  assert(run.first <= from && from <= run.last && to >= from, 'a run is cut inside its bounds')
  if (from === run.first && to >= run.last && run.bytes.length <= bytesMax) return run
  let at = 0
  let position = run.first
  const step = (): number => {
    const end = recordEnd(run.bytes, at)
    assert(end !== undefined && end <= run.bytes.length, 'a run holds whole records')
    return end
  }
  for (; position < from; position++) at = step()
  const start = at
  at = step()
  for (; position < Math.min(to, run.last); position++) {
    const end = step()
    if (end - start > bytesMax) break
    at = end
  }
  return { first: from, last: position, bytes: run.bytes.subarray(start, at) }
}

/** A queue of runs, bounded in bytes; the oldest go first. */
export class RecordRing {
  readonly #runs: RecordRun[] = []
  /** Runs before this index are gone; compacted now and then, so that dropping one is cheap. */
  #head = 0
  #bytes = 0
  readonly #bytesMax: number

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax
  }

  push(run: RecordRun): void {
    const newest = this.#runs.at(-1)
    assert(newest === undefined || this.#head === this.#runs.length || newest.last + 1 === run.first, 'runs are dense')
    this.#runs.push(run)
    this.#bytes += run.bytes.length + runOverheadBytes
    while (this.#bytes > this.#bytesMax && this.#head < this.#runs.length - 1) {
      this.#bytes -= this.#runs[this.#head]!.bytes.length + runOverheadBytes
      this.#runs[this.#head] = { first: 0, last: 0, bytes: Buffer.alloc(0) }
      this.#head++
    }
    if (this.#head > 1024 && this.#head * 2 > this.#runs.length) {
      this.#runs.splice(0, this.#head)
      this.#head = 0
    }
  }

  /** The run that holds `position`; undefined where it is not in memory. */
  find(position: number): RecordRun | undefined {
    let low = this.#head
    let high = this.#runs.length - 1
    // Live readers want the newest.
    const newest = this.#runs[high]
    if (newest === undefined || position > newest.last || position < this.#runs[low]!.first) return undefined
    if (position >= newest.first) return newest
    while (low < high) {
      const middle = (low + high) >>> 1
      if (this.#runs[middle]!.last < position) low = middle + 1
      else high = middle
    }
    return this.#runs[low]
  }
}

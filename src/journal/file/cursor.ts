/**
 * Reads a store in order: from memory where it can, else from the segment files, verifying every checksum.
 *
 * @module
 */
import { AllwriteError } from '../../core/errors.ts'
import { errnoOf } from './disk.ts'
import type { Disk, DiskFile } from './disk.ts'
import { recordEnd, recordHeaderBytes, recordIsValid, recordPosition } from './record.ts'
import { cutRun } from './ring.ts'
import type { RecordRing, RecordRun } from './ring.ts'
import { addIndexPoint, indexPointFor, readBytes } from './segment.ts'
import type { Segment } from './segment.ts'

/** What a cursor sees of its store. */
export interface CursorSource {
  readonly disk: Disk
  readonly ring: RecordRing
  /** Oldest first. */
  readonly segments: readonly Segment[]
  /** Last durable position: nothing behind it may be read. */
  durable(): number
}

/** Bytes read from a file at once. */
const readStepBytes = 256 * 1024

interface OpenSegment {
  readonly segment: Segment
  readonly file: DiskFile
  offset: number
  position: number
}

/** One reader's place. Not for concurrent use. */
export class Cursor {
  readonly #source: CursorSource
  #open: OpenSegment | undefined
  /** The next position to be read. */
  position: number

  constructor(source: CursorSource, position: number) {
    this.#source = source
    this.position = position
  }

  /** The next records if they are in memory; undefined at the tail, or where {@link fromDisk} must be asked. */
  fromMemory(to: number, bytesMax: number): RecordRun | undefined {
    const run = this.#source.ring.find(this.position)
    if (run === undefined) return undefined
    if (this.#open !== undefined) this.close()
    const cut = cutRun(run, this.position, to, bytesMax)
    this.position = cut.last + 1
    return cut
  }

  /** True where nothing durable is left to read. */
  get atTail(): boolean {
    return this.position > this.#source.durable()
  }

  /**
   * The next records from the files. Must not be called at the tail.
   * @throws AllwriteError position_trimmed | journal_corrupt
   */
  async fromDisk(to: number, bytesMax: number): Promise<RecordRun> {
    const open = this.#seek()
    const limit = Math.min(to, this.#source.durable(), open.segment.last)
    let bytes = await readBytes(open.file, open.offset, readStepBytes)
    let from = 0
    let at = 0
    while (open.position <= limit) {
      const end = recordEnd(bytes, at)
      if ((end === undefined || end > bytes.length) && open.position <= this.position) {
        // Not whole in this step: read again from its start, as much as it says it needs.
        const whole = await readBytes(open.file, open.offset + at, Math.max(readStepBytes, (end ?? at) - at))
        if (whole.length <= bytes.length - at) throw this.#corrupt(open)
        open.offset += at
        bytes = whole
        from = 0
        at = 0
        continue
      }
      if (end === undefined ? bytes.length - at >= recordHeaderBytes : end <= bytes.length) {
        const valid = recordPosition(bytes, at) === open.position && recordIsValid(bytes, at, open.segment.salt)
        if (!valid) {
          if (open.position > this.position) break
          throw this.#corrupt(open)
        }
      } else break
      if (open.position > this.position && end! - from > bytesMax) break
      addIndexPoint(open.segment, open.position, open.offset + at)
      at = end!
      open.position++
      if (open.position <= this.position) from = at
    }
    open.offset += at
    const first = this.position
    this.position = open.position
    return { first, last: open.position - 1, bytes: bytes.subarray(from, at) }
  }

  #corrupt(open: OpenSegment): AllwriteError {
    return new AllwriteError('journal_corrupt', `journal entry at position ${open.position} is damaged`, {
      detail: `File ${open.segment.path}.`,
    })
  }

  #seek(): OpenSegment {
    const { segments, disk } = this.#source
    const open = this.#open
    if (open !== undefined && open.position === this.position && this.position <= open.segment.last) return open
    this.close()
    const first = segments[0]?.first ?? 1
    const segment = segments.find(({ last }) => last >= this.position)
    if (segment === undefined || this.position < first) throw trimmed(this.position, first)
    const { position, offset } = indexPointFor(segment, this.position)
    try {
      this.#open = { segment, file: disk.open(segment.path, 'read'), position, offset }
    } catch (error) {
      if (errnoOf(error) === 'ENOENT') throw trimmed(this.position, first)
      throw AllwriteError.from(error, 'journal_corrupt')
    }
    return this.#open
  }

  close(): void {
    this.#open?.file.close()
    this.#open = undefined
  }
}

/** The refusal of a position that retention has removed. */
export const trimmed = (position: number, first: number): AllwriteError =>
  new AllwriteError('position_trimmed', `journal entry at position ${position} is no longer stored`, {
    detail: `The first stored position is ${first}.`,
    hint: 'Rebuild the node from a snapshot.',
  })

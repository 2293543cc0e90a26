/**
 * The next segment: its file is filled ahead of need, then given a header and a name.
 *
 * @module
 */
import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import type { Admissions } from '../admission.ts'
import { errnoOf } from './disk.ts'
import type { Disk, DiskFile } from './disk.ts'
import { encodeHeader } from './header.ts'
import { fillZeros, segmentPath, spareName } from './segment.ts'
import type { Segment } from './segment.ts'

/** True of the errors that mean: no room. */
export const isFull = (thrown: unknown): boolean => ['ENOSPC', 'EDQUOT'].includes(errnoOf(thrown) ?? '')

/** At most one prepared file. */
export class Spare {
  readonly #disk: Disk
  readonly #directory: string
  readonly #bytes: number
  #file: Promise<DiskFile> | undefined

  constructor(disk: Disk, directory: string, bytes: number) {
    this.#disk = disk
    this.#directory = directory
    this.#bytes = bytes
  }

  /** Starts to prepare the file, if there is none. Who takes it sees a failure; nobody may need it. */
  prepare(): void {
    if (this.#file !== undefined) return
    this.#file = this.#make()
    this.#file.catch(() => {})
  }

  /** The prepared file, zero-filled and synced, still without header and name. */
  async take(): Promise<DiskFile> {
    const prepared = this.#file
    try {
      if (prepared !== undefined) return await prepared
    } catch {
      // That was when half the segment was full; there may be room by now.
    } finally {
      this.#file = undefined
    }
    return this.#make()
  }

  /** Closes the file, if there is one; the next start deletes it. */
  async close(): Promise<void> {
    await this.#file?.then(
      (file) => file.close(),
      () => {},
    )
  }

  async #make(): Promise<DiskFile> {
    const file = this.#disk.open(join(this.#directory, spareName), 'create')
    try {
      await fillZeros(file, 0, this.#bytes)
      return file
    } catch (error) {
      // Give the blocks back at once: others may need them.
      file.truncateNow(0)
      file.close()
      throw error
    }
  }
}

/** What a new segment continues. */
export interface SegmentStart {
  readonly identity: Buffer
  readonly first: number
  readonly previousFirst: number
  readonly admissions: Admissions
}

/** Writes a prepared file's header and gives it its name; all of it durable when this returns. */
export const startSegment = (disk: Disk, directory: string, file: DiskFile, start: SegmentStart): Segment => {
  const salt = randomBytes(4).readUInt32BE()
  const { identity, first, previousFirst } = start
  const header = encodeHeader({ identity, salt, first, previousFirst, nodes: start.admissions.snapshot() })
  file.writeNow(header, 0)
  file.datasyncNow()
  const path = segmentPath(directory, first)
  disk.rename(join(directory, spareName), path)
  disk.syncDirectory(directory)
  return { path, first, salt, headerBytes: header.length, last: first - 1, end: header.length, index: [] }
}

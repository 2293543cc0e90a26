/**
 * A segment file: its name, its zero-filled creation, its header.
 *
 * @module
 */
import { join } from 'node:path'
import { AllwriteError } from '../../core/errors.ts'
import type { Disk, DiskFile } from './disk.ts'
import { decodeHeader, headerLength, headerStartBytes } from './header.ts'
import type { SegmentHeader } from './header.ts'

/** Room for records in a segment, bytes. Larger ones make trims coarse and starts slow, smaller ones cost renames. */
export const segmentBytesDefault = 64 * 1024 * 1024

/** A known record start in a segment, to begin a seek at. */
export interface IndexPoint {
  readonly position: number
  readonly offset: number
}

/** How far index points stand apart, bytes: a seek parses at most so much; 64 points a segment. */
export const indexStepBytes = 1024 * 1024

export interface Segment {
  readonly path: string
  readonly first: number
  readonly salt: number
  readonly headerBytes: number
  /** Last position; first − 1 while empty. */
  last: number
  /** Offset behind the last record. Of a sealed segment from before the start: the file's size. */
  end: number
  /** Ascending; the first is the segment's first record. */
  readonly index: IndexPoint[]
}

const suffix = '.seg'

/** The file being prepared to become the next segment. Deleted at a start: it holds nothing. */
export const spareName = 'spare.tmp'

export const segmentPath = (directory: string, first: number): string =>
  join(directory, String(first).padStart(16, '0') + suffix)

/** Paths of a directory's segments, oldest first. */
export const listSegments = (disk: Disk, directory: string): string[] =>
  disk
    .list(directory)
    .filter((name) => /^\d{16}\.seg$/.test(name))
    .sort()
    .map((name) => join(directory, name))

const zeros = Buffer.alloc(1024 * 1024)

/**
 * Fills [from, to) with zeros and syncs. Blocks that exist and are initialised make the later fdatasync cheaper (no
 * journal commit of the file system), and make a torn write recognisable. In steps, so that appends' syncs come between.
 */
export const fillZeros = async (file: DiskFile, from: number, to: number): Promise<void> => {
  for (let at = from; at < to; at += zeros.length) {
    await file.write(zeros.subarray(0, Math.min(zeros.length, to - at)), at)
    await file.datasync()
  }
}

/** Reads `length` bytes at `at`; fewer where the file ends. */
export const readBytes = async (file: DiskFile, at: number, length: number): Promise<Buffer> => {
  const bytes = Buffer.allocUnsafe(length)
  return bytes.subarray(0, await file.read(bytes, at))
}

/** What to do about a journal that is damaged. */
export const damagedHint =
  'Do not cut it: nodes may have applied what follows. docs/operating/faults.md says how to go on without it.'

/** @throws AllwriteError journal_corrupt where the header is damaged or not that of `first` */
export const readHeader = async (
  file: DiskFile,
  path: string,
): Promise<{ readonly header: SegmentHeader; readonly length: number }> => {
  const length = headerLength(await readBytes(file, 0, headerStartBytes))
  const decoded =
    length === undefined || length > file.size() ? undefined : decodeHeader(await readBytes(file, 0, length))
  const named = Number(/(\d{16})\.seg$/.exec(path)?.[1])
  if (decoded?.header.first !== named) {
    throw new AllwriteError('journal_corrupt', `journal segment of position ${named} has a damaged header`, {
      detail: `File ${path}.`,
      hint: damagedHint,
    })
  }
  return decoded
}

/** The newest known record start at or before `position`. */
export const indexPointFor = (segment: Segment, position: number): IndexPoint => {
  let found = segment.index[0] ?? { position: segment.first, offset: segment.headerBytes }
  for (const point of segment.index) {
    if (point.position > position) break
    found = point
  }
  return found
}

/** Remembers a record start, if it lies far enough behind the last one known. */
export const addIndexPoint = (segment: Segment, position: number, offset: number): void => {
  const newest = segment.index.at(-1)
  if (newest === undefined || offset >= newest.offset + indexStepBytes) segment.index.push({ position, offset })
}

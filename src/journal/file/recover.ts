/**
 * The start of a store: finds the segments, checks their chain, scans the last one, decides between a torn tail and
 * damage.
 *
 * A record that is not valid is the end of the journal, or damage. It is damage where a valid record behind it shows
 * that it had been synced: that record's write began after it (its place says where), or it was of the same write, and
 * nothing looks torn. One write may reach the disk in parts and in any order when the machine dies; its sectors that did
 * not are still the zeros of the preallocation.
 *
 * @module
 */
import { AllwriteError } from '../../core/errors.ts'
import { position as asPosition } from '../../core/ids.ts'
import { Admissions } from '../admission.ts'
import type { Disk, DiskFile } from './disk.ts'
import { recordEnd, recordHeaderBytes, recordId, recordIsValid, recordPlace, recordPosition } from './record.ts'
import { addIndexPoint, damagedHint, listSegments, readBytes, readHeader } from './segment.ts'
import type { Segment } from './segment.ts'

/** Tells what a human may want to know. */
export type Log = (level: 'info' | 'warn' | 'error', message: string) => void

export interface Recovered {
  readonly identity: Buffer
  /** Oldest first; the last one is to be appended to. */
  readonly segments: Segment[]
  /** The last segment's file, open for writing, cut to `end`. */
  readonly file: DiskFile
  readonly admissions: Admissions
}

/** Unit in which a disk writes all or nothing, bytes: the smallest in use. */
const sectorBytes = 512

/** True where a whole sector, or its part behind `from`, holds nothing but zeros: it never reached the disk. */
export const looksTorn = (bytes: Buffer, from: number, to: number): boolean => {
  let at = from
  while (at < to) {
    const end = (Math.floor(at / sectorBytes) + 1) * sectorBytes
    if (end > to) return false
    if (bytes.subarray(at, end).every((byte) => byte === 0)) return true
    at = end
  }
  return false
}

const corrupt = (position: number, path: string, why: string): AllwriteError =>
  new AllwriteError('journal_corrupt', `journal entry at position ${position} is damaged`, {
    detail: `File ${path}: ${why}.`,
    hint: damagedHint,
  })

/** Throws if what lies in [from, dirty), behind the invalid record of `position`, shows that it was once whole. */
const refuseDamage = (bytes: Buffer, from: number, dirty: number, position: number, segment: Segment): void => {
  const mostRecords = Math.ceil((dirty - from) / recordHeaderBytes)
  for (let at = from + 1; at < dirty && at + recordHeaderBytes <= bytes.length; at++) {
    // Cheap tests first: this loop sees every byte of the tail.
    const claimed = recordPosition(bytes, at)
    if (claimed <= position || claimed > position + mostRecords || !recordIsValid(bytes, at, segment.salt)) continue
    const writeBegan = claimed - recordPlace(bytes, at)
    if (writeBegan > position) throw corrupt(position, segment.path, `a later write holds position ${claimed}`)
    if (!looksTorn(bytes, from, at)) throw corrupt(position, segment.path, `position ${claimed} is whole`)
    return
  }
}

/** Reads all records of the last segment into `admissions`; sets its last and end. Returns the invalid bytes behind. */
const scan = async (file: DiskFile, segment: Segment, admissions: Admissions): Promise<number> => {
  const bytes = await readBytes(file, 0, file.size())
  let at = segment.headerBytes
  for (;;) {
    const position = segment.last + 1
    if (claimedPosition(bytes, at) !== position || !recordIsValid(bytes, at, segment.salt)) break
    const id = recordId(bytes, at)
    if (admissions.judge(id).kind !== 'new') {
      throw corrupt(position, segment.path, 'its append number is not the next one of its node')
    }
    admissions.accept(id, asPosition(position))
    addIndexPoint(segment, position, at)
    segment.last = position
    at = recordEnd(bytes, at) ?? bytes.length
  }
  segment.end = at
  let dirty = bytes.length
  while (dirty > at && bytes[dirty - 1] === 0) dirty--
  if (dirty > at) refuseDamage(bytes, at, dirty, segment.last + 1, segment)
  return dirty - at
}

const claimedPosition = (bytes: Buffer, at: number): number =>
  at + recordHeaderBytes <= bytes.length ? recordPosition(bytes, at) : 0

/**
 * Opens what a directory holds; undefined where it holds no journal yet.
 * @throws AllwriteError journal_corrupt naming the position
 */
export const recover = async (disk: Disk, directory: string, log: Log): Promise<Recovered | undefined> => {
  const paths = listSegments(disk, directory)
  const newest = paths.at(-1)
  if (newest === undefined) return undefined
  const segments: Segment[] = []
  let identity: Buffer | undefined
  let admissions = new Admissions()
  for (const path of paths) {
    const file = disk.open(path, 'read')
    try {
      const { header, length } = await readHeader(file, path)
      const before = segments.at(-1)
      if (before !== undefined) {
        if (header.previousFirst !== before.first) throw corrupt(header.previousFirst, path, 'a segment is missing')
        before.last = header.first - 1
      }
      if (identity?.equals(header.identity) === false) throw corrupt(header.first, path, 'it is of another journal')
      identity = header.identity
      admissions = Admissions.restore(header.nodes)
      const { salt, first } = header
      segments.push({ path, first, salt, headerBytes: length, last: first - 1, end: file.size(), index: [] })
    } finally {
      file.close()
    }
  }
  const last = segments.at(-1)!
  const file = disk.open(newest, 'write')
  try {
    const torn = await scan(file, last, admissions)
    if (torn > 0) {
      log('warn', `journal: cut a torn tail of ${torn} bytes behind position ${last.last}: it was never acknowledged`)
      file.truncateNow(last.end)
    }
    // What a killed process wrote but did not sync is valid, and is about to be shown to readers: sync it first.
    file.datasyncNow()
  } catch (error) {
    file.close()
    throw error
  }
  return { identity: identity!, segments, file, admissions }
}

/**
 * Damages the journal of a cluster that is down, as crashes and disks do.
 *
 * @module
 */
import { join } from 'node:path'
import { nodeDisk } from '../journal/file/disk.ts'
import { recover } from '../journal/file/recover.ts'
import type { Recovered } from '../journal/file/recover.ts'
import { listSegments, readBytes, readHeader } from '../journal/file/segment.ts'

const openLast = async (dir: string): Promise<Recovered> => {
  const recovered = await recover(nodeDisk, join(dir, 'journal'), () => undefined)
  if (recovered === undefined) throw new Error(`${dir} holds no journal`)
  return recovered
}

/**
 * Leaves what a write leaves that was cut in the middle: the beginning of a record behind the last whole one.
 * @returns how many bytes
 */
export const tearJournal = async (dir: string): Promise<number> => {
  const { file, segments } = await openLast(dir)
  try {
    const last = segments.at(-1)
    if (last === undefined || last.last < last.first) return 0
    const begun = await readBytes(file, last.headerBytes, Math.min(100, last.end - last.headerBytes))
    // So that the count of torn bytes is known: a zero at the end looks like nothing.
    begun[begun.length - 1] = 1
    file.writeNow(begun, last.end)
    file.datasyncNow()
    return begun.length
  } finally {
    file.close()
  }
}

/**
 * Flips one bit in the first entry of the last segment; once more, and it is as it was.
 * @returns the entry's position
 */
export const flipBit = async (dir: string): Promise<number> => {
  const path = listSegments(nodeDisk, join(dir, 'journal')).at(-1)
  if (path === undefined) throw new Error(`${dir} holds no journal`)
  const file = nodeDisk.open(path, 'write')
  try {
    const { header, length } = await readHeader(file, path)
    // Behind the length and the checksum: what the checksum is of.
    const at = length + 20
    const byte = await readBytes(file, at, 1)
    byte[0] = (byte[0] ?? 0) ^ 0x10
    file.writeNow(byte, at)
    file.datasyncNow()
    return header.first
  } finally {
    file.close()
  }
}

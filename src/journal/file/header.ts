/**
 * The header of a segment file. Besides saying what the file is, it carries the idempotency state as of its start, so
 * that a start needs to scan only the last segment.
 *
 * | offset | what |
 * |---|---|
 * | 0 | "AWJSEG01" |
 * | 8 | u32 header length, bytes |
 * | 12 | 16 bytes identity of the journal: the same in all its segments |
 * | 28 | u32 salt of the records' checksums |
 * | 32 | u48 first position; u48 first position of the segment before, 0 for none |
 * | 44 | u32 number of nodes, then for each: u16 node, u32 incarnation, u48 number, u16 n, n × u48 position |
 * | end − 4 | u32 CRC-32C of all before |
 *
 * @module
 */
import { nodeId as asNode, incarnation as asIncarnation } from '../../core/ids.ts'
import type { NodeId } from '../../core/ids.ts'
import type { NodeAdmission } from '../admission.ts'
import { crc32c } from './crc32c.ts'
import { readU48, writeU48 } from './record.ts'

/** Format and version in one: another version has other magic bytes. */
const magic = Buffer.from('AWJSEG01', 'latin1')
const fixedBytes = 48
const nodeBytes = 14

/** Bytes of a journal's identity. */
export const identityBytes = 16

export interface SegmentHeader {
  readonly identity: Buffer
  readonly salt: number
  readonly first: number
  /** First position of the segment before this one; 0 if this is the first ever. */
  readonly previousFirst: number
  readonly nodes: ReadonlyMap<NodeId, NodeAdmission>
}

export const encodeHeader = (header: SegmentHeader): Buffer => {
  let length = fixedBytes + 4
  for (const { positions } of header.nodes.values()) length += nodeBytes + 6 * positions.length
  const bytes = Buffer.alloc(length)
  magic.copy(bytes)
  bytes.writeUInt32BE(length, 8)
  header.identity.copy(bytes, 12)
  bytes.writeUInt32BE(header.salt, 28)
  writeU48(bytes, header.first, 32)
  writeU48(bytes, header.previousFirst, 38)
  bytes.writeUInt32BE(header.nodes.size, 44)
  let at = fixedBytes
  for (const [node, { incarnation, number, positions }] of header.nodes) {
    bytes.writeUInt16BE(node, at)
    bytes.writeUInt32BE(incarnation, at + 2)
    writeU48(bytes, number, at + 6)
    bytes.writeUInt16BE(positions.length, at + 12)
    at += nodeBytes
    for (const position of positions) {
      writeU48(bytes, position, at)
      at += 6
    }
  }
  bytes.writeUInt32BE(crc32c(bytes, 0, at), at)
  return bytes
}

/** Bytes to read before {@link headerLength} can tell the rest. */
export const headerStartBytes = fixedBytes

/** The length that a header's first {@link headerStartBytes} bytes claim; undefined where they are no header. */
export const headerLength = (start: Buffer): number | undefined =>
  start.length >= fixedBytes && start.subarray(0, magic.length).equals(magic) ? start.readUInt32BE(8) : undefined

/** Decodes a header at the start of `bytes`; undefined where it is damaged or none. */
export const decodeHeader = (bytes: Buffer): { header: SegmentHeader; length: number } | undefined => {
  const length = headerLength(bytes)
  if (length === undefined || length < fixedBytes + 4 || length > bytes.length) return undefined
  if (bytes.readUInt32BE(length - 4) !== crc32c(bytes, 0, length - 4)) return undefined
  const nodes = new Map<NodeId, NodeAdmission>()
  let at = fixedBytes
  for (let left = bytes.readUInt32BE(44); left > 0; left--) {
    const positions: number[] = []
    const count = bytes.readUInt16BE(at + 12)
    for (let n = 0; n < count; n++) positions.push(readU48(bytes, at + nodeBytes + 6 * n))
    nodes.set(asNode(bytes.readUInt16BE(at)), {
      incarnation: asIncarnation(bytes.readUInt32BE(at + 2)),
      number: readU48(bytes, at + 6),
      positions,
    })
    at += nodeBytes + 6 * count
  }
  const header = {
    identity: Buffer.from(bytes.subarray(12, 12 + identityBytes)),
    salt: bytes.readUInt32BE(28),
    first: readU48(bytes, 32),
    previousFirst: readU48(bytes, 38),
    nodes,
  }
  return { header, length }
}
